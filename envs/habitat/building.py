"""habitat-sim as the simulator of a task."""

from envs.continuous.scenes import body_of
from envs.continuous.settings import Sensors
from envs.continuous.source import ContinuousSource
from envs.habitat.scenes import SceneFolder, house_scenes
from envs.habitat.simulator import HabitatSimulator


def habitat_simulator(source: ContinuousSource, sensors: Sensors) -> HabitatSimulator:
    """Make habitat-sim, on the files of a source, or on houses that are written for it."""
    task, options = source.task, source.options
    files: SceneFolder = getattr(source, "files", None) or house_scenes(options.exported)
    return HabitatSimulator(files, sensors, task.motion, options.workers, body_of(task))
