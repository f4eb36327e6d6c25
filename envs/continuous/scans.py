"""R2R, RxR and data sets of one's own in continuous environments, as the source of a task, in either simulator."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from envs.continuous.base import bad_episodes
from envs.continuous.scenes import SceneCache, body_of
from envs.continuous.source import BLIND, ContinuousSource
from envs.glb.stage import SUFFIX as STAGE
from envs.habitat.check import open_scene
from envs.habitat.scenes import OwnScenes, SceneFolder, matterport_scenes
from envs.scene import Scene
from envs.scenes import load_scene
from envs.source import Options, of_first_scenes
from vln.console import track
from vln.data_folder import is_path
from vln.episodes import Episode
from vln.tasks import Task
from vln.tasks.scoring import Sources
from vln.vlnce import ContinuousSplit, find_vlnce, load_continuous_split

UP = "z"  # of files without a stage_config, as habitat-sim takes them, and as Matterport3D's are


class ScanSource(ContinuousSource):
    """Splits of VLN-CE in a data folder, and scans of Matterport3D; or a folder with splits and scenes."""

    def __init__(self, task: Task, options: Options) -> None:
        """Find the data folder."""
        super().__init__(task, options)
        self.data = find_vlnce(options.data, task.dataset)
        self.word_vectors = self.data / "glove"
        self.files = scans(self.data, task.dataset)
        self._splits: dict[str, ContinuousSplit] = {}

    def _split(self, split: str) -> ContinuousSplit:
        if split not in self._splits:
            task = self.task
            wanted = (self.data, task.dataset, split)
            self._splits[split] = load_continuous_split(*wanted, role=task.role, languages=task.languages)
        return self._splits[split]

    def episodes(self, split: str) -> list[Episode]:
        """Load the episodes of a published split."""
        found, count = self._split(split).episodes, self.options.scenes
        if count is None or split not in ("train", "val_seen"):
            return list(found)
        return of_first_scenes(found, self._split("train").episodes, count)

    def open(self, splits: Mapping[str, Sequence[Episode]]) -> None:
        """Tell which scan is missing before anything long begins, and open one in habitat-sim."""
        for scan in sorted({each.scan for episodes in splits.values() for each in episodes}):
            self.files.file(scan)
        if self.task.simulator == "habitat" and splits:
            scan = next(iter(splits.values()))[0].scan
            open_scene(self.files, scan, body_of(self.task), self.options.workers)

    @property
    def content(self) -> str:
        """The data set and its version; a folder of one's own has none."""
        if is_path(self.task.dataset):
            return "own scenes"
        return f"{self.task.dataset} {next(iter(self._splits.values())).source.parent.parent.name}"

    def _new_cache(self, memory: int) -> SceneCache:
        load = partial(load_scan, self.files)
        return SceneCache(load, body_of(self.task), drawn=not self.options.blind, memory=memory)

    def check(self, episodes: Sequence[Episode]) -> None:
        """Place a body at the start of every published episode, scene by scene."""
        simulator = self._with(BLIND)
        by_scan: dict[str, list[Episode]] = {}
        for each in episodes:
            by_scan.setdefault(each.scan, []).append(each)
        for scan in track(by_scan, "checking scenes"):
            for _, error in bad_episodes(simulator, by_scan[scan]):
                raise error
        simulator.resize(0)  # lets go of what runs in other processes

    @property
    def scoring(self) -> Sources:
        """The splits that are loaded."""
        return Sources(self.data, splits=self._splits)


def load_scan(files: SceneFolder, name: str) -> Scene:
    """Load a scan as the embedded simulator uses it."""
    file = files.file(name)
    return load_scene(file, up=None if file.name.endswith(STAGE) else UP)


def scans(data: Path, dataset: str = "") -> SceneFolder:
    """Return the scans in a data folder, or the scenes of a data set that is a folder itself."""
    if is_path(dataset):
        return OwnScenes(data)
    return matterport_scenes(data / "scene_datasets" / "mp3d")
