"""A process that asks habitat-sim on behalf of another one, which may run another Python.

Needs Python 3.9, numpy and habitat-sim, and imports nothing of this project. Whoever starts it passes a socket by
number. Messages are JSON behind their length (4 bytes, big-endian): a request is `{"do": name, "with": arguments}`, its
reply `{"result": ...}`, `{"refused": [where, problem, fix]}` or `{"failed": traceback}`. Requests carry all that they
need, scenes, places and headings, so that any worker can answer any of them at any time. The first is `open`, whose
settings hold until the next one; with it comes an open file that both map into memory, into which images are drawn.

Conventions: metres, y up; headings in radians counter-clockwise from -z; places are of the feet.
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
TOUCH = 1e-5  # square metres by which a move that collides is shorter than a free one, as in habitat-sim
GOOD = 0.9  # progress of a move, as a share of its length, that needs no better
TURN_COST = 0.03  # the same for each turn away from the straight line to the next corner
LITTLE = -0.1  # progress below which a move is as bad as one that touches a wall
LAST_RESORT = 2.0  # what such moves cost: they are only compared with one another
PATIENCE = 0.85  # share of a turn by which a heading may be off: turning later often saves turning back
AT_CORNER = 0.05  # metres to a corner of a path that has been reached
CLOSE = 1e-3  # how far numbers of navmeshes may be apart that are meant to be the same
STAGE, NAVMESH = ".stage_config.json", ".navmesh"
CHECKED = {"radius": "agent_radius", "height": "agent_height", "climb": "agent_max_climb"}
NAVMESHES_KEPT = 512
CONTEXT: list[Any] = []  # the simulator that was made first: it owns the graphics context, which all others share
Place = list[float]


class Refusal(Exception):  # noqa: N818 - no error of the program
    """Something that people can put right: where it is, what is wrong, and how to mend it."""


class Recent:
    """The things used last, by name.

    Args:
        most: How many are kept.
        make: Makes one that is not there.
    """

    def __init__(self, most: int, make: Callable[[str], Any]) -> None:
        self._most, self._make = most, make
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def get(self, name: str) -> Any:
        """The thing of that name."""
        if name not in self._kept:
            self._kept[name] = self._make(name)
        self._kept.move_to_end(name)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return self._kept[name]

    def clear(self) -> None:
        """Forget them all."""
        self._kept.clear()


class Habitat:
    """habitat-sim, loaded when the first of these is made."""

    def __init__(self, settings: dict[str, Any], images: dict[str, np.ndarray]) -> None:
        """No scene is open yet.

        Args:
            settings: See `envs.habitat.simulator.HabitatSimulator` and `envs.habitat.pool.WorkerPool`.
            images: Arrays (B, H, W, ...) by name that `draw` fills.

        Raises:
            Refusal: If habitat-sim cannot be imported.
        """
        try:
            import habitat_sim
        except Exception as error:  # noqa: BLE001 - a library that does not fit may raise anything
            reason = (str(error).strip().splitlines() or [""])[-1]
            problem = f"habitat_sim cannot be imported ({type(error).__name__}: {reason})"
            raise Refusal(sys.executable, problem, settings["install"]) from None
        self._hsim, self._settings, self._images = habitat_sim, settings, images
        self._version = version_of(str(habitat_sim.__version__))
        self._navmeshes = Recent(NAVMESHES_KEPT, self._find_navmesh)
        self._simulators = Recent(settings["scenes"], self._simulator)

    def close(self) -> None:
        """Forget all scenes."""
        self._simulators.clear()

    # --- requests ---

    def hello(self) -> dict[str, Any]:
        """Who answers."""
        return {"habitat": self._version, "python": platform.python_version()}

    def enter(self, scenes: list[str], points: list[Place]) -> dict[str, Any]:
        """Places on the navmesh nearest to points (n, 3), and (n,) how far they are on the level."""
        found = [self._snap(self._navmeshes.get(scene), point) for scene, point in zip(scenes, points)]
        return {"points": [place for place, _ in found], "moved": [moved for _, moved in found]}

    def step(self, scenes: list[str], places: list[Place], headings: list[float]) -> dict[str, Any]:
        """Where bodies (n,) are after a move forward, and which collide."""
        bodies = zip(scenes, places, headings)
        found = [self._move(self._navmeshes.get(scene), place, heading) for scene, place, heading in bodies]
        return {"places": [_floats(place) for place, _ in found], "collided": [collided for _, collided in found]}

    def measure(self, scenes: list[str], places: list[Place], goals: list[Place]) -> list[float | None]:
        """Geodesic distances (n,), null where there is no way."""
        pairs = zip(scenes, places, goals)
        ways = [self._way(self._navmeshes.get(scene), place, goal) for scene, place, goal in pairs]
        return [None if math.isinf(metres) else metres for metres, _ in ways]

    def advise(self, scenes: list[str], places: list[Place], headings: list[float], goals: list[Place]) -> list[int]:
        """Actions (n,) that follow the shortest paths."""
        bodies = zip(map(self._navmeshes.get, scenes), places, headings, goals)
        return [self._choose(*body) for body in bodies]

    def path(self, scene: str, start: Place, goal: Place) -> list[Place]:
        """Corners of the shortest path; none where there is no way."""
        return self._way(self._navmeshes.get(scene), start, goal)[1]

    def sample(self, scene: str, count: int, seed: int) -> list[Place]:
        """Random places on the floor; navmeshes that were computed include roofs and tops of tables."""
        navmesh = self._navmeshes.get(scene)
        navmesh.seed(seed)
        island = self._floor(navmesh)
        return [_floats(navmesh.get_random_navigable_point(island_index=island)) for _ in range(count)]

    def topdown(self, scene: str, metres: float, height: float) -> dict[str, Any]:
        """Which points of a grid can be walked on: rows along z, columns along x, packed into bits."""
        navmesh = self._navmeshes.get(scene)
        seen = np.asarray(navmesh.get_topdown_view(metres, height), bool)
        packed = base64.b64encode(np.packbits(seen).tobytes()).decode()
        return {"shape": list(seen.shape), "packed": packed, "low": _floats(navmesh.get_bounds()[0])}

    def save_navmesh(self, scene: str, path: str) -> None:
        """Write the navmesh of a scene to a file."""
        if not self._navmeshes.get(scene).save_nav_mesh(path):
            raise Refusal(path, "the navmesh cannot be written", "check the folder and its permissions")

    def draw(self, rows: list[int], scenes: list[str], places: list[Place], headings: list[float]) -> None:
        """Draw what bodies (n,) see into the images, at their rows."""
        # Bodies of one scene after another, so that no scene is opened twice.
        for number in sorted(range(len(rows)), key=lambda each: scenes[each]):
            simulator = self._simulators.get(scenes[number])
            half = headings[number] / 2
            state = self._hsim.AgentState(
                np.array(places[number], np.float32), np.array([0, math.sin(half), 0, math.cos(half)])
            )
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
        """Where a body is after a move forward, and whether it collides, which its length tells, as in habitat-sim."""
        start = np.array(place, np.float32)
        ahead = np.array([-math.sin(heading), 0.0, -math.cos(heading)])
        wanted = (start + self._settings["forward"] * ahead).astype(np.float32)
        step = navmesh.try_step if self._settings["sliding"] else navmesh.try_step_no_sliding
        end = np.array(step(start, wanted), np.float32)
        return end, _squared(end - start) + TOUCH < _squared(wanted - start)

    def _way(self, navmesh: Any, place: Any, goal: Any) -> tuple[float, list[Place]]:
        """Metres of the shortest path, and its corners."""
        path = self._hsim.nav.ShortestPath()
        path.requested_start = np.array(place, np.float32)
        path.requested_end = np.array(goal, np.float32)
        if not navmesh.find_path(path):
            return math.inf, []
        return float(path.geodesic_distance), [_floats(corner) for corner in path.points]

    def _choose(self, navmesh: Any, place: Place, heading: float, goal: Place) -> int:
        """The action of one body, by the rules of the expert of the embedded simulator."""
        far, corners = self._way(navmesh, place, goal)
        if math.isinf(far) or far < self._settings["stop"]:
            return STOP
        ahead = [each for each in corners[1:] if math.hypot(each[0] - place[0], each[2] - place[2]) > AT_CORNER]
        x, _, z = ahead[0] if ahead else goal
        wanted, turn = math.atan2(-(x - place[0]), -(z - place[2])), self._settings["turn"]
        error = math.remainder(wanted - heading, math.tau)
        # Headings are compared with one that is the same before and after a turn towards it: no turning back and forth.
        straight = int(math.copysign(math.floor(abs(error) / turn + 1 - PATIENCE), error))
        best, turns = -math.inf, straight
        for aside in range(int(math.pi / turn) + 1):
            for side in (1, -1) if aside else (1,):
                tried = straight + side * aside
                score = self._progress(navmesh, place, heading + tried * turn, goal, far) - aside * TURN_COST
                if score > best + CLOSE:
                    best, turns = score, tried
            if best >= GOOD - aside * TURN_COST:
                break
        if turns == 0:
            return FORWARD
        return LEFT if turns > 0 else RIGHT

    def _progress(self, navmesh: Any, place: Place, heading: float, goal: Place, far: float) -> float:
        """How much nearer a move comes to the goal, as a share of its length, less a cost if it touches a wall."""
        end, collided = self._move(navmesh, place, heading)
        progress = (far - self._way(navmesh, end, goal)[0]) / self._settings["forward"]
        return progress - LAST_RESORT if collided or progress < LITTLE else progress

    # --- navmeshes ---

    def _find_navmesh(self, scene: str) -> Any:
        """The navmesh beside a scene, or one that was computed before, or is now."""
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
        """Whether a navmesh that was there is for the body that is to walk on it; if not, habitat-sim makes its own."""
        wanted, found = self._settings["navmesh"], navmesh.nav_mesh_settings
        return found is None or all(
            abs(getattr(found, field) - wanted[name]) <= CLOSE for name, field in CHECKED.items()
        )

    def _key(self, scene: str) -> str:
        """A name for the navmesh of a scene as it is now, with these settings."""
        files = [path for path in (Path(scene), Path(_stem(scene) + ".glb")) if path.is_file()]
        states = [[path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        told = [str(Path(scene).resolve()), states, self._settings["navmesh"], self._version]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
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
        """The number of the area that the floor is: of those that are large, the lowest."""
        areas = [navmesh.island_area(number) for number in range(navmesh.num_islands)]
        large = [number for number, area in enumerate(areas) if area >= max(areas) / 4]
        return min(large, key=lambda each: np.mean(np.array(navmesh.build_navmesh_vertices(each))[:, 1]))

    # --- seeing ---

    def _simulator(self, scene: str) -> Any:
        """habitat-sim in a scene."""
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
    """The path of a scene without what it ends in."""
    return scene[: -len(STAGE)] if scene.endswith(STAGE) else str(Path(scene).with_suffix(""))


def _require(scene: str) -> None:
    if not Path(scene).is_file():
        raise Refusal(scene, "the scene is missing", "check the path, or fetch the scene")


# --- the process ---


def version_of(told: str) -> str:
    """The version of habitat-sim: that of its package for conda if there is one, since 0.3.4 calls itself 0.3.3."""
    for meta in sorted(Path(sys.prefix, "conda-meta").glob("habitat-sim-*.json")):
        try:
            package = json.loads(meta.read_text())
            if package["name"] == "habitat-sim":
                return str(package["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return told


def map_images(file: int, layout: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays in a file that is mapped into memory.

    Args:
        file: Its number; it is closed.
        layout: By name: offset in bytes, shape, type.
    """
    memory = mmap.mmap(file, os.fstat(file).st_size)
    os.close(file)
    return {
        name: np.frombuffer(memory, kind, int(np.prod(shape)), offset).reshape(shape)
        for name, (offset, shape, kind) in layout.items()
    }


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next request, and the open files that came with it; the process ends where there are no more."""
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
    """What answers from now on, and the reply to a request."""
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
    except Exception:  # noqa: BLE001 - told to whoever asked
        traceback.print_exc()
        return world, {"failed": traceback.format_exc()}


def main(make: Callable[..., Any]) -> None:
    """Answer requests until there are no more; what is printed goes to stderr, wherever it comes from.

    Args:
        make: Makes what answers, of settings and images: `Habitat`, or something with the same methods.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    connection = socket.socket(fileno=parser.parse_args().socket)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks, who may have more to ask
    world = None
    while True:
        world, reply = answer(world, make, *receive(connection))
        body = json.dumps(reply).encode()
        connection.sendall(struct.pack("!I", len(body)) + body)


if __name__ == "__main__":
    # The folder of this file holds modules of the project, which habitat-sim must not find.
    sys.path = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
    main(Habitat)
