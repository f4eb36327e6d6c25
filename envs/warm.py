"""Compile the simulator of houses in advance, which takes minutes: `python -m envs.warm`.

Numba caches the compiled code beside the sources, and compiles changed sources again.
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
Compiled = SimpleQueue[str | None]  # names of compiled functions; None when a part is finished


def warm_navigation() -> None:
    """Compile all navigation code: make the tasks of a house and walk through one of them."""
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
    """Compile all rendering code: draw a house with every kind of image."""
    from envs.houses import make_house
    from envs.render import Camera, Renderer, pack

    scene = make_house(0)
    packed = pack(scene, np.zeros(1 + len(scene.objects), np.uint8))
    renderer = Renderer(Camera(SIZE, SIZE), 1)
    renderer.render([packed], np.array([[2.0, 1.25, 2.0]]), np.zeros(1), semantic=True, category=True)


class Reporter(numba.core.event.Listener):
    """A listener to numba's events that puts the name of each compiled function into a queue."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def on_start(self, event: numba.core.event.Event) -> None:
        """Ignore the start of a compilation."""

    def on_end(self, event: numba.core.event.Event) -> None:
        """Put the name of the compiled function into the queue."""
        self._compiled.put(event.data["dispatcher"].py_func.__qualname__)


def run_part(part: Callable[[], None], compiled: Compiled) -> None:
    """Run a part and report the functions that it compiles; the target of a process."""
    numba.core.event.register("numba:compile", Reporter(compiled))  # type: ignore[no-untyped-call]
    try:
        part()
    finally:
        compiled.put(None)


def compiled_functions() -> int:
    """Return the number of compiled functions of the simulator, counted by name."""
    names: set[str] = set()
    for package in (envs.navigation, envs.render):
        for found in pkgutil.iter_modules(package.__path__):
            module: Any = importlib.import_module(f"{package.__name__}.{found.name}")
            names |= {name for name, value in vars(module).items() if isinstance(value, Dispatcher)}
    return len(names)


def main() -> None:
    """Compile both parts in parallel and show a progress bar."""
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
    """Show progress until all parts are finished. A function counts once, whatever the number of its signatures."""
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
