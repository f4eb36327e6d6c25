"""What the registered ids of houses are made of."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envs.continuous.scenes import SceneCache
from envs.continuous.settings import Motion, Sensors
from envs.continuous.simulator import HousesSimulator
from envs.environment import NavigationEnv, NavigationVectorEnv
from envs.houses.dataset import houses_for, houses_split
from envs.processes import check_fork_safety
from envs.simulator import Simulator
from vln.continuous_datasets import CONTINUOUS_DATASETS
from vln.episodes import Episode
from vln.language import Vocabulary

SUCCESS_DISTANCE = CONTINUOUS_DATASETS["houses"].success  # metres
TIME_LIMITS = {name: each.time_limit for name, each in CONTINUOUS_DATASETS.items() if not each.folders}  # actions


def make_houses(dataset: str, **options: Any) -> NavigationEnv:
    """A single environment in generated houses; options as `make_houses_vector`."""
    ingredients, options = houses_ingredients(dataset, _embedded, **options)
    return NavigationEnv(*ingredients, **options)


def make_houses_vector(dataset: str, num_envs: int = 1, **options: Any) -> NavigationVectorEnv:
    """A native vector environment in generated houses.

    Args:
        dataset: "houses-short", "houses" or "houses-long".
        num_envs: Episodes at a time.
        **options: `scenes` (`SceneCache`, to share or limit what is loaded), and those of `houses_ingredients`.

    Raises:
        InputError: If the data set is unknown, or a setting is out of range.
    """
    ingredients, options = houses_ingredients(dataset, _embedded, **options)
    return NavigationVectorEnv(*ingredients, num_envs, **options)


def _embedded(
    sensors: Sensors | None, motion: Motion | None, scenes: SceneCache | None = None, **options: Any
) -> tuple[HousesSimulator, dict[str, Any]]:
    """The embedded simulator, and the options that are left."""
    return HousesSimulator(sensors, motion, scenes), options


def houses_ingredients(
    dataset: str,
    simulator: Callable[..., tuple[Simulator, dict[str, Any]]],
    split: str = "train",
    folder: Path | None = None,
    houses: int | None = None,
    sensors: Sensors | None = None,
    motion: Motion | None = None,
    vocabulary: Vocabulary | None = None,
    **options: Any,
) -> tuple[tuple[Simulator, Sequence[Episode], Vocabulary], dict[str, Any]]:
    """What an environment in generated houses is made of, whatever simulates it.

    Args:
        dataset: "houses-short", "houses" or "houses-long".
        simulator: Makes the simulator of sensors, motion and options, and gives back the options that it left.
        split: Name of the split.
        folder: Where the data set is kept, `cache/` if absent.
        houses: Number of houses of training, from the first; all if absent.
        sensors: What bodies sense.
        motion: What actions do.
        vocabulary: Of the training instructions if absent.
        **options: Of the simulator and of `NavigationVectorEnv`; `max_steps` and `success_distance` are the data set's
            unless given.

    Returns:
        Simulator, episodes and vocabulary, and the options for the environment.
    """
    check_fork_safety()
    episodes = houses_split(split, dataset, folder, houses_for(split, houses))
    if vocabulary is None:
        vocabulary = Vocabulary.build(episode.instruction for episode in houses_split("train", dataset, folder, houses))
    of_dataset = {"max_steps": TIME_LIMITS[dataset], "success_distance": SUCCESS_DISTANCE}
    made, options = simulator(sensors, motion, **options)
    return (made, episodes, vocabulary), {**of_dataset, **options}
