"""What an agent is, and those that need no learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from vln.language import Vocabulary


@dataclass(frozen=True)
class Decision:
    """Actions of a batch, and what led to them where the agent can tell."""

    actions: np.ndarray  # (B,) int64
    probabilities: np.ndarray | None = None  # (B, A) the agent's distribution over actions
    word_attention: np.ndarray | None = None  # (B, L) attention over the instruction's tokens
    view_attention: np.ndarray | None = None  # (B, 36) attention over the panorama


class Agent(Protocol):
    """Anything that acts in a `VectorEnv` with numpy observations."""

    @property
    def name(self) -> str:
        """Name written into trajectories."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What its tokens mean; None for an agent that does not read."""

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Start a batch of episodes."""

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Decide for all episodes of the batch; what is decided for ended ones does not matter."""


class OwnAgent:
    """An agent of a user under the name that it is asked for by; what it leaves out has defaults."""

    def __init__(self, agent: Any, name: str) -> None:
        """Wrap an agent that has `act`, and maybe `begin`, `vocabulary` and `notes`."""
        self.name, self._agent = name, agent
        self.vocabulary: Vocabulary | None = getattr(agent, "vocabulary", None)

    @property
    def notes(self) -> Sequence[str]:
        """What the agent has to say at the end, e.g. how many requests failed."""
        return tuple(getattr(self._agent, "notes", ()))

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Start a batch of episodes."""
        if hasattr(self._agent, "begin"):
            self._agent.begin(observation, seed)

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Decide; actions alone are taken for a decision."""
        decided = self._agent.act(observation, infos)
        return decided if isinstance(decided, Decision) else Decision(decided)


class ShortestPathAgent:
    """Follows the expert, which knows the goal."""

    name = "shortest path"
    vocabulary = None

    def __init__(self, env: Any = None) -> None:
        """An agent for any environment."""

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Nothing to start."""

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Do as the expert does."""
        return Decision(np.asarray(infos["expert"]))


class RandomAgent:
    """The random agent of Anderson et al. 2018, section 4.3, on low-level actions.

    It turns to a random heading, then moves forward five times, turning right where there is nothing ahead, and stops.
    """

    name = "random"
    vocabulary = None
    TURNS, MOVES = 12, 5

    def __init__(self, right: int, forward: int, stop: int) -> None:
        """An agent for an environment with these three actions."""
        self._right, self._forward, self._stop = right, forward, stop

    @classmethod
    def of(cls, actions: Sequence[str]) -> Self:
        """Make one for an environment whose actions have these names."""
        return cls(*(actions.index(name) for name in ("right", "forward", "stop")))

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Draw the turns to take first, 0 to 11."""
        count = len(observation["viewpoint"])
        self._done = -np.random.default_rng(seed).integers(0, self.TURNS, count)

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Turn, move or stop."""
        ahead = np.asarray(observation["candidate_mask"])[:, self._forward] > 0
        moving, stopping = (self._done >= 0) & ahead, self._done >= self.MOVES
        actions = np.where(stopping, self._stop, np.where(moving, self._forward, self._right))
        self._done = self._done + ((self._done < 0) | moving)
        return Decision(actions.astype(np.int64))


BASELINE_STEPS = 100  # actions of baselines on graphs, enough for any episode


class SamplingAgent:
    """Draws every action with the same probabilities; with those of the expert its episodes are as long as its."""

    name = "random"
    vocabulary = None

    def __init__(self, probabilities: np.ndarray) -> None:
        """An agent that takes action a with probability `probabilities[a]`."""
        self._probabilities = probabilities

    @classmethod
    def like(cls, actions: Sequence[int], count: int) -> Self:
        """Make one that takes each of `count` actions as often as it is among those given."""
        counts = np.bincount(actions, minlength=count)
        return cls(counts / counts.sum())

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Seed the draws."""
        self._random = np.random.default_rng(seed)

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Draw."""
        batch, actions = len(infos["expert"]), len(self._probabilities)
        return Decision(self._random.choice(actions, batch, p=self._probabilities))
