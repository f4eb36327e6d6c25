"""Data sets that grow while the agent learns, and DAgger (Ross et al. 2011), which labels them by the expert.

On disk an episode is its number, the actions taken and the expert's: two bytes a step. What was seen is rendered again
by taking the same actions again, since simulators are deterministic.
"""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from agents.learners.episode_learning import SequenceConfig, learn_recording
from agents.learners.learner import Learner, Metrics, Setup
from agents.learners.recording import Act, Recording, Steps, drop_ended, record, sample
from agents.learners.sampler import EpisodeSampler
from agents.policies.policy import Policy, without_dropout
from agents.policies.state import Observation, State, check_state, rows, without_privileged
from agents.training.checkpoint import safetensors_os_errors
from vln.errors import InputError
from vln.files import replacing, writing

AGAIN = "start the run again in another folder"


@dataclass(frozen=True)
class Shard:
    """Episodes of one batch."""

    episodes: np.ndarray  # (B,) int32, indices into the environment's episodes
    lengths: np.ndarray  # (B,) int32, steps of each
    actions: np.ndarray  # (sum of lengths,) uint8, actions taken, episode by episode
    expert: np.ndarray  # (sum of lengths,) uint8, the expert's actions


def shard_of(episodes: np.ndarray, steps: Steps) -> Shard:
    """Make the shard of a batch of episodes."""
    alive = steps.mask.T.numpy(force=True) > 0
    taken = (each.T.numpy(force=True)[alive].astype(np.uint8) for each in (steps.actions, steps.expert))
    return Shard(episodes.astype(np.int32), alive.sum(1).astype(np.int32), *taken)


def join_shards(parts: Sequence[Shard]) -> Shard:
    """Join the shards of workers, who have the rows of a batch in turns."""
    actions, expert = (
        [np.split(getattr(part, name), np.cumsum(part.lengths)[:-1]) for part in parts]
        for name in ("actions", "expert")
    )
    in_turns = [np.stack([getattr(part, name) for part in parts], 1).ravel() for name in ("episodes", "lengths")]
    return Shard(
        *in_turns,
        *(np.concatenate([each for row in zip(*steps, strict=True) for each in row]) for steps in (actions, expert)),
    )


class Aggregate:
    """The data set, one file a batch of episodes, and all of it in memory."""

    def __init__(self, folder: Path, keep: int | None = None, *, written: bool = True) -> None:
        """Keep the newest `keep` batches, or all. Unless `written`, another worker writes the files."""
        self.folder, self._keep, self._written = folder, keep, written
        self.shards: list[Shard] = []
        self.added = 0

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.safetensors"

    def add(self, shard: Shard) -> None:
        """Add the episodes of a batch."""
        if self._written:
            with writing(self.folder):
                self.folder.mkdir(exist_ok=True)
            with replacing(self._file(self.added), create=False, durable=True) as file, safetensors_os_errors():
                save_file(vars(shard), file)
        self.shards.append(shard)
        self.added += 1
        if self._keep is not None:
            del self.shards[: -self._keep]

    def forget(self) -> None:
        """Delete the files of batches that were forgotten, once no checkpoint wants them any more."""
        for number in range(self.added - len(self.shards)) if self._written else ():
            self._file(number).unlink(missing_ok=True)

    def restore(self, added: int) -> None:
        """Read back what there was after `added` batches; what came after them is overwritten as it comes again."""
        first = 0 if self._keep is None else max(0, added - self._keep)
        self.shards, self.added = [self._read(self._file(number)) for number in range(first, added)], added

    def _read(self, file: Path) -> Shard:
        try:
            shard = Shard(**load_file(file))
        except (OSError, SafetensorError, TypeError) as error:
            raise InputError(file, f"is missing or no part of a data set of DAgger ({error})", AGAIN) from None
        if not len(shard.actions) == len(shard.expert) == shard.lengths.sum():
            raise InputError(file, "has other numbers of steps than its episodes", AGAIN)
        return shard

    @property
    def lengths(self) -> np.ndarray:
        """(N,) steps of all episodes."""
        return np.concatenate([shard.lengths for shard in self.shards])

    def recall(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Indices (B,) of some episodes of the data set, their lengths (B,), actions and expert's actions (T, B).

        Actions are int64, zeros after the end of an episode; indices are into the environment's episodes.
        """
        batch = len(self.shards[0].episodes)
        found = [self._episode(*divmod(int(number), batch)) for number in numbers]
        episodes, lengths = (np.array(each) for each in list(zip(*found, strict=True))[:2])
        actions, expert = np.zeros((2, lengths.max(), len(found)), dtype=np.int64)
        for column, (_, length, taken, right) in enumerate(found):
            actions[:length, column], expert[:length, column] = taken, right
        return episodes, lengths, actions, expert

    def _episode(self, shard: int, row: int) -> tuple[int, int, np.ndarray, np.ndarray]:
        """Index, length, actions and the expert's actions of an episode."""
        found = self.shards[shard]
        last = int(found.lengths[: row + 1].sum())
        steps = slice(last - int(found.lengths[row]), last)
        return int(found.episodes[row]), int(found.lengths[row]), found.actions[steps], found.expert[steps]


def round_starts(iterations: int, rounds: int) -> list[int]:
    """The update with which each round starts: as many epochs for each, of a data set that grows by equal parts."""
    parts = rounds * (rounds + 1) // 2
    return [iterations * number * (number + 1) // 2 // parts for number in range(rounds)]


@dataclass(frozen=True)
class RoundsConfig(SequenceConfig):
    """Rounds of adding episodes to a data set and of learning from it."""

    rounds: int = 10
    """Number of DAgger rounds."""
    episodes: int = 5000
    """Episodes added in a round, rounded up to whole batches."""


@dataclass(frozen=True)
class DaggerConfig(RoundsConfig):
    """DAgger (Ross et al. 2011), in the form of VLN-CE (Krantz et al. 2020).

    In round n = 0, 1, ... episodes are added to the data set in which the expert takes each action with probability
    `expert_decay` ** n and the agent, without dropout, the others; the expert's actions everywhere are learnt, with
    dropout. The phase's updates are spread over the rounds so that each goes through the data set so far the same
    number of times. The loss weight `student` is that of imitation.
    """

    learner: str = "dagger"
    expert_decay: float = 0.75
    """Factor on the expert's share of the actions after each round; in the first the expert acts alone."""


class RoundsLearner(Learner):
    """Adds episodes to a data set, round by round, and learns from the data set so far."""

    config_type: ClassVar[type[RoundsConfig]] = RoundsConfig
    config: RoundsConfig

    def __init__(self, config: RoundsConfig, setup: Setup, data: Aggregate, env: VectorEnv, at_once: int) -> None:
        """Batches that are added have `at_once` episodes."""
        super().__init__(config, setup)
        self.data, self.env = data, env
        self.per_round = -(-config.episodes // at_once)  # batches
        self._sampler: EpisodeSampler | None = None
        self._sampled = 0

    @property
    @abstractmethod
    def starts(self) -> list[int]:
        """The update of the phase with which each round starts."""

    @property
    def round(self) -> int:
        """The round of the next update."""
        return bisect_right(self.starts, self.updates) - 1

    def missing(self) -> int:
        """Batches to collect before the next update."""
        return (self.round + 1) * self.per_round - self.data.added

    def update(self) -> Metrics:
        """Replay a batch of the data set and imitate its labels."""
        return learn_recording(self.setup.policy, self.replay(), self.config, self.setup.optimizer)

    def replay(self) -> Recording:
        """Step through episodes of the data set again, those of the next update."""
        setup = self.setup
        if self._sampled != self.data.added:
            self._sampler = EpisodeSampler(self.data.lengths, setup.batch_size, setup.seed, setup.workers.rows)
            self._sampled = self.data.added
        assert self._sampler is not None
        numbers = self._sampler.batch(self.updates - self.starts[self.round])
        episodes, lengths, actions, expert = self.data.recall(numbers)
        follow = replay_actor(torch.from_numpy(actions).to(setup.device))
        found = record(self.env, episodes, follow, torch.ones(len(episodes), device=setup.device))
        if not np.array_equal(found.mask.sum(0).numpy(force=True), lengths):
            raise InputError(self.data.folder, "its episodes do not end as they did when they were added", AGAIN)
        return replace(found, expert=torch.from_numpy(expert).to(setup.device))

    def generator(self) -> torch.Generator:
        """Random numbers for the next batch, which depend on its number alone."""
        seed = self.setup.workers.seed((self.setup.seed << 24) + self.data.added)
        return torch.Generator(self.setup.device).manual_seed(seed)

    def state_dict(self) -> dict[str, Tensor]:
        """How many batches were added; their files hold the rest."""
        return {"added": torch.tensor(self.data.added)}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Read the data set back."""
        self.data.restore(int(tensors["added"]))


class Dagger(RoundsLearner):
    """Episodes in which expert and agent act in turns, labelled by the expert."""

    config_type = DaggerConfig
    config: DaggerConfig

    def __init__(self, config: DaggerConfig, setup: Setup) -> None:
        data = Aggregate(setup.folder / "dagger", written=setup.workers.is_main)
        super().__init__(config, setup, data, setup.env, setup.batch_size)

    @property
    def starts(self) -> list[int]:
        """As many epochs for each round."""
        return round_starts(self.config.iterations, self.config.rounds)

    def collect(self) -> int:
        """Add a batch of episodes, which depends on its number alone; return the steps that were taken."""
        setup, number = self.setup, self.data.added
        fraction = self.config.expert_decay ** (number // self.per_round)
        episodes = setup.sampler.batch(number)
        share = torch.full((len(episodes),), fraction, device=setup.device)
        act = MixedActor(setup.policy, share, self.generator())
        steps = record(self.env, episodes, act, torch.ones_like(share), keep_frames=False)
        shard = join_shards(setup.workers.gather(shard_of(episodes, steps)))
        self.data.add(shard)
        return int(shard.lengths.sum())


# --- who acts ---


def replay_actor(actions: Tensor) -> Act:
    """Takes `actions` (T, B) that are known in advance, one after the other."""
    left = iter(actions)
    return lambda *_: next(left)


class MixedActor:
    """Takes an action of the expert or of the policy, which samples without dropout.

    The policy's state follows the actions that are taken, whoever chose them.
    """

    def __init__(
        self,
        policy: Policy,
        expert_fraction: Tensor,
        random: torch.Generator | None = None,
        greedy: Tensor | None = None,
    ) -> None:
        """A mixture in which each of B episodes takes the expert's action with probability `expert_fraction` (B,).

        Where `greedy` (B,) is true the policy does not sample, but takes its most probable action.
        """
        self._policy, self._fraction, self._random = policy, expert_fraction, random
        self._greedy = torch.zeros_like(expert_fraction, dtype=torch.bool) if greedy is None else greedy
        self._memory: tuple[Tensor, State] | None = None

    @torch.no_grad()
    def __call__(self, observation: Observation, infos: dict[str, Any], alive: Tensor) -> Tensor:
        """Actions (B,) of the live episodes."""
        expert = torch.as_tensor(infos["expert"], device=alive.device)
        if bool((self._fraction == 1).all()):
            return expert
        without_dropout(self._policy)
        seen = without_privileged(observation)
        if self._memory is None:
            self._memory = torch.arange(len(alive), device=alive.device), self._policy.initial_state(seen)
            check_state(self._memory[1], len(alive), self._policy)
        index, state = drop_ended(alive, *self._memory)
        output = self._policy.step(rows(seen, index), state)
        teaching = torch.rand(len(alive), device=alive.device, generator=self._random) < self._fraction
        own = torch.where(self._greedy[index], output.logits.argmax(1), sample(output.logits, self._random))
        actions = torch.where(teaching, expert, expert.index_copy(0, index, own))
        self._memory = index, self._policy.after(output.state, actions[index])
        return actions
