"""Scene files for habitat-sim by name: a generated house, a scan of Matterport3D, or a file."""

import glob
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from envs.continuous.scenes import SceneLabels
from envs.glb import is_saved, save_glb
from envs.glb.house import SUFFIX as HOUSE_JSON
from envs.glb.stage import SUFFIX as STAGE
from envs.scene import Scene
from envs.scenes import load_scene
from vln.data import cache_folder
from vln.errors import InputError
from vln.files import read_json, sha256, writable_folder, write_json

MATTERPORT = (
    "ask for Matterport3D at https://niessner.github.io/Matterport/, fetch it with download_mp.py --task habitat, and "
    "put {scan}/{scan}.glb and {scan}/{scan}.navmesh into {folder}"
)
LABELS_KEPT = 512
_HOUSE = re.compile(r"house-\d+")


class SceneFolder:
    """A folder of scene files for habitat-sim.

    It contains `<name>.stage_config.json` or `<name>.glb`, directly or in a folder `<name>/`. A missing scene is made
    and written to the folder if `make` is given, else an error whose fix is `missing`, with `{scan}` for its name and
    `{folder}` for the folder.
    """

    def __init__(self, folder: Path, make: Callable[[str], Scene] | None = None, missing: str = "put it there") -> None:
        self.folder, self._make, self._missing = Path(folder), make, missing
        self._labels: OrderedDict[str, SceneLabels] = OrderedDict()
        self._files: dict[str, Path] = {}
        self._hashes: dict[str, str] = {}

    def file(self, name: str) -> Path:
        """Return the file of a scene, written first if the folder can make it."""
        if name not in self._files:
            self._files[name] = self._find(name)
        return self._files[name]

    def _find(self, name: str) -> Path:
        # house.json is written last: if it exists, the export is complete.
        if self._make is not None and not (self.folder / f"{name}{HOUSE_JSON}").is_file():
            scene = self._make(name)
            if not is_saved(scene, self.folder):
                save_glb(scene, writable_folder(self.folder))
        for place in (self.folder, self.folder / name):
            for file in (place / f"{name}{STAGE}", place / f"{name}.glb"):
                if file.is_file():
                    return file.resolve()
        direct = Path(name)
        if direct.suffix in (".glb", ".gltf") and direct.is_file():
            beside = direct.with_name(direct.stem + STAGE)
            return beside.resolve() if beside.is_file() else self._stage_of(direct.resolve())
        where = self.folder / name / f"{name}.glb"
        raise InputError(where, "the scene is missing", self._missing.format(scan=name, folder=self.folder))

    def _stage_of(self, file: Path) -> Path:
        """Write a stage_config for a file without one: y up and unlit. habitat-sim's own default is z up."""
        frame = {"render_asset": str(file), "up": [0, 1, 0], "front": [0, 0, -1]}
        flat = {"shader_type": "flat", "force_flat_shading": True, "requires_lighting": False}
        stage = self.folder / f"{file.stem}-{sha256(file)[:16]}{STAGE}"
        write_json(stage, frame | flat)
        return stage.resolve()

    def content_hash(self, name: str) -> str:
        """Return the hash of a scene: for a house that of the embedded simulator, for other files that of the bytes."""
        if name not in self._hashes:
            file = self.file(name)
            house = file.with_name(file.name.removesuffix(STAGE).removesuffix(".glb") + HOUSE_JSON)
            content = read_json(house) if house.is_file() else {}
            self._hashes[name] = content.get("content_hash") or sha256(file)
        return self._hashes[name]

    def scene(self, name: str) -> Scene:
        """Load or make the scene itself."""
        return self._make(name) if self._make else load_scene(self.file(name))

    def labels(self, name: str) -> SceneLabels:
        """Return the labels of a scene, from its semantic description or house.json."""
        if name not in self._labels:
            self._labels[name] = SceneLabels.of(self.scene(name))
            if len(self._labels) > LABELS_KEPT:
                self._labels.popitem(last=False)
        self._labels.move_to_end(name)
        return self._labels[name]


class OwnScenes(SceneFolder):
    """Scene files of a data set of one's own, anywhere in its folder. Without a stage_config y is up, as in glTF."""

    def __init__(self, folder: Path) -> None:
        """Use the scenes below a folder, to which nothing is written."""
        super().__init__(cache_folder() / "habitat")
        self._place = Path(folder)

    def _find(self, name: str) -> Path:
        for end in (STAGE, ".glb", ".gltf"):
            found = sorted(self._place.rglob(f"{glob.escape(name)}{end}"))
            if len(found) > 1:
                problem = f"scene '{name}' is there twice, as {' and '.join(str(each) for each in found[:2])}"
                raise InputError(self._place, problem, "give every scene a name of its own")
            if found:
                return found[0].resolve() if end == STAGE else self._stage_of(found[0].resolve())
        raise InputError(self._place / "scenes" / f"{name}.glb", "the scene is missing", "put it there")


def house_scenes(folder: Path | None = None) -> SceneFolder:
    """Return the folder of generated houses (`cache/habitat`), each written on first use."""
    missing = "take house-000000 to house-999999, which are generated"
    return SceneFolder(folder or cache_folder() / "habitat", _house, missing)


def matterport_scenes(folder: Path) -> SceneFolder:
    """Return a folder of Matterport3D scans."""
    return SceneFolder(folder, missing=MATTERPORT)


def _house(name: str) -> Scene:
    if not _HOUSE.fullmatch(name):
        raise InputError(f"scene '{name}'", "is no generated house", "take house-000000 to house-999999")
    return load_scene(name)
