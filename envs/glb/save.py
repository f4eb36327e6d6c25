"""Writing scenes as GLB with the files of habitat-sim, so that other viewers render them as this renderer does."""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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


class ScenePaths(NamedTuple):
    """Paths of the files of a scene."""

    glb: Path
    stage: Path
    semantic_glb: Path
    semantic_text: Path
    house: Path


def _paths(folder: Path, name: str) -> ScenePaths:
    ends = (".glb", stage.SUFFIX, *habitat.SUFFIXES, house.SUFFIX)
    return ScenePaths(*(folder / (name + end) for end in ends))


def save(scene: Scene, folder: Path) -> Path:
    """Write a scene; see `envs.glb.save_glb`."""
    names = _paths(folder, scene.name)
    # house.json is removed first and written last: if it exists, the other files are complete.
    names.house.unlink(missing_ok=True)
    order = np.argsort(scene.texture, kind="stable")
    _write(names.glb, _textured_meshes(scene), scene.samplers)
    _write(names.semantic_glb, _semantic(scene, order), ())
    write_text(names.semantic_text, habitat.annotations(scene.objects))
    write_json(names.stage, _stage_config(names))
    write_json(names.house, house.describe(scene, house.vertex_textures(scene), names.glb), indent=None)
    return names.glb


def is_saved(scene: Scene, folder: Path) -> bool:
    """Return whether the folder has all files that `save` writes for exactly this scene."""
    names = _paths(folder, scene.name)
    return all(path.is_file() for path in names[:-1]) and house.matches(names.house, scene, names.glb)


def _textured_meshes(scene: Scene) -> trimesh.Scene:
    """Return one mesh per texture, first the untextured one."""
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
        uv[:, 1] = 1 - uv[:, 1]  # trimesh's v points up; exact in double precision
        visual = trimesh.visual.TextureVisuals(uv=uv, material=material)  # type: ignore[no-untyped-call]
        visual.vertex_attributes["color"] = _opaque(scene.colours[used])
        mesh = trimesh.Trimesh(scene.vertices[used], triangles.reshape(-1, 3), visual=visual, process=False)
        meshes.add_geometry(mesh, geom_name=name, node_name=name)
    return meshes


def _semantic(scene: Scene, order: np.ndarray) -> trimesh.Scene:
    """Return all triangles in the order of the drawn ones, with the corners in the colour of the object."""
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
    """Add what trimesh cannot express: unlit materials and the wrap modes of textures."""
    for material in tree.get("materials", []):
        material["extensions"] = {_UNLIT: {}}
        tree["extensionsUsed"] = [_UNLIT]
    codes = {wrap: code for code, wrap in WRAPS.items()}
    numbers = {material["name"]: number for number, material in enumerate(tree.get("materials", []))}
    for slot, sampler in enumerate(samplers):
        if (number := numbers.get(_material_name(slot))) is None:
            continue
        reference = tree["materials"][number]["pbrMetallicRoughness"]["baseColorTexture"]
        texture = dict(tree["textures"][reference["index"]])  # trimesh shares textures with the same image
        texture["sampler"] = len(tree.setdefault("samplers", []))
        tree["samplers"].append({"wrapS": codes[sampler.across], "wrapT": codes[sampler.down]})
        reference["index"] = len(tree["textures"])
        tree["textures"].append(texture)


def _stage_config(names: ScenePaths) -> dict[str, Any]:
    """Return habitat's stage_config: the axes are habitat's own, and the light is baked into the colours."""
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
