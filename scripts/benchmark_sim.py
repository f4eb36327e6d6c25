"""How fast continuous worlds are drawn and stepped, against rays cast by Embree in the same run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numba
import numpy as np
from rich.console import Group
from rich.table import Table

from agents.training.devices import use_threads
from envs.continuous import SceneCache, Sensors
from envs.continuous.registry import make_houses_vector
from envs.glb import load_glb, save_glb
from envs.habitat.settings import habitat_interpreter, use_interpreter
from envs.houses import house_name, make_house
from envs.navigation import Body, build_ground
from envs.render import Camera, PackedScene, Renderer, pack
from envs.render.camera import axes
from envs.scene import Scene
from scripts.benchmark_habitat import Course, against_habitat, course, habitat_table
from vln.cli import show
from vln.errors import InputError
from vln.timing import time_in_turns

EYE = 1.25  # metres
DETAIL = 0.004  # metres that corners of the large mesh are moved by
CAST = 16  # rows that rays are cast for; the rate does not depend on it
MANY = 1000  # houses, to say what they would need
STEPS = 20

Kind = Literal["houses", "mesh", "environment"]


def sim(
    sizes: tuple[int, ...] = (64, 128, 256),
    batches: tuple[int, ...] = (16, 64),
    houses: int = 4,
    triangles: int = 200_000,
    repeats: int = 5,
    threads: int = 0,
    kinds: tuple[Kind, ...] = ("houses", "mesh", "environment"),
    vs: Literal["embree", "habitat"] = "embree",
    habitat_python: Path | None = None,
    json: bool = False,
) -> None:
    """Time the renderer in generated houses and in a large mesh, and the vector environment; count memory.

    A frame is RGB and depth. Embree casts the rays of the same views, one a pixel, through its Python binding, and
    shades nothing. The large mesh is a house whose triangles were cut and made uneven, saved as GLB and loaded again.

    Args:
        sizes: Pixels a side.
        batches: Numbers of views at a time.
        houses: Generated houses, seeds from 0, that views are spread over.
        triangles: Of the large mesh, at least.
        repeats: Runs of each, in turns; the median counts.
        threads: CPU threads; 0 for all there are.
        kinds: What to time.
        vs: Compare the renderer with rays cast by Embree, or the vector environment with habitat-sim's.
        habitat_python: Interpreter that has habitat-sim; $VLN_HABITAT_PYTHON, or this one.
        json: Print JSON instead of tables.
    """
    use_threads(threads)
    if vs == "habitat":
        use_interpreter(habitat_python)
        habitat_interpreter()
        with TemporaryDirectory() as folder:
            courses = list(_courses(kinds, houses, triangles, max(batches), Path(folder)))
            compared = list(against_habitat(courses, sizes, batches, repeats))
        found = {"threads": numba.get_num_threads(), "environment": compared}
        show(habitat_table(compared, repeats), found, json)
        return
    sights = list(_sights(kinds, houses, triangles))
    rows = [row for sight in sights for row in _time_views(sight, sizes, batches, repeats)]
    steps = _time_steps(sizes, batches, houses, repeats) if "environment" in kinds else []
    memory = _memory(houses)
    printed = {"threads": numba.get_num_threads(), "views": rows, "environment": steps, "memory": memory}
    tables = [_views_table(rows, repeats), *([_steps_table(steps)] if steps else []), _memory_table(memory)]
    show(Group(*tables), printed, json)


@dataclass(frozen=True)
class Sight:
    """Scenes to look at.

    Attributes:
        name: What they are called.
        scenes: The scenes.
        packed: The same, ready to draw.
        rays: The same, ready to cast rays at.
        places: Where to stand in each, (n, 3) feet.
    """

    name: str
    scenes: Sequence[Scene]
    packed: Sequence[PackedScene]
    rays: Sequence[Any]
    places: Sequence[np.ndarray]


def _sights(kinds: Sequence[Kind], houses: int, triangles: int) -> Iterator[Sight]:
    if "houses" in kinds:
        yield _sight("houses", [make_house(seed) for seed in range(houses)])
    if "mesh" in kinds:
        with TemporaryDirectory() as folder:
            large = replace(detailed(make_house(0), triangles), name="large")
            yield _sight("large GLB", [load_glb(save_glb(large, Path(folder)))])


def _courses(kinds: Sequence[Kind], houses: int, triangles: int, bodies: int, folder: Path) -> Iterator[Course]:
    """What to walk through: houses, and a large mesh."""
    if "houses" in kinds:
        yield course("houses", {house_name(seed): make_house(seed) for seed in range(houses)}, folder, bodies)
    if "mesh" in kinds:
        yield course("large GLB", {"large": replace(detailed(make_house(0), triangles), name="large")}, folder, bodies)


def _sight(name: str, scenes: Sequence[Scene]) -> Sight:
    rng = np.random.default_rng(0)
    places = [build_ground(scene, Body(radius=0.15)).sample(rng, 256) for scene in scenes]
    return Sight(name, scenes, [pack(scene) for scene in scenes], [_embree(scene) for scene in scenes], places)


def detailed(scene: Scene, triangles: int) -> Scene:
    """The scene with its largest triangles cut in four until there are so many, corners moved by millimetres."""
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


def _time_views(sight: Sight, sizes: Sequence[int], batches: Sequence[int], repeats: int) -> Iterator[dict[str, Any]]:
    count = len(sight.scenes)
    for size in sizes:
        runs: dict[Any, Callable[[], Any]] = {}
        camera = Camera(size, size)
        for batch in batches:
            eyes = np.stack([sight.places[row % count][row] for row in range(batch)]) + np.array([0, EYE, 0])
            headings = np.random.default_rng(batch).uniform(0, 2 * np.pi, batch)
            scenes = [sight.packed[row % count] for row in range(batch)]
            runs[batch] = partial(Renderer(camera, batch).render, scenes, eyes, headings)
            if batch == min(batches):
                rays = [_rays(camera, eyes[row], headings[row]) for row in range(min(batch, CAST))]
                runs["embree"] = partial(_cast, [sight.rays[row % count] for row in range(len(rays))], rays)
        time_in_turns(runs, 1)  # warms up
        seconds = time_in_turns(runs, repeats)
        cast = len(rays) / seconds["embree"]
        for batch in batches:
            drawn = batch / seconds[batch]
            yield {
                "scenes": sight.name,
                "triangles": round(np.mean([len(scene.triangles) for scene in sight.scenes])),
                "size": size,
                "batch": batch,
                "frames_per_second": drawn,
                "embree_frames_per_second": cast,
                "times_as_fast": drawn / cast,
            }


def _rays(camera: Camera, eye: np.ndarray, heading: float) -> tuple[np.ndarray, np.ndarray]:
    """Origins and directions (pixels, 3) float32 of a view, directions 1 m deep."""
    right, up, forward = axes(np.array([heading]), 0.0)[0]
    x = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
    y = (camera.height / 2 - np.arange(camera.height) - 0.5) / camera.focal
    directions = (forward + x[None, :, None] * right + y[:, None, None] * up).reshape(-1, 3).astype(np.float32)
    return np.repeat(eye[None].astype(np.float32), len(directions), 0), directions


def _cast(scenes: Sequence[Any], rays: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Distances of all rays of views, with as many threads as the renderer has."""

    def one(scene: Any, view: tuple[np.ndarray, np.ndarray]) -> Any:
        return scene.run(*view, query="DISTANCE")

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(one, scenes, rays))


def _time_steps(sizes: Sequence[int], batches: Sequence[int], houses: int, repeats: int) -> list[dict[str, Any]]:
    rows = []
    scenes = SceneCache()
    with TemporaryDirectory() as folder:
        for size in sizes:
            sensors = Sensors(width=size, height=size)
            runs: dict[Any, Callable[[], None]] = {}
            for batch in batches:
                options = {"folder": Path(folder), "houses": houses, "sensors": sensors, "scenes": scenes}
                env = make_houses_vector("houses", batch, tensors=True, **options)
                env.reset(seed=0)
                actions = np.random.default_rng(0).integers(1, 4, (STEPS, batch))
                runs[batch] = partial(_walk, env, actions)
            time_in_turns(runs, 1)  # warms up
            seconds = time_in_turns(runs, repeats)
            rows += [
                {"size": size, "batch": batch, "frames_per_second": STEPS * batch / seconds[batch]} for batch in batches
            ]
    return rows


def _walk(env: Any, actions: np.ndarray) -> None:
    for each in actions:
        env.step(each)


def _memory(houses: int) -> dict[str, float]:
    """Megabytes of houses, as drawn and with where one can walk, and of the textures they share."""
    cache = SceneCache()
    loaded = [cache.get(f"house-{seed:06}") for seed in range(houses)]
    textures = {id(texture): texture.words.nbytes for scene in loaded for texture in scene.picture.textures}
    drawn = float(np.mean([scene.picture.nbytes for scene in loaded])) / 2**20
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


def _views_table(rows: Sequence[Mapping[str, Any]], repeats: int) -> Table:
    threads = numba.get_num_threads()
    table = Table("scenes", title=f"RGB-D frames a second, {threads} threads, medians of {repeats} runs")
    for column in ("triangles", "size", "batch", "renderer", "Embree, depth", "times"):
        table.add_column(column, justify="right")
    for row in rows:
        cells = (
            f"{row['frames_per_second']:,.0f}",
            f"{row['embree_frames_per_second']:,.0f}",
            f"{row['times_as_fast']:.1f}",
        )
        table.add_row(row["scenes"], f"{row['triangles']:,}", str(row["size"]), str(row["batch"]), *cells)
    return table


def _steps_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="Vector environment, random moves")
    for column in ("size", "batch", "frames/s"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(str(row["size"]), str(row["batch"]), f"{row['frames_per_second']:,.0f}")
    return table


def _memory_table(memory: Mapping[str, float]) -> Table:
    table = Table("memory", title=f"Means of {memory['houses']} houses")
    table.add_column("MB", justify="right")
    for name, value in memory.items():
        if name.startswith("MB"):
            table.add_row(name.removeprefix("MB_").replace("_", " "), f"{value:,.1f}")
    return table
