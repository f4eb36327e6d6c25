"""DAgger (Ross et al. 2011): a growing data set of episodes lived by expert and agent in turns, labelled by the expert.

On disk an episode is its number, the actions taken and the expert's: two bytes a step. What was seen is rendered again
by taking the same actions again, since simulators are deterministic.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from agents.config import TrainConfig
from agents.navigator import Navigator
from agents.recording import Follower, Mixture, Recording, Steps, record
from agents.sampler import EpisodeSampler
from vln.errors import InputError
from vln.files import replacing

AGAIN = "start the run again in another folder"


@dataclass(frozen=True)
class Shard:
    """Episodes of one batch.

    Attributes:
        episodes: (B,) int32, indices into the environment's episodes.
        lengths: (B,) int32, steps of each.
        actions: (sum of lengths,) uint8, actions taken, episode by episode.
        expert: (sum of lengths,) uint8, the expert's actions.
    """

    episodes: np.ndarray
    lengths: np.ndarray
    actions: np.ndarray
    expert: np.ndarray


def shard_of(episodes: np.ndarray, steps: Steps) -> Shard:
    """What is kept of a batch of episodes."""
    alive = steps.mask.T.numpy(force=True) > 0
    taken = (each.T.numpy(force=True)[alive].astype(np.uint8) for each in (steps.actions, steps.expert))
    return Shard(episodes.astype(np.int32), alive.sum(1).astype(np.int32), *taken)


class Aggregate:
    """The data set, one file a batch of episodes, and all of it in memory."""

    def __init__(self, folder: Path) -> None:
        """An empty data set, whose files go to `folder`."""
        self.folder = folder
        self.shards: list[Shard] = []

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.safetensors"

    def add(self, shard: Shard) -> None:
        """Add the episodes of a batch."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._file(len(self.shards))) as temporary:
            save_file(vars(shard), temporary)
        self.shards.append(shard)

    def restore(self, count: int) -> None:
        """Read the first `count` batches back; what was added after them is overwritten as it comes again.

        Raises:
            InputError: If one is missing or broken.
        """
        self.shards = [self._read(self._file(number)) for number in range(count)]

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
        """Episodes (B,) by their number in the data set.

        Returns:
            Indices (B,) into the environment's episodes, lengths (B,), actions (T, B) and the expert's (T, B), int64,
            zeros after the end of an episode.
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


class Dagger:
    """Rounds of adding to the data set and of learning from it."""

    def __init__(self, config: TrainConfig, navigator: Navigator, env: VectorEnv, folder: Path) -> None:
        """Rounds that have not started, of the phase of imitation.

        Args:
            config: The run's.
            navigator: The agent.
            env: Training episodes, autoreset DISABLED, `config.batch_size` at a time.
            folder: Where the data set goes.
        """
        self.config, self._navigator, self._env = config, navigator, env
        self.data = Aggregate(folder)
        self._starts = round_starts(config.imitation.iterations, config.dagger.rounds)
        self._per_round = -(-config.dagger.episodes // config.batch_size)
        self._sampler: EpisodeSampler | None = None
        self._sampled = 0

    def round(self, done: int) -> int:
        """The round of the update after `done` updates of the phase."""
        return bisect_right(self._starts, done) - 1

    def lacks(self, done: int) -> int:
        """Batches to gather before that update."""
        return (self.round(done) + 1) * self._per_round - len(self.data.shards)

    def gather(self, sampler: EpisodeSampler) -> int:
        """Add a batch of episodes, whose chance depends on its number alone; returns the steps that were taken.

        Raises:
            FloatingPointError: If the policy is not a number.
        """
        number, device = len(self.data.shards), next(self._navigator.parameters()).device
        share = self.config.dagger.expert_decay ** (number // self._per_round)
        random = torch.Generator(device).manual_seed((self.config.seed << 24) + number)
        act = Mixture(self._navigator, torch.full((self.config.batch_size,), share, device=device), random)
        episodes = sampler.batch(number)
        steps = record(self._env, episodes, act, torch.ones(len(episodes), device=device), keep_frames=False)
        self.data.add(shard_of(episodes, steps))
        return int(steps.mask.sum())

    def recall(self, done: int) -> Recording:
        """Live through episodes of the data set again, those of the update after `done` updates of the phase.

        Raises:
            InputError: If they do not end as they did.
        """
        if self._sampled != len(self.data.shards):
            self._sampler = EpisodeSampler(self.data.lengths, self.config.batch_size, self.config.seed)
            self._sampled = len(self.data.shards)
        assert self._sampler is not None
        numbers = self._sampler.batch(done - self._starts[self.round(done)])
        episodes, lengths, actions, expert = self.data.recall(numbers)
        device = next(self._navigator.parameters()).device
        follow = Follower(torch.from_numpy(actions).to(device))
        found = record(self._env, episodes, follow, torch.ones(len(episodes), device=device))
        if not np.array_equal(found.mask.sum(0).numpy(force=True), lengths):
            raise InputError(self.data.folder, "its episodes do not end as they did when they were added", AGAIN)
        return replace(found, expert=torch.from_numpy(expert).to(device))
