"""What every simulator promises; the conformance suite in `tests/test_conformance.py` holds each to it."""

from collections.abc import Sequence
from typing import Protocol

import gymnasium
import numpy as np
import torch
from torch import Tensor

from vln.episodes import Episode
from vln.trajectory import Pose


class Simulator(Protocol):
    """A batch of B bodies in scenes. A single environment is a batch of one.

    A simulator moves bodies and says what they see and how far they are from their goals. Instructions, rewards,
    success and time limits belong to the environment around it. Tensors live on `device`; no row depends on others.

    Attributes:
        name: Name written into trajectories.
        device: Where the tensors are.
        stop: The action that ends an episode and moves nothing.
    """

    name: str
    device: torch.device
    stop: int

    @property
    def action_space(self) -> gymnasium.spaces.Discrete:
        """Actions of one body."""

    @property
    def observation_space(self) -> gymnasium.spaces.Dict:
        """What `observe` returns for one body."""

    def content_hash(self, scan: str) -> str:
        """Hash of the content of a scene of the loaded episodes."""

    def load(self, episodes: Sequence[Episode]) -> None:
        """Make episodes known, by position in the sequence.

        Raises:
            InputError: If a scene or a viewpoint of theirs is unknown.
        """

    def resize(self, batch: int) -> None:
        """Make room for `batch` bodies; all must be placed before use."""

    def place(self, rows: Tensor, episodes: Tensor) -> None:
        """Put the bodies `rows` (n,) at the starts of the loaded `episodes` (n,)."""

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Take `actions` (B,) with the bodies where `moving` (B,) is true.

        Returns:
            (B,) bool, True where a body collided.
        """

    def observe(self) -> dict[str, Tensor]:
        """What each body senses, (B, ...) by the keys of `observation_space`, in tensors that nothing else uses."""

    def expert(self) -> Tensor:
        """(B,) int64, the action of the shortest-path expert towards each body's goal; stop at it."""

    def distance(self) -> Tensor:
        """(B,) float32, geodesic distance to each body's goal in metres; NaN where the goal is withheld."""

    def poses(self) -> list[Pose]:
        """The B poses."""

    def picture(self, row: int, trail: Sequence[Pose]) -> np.ndarray:
        """What people are shown of a body that has gone along a trail of poses: (H, W, 3) uint8, always of one size."""

    def choices(self) -> list[tuple[str, ...]]:
        """What each action means to each body now; empty strings for actions that are not offered."""
