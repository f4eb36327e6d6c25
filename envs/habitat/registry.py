"""What the registered ids of generated houses in habitat-sim are made of."""

from pathlib import Path
from typing import Any

from envs.continuous.registry import houses_ingredients
from envs.continuous.settings import Motion, Sensors
from envs.environment import NavigationEnv, NavigationVectorEnv
from envs.habitat.check import check_habitat
from envs.habitat.scenes import house_scenes
from envs.habitat.settings import Workers
from envs.habitat.simulator import HabitatSimulator


def make_habitat_houses(dataset: str, **options: Any) -> NavigationEnv:
    """A single environment in generated houses in habitat-sim; options as `make_habitat_houses_vector`."""
    check_habitat(options.get("workers"))
    ingredients, options = houses_ingredients(dataset, _habitat, **options)
    return NavigationEnv(*ingredients, **options)


def make_habitat_houses_vector(dataset: str, num_envs: int = 1, **options: Any) -> NavigationVectorEnv:
    """A vector environment in generated houses in habitat-sim.

    Args:
        dataset: "houses-short", "houses" or "houses-long".
        num_envs: Episodes at a time.
        **options: `exported` (folder that houses are written to, `cache/habitat` if absent), `workers` (`Workers`), and
            those of `envs.continuous.registry.houses_ingredients`.

    Raises:
        InputError: If the data set is unknown, a setting is out of range, or there is no habitat-sim.
    """
    check_habitat(options.get("workers"))
    ingredients, options = houses_ingredients(dataset, _habitat, **options)
    return NavigationVectorEnv(*ingredients, num_envs, **options)


def _habitat(
    sensors: Sensors | None,
    motion: Motion | None,
    exported: Path | None = None,
    workers: Workers | None = None,
    **options: Any,
) -> tuple[HabitatSimulator, dict[str, Any]]:
    """habitat-sim, and the options that are left."""
    return HabitatSimulator(house_scenes(exported), sensors, motion, workers), options
