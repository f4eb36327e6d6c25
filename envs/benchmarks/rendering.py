"""Time the renderer against Embree, which casts the rays of the same views in the same run; count memory."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numba
import numpy as np

from envs.continuous import SceneCache
from envs.glb import load_glb, save_glb
from envs.houses import make_house
from envs.navigation import Body, build_ground
from envs.render import Camera, PackedScene, Renderer, pack
from envs.render.camera import axes
from envs.scene import Scene
from vln.errors import InputError
from vln.timing import time_in_turns

EYE = 1.25  # metres
DETAIL = 0.004  # metres that corners of the large mesh are moved by
CAST = 16  # views that rays are cast for; the rate does not depend on it
MANY = 1000  # houses whose memory is extrapolated

Kind = Literal["houses", "mesh", "environment"]


@dataclass(frozen=True)
class Views:
    """Scenes and places to look at them from."""

    name: str
    scenes: Sequence[Scene]
    packed: Sequence[PackedScene]  # the same, ready to render
    rays: Sequence[Any]  # the same, ready to cast rays at
    places: Sequence[np.ndarray]  # (n, 3) positions of feet in each


def open_views(kinds: Sequence[Kind], houses: int, triangles: int) -> Iterator[Views]:
    """Make the scenes of the kinds asked for: generated houses, and one house cut into a large mesh."""
    if "houses" in kinds:
        yield _views("houses", [make_house(seed) for seed in range(houses)])
    if "mesh" in kinds:
        with TemporaryDirectory() as folder:
            yield _views("large GLB", [load_glb(save_glb(large_scene(triangles), Path(folder)))])


def _views(name: str, scenes: Sequence[Scene]) -> Views:
    rng = np.random.default_rng(0)
    places = [build_ground(scene, Body(radius=0.15)).sample(rng, 256) for scene in scenes]
    return Views(name, scenes, [pack(scene) for scene in scenes], [_embree(scene) for scene in scenes], places)


def large_scene(triangles: int) -> Scene:
    """Return a house as a mesh of at least so many triangles."""
    return replace(detailed(make_house(0), triangles), name="large")


def detailed(scene: Scene, triangles: int) -> Scene:
    """Cut the largest triangles of a scene in four until there are so many, and move corners by millimetres."""
    corners = np.concatenate([scene.vertices, scene.uv, scene.colours], 1)[scene.triangles].astype(np.float32)
    texture, ids = scene.texture, scene.object_ids
    while len(corners) < triangles:
        sides = corners[:, 1:, :3] - corners[:, :1, :3]
        order = np.argsort(-np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1), kind="stable")
        cut, whole = np.split(order, [-(-(triangles - len(corners)) // 3)])
        middles = (corners[cut] + np.roll(corners[cut], -1, 1)) / 2
        parts = [np.stack([corners[cut, i], middles[:, i], middles[:, i - 1]], 1) for i in range(3)]
        corners = np.concatenate([*parts, middles, corners[whole]])
        sources = np.concatenate([np.tile(cut, 4), whole])
        texture, ids = texture[sources], ids[sources]
    points = corners.reshape(-1, 8)
    # The same move at the same place: neighbours stay joined.
    points[:, :3] += DETAIL * np.sin(points[:, [1, 2, 0]] * 40 + points[:, [2, 0, 1]] * 23)
    return replace(
        scene,
        vertices=points[:, :3].copy(),
        triangles=np.arange(len(points), dtype=np.int32).reshape(-1, 3),
        uv=points[:, 3:5].copy(),
        colours=points[:, 5:].round().astype(np.uint8),
        texture=texture,
        object_ids=ids,
    )


def _embree(scene: Scene) -> Any:
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise InputError("embreex", "is not installed", "run pip install -r requirements-dev.txt") from error
    embree = EmbreeScene()
    TriangleMesh(embree, scene.vertices.astype(np.float32), scene.triangles.astype(np.int32))
    return embree


def time_views(views: Views, sizes: Sequence[int], batches: Sequence[int], repeats: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each size (pixels of a side) and batch: frames a second of the renderer and of Embree."""
    count = len(views.scenes)
    for size in sizes:
        runs: dict[Any, Callable[[], Any]] = {}
        camera = Camera(size, size)
        for batch in batches:
            cameras = np.stack([views.places[row % count][row] for row in range(batch)]) + np.array([0, EYE, 0])
            headings = np.random.default_rng(batch).uniform(0, 2 * np.pi, batch)
            scenes = [views.packed[row % count] for row in range(batch)]
            runs[batch] = partial(Renderer(camera, batch).render, scenes, cameras, headings)
            if batch == min(batches):
                rays = [_rays(camera, cameras[row], headings[row]) for row in range(min(batch, CAST))]
                runs["embree"] = partial(_cast, [views.rays[row % count] for row in range(len(rays))], rays)
        time_in_turns(runs, 1)  # warms up
        seconds = time_in_turns(runs, repeats)
        cast = len(rays) / seconds["embree"]
        for batch in batches:
            drawn = batch / seconds[batch]
            yield {
                "scenes": views.name,
                "triangles": round(np.mean([len(scene.triangles) for scene in views.scenes])),
                "size": size,
                "batch": batch,
                "frames_per_second": drawn,
                "embree_frames_per_second": cast,
                "times_as_fast": drawn / cast,
            }


def _rays(camera: Camera, eye: np.ndarray, heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Return origins and directions (pixels, 3) float32 of the rays of a view; directions are 1 m deep."""
    right, up, forward = axes(np.array([heading]), 0.0)[0]
    x = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
    y = (camera.height / 2 - np.arange(camera.height) - 0.5) / camera.focal
    directions = (forward + x[None, :, None] * right + y[:, None, None] * up).reshape(-1, 3).astype(np.float32)
    return np.repeat(eye[None].astype(np.float32), len(directions), 0), directions


def _cast(scenes: Sequence[Any], rays: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Cast all rays of some views, with as many threads as the renderer has."""

    def one(scene: Any, view: tuple[np.ndarray, np.ndarray]) -> Any:
        return scene.run(*view, query="DISTANCE")

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(one, scenes, rays))


def memory(houses: int) -> dict[str, float]:
    """Return the mean megabytes of houses, to render and with navigation, and those of the textures that they share."""
    cache = SceneCache()
    loaded = [cache.get(f"house-{seed:06}") for seed in range(houses)]
    textures = {id(texture): texture.words.nbytes for scene in loaded for texture in scene.mesh.textures}
    drawn = float(np.mean([scene.mesh.nbytes for scene in loaded])) / 2**20
    whole = float(np.mean([scene.nbytes for scene in loaded])) / 2**20
    shared = sum(textures.values()) / 2**20
    return {
        "houses": houses,
        "MB_drawn": drawn,
        "MB_loaded": whole,
        "MB_textures": shared,
        "textures": len(textures),
        f"MB_of_{MANY}_houses": MANY * whole + shared * MANY / houses,
    }
