"""Checks that habitat-sim works: reads its version and opens one scene with a navmesh."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from envs.continuous.scenes import BODY
from envs.continuous.settings import Sensors
from envs.glb import save_glb
from envs.habitat.scenes import SceneFolder
from envs.habitat.settings import INSTALL, Workers, habitat_interpreter
from envs.habitat.simulator import HabitatSimulator
from envs.navigation import Body
from envs.scene import Scene
from vln.errors import InputError

TOO_OLD = ("0.0.", "0.1.")
SIDE = 16  # pixels
FLOOR = 4.0  # metres


def check_habitat(workers: Workers | None = None) -> str:
    """Return the version of habitat-sim after opening a small scene with it. Only temporary files are written."""
    workers = workers or Workers()
    return _check_once(habitat_interpreter(workers.python), workers.program)


@cache
def _check_once(python: str, program: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        save_glb(floor(), Path(folder))
        workers = Workers(python, program=program, cache=Path(folder, "navmeshes"))
        return open_scene(SceneFolder(Path(folder)), floor().name, BODY, workers)


def open_scene(scenes: SceneFolder, name: str, body: Body, workers: Workers | None = None) -> str:
    """Open a scene with its navmesh and render one image; returns the version of habitat-sim."""
    once = replace(workers or Workers(), count=1, restarts=0)
    simulator = HabitatSimulator(scenes, Sensors(SIDE, SIDE), workers=once, body=body)
    simulator.resize(1)
    try:
        places = simulator.sample(name, 1).tolist()
        version = str(simulator.pool.version["habitat"])
        if version.startswith(TOO_OLD):
            raise InputError(habitat_interpreter(once.python), f"habitat-sim {version} is too old", INSTALL)
        request = {"rows": [0], "scenes": [str(scenes.file(name))], "places": places, "headings": [0.0]}
        simulator.pool.ask_one(0, "draw", **request)
    finally:
        simulator.close()
    return version


def floor() -> Scene:
    """Return a scene with a square floor and nothing else."""
    corners = [(x, 0.0, z) for x in (0.0, FLOOR) for z in (0.0, FLOOR)]
    return Scene(
        "floor",
        np.array(corners, np.float32),
        np.array([(0, 1, 2), (2, 1, 3)], np.int32),
        np.full((4, 3), 128, np.uint8),
        np.zeros((4, 2), np.float32),
        np.full(2, -1, np.int32),
        np.zeros(2, np.int32),
    )
