"""Time steps of vector environments in continuous worlds, of the embedded simulator and of habitat-sim."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from envs.benchmarks.rendering import Kind, large_scene
from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.environment import NavigationVectorEnv
from envs.habitat.scenes import SceneFolder
from envs.habitat.simulator import HabitatSimulator
from envs.houses import house_name, make_house
from envs.make import make_env
from envs.scene import Scene
from vln.episodes import Episode
from vln.language import Vocabulary
from vln.timing import time_in_turns

STEPS = 20
MOVES = (1, 1, 2, 3)  # forward twice as often as each turn


@dataclass(frozen=True)
class Course:
    """Scenes to walk through, for both simulators."""

    name: str
    triangles: int  # mean number
    embedded: SceneCache  # the scenes in this process
    files: SceneFolder  # the same as files
    episodes: Sequence[Episode]  # start poses; the scenes take turns


def open_courses(kinds: Sequence[Kind], houses: int, triangles: int, bodies: int, folder: Path) -> Iterator[Course]:
    """Make the courses of the kinds asked for: generated houses, and a large mesh; `folder` is for their files."""
    if "houses" in kinds:
        yield _course("houses", {house_name(seed): make_house(seed) for seed in range(houses)}, folder, bodies)
    if "mesh" in kinds:
        yield _course("large GLB", {"large": large_scene(triangles)}, folder, bodies)


def _course(name: str, scenes: Mapping[str, Scene], folder: Path, bodies: int) -> Course:
    """Place bodies at random in scenes."""
    embedded = SceneCache(scenes.__getitem__)
    ends = {each: embedded.get(each).ground.sample(np.random.default_rng(0), 2 * bodies) for each in scenes}
    turns = [list(scenes)[number % len(scenes)] for number in range(bodies)]
    headings = np.random.default_rng(1).uniform(0, 2 * np.pi, bodies).tolist()
    episodes = []
    for number, (each, heading) in enumerate(zip(turns, headings, strict=True)):
        path = tuple(map(tuple, ends[each][2 * number :][:2].tolist()))
        episodes.append(Episode(f"{number}", each, "made", "Go.", (), heading, (), path))
    triangles = round(np.mean([len(scene.triangles) for scene in scenes.values()]))
    return Course(name, triangles, embedded, SceneFolder(folder, scenes.__getitem__), episodes)


def compare_with_habitat(
    courses: Sequence[Course], sizes: Sequence[int], batches: Sequence[int], repeats: int
) -> Iterator[dict[str, Any]]:
    """Yield frames a second of both simulators; a frame is a step of one body with RGB, depth, distance and expert."""
    for each in courses:
        for size in sizes:
            for batch in batches:
                yield _compare(each, size, batch, repeats)


def _compare(course: Course, size: int, batch: int, repeats: int) -> dict[str, Any]:
    sensors = Sensors(size, size)
    habitat = HabitatSimulator(course.files, sensors)
    simulators = {"embedded": HousesSimulator(sensors, scenes=course.embedded), "habitat": habitat}
    runs: dict[str, Callable[[], None]] = {}
    for name, simulator in simulators.items():
        options: dict[str, Any] = {"max_steps": 10**9, "autoreset_mode": AutoresetMode.DISABLED, "tensors": True}
        env = NavigationVectorEnv(simulator, course.episodes[:batch], Vocabulary.build(["go"], 1), batch, **options)
        env.reset(options={"episode_index": np.arange(batch)})
        runs[name] = partial(_walk, env, np.random.default_rng(0).choice(MOVES, (STEPS, batch)))
    time_in_turns(runs, 1)  # warms up
    seconds = time_in_turns(runs, repeats)
    rates = {f"{name}_frames_per_second": STEPS * batch / taken for name, taken in seconds.items()}
    workers = {"workers": habitat.pool.count, "version": habitat.pool.version}
    habitat.close()
    sight = {"scenes": course.name, "triangles": course.triangles, "size": size, "batch": batch}
    return {**sight, **rates, "times_as_fast": seconds["habitat"] / seconds["embedded"], **workers}


def time_houses(sizes: Sequence[int], batches: Sequence[int], houses: int, repeats: int) -> list[dict[str, Any]]:
    """Return frames a second of the vector environment of generated houses under random moves."""
    rows = []
    options: dict[str, Any] = {"autoreset_mode": "NextStep", "tensors": True, "scenes": houses}
    options["scene_cache"] = SceneCache()
    with TemporaryDirectory() as folder:
        for size in sizes:
            sensors = Sensors(size, size)
            runs: dict[int, Callable[[], None]] = {}
            for batch in batches:
                env = make_env("houses-fine", "train", batch, cache=Path(folder), sensors=sensors, **options)
                env.reset(seed=0)
                actions = np.random.default_rng(0).integers(1, 4, (STEPS, batch))
                runs[batch] = partial(_walk, env, actions)
            time_in_turns(runs, 1)  # warms up
            seconds = time_in_turns(runs, repeats)
            rows += [
                {"size": size, "batch": batch, "frames_per_second": STEPS * batch / seconds[batch]} for batch in batches
            ]
    return rows


def _walk(env: VectorEnv, actions: np.ndarray) -> None:
    for each in actions:
        env.step(each)
