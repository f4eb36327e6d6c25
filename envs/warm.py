"""Compile the simulator of houses, which takes minutes, once and for all: `python -m envs.warm`.

What is compiled is kept on disk beside the sources; numba compiles again what has changed.
"""

import importlib
import multiprocessing
import pkgutil
import sys
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from typing import Any

import numba.core.event
import numpy as np
from numba.core.dispatcher import Dispatcher
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import envs.navigation
import envs.render
from vln.console import Console
from vln.signals import exit_code, ignoring_interrupts

SIZE = 16
Compiled = SimpleQueue[str | None]  # names of functions as they are compiled; None when a part is done


def warm_navigation() -> None:
    """Make the tasks of a house and walk through one of them, as everything that navigates does."""
    from envs.continuous import HousesSimulator, SceneCache, Sensors
    from envs.environment import NavigationVectorEnv
    from envs.houses import house_name
    from envs.houses.dataset import house_rows
    from envs.navigation.expert import look_ahead
    from vln.episodes import Episode
    from vln.language import Vocabulary

    task = house_rows("houses-short", "train", 0, 0)[0]
    positions = tuple(tuple(position) for position in task["positions"])
    episode = Episode("warm", house_name(0), "train", "go", (), task["heading"], (), positions)
    vocabulary = Vocabulary.build(["go"], 1)
    simulator = HousesSimulator(Sensors(rgb=False, depth=False), scenes=SceneCache(drawn=False))
    env = NavigationVectorEnv(simulator, [episode], vocabulary, 1)
    _, infos = env.reset(seed=0)
    for _ in range(3):
        infos = env.step(infos["expert"])[4]
    env.step(np.array([1]))
    ground = simulator.scenes.get(house_name(0)).ground
    start, field = np.array(positions[0]), ground.field(positions[-1])
    look_ahead(ground.row, field.row, start, task["heading"], 0.25, np.pi / 12, 0.25, True)


def warm_renderer() -> None:
    """Draw a house with everything that can be drawn."""
    from envs.houses import make_house
    from envs.render import Camera, Renderer, pack

    scene = make_house(0)
    packed = pack(scene, np.zeros(1 + len(scene.objects), np.uint8))
    renderer = Renderer(Camera(SIZE, SIZE), 1)
    renderer.render([packed], np.array([[2.0, 1.25, 2.0]]), np.zeros(1), semantic=True, category=True)


class Reporter(numba.core.event.Listener):
    """Sends the name of each function that has been compiled."""

    def __init__(self, compiled: Compiled) -> None:
        """A listener to numba's events that writes into a queue."""
        self._compiled = compiled

    def on_start(self, event: numba.core.event.Event) -> None:
        """Wait for the end."""

    def on_end(self, event: numba.core.event.Event) -> None:
        """Send the name."""
        self._compiled.put(event.data["dispatcher"].py_func.__qualname__)


def run_part(part: Callable[[], None], compiled: Compiled) -> None:
    """Run a part in a process of its own and report what it compiles."""
    numba.core.event.register("numba:compile", Reporter(compiled))  # type: ignore[no-untyped-call]
    try:
        part()
    finally:
        compiled.put(None)


def compiled_functions() -> int:
    """Count the compiled functions of the simulator, by their names."""
    names: set[str] = set()
    for package in (envs.navigation, envs.render):
        for found in pkgutil.iter_modules(package.__path__):
            module: Any = importlib.import_module(f"{package.__name__}.{found.name}")
            names |= {name for name, value in vars(module).items() if isinstance(value, Dispatcher)}
    return len(names)


def main() -> None:
    """Compile both parts side by side, with a bar over their functions."""
    context, parts = multiprocessing.get_context("spawn"), (warm_navigation, warm_renderer)
    compiled: Compiled = context.SimpleQueue()
    processes = [context.Process(target=run_part, args=(part, compiled), daemon=True) for part in parts]
    with ignoring_interrupts():
        for process in processes:
            process.start()
    show_progress(compiled, len(processes))
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit(1)


def show_progress(compiled: Compiled, parts: int) -> None:
    """Show what is compiled until all parts are done; a function counts once, for however many types."""
    total, names = compiled_functions(), set[str]()
    columns = TextColumn("compiling {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("the simulator", total=total)
        while parts:
            name = compiled.get()
            if name is None:
                parts -= 1
            else:
                names.add(name)
                progress.update(task, description=name.strip("_"), completed=min(len(names), total))
        progress.update(task, description="the simulator: done", completed=total)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt as stop:
        sys.exit(exit_code(stop))
