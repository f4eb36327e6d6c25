"""The protocol of all simulators, and the base class of one's own. `envs.conformance` checks what it promises."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch
from torch import Tensor

from vln.episodes import Episode
from vln.trajectory import Pose


class Simulator(Protocol):
    """A batch of B bodies in scenes. A single environment is a batch of one.

    A simulator moves bodies, renders their observations and measures distances to their goals. Instructions, rewards,
    success and time limits belong to the environment around it. Tensors live on `device`; rows are independent.
    Subclasses may leave out what has a body here, for instance what is for people; Python names what is missing.
    """

    name: str
    device: torch.device = torch.device("cpu")
    stop: int = 0  # the action that ends an episode without a move

    def __init__(self, source: Any = None, **shown: Any) -> None:
        """Create a simulator without bodies of an `envs.source.Source`, with the arguments of `Source.simulator`."""

    @property
    @abstractmethod
    def action_space(self) -> gymnasium.spaces.Discrete:
        """The actions of one body."""

    @property
    @abstractmethod
    def observation_space(self) -> gymnasium.spaces.Dict:
        """The space of one row of what `observe` returns."""

    def content_hash(self, scan: str) -> str:
        """Return the hash of the content of a scene of the loaded episodes; "" where scenes never change."""
        return ""

    @abstractmethod
    def load(self, episodes: Sequence[Episode]) -> None:
        """Load episodes, in known scenes, which `place` numbers by their position in the sequence."""

    @abstractmethod
    def resize(self, batch: int) -> None:
        """Allocate `batch` bodies. Each must be placed before it is used."""

    @abstractmethod
    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put the bodies `rows` (n,) at the starts of the loaded `episodes` (n,)."""

    @abstractmethod
    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Apply `actions` (B,) to the bodies where `moving` (B,) is true; return where a body collided, (B,) bool."""

    @abstractmethod
    def observe(self) -> dict[str, Any]:
        """Return the observations, (B, ...) by the keys of `observation_space`, in tensors that nothing else uses."""

    @abstractmethod
    def expert(self) -> Tensor:
        """Return the actions of the shortest-path expert, (B,) int64; stop at the goal."""

    @abstractmethod
    def distance(self) -> Tensor:
        """Return the geodesic distances to the goals in metres, (B,) float32; NaN where the goal is withheld."""

    @abstractmethod
    def poses(self) -> list[Pose]:
        """Return the B poses."""

    def picture(self, row: int, trail: Sequence[Pose]) -> np.ndarray:
        """Draw a body for people, with its `trail` of poses so far, from above unless a simulator draws more.

        (H, W, 3) uint8, always of the same size.
        """
        from envs.pictures import draw_trail

        return draw_trail(trail)

    @abstractmethod
    def choices(self) -> list[tuple[str, ...]]:
        """Return the name of each action for each body; an empty string where the action is not available."""
