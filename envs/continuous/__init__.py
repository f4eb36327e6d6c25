"""The simulator of continuous worlds: bodies with a camera in generated houses, or in any mesh."""

from envs.continuous.scenes import SceneCache
from envs.continuous.settings import ACTIONS, Sensors
from envs.continuous.simulator import HousesSimulator
from vln.tasks import Motion

__all__ = ["ACTIONS", "HousesSimulator", "Motion", "SceneCache", "Sensors"]
