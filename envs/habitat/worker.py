"""The worker process: runs habitat-sim for another process, which may have another version of Python.

It needs Python 3.9, numpy and habitat-sim, and imports nothing of this project. The parent process passes the file
descriptor of a socket. Messages are JSON after their length (4 bytes, big-endian): a request is
`{"do": name, "with": arguments}`, its reply `{"result": ...}`, `{"refused": [where, problem, fix]}` or
`{"failed": traceback}`. A request contains everything it needs (scenes, places, headings), so that any worker can
answer it. The first request is `open`; its settings hold until the next `open`. It comes with an open file that both
processes map into memory; images are written there.

Conventions: metres, y up; headings in radians counter-clockwise from -z; places are positions of the feet.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import mmap
import os
import platform
import signal
import socket
import struct
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STOP, FORWARD, LEFT, RIGHT = range(4)
TOUCH = 1e-5  # square metres by which a colliding move is shorter than a free one, as in habitat-sim
GOOD_PROGRESS = 0.9  # progress of a move, as a fraction of its length, at which the search for a better heading ends
TURN_COST = 0.03  # cost, in the same unit, of each turn away from the straight line to the next corner
MIN_PROGRESS = -0.1  # progress below which a move is as bad as a collision
BAD_MOVE_COST = 2.0  # cost of such moves: they rank below all others
TURN_TOLERANCE = 0.85  # fraction of a turn by which the heading may be off; a later turn often saves a turn back
AT_CORNER = 0.05  # metres at which a corner of a path counts as reached
TOLERANCE = 1e-3  # tolerance for equal settings of navmeshes, and for equal scores
STAGE, NAVMESH = ".stage_config.json", ".navmesh"
CHECKED = {"radius": "agent_radius", "height": "agent_height", "climb": "agent_max_climb"}
NAVMESHES_KEPT = 512
CONTEXT: list[Any] = []  # the first simulator, which owns the graphics context that all others share
Place = list[float]


class Refusal(Exception):  # noqa: N818 - no error of the program
    """An error in the input: its place, the problem and the fix. The parent raises it as InputError."""


class LruCache:
    """A cache of the most recently used values by name; missing ones are made from their names."""

    def __init__(self, most: int, make: Callable[[str], Any]) -> None:
        self._most, self._make = most, make
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, name: str) -> Any:
        """Return the value of a name, made if it is missing."""
        if name not in self._kept:
            self._kept[name] = self._make(name)
        self._kept.move_to_end(name)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return self._kept[name]

    def clear(self) -> None:
        """Drop all values."""
        self._kept.clear()


class Habitat:
    """Answers requests with habitat-sim, which is imported by the constructor."""

    def __init__(self, settings: dict[str, Any], images: dict[str, np.ndarray]) -> None:
        """Import habitat-sim without opening a scene; `draw` fills images (B, H, W, ...).

        Settings come from `envs.habitat.simulator.HabitatSimulator` and `envs.habitat.pool.WorkerPool`.
        """
        try:
            import habitat_sim
        except Exception as error:  # noqa: BLE001 - a library that does not fit may raise anything
            reason = (str(error).strip().splitlines() or [""])[-1]
            problem = f"habitat_sim cannot be imported ({type(error).__name__}: {reason})"
            raise Refusal(sys.executable, problem, settings["install"]) from None
        self._hsim, self._settings, self._images = habitat_sim, settings, images
        self._version = version_of(str(habitat_sim.__version__))
        self._navmeshes = LruCache(NAVMESHES_KEPT, self._find_navmesh)
        self._simulators = LruCache(settings["scenes"], self._simulator)

    def close(self) -> None:
        """Close all scenes."""
        self._simulators.clear()

    # --- requests ---

    def hello(self) -> dict[str, Any]:
        """Return the versions of habitat-sim and Python."""
        return {"habitat": self._version, "python": platform.python_version()}

    def enter(self, scenes: list[str], points: list[Place]) -> dict[str, Any]:
        """Snap points (n, 3) to the navmesh; returns the places and their horizontal distances from the points."""
        found = [self._snap(self._navmeshes.get(scene), point) for scene, point in zip(scenes, points)]
        return {"points": [place for place, _ in found], "moved": [moved for _, moved in found]}

    def step(self, scenes: list[str], places: list[Place], headings: list[float]) -> dict[str, Any]:
        """Move bodies (n,) forward; returns their places and which collided."""
        bodies = zip(scenes, places, headings)
        found = [self._move(self._navmeshes.get(scene), place, heading) for scene, place, heading in bodies]
        return {"places": [_floats(place) for place, _ in found], "collided": [collided for _, collided in found]}

    def measure(self, scenes: list[str], places: list[Place], goals: list[Place]) -> list[float | None]:
        """Return geodesic distances (n,); None where there is no path."""
        pairs = zip(scenes, places, goals)
        ways = [self._shortest_path(self._navmeshes.get(scene), place, goal) for scene, place, goal in pairs]
        return [None if math.isinf(metres) else metres for metres, _ in ways]

    def advise(self, scenes: list[str], places: list[Place], headings: list[float], goals: list[Place]) -> list[int]:
        """Return the expert's actions along the shortest paths, (n,)."""
        bodies = zip(map(self._navmeshes.get, scenes), places, headings, goals)
        return [self._expert_action(*body) for body in bodies]

    def path(self, scene: str, start: Place, goal: Place) -> list[Place]:
        """Return the corners of the shortest path; empty if there is none."""
        return self._shortest_path(self._navmeshes.get(scene), start, goal)[1]

    def sample(self, scene: str, count: int, seed: int) -> list[Place]:
        """Return random places on the floor. Computed navmeshes also include roofs and tops of tables."""
        navmesh = self._navmeshes.get(scene)
        navmesh.seed(seed)
        island = self._floor(navmesh)
        return [_floats(navmesh.get_random_navigable_point(island_index=island)) for _ in range(count)]

    def topdown(self, scene: str, metres: float, height: float) -> dict[str, Any]:
        """Return which points of a grid are walkable, rows along z and columns along x, packed into bits."""
        navmesh = self._navmeshes.get(scene)
        seen = np.asarray(navmesh.get_topdown_view(metres, height), bool)
        packed = base64.b64encode(np.packbits(seen).tobytes()).decode()
        return {"shape": list(seen.shape), "packed": packed, "low": _floats(navmesh.get_bounds()[0])}

    def save_navmesh(self, scene: str, path: str) -> None:
        """Write the navmesh of a scene to a file."""
        if not self._navmeshes.get(scene).save_nav_mesh(path):
            raise Refusal(path, "the navmesh cannot be written", "check the folder and its permissions")

    def draw(self, rows: list[int], scenes: list[str], places: list[Place], headings: list[float]) -> None:
        """Render the views of bodies (n,) into their rows of the images."""
        # Sorted by scene, so that no scene is opened twice.
        for number in sorted(range(len(rows)), key=lambda each: scenes[each]):
            simulator = self._simulators.get(scenes[number])
            half = headings[number] / 2
            turn = np.array([0, math.sin(half), 0, math.cos(half)])
            state = self._hsim.AgentState(np.array(places[number], np.float32), turn)
            simulator.get_agent(0).set_state(state, reset_sensors=False)
            for name, seen in simulator.get_sensor_observations().items():
                self._keep(name, rows[number], np.asarray(seen))

    # --- walking ---

    def _snap(self, navmesh: Any, point: Place) -> tuple[Place, float]:
        found = _floats(navmesh.snap_point(np.array(point, np.float32)))
        if not all(map(math.isfinite, found)):
            return point, math.inf
        return found, math.hypot(found[0] - point[0], found[2] - point[2])

    def _move(self, navmesh: Any, place: Any, heading: float) -> tuple[np.ndarray, bool]:
        """Return the place after a forward move, and whether it collided (was cut short), as in habitat-sim."""
        start = np.array(place, np.float32)
        ahead = np.array([-math.sin(heading), 0.0, -math.cos(heading)])
        wanted = (start + self._settings["forward"] * ahead).astype(np.float32)
        step = navmesh.try_step if self._settings["sliding"] else navmesh.try_step_no_sliding
        end = np.array(step(start, wanted), np.float32)
        return end, _squared(end - start) + TOUCH < _squared(wanted - start)

    def _shortest_path(self, navmesh: Any, place: Any, goal: Any) -> tuple[float, list[Place]]:
        """Return the length of the shortest path in metres, and its corners."""
        path = self._hsim.nav.ShortestPath()
        path.requested_start = np.array(place, np.float32)
        path.requested_end = np.array(goal, np.float32)
        if not navmesh.find_path(path):
            return math.inf, []
        return float(path.geodesic_distance), [_floats(corner) for corner in path.points]

    def _expert_action(self, navmesh: Any, place: Place, heading: float, goal: Place) -> int:
        """Choose the action of one body by the rules of the embedded simulator's expert."""
        far, corners = self._shortest_path(navmesh, place, goal)
        if math.isinf(far) or far < self._settings["stop"]:
            return STOP
        ahead = [each for each in corners[1:] if math.hypot(each[0] - place[0], each[2] - place[2]) > AT_CORNER]
        x, _, z = ahead[0] if ahead else goal
        wanted, turn = math.atan2(-(x - place[0]), -(z - place[2])), self._settings["turn"]
        error = math.remainder(wanted - heading, math.tau)
        # The reference heading is the same before and after a turn towards it, so the body does not oscillate.
        straight = int(math.copysign(math.floor(abs(error) / turn + 1 - TURN_TOLERANCE), error))
        best, turns = -math.inf, straight
        for aside in range(int(math.pi / turn) + 1):
            for side in (1, -1) if aside else (1,):
                tried = straight + side * aside
                score = self._progress(navmesh, place, heading + tried * turn, goal, far) - aside * TURN_COST
                if score > best + TOLERANCE:
                    best, turns = score, tried
            if best >= GOOD_PROGRESS - aside * TURN_COST:
                break
        if turns == 0:
            return FORWARD
        return LEFT if turns > 0 else RIGHT

    def _progress(self, navmesh: Any, place: Place, heading: float, goal: Place, far: float) -> float:
        """Return the progress of a move to the goal, as a fraction of its length, less a cost for a collision."""
        end, collided = self._move(navmesh, place, heading)
        progress = (far - self._shortest_path(navmesh, end, goal)[0]) / self._settings["forward"]
        return progress - BAD_MOVE_COST if collided or progress < MIN_PROGRESS else progress

    # --- navmeshes ---

    def _find_navmesh(self, scene: str) -> Any:
        """Return the navmesh beside a scene file, else the cached one, else compute it."""
        _require(scene)
        given = _stem(scene) + NAVMESH
        if Path(given).is_file():
            navmesh = self._load(given)
            if self._fits(navmesh):
                return navmesh
        kept = Path(self._settings["cache"]) / (self._key(scene) + NAVMESH)
        if kept.is_file():
            return self._load(str(kept))
        navmesh = self._compute(scene)
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f"{kept.name}.{os.getpid()}")
        if navmesh.save_nav_mesh(str(temporary)):
            temporary.replace(kept)
        return navmesh

    def _load(self, path: str) -> Any:
        navmesh = self._hsim.nav.PathFinder()
        if not navmesh.load_nav_mesh(path) or not navmesh.is_loaded:
            problem = f"is no navmesh that habitat-sim {self._version} reads"
            raise Refusal(path, problem, "delete it to have it computed")
        return navmesh

    def _fits(self, navmesh: Any) -> bool:
        """Return whether an existing navmesh was computed for the body's size."""
        wanted, found = self._settings["navmesh"], navmesh.nav_mesh_settings
        pairs = CHECKED.items()
        return found is None or all(abs(getattr(found, field) - wanted[name]) <= TOLERANCE for name, field in pairs)

    def _key(self, scene: str) -> str:
        """Return the name of a navmesh in the cache, from the scene's files, the settings and the version."""
        files = [path for path in (Path(scene), Path(_stem(scene) + ".glb")) if path.is_file()]
        states = [[path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        inputs = [str(Path(scene).resolve()), states, self._settings["navmesh"], self._version]
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return f"{Path(_stem(scene)).name}-{digest[:16]}"

    def _compute(self, scene: str) -> Any:
        wanted = self._settings["navmesh"]
        settings = self._hsim.nav.NavMeshSettings()
        settings.set_defaults()
        for name, field in CHECKED.items():
            setattr(settings, field, wanted[name])
        settings.cell_size = settings.cell_height = wanted["cell"]
        navmesh = self._hsim.nav.PathFinder()
        with self._hsim.Simulator(self._configuration(scene, sensors=False)) as simulator:
            if not simulator.recompute_navmesh(navmesh, settings) or not navmesh.is_loaded:
                problem = f"no body {wanted['height']:.3g} m high can stand anywhere in it"
                raise Refusal(scene, problem, "check its up axis and its units in a stage_config")
        return navmesh

    def _floor(self, navmesh: Any) -> int:
        """Return the index of the island of the floor: the lowest one among the large ones."""
        areas = [navmesh.island_area(number) for number in range(navmesh.num_islands)]
        large = [number for number, area in enumerate(areas) if area >= max(areas) / 4]
        return min(large, key=lambda each: np.mean(np.array(navmesh.build_navmesh_vertices(each))[:, 1]))

    # --- seeing ---

    def _simulator(self, scene: str) -> Any:
        """Open a scene in habitat-sim."""
        _require(scene)
        simulator = self._hsim.Simulator(self._configuration(scene, sensors=True))
        if not CONTEXT:
            CONTEXT.append(simulator)
        return simulator

    def _configuration(self, scene: str, sensors: bool) -> Any:
        backend = self._hsim.SimulatorConfiguration()
        backend.scene_id = scene
        backend.gpu_device_id = self._settings["gpu"]  # -1 without CUDA: any other ends the process there
        backend.enable_physics = False
        backend.random_seed = self._settings["seed"]
        backend.allow_sliding = self._settings["sliding"]
        backend.load_semantic_mesh = sensors and "semantic" in self._images
        backend.override_scene_light_defaults = True
        backend.scene_light_setup = self._hsim.gfx.NO_LIGHT_KEY
        body = self._hsim.agent.AgentConfiguration()
        body.height, body.radius = self._settings["navmesh"]["height"], self._settings["navmesh"]["radius"]
        # Without any sensor there is no renderer.
        body.sensor_specifications = [self._camera(name) for name in self._images] if sensors else []
        return self._hsim.Configuration(backend, [body])

    def _camera(self, name: str) -> Any:
        kinds = self._hsim.SensorType
        spec = self._hsim.CameraSensorSpec()
        spec.uuid = name
        spec.sensor_type = {"rgb": kinds.COLOR, "depth": kinds.DEPTH, "semantic": kinds.SEMANTIC}[name]
        spec.resolution = [self._settings["height"], self._settings["width"]]
        spec.position = [0.0, self._settings["eye"], 0.0]
        spec.hfov = self._settings["hfov"]
        return spec

    def _keep(self, name: str, row: int, seen: np.ndarray) -> None:
        seen = seen[..., :3] if name == "rgb" else seen
        image = self._images[name][row]
        if seen.size != image.size:
            problem = f"its images are {seen.shape}, not {image.shape}"
            raise Refusal(f"sensor '{name}' of habitat-sim", problem, "ask for images of the size that it has")
        image[...] = seen.reshape(image.shape)


def _squared(move: np.ndarray) -> float:
    return float(move @ move)


def _floats(vector: Any) -> Place:
    return [float(value) for value in vector]


def _stem(scene: str) -> str:
    """Return the path of a scene without its suffix."""
    return scene[: -len(STAGE)] if scene.endswith(STAGE) else str(Path(scene).with_suffix(""))


def _require(scene: str) -> None:
    if not Path(scene).is_file():
        raise Refusal(scene, "the scene is missing", "check the path, or fetch the scene")


# --- the process ---


def version_of(reported: str) -> str:
    """Return the version of habitat-sim, from its conda package if there is one, since 0.3.4 reports 0.3.3."""
    for meta in sorted(Path(sys.prefix, "conda-meta").glob("habitat-sim-*.json")):
        try:
            package = json.loads(meta.read_text())
            if package["name"] == "habitat-sim":
                return str(package["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return reported


def map_images(file: int, layout: dict[str, Any]) -> dict[str, np.ndarray]:
    """Map a file into memory, close its descriptor and return the arrays (offset in bytes, shape, dtype) in it."""
    memory = mmap.mmap(file, os.fstat(file).st_size)
    os.close(file)
    return {
        name: np.frombuffer(memory, kind, int(np.prod(shape)), offset).reshape(shape)
        for name, (offset, shape, kind) in layout.items()
    }


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return the next request and the file descriptors sent with it; exits when the connection is closed."""
    head, files, _, _ = socket.recv_fds(connection, 4, 1)
    if not head:
        sys.exit(0)
    (size,) = struct.unpack("!I", head + _exactly(connection, 4 - len(head)))
    return json.loads(_exactly(connection, size)), list(files)


def _exactly(connection: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        part = connection.recv(min(size - len(content), 1 << 20))
        if not part:
            sys.exit(0)
        content += part
    return bytes(content)


def answer(world: Any, make: Callable[..., Any], request: dict[str, Any], files: list[int]) -> tuple[Any, Any]:
    """Answer a request; returns the object that answers the next one, and the reply."""
    try:
        if request["do"] == "open":
            if world is not None:
                world.close()
            settings = request["with"]
            world = make(settings, map_images(files[0], settings["images"]))
            return world, {"result": world.hello()}
        return world, {"result": getattr(world, request["do"])(**request["with"])}
    except Refusal as refusal:
        return world, {"refused": list(refusal.args)}
    except Exception:  # noqa: BLE001 - sent to the parent process
        traceback.print_exc()
        return world, {"failed": traceback.format_exc()}


def main(make: Callable[..., Any]) -> None:
    """Answer requests until the connection is closed. All output, also that of libraries, goes to stderr.

    `make` makes the object that answers from settings and images: `Habitat`, or one with the same methods.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    connection = socket.socket(fileno=parser.parse_args().socket)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C, and may send more requests
    world = None
    while True:
        world, reply = answer(world, make, *receive(connection))
        body = json.dumps(reply).encode()
        connection.sendall(struct.pack("!I", len(body)) + body)


if __name__ == "__main__":
    # habitat-sim must not import modules of the project from the folder of this file.
    sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
    main(Habitat)
