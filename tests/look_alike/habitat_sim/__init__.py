"""What `envs.habitat.worker` asks of habitat-sim, answered by the embedded renderer and walkable area.

Geometry is real: scenes are loaded from their files, drawn, and walked through. So all above the binding is tested
where habitat-sim is not installed; how it is bound is tested with habitat-sim itself, where it is.
"""

import json
import os
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from envs.glb import load_glb
from envs.navigation import Body, build_ground, step
from envs.render import Camera, Renderer, pack

__version__ = os.environ.get("LOOK_ALIKE_VERSION", "look-alike 1")
gfx = SimpleNamespace(NO_LIGHT_KEY="no_lights")
SensorType = Enum("SensorType", ["COLOR", "DEPTH", "SEMANTIC"])
SimulatorConfiguration = CameraSensorSpec = SimpleNamespace
CRASH = Path(os.environ.get("LOOK_ALIKE_CRASH", "/nowhere"))  # while this file is there, drawing ends the process


class NavMeshSettings:
    def __init__(self):
        self.set_defaults()

    def set_defaults(self):
        self.agent_radius, self.agent_height, self.agent_max_climb = 0.1, 1.5, 0.2
        self.cell_size, self.cell_height = 0.05, 0.2


class ShortestPath:
    requested_start = requested_end = None
    geodesic_distance, points = float("inf"), ()


class PathFinder:
    is_loaded = False

    def compute(self, scene, settings):
        self.scene, self.nav_mesh_settings = scene, settings
        body = Body(settings.agent_radius, settings.agent_height, settings.agent_max_climb, settings.cell_size)
        self._ground = build_ground(load_glb(scene), body)
        self._random = np.random.default_rng(0)
        self.is_loaded = True
        return True

    def save_nav_mesh(self, path):
        Path(path).write_text(json.dumps({"scene": self.scene, **vars(self.nav_mesh_settings)}))
        return True

    def load_nav_mesh(self, path):
        try:
            told = json.loads(Path(path).read_text())
        except ValueError:
            return False
        settings = NavMeshSettings()
        vars(settings).update({name: value for name, value in told.items() if name != "scene"})
        return self.compute(told["scene"], settings)

    def snap_point(self, point):
        return self._ground.snap(np.asarray(point, np.float64))[0]

    def try_step(self, start, end):
        return self._try(start, end, True)

    def try_step_no_sliding(self, start, end):
        return self._try(start, end, False)

    def _try(self, start, end, sliding):
        move = np.asarray(end, np.float64) - start
        heading = np.array([np.arctan2(-move[0], -move[2])])
        return step([self._ground], np.array([start], np.float64), heading, np.linalg.norm(move), sliding)[0][0]

    def find_path(self, path):
        field = self._ground.field(path.requested_end)
        path.geodesic_distance = float(field.distance(path.requested_start))
        path.points = list(field.path(path.requested_start))
        return np.isfinite(path.geodesic_distance)

    def seed(self, seed):
        self._random = np.random.default_rng(seed)

    num_islands = 1

    def island_area(self, island):
        return self._ground.area

    def build_navmesh_vertices(self, island):
        return [self.get_random_navigable_point(island)]

    def get_random_navigable_point(self, island_index):
        return self._ground.sample(self._random, 1)[0]

    def get_bounds(self):
        return load_glb(self.scene).bounds

    def get_topdown_view(self, metres, height):
        assert metres == self._ground.body.cell
        return self._ground.topdown(height)


nav = SimpleNamespace(NavMeshSettings=NavMeshSettings, PathFinder=PathFinder, ShortestPath=ShortestPath)


class AgentState:
    def __init__(self, position, rotation):
        self.position, self.rotation = np.asarray(position), np.asarray(rotation)


class AgentConfiguration(SimpleNamespace):
    pass


agent = SimpleNamespace(AgentConfiguration=AgentConfiguration)


class Configuration:
    def __init__(self, sim_cfg, agents):
        self.sim_cfg, self.agents = sim_cfg, agents


class Simulator:
    def __init__(self, configuration):
        self._sensors = {each.uuid: each for each in configuration.agents[0].sensor_specifications}
        self._scene = configuration.sim_cfg.scene_id
        if self._sensors:
            camera = next(iter(self._sensors.values()))
            (height, width), self._eye = camera.resolution, camera.position
            self._renderer = Renderer(Camera(width, height, camera.hfov), 1)
            self._picture = pack(load_glb(self._scene))

    def __enter__(self):
        return self

    def __exit__(self, *ended):
        self.close()

    def close(self):
        self._picture = None

    def recompute_navmesh(self, navmesh, settings):
        return navmesh.compute(self._scene, settings)

    def get_agent(self, number):
        return self

    def set_state(self, state, reset_sensors=True):
        self._state = state

    def get_sensor_observations(self):
        if CRASH.is_file():
            CRASH.unlink()
            print("out of memory", flush=True)
            os.abort()
        (x, y, z), (_, sin, _, cos) = self._state.position, self._state.rotation
        assert x == x and abs(sin**2 + cos**2 - 1) < 1e-6  # noqa: PT018 - no NaN, a rotation about y
        eye = np.array([[x, y, z]], np.float64) + self._eye
        heading = np.array([2 * np.arctan2(sin, cos)])
        self._renderer.render([self._picture], eye, heading, semantic="semantic" in self._sensors)
        seen = {
            SensorType.COLOR: np.concatenate(
                [self._renderer.rgb[0], np.full_like(self._renderer.rgb[0, ..., :1], 255)], 2
            ),
            SensorType.DEPTH: self._renderer.depth[0, ..., 0],
            SensorType.SEMANTIC: self._renderer.semantic[0].astype(np.uint32),
        }
        return {name: seen[spec.sensor_type] for name, spec in self._sensors.items()}
