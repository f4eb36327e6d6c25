"""Wiring shared by the scripts that train and evaluate: data, environments and agents of a configuration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from agents.agent import Agent
from agents.checkpoint import Fingerprint
from agents.config import HOUSES, TrainConfig
from agents.navigator import Navigator
from envs.environment import NavigationVectorEnv
from scripts.graph_world import open_graph_world
from vln.episodes import Episode
from vln.errors import InputError
from vln.language import Vocabulary
from vln.trajectory import Trajectory

EVALUATION_BATCH = 256


class World(Protocol):
    """What a configuration needs of the data."""

    @property
    def config(self) -> TrainConfig:
        """The configuration."""

    @property
    def splits(self) -> Mapping[str, Sequence[Episode]]:
        """Episodes by name of the split."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the instructions."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What a checkpoint remembers of the data."""

    @property
    def patience(self) -> int:
        """Actions enough for agents that need no learning."""

    def environment(
        self,
        split: str,
        num_envs: int,
        *,
        record: bool = False,
        silent: bool = False,
        blind: bool = False,
        max_steps: int | None = None,
        device: str = "cpu",
    ) -> NavigationVectorEnv:
        """Episodes of a split, autoreset DISABLED.

        Args:
            split: The split.
            num_envs: Episodes at a time.
            record: Give numpy arrays, poses and choices, as `agents.rollout.rollout` wants them.
            silent: Hide the instructions.
            blind: Give nothing to see.
            max_steps: Actions of an episode, those of the configuration if absent.
            device: Where the world lives, if it can live elsewhere than on the CPU.
        """

    def navigator(self) -> Navigator:
        """A navigator with fresh weights."""

    def random(self, split: str, num_envs: int, expert: Sequence[Trajectory]) -> tuple[Agent, NavigationVectorEnv]:
        """The random agent and its environment; `expert` is what the expert did on the split."""

    def scores(self, split: str, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
        """A (B,) array for each name of `vln.metrics.METRICS`."""

    def lengths(self, split: str) -> np.ndarray:
        """(N,) tokens of the instructions of a split."""


def open_world(
    config: TrainConfig,
    data: Path | None,
    splits: Sequence[str],
    vocabulary: Vocabulary | None = None,
    cache: Path | None = None,
) -> World:
    """Load, or make, what a configuration needs.

    Args:
        config: The configuration.
        data: Folder of the data; the usual ones if absent.
        splits: Names of the splits.
        vocabulary: That of the training instructions if absent.
        cache: Folder for what is made of the data; the usual one if absent.

    Raises:
        InputError: If data are missing or malformed.
    """
    if config.dataset in HOUSES:
        # Compiled code takes seconds to load, which graphs do without.
        from scripts.houses_world import open_houses_world

        return open_houses_world(config, data, splits, vocabulary, cache)
    return open_graph_world(config, data, splits, vocabulary, cache)


def usable_device(name: str) -> str:
    """The name of a device that torch can compute on here.

    Raises:
        InputError: If it cannot.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError("--device", f"'{name}' cannot be used here ({reason})", "use cpu") from None
    return name
