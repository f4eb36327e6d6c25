"""What agents need of the data of a task; environments are made elsewhere and handed in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from vln.episodes import Episode
from vln.language import Vocabulary
from vln.tasks import Task


class TaskData(Protocol):
    """Episodes and scenes of a task, which its environments share; see `envs.make.TaskData`."""

    @property
    def task(self) -> Task:
        """The task."""

    @property
    def source(self) -> Any:
        """The source of episodes and scenes, an `envs.source.Source`."""

    @property
    def options(self) -> Any:
        """How the data were opened, an `envs.source.Options`."""

    @property
    def splits(self) -> Mapping[str, Sequence[Episode]]:
        """Episodes by name of the split."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the instructions."""

    def lengths(self, split: str) -> np.ndarray:
        """Return the (N,) tokens of the instructions of a split."""

    def parts(self, split: str) -> list[tuple[np.ndarray, float]]:
        """Return the numbers of the episodes of each task of a mixture, and its share of what is learnt from."""

    def path_lengths(self, split: str) -> np.ndarray:
        """Return the (N,) metres of the demonstrations of a split."""

    def only(self, split: str, episodes: Sequence[Episode]) -> Self:
        """Return the same with other episodes in a split, and the other splits as they are."""

    def of(self, task: Task) -> Self:
        """Return the same data for another task on them, such as one with other actions."""

    def sharing(self, other: Any) -> Self:
        """Return the same with the scenes that other data have loaded."""

    def without_bad_episodes(self) -> Self:
        """Return the same without episodes that do not fit their scenes."""

    def check(self) -> None:
        """Check what would show no sooner than an episode is begun; raises an `InputError`."""

    def make_env(self, split: str, num_envs: int = 1, **options: Any) -> Any:
        """Make an environment of a split; options as of `envs.make.make_env`."""


OpenTask = Callable[..., TaskData]
"""Opens the data of a task; `envs.make.open_task`."""
