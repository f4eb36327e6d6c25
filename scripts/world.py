"""What training and evaluation need of the data, whatever world they are of."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from gymnasium.vector import AutoresetMode

from agents.agent import Agent
from agents.config import TrainConfig
from agents.policies.navigator import Navigator
from agents.training.checkpoint import Fingerprint
from envs.environment import NavigationVectorEnv
from envs.simulator import Simulator
from vln.episodes import Episode
from vln.language import Vocabulary, is_readable
from vln.text import one_line
from vln.trajectory import Trajectory

NAMED = 20  # episodes that a line names at most


@dataclass(frozen=True)
class World(ABC):
    """What a configuration needs of the data.

    Attributes:
        config: The configuration.
        splits: Episodes by name of the split.
        vocabulary: Of the instructions.
    """

    config: TrainConfig
    splits: Mapping[str, Sequence[Episode]]
    vocabulary: Vocabulary

    @property
    def rules(self) -> Mapping[str, Any]:
        """Options of its environments that are other than usual."""
        return {}

    @property
    @abstractmethod
    def content(self) -> str:
        """What tells what there is to see from what there is in other versions, e.g. a hash."""

    @property
    @abstractmethod
    def patience(self) -> int:
        """Actions enough for agents that need no learning."""

    @property
    def time_limit(self) -> int:
        """Actions of an episode that is scored; those of training may be shorter."""
        return self.config.max_steps

    @abstractmethod
    def simulator(self, *, blind: bool = False, named: bool = False, device: str = "cpu") -> Simulator:
        """A simulator.

        Args:
            blind: Give nothing to see.
            named: Show what things are called as well, if the agent learns from that.
            device: Where it lives, if it can live elsewhere than on the CPU.
        """

    @abstractmethod
    def navigator(self) -> Navigator:
        """A navigator with fresh weights."""

    @abstractmethod
    def random(self, split: str, num_envs: int, expert: Sequence[Trajectory]) -> tuple[Agent, NavigationVectorEnv]:
        """The random agent and its environment; `expert` is what the expert did on the split."""

    @abstractmethod
    def scores(self, split: str, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
        """A (B,) array for each name of `vln.metrics.METRICS`."""

    @abstractmethod
    def path_lengths(self, split: str) -> np.ndarray:
        """(N,) metres of the demonstrations of a split."""

    def sharing(self, other: Self) -> Self:
        """The same world, with what another one of its kind has loaded and can show it."""
        return self

    def without_bad_episodes(self) -> Self:
        """The same without episodes that do not fit their scenes; on graphs such data are refused as a whole."""
        return self

    def check(self) -> None:  # noqa: B027 - no more than that is to be done where there are no scenes
        """Check what would show no sooner than an episode is lived, so that a run does not end by it in an hour.

        On graphs nothing is left to check, and generated houses are checked as they are made.

        Raises:
            InputError: If an episode does not fit its scene.
        """

    @property
    def fingerprint(self) -> Fingerprint:
        """What a checkpoint remembers of the data."""
        return Fingerprint(self.vocabulary.digest, self.content)

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
        withheld: bool = False,
        labelled: bool = False,
    ) -> NavigationVectorEnv:
        """Episodes of a split, autoreset DISABLED.

        Args:
            split: The split.
            num_envs: Episodes at a time.
            record: Give numpy arrays, poses and choices, as `agents.evaluation.rollout` wants them.
            silent: Hide the instructions.
            blind: Give nothing to see.
            max_steps: Actions of an episode; if absent the time limit when recording, else those of the configuration.
            device: Where the world lives, if it can live elsewhere than on the CPU.
            withheld: Tell nothing of the episodes but the instructions and where they start.
            labelled: Label what is seen, if the agent has learnt from labels, also when recording.
        """
        episodes = self.splits[split]
        return NavigationVectorEnv(
            self.simulator(blind=blind, named=labelled or not record, device=device),
            [each.without_goal() for each in episodes] if withheld else episodes,
            self.vocabulary,
            num_envs,
            max_steps=max_steps or (self.time_limit if record else self.config.max_steps),
            max_length=self.config.language.max_length,
            reward=self.config.reward,
            autoreset_mode=AutoresetMode.DISABLED,
            record=record,
            tensors=not record,
            silent=silent or self.config.ablate == "language",
            **self.rules,
        )

    def lengths(self, split: str) -> np.ndarray:
        """(N,) tokens of the instructions of a split."""
        instructions = [episode.instruction for episode in self.splits[split]]
        return self.vocabulary.encode_batch(instructions, self.config.language.max_length)[1]


def tell_unreadable(episodes: Sequence[Episode], vocabulary: Vocabulary) -> None:
    """Say on stderr of which episodes an agent with this vocabulary knows no word; it acts in them all the same."""
    names = [each.episode_id for each in episodes if not is_readable(each.instruction, vocabulary)]
    if names:
        few = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
        told = f"knows no word of {len(names):,} of {len(episodes):,} instructions"
        print(one_line(f"the agent {told}, and acts all the same: episodes {few}"), file=sys.stderr)


def vocabulary_of(config: TrainConfig, episodes: Mapping[str, Sequence[Episode]]) -> Vocabulary:
    """The vocabulary of the training instructions."""
    sentences = [episode.instruction for episode in episodes["train"]]
    return Vocabulary.build(sentences, config.language.min_count, config.language.unit)
