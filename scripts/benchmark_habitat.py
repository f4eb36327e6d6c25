"""How fast the embedded simulator and habitat-sim step the same bodies in the same scenes, in one run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from rich.table import Table

from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.environment import NavigationVectorEnv
from envs.habitat.scenes import SceneFolder
from envs.habitat.simulator import HabitatSimulator
from envs.scene import Scene
from vln.episodes import Episode
from vln.language import Vocabulary
from vln.timing import time_in_turns

STEPS = 20
MOVES = (1, 1, 2, 3)  # forward twice as often as each turn


@dataclass(frozen=True)
class Course:
    """Scenes to walk through, for both simulators.

    Attributes:
        name: What they are called.
        triangles: Their mean number.
        embedded: The scenes in this process.
        files: The same as files.
        episodes: Where bodies start, in turns through the scenes.
    """

    name: str
    triangles: int
    embedded: SceneCache
    files: SceneFolder
    episodes: Sequence[Episode]


def course(name: str, scenes: Mapping[str, Scene], folder: Path, bodies: int) -> Course:
    """Bodies at random places of scenes."""
    embedded = SceneCache(scenes.__getitem__)
    ends = {each: embedded.get(each).ground.sample(np.random.default_rng(0), 2 * bodies) for each in scenes}
    turns = [list(scenes)[number % len(scenes)] for number in range(bodies)]
    headings = np.random.default_rng(1).uniform(0, 2 * np.pi, bodies).tolist()
    episodes = [
        Episode(
            f"{number}", each, "made", "Go.", (), heading, (), tuple(map(tuple, ends[each][2 * number :][:2].tolist()))
        )
        for number, (each, heading) in enumerate(zip(turns, headings, strict=True))
    ]
    triangles = round(np.mean([len(scene.triangles) for scene in scenes.values()]))
    return Course(name, triangles, embedded, SceneFolder(folder, scenes.__getitem__), episodes)


def against_habitat(
    courses: Sequence[Course], sizes: Sequence[int], batches: Sequence[int], repeats: int
) -> Iterator[dict[str, Any]]:
    """Frames a second of both; a frame is a step of one body, with RGB and depth, distance and expert.

    Args:
        courses: What to walk through.
        sizes: Pixels a side.
        batches: Numbers of bodies at a time.
        repeats: Runs of each, in turns; the median counts.
    """
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
        vocabulary = Vocabulary.build(["go"], 1)
        env = NavigationVectorEnv(
            simulator,
            course.episodes[:batch],
            vocabulary,
            batch,
            max_steps=10**9,
            autoreset_mode=AutoresetMode.DISABLED,
            tensors=True,
        )
        env.reset(options={"episode_index": np.arange(batch)})
        runs[name] = partial(_walk, env, np.random.default_rng(0).choice(MOVES, (STEPS, batch)))
    time_in_turns(runs, 1)  # warms up
    seconds = time_in_turns(runs, repeats)
    rates = {f"{name}_frames_per_second": STEPS * batch / taken for name, taken in seconds.items()}
    told = {"workers": habitat.pool.count, "version": habitat.pool.version}
    habitat.close()
    sight = {"scenes": course.name, "triangles": course.triangles, "size": size, "batch": batch}
    return {**sight, **rates, "times_as_fast": seconds["habitat"] / seconds["embedded"], **told}


def _walk(env: NavigationVectorEnv, actions: np.ndarray) -> None:
    for each in actions:
        env.step(each)


def habitat_table(rows: Sequence[Mapping[str, Any]], repeats: int) -> Table:
    """A row a course, size and batch."""
    first = rows[0]
    title = f"Vector environment against habitat-sim {first['version']['habitat']}, medians of {repeats} runs"
    table = Table("scenes", title=title)
    for column in ("triangles", "size", "batch", "embedded", "habitat-sim", "workers", "times"):
        table.add_column(column, justify="right")
    for row in rows:
        rates = (f"{row[f'{name}_frames_per_second']:,.0f}" for name in ("embedded", "habitat"))
        counts = (f"{row['triangles']:,}", str(row["size"]), str(row["batch"]))
        table.add_row(row["scenes"], *counts, *rates, str(row["workers"]), f"{row['times_as_fast']:.1f}")
    return table
