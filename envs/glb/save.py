"""Scenes as GLB files that habitat-sim and any glTF viewer show as they are drawn here, and what goes beside them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.visual.material import PBRMaterial

from envs.glb import habitat, house, stage
from envs.glb.materials import WRAPS
from envs.scene import Sampler, Scene
from vln.files import replacing, write_json, write_text

_UNLIT = "KHR_materials_unlit"


@dataclass(frozen=True)
class Names:
    """The files of a scene in a folder."""

    glb: Path
    stage: Path
    semantic_glb: Path
    semantic_text: Path
    house: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> "Names":
        """The files of the scene of that name."""
        ends = (".glb", stage.SUFFIX, *habitat.SUFFIXES, house.SUFFIX)
        return cls(*(folder / (name + end) for end in ends))


def save(scene: Scene, folder: Path) -> Path:
    """See `envs.glb.save_glb`."""
    names = Names.of(folder, scene.name)
    # The house.json goes first and comes last: where it is, the rest is whole.
    names.house.unlink(missing_ok=True)
    order = np.argsort(scene.texture, kind="stable")
    _write(names.glb, _drawn(scene), scene.samplers)
    _write(names.semantic_glb, _semantic(scene, order), ())
    write_text(names.semantic_text, habitat.annotations(scene.objects))
    write_json(names.stage, _stage_config(names))
    write_json(names.house, house.describe(scene, house.vertex_textures(scene), names.glb), indent=None)
    return names.glb


def is_saved(scene: Scene, folder: Path) -> bool:
    """Whether `save` has written this very scene to the folder, whole."""
    names = Names.of(folder, scene.name)
    others = (names.glb, names.stage, names.semantic_glb, names.semantic_text)
    return all(path.is_file() for path in others) and house.is_of(names.house, scene, names.glb)


def _drawn(scene: Scene) -> trimesh.Scene:
    """A mesh for each texture, that of none first."""
    meshes = trimesh.Scene()
    for number in np.unique(scene.texture):
        corners = scene.triangles[scene.texture == number]
        used, triangles = np.unique(corners, return_inverse=True)
        name = "plain" if number < 0 else _material_name(number)
        image = Image.fromarray(scene.textures[number]) if number >= 0 else None
        cutoff = scene.samplers[number].cutoff if number >= 0 and scene.samplers else 0
        mask = {"alphaMode": "MASK", "alphaCutoff": cutoff / 255} if cutoff else {}
        material = PBRMaterial(  # type: ignore[no-untyped-call]
            name=name, baseColorTexture=image, metallicFactor=0.0, roughnessFactor=1.0, doubleSided=scene.two_sided,
            **mask,
        )  # fmt: skip
        uv = scene.uv[used].astype(np.float64)
        uv[:, 1] = 1 - uv[:, 1]  # trimesh counts v from below, in double precision nothing is lost
        visual = trimesh.visual.TextureVisuals(uv=uv, material=material)  # type: ignore[no-untyped-call]
        visual.vertex_attributes["color"] = _opaque(scene.colours[used])
        mesh = trimesh.Trimesh(scene.vertices[used], triangles.reshape(-1, 3), visual=visual, process=False)
        meshes.add_geometry(mesh, geom_name=name, node_name=name)
    return meshes


def _semantic(scene: Scene, order: np.ndarray) -> trimesh.Scene:
    """All triangles in the order of the drawn ones, every corner in the colour of its object."""
    corners = np.stack([scene.triangles[order].ravel(), np.repeat(scene.object_ids[order], 3)], axis=1)
    used, triangles = np.unique(corners, axis=0, return_inverse=True)
    colours = _opaque(habitat.colours(len(scene.objects))[used[:, 1]])
    mesh = trimesh.Trimesh(scene.vertices[used[:, 0]], triangles.reshape(-1, 3), vertex_colors=colours, process=False)
    meshes = trimesh.Scene()
    meshes.add_geometry(mesh, geom_name="semantic", node_name="semantic")
    return meshes


def _opaque(colours: np.ndarray) -> np.ndarray:
    return np.column_stack([colours, np.full(len(colours), 255, np.uint8)])


def _write(path: Path, meshes: trimesh.Scene, samplers: tuple[Sampler, ...]) -> None:
    finish = partial(_finish, samplers)
    with replacing(path) as temporary:
        content = export_glb(meshes, include_normals=False, tree_postprocessor=finish)  # type: ignore[no-untyped-call]
        temporary.write_bytes(content)


def _material_name(number: int) -> str:
    return f"texture-{number:03d}"


def _finish(samplers: tuple[Sampler, ...], tree: dict[str, Any]) -> None:
    """Add what trimesh has no word for: that no material is lit, and how textures go on beyond their edges."""
    for material in tree.get("materials", []):
        material["extensions"] = {_UNLIT: {}}
        tree["extensionsUsed"] = [_UNLIT]
    codes = {wrap: code for code, wrap in WRAPS.items()}
    numbers = {material["name"]: number for number, material in enumerate(tree.get("materials", []))}
    for slot, sampler in enumerate(samplers):
        if (number := numbers.get(_material_name(slot))) is None:
            continue
        reference = tree["materials"][number]["pbrMetallicRoughness"]["baseColorTexture"]
        texture = dict(tree["textures"][reference["index"]])  # trimesh shares those of the same image
        texture["sampler"] = len(tree.setdefault("samplers", []))
        tree["samplers"].append({"wrapS": codes[sampler.across], "wrapT": codes[sampler.down]})
        reference["index"] = len(tree["textures"])
        tree["textures"].append(texture)


def _stage_config(names: Names) -> dict[str, Any]:
    """Habitat's description of the stage: our frame is its own, and light is in the colours."""
    return {
        "render_asset": names.glb.name,
        "up": [0, 1, 0],
        "front": [0, 0, -1],
        "units_to_meters": 1.0,
        "shader_type": "flat",
        "force_flat_shading": True,
        "requires_lighting": False,
        "semantic_asset": names.semantic_glb.name,
        "semantic_up": [0, 1, 0],
        "semantic_front": [0, 0, -1],
        "has_semantic_textures": False,
        "semantic_descriptor_filename": names.semantic_text.name,
    }
