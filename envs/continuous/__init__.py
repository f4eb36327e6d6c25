"""The simulator of continuous worlds: bodies with a camera in generated houses, or in any mesh."""

from envs.continuous.scenes import SceneCache
from envs.continuous.settings import ACTIONS, Motion, Sensors
from envs.continuous.simulator import HousesSimulator

__all__ = ["ACTIONS", "HousesSimulator", "Motion", "SceneCache", "Sensors"]
