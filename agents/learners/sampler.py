"""Which episodes each update learns from: a function of seed and iteration, so that a resumed run needs no cursor."""

from collections.abc import Sequence

import numpy as np

WINDOW = 16  # batches among which episodes are sorted by length
EVERY_ROW = slice(None)


class EpisodeSampler:
    """Shuffled epochs in batches of instructions of like length, which leaves little padding to compute.

    Of several parts, such as the tasks of a mixture, an epoch holds each in proportion to its share, up to one episode
    that chance rounds, and so does a batch on average: parts with long and with short sentences meet in few of them.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        batch_size: int,
        seed: int,
        rows: slice = EVERY_ROW,
        parts: Sequence[tuple[np.ndarray, float]] = (),
    ) -> None:
        """A sampler over episodes whose instructions have `lengths` (N,) tokens; `rows` of each batch are wanted.

        `parts` are numbers of episodes and shares that sum to 1; one part of all episodes if there are none.
        """
        self._lengths, self._batch_size, self._seed, self._rows = lengths, batch_size, seed, rows
        self._parts = list(parts) or [(np.arange(len(lengths)), 1.0)]
        # Fewer episodes than a batch: an epoch repeats them until it holds one.
        self.per_epoch = len(lengths) * max(1, -(-batch_size // len(lengths))) // batch_size
        self._epoch, self._batches = -1, np.empty((0, batch_size), dtype=np.int64)

    def batch(self, iteration: int) -> np.ndarray:
        """The episodes (B,) of an update, numbered from 0, or those of the rows that are wanted."""
        epoch, place = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffle(epoch)
        return self._batches[place][self._rows]

    def _shuffle(self, epoch: int) -> np.ndarray:
        """The batches of an epoch (per_epoch, B); the few episodes that fill no batch wait for the next epoch."""
        random = np.random.default_rng([self._seed, epoch])
        order = self._draw(random)
        window = WINDOW * self._batch_size
        windows = [order[first : first + window] for first in range(0, len(order), window)]
        ordered = np.concatenate([each[np.argsort(self._lengths[each], kind="stable")] for each in windows])
        return random.permutation(ordered.reshape(self.per_epoch, self._batch_size))

    def _draw(self, random: np.random.Generator) -> np.ndarray:
        """The episodes of an epoch (per_epoch * B,) in random order, those of a part equally often up to one."""
        size = self.per_epoch * self._batch_size
        if len(self._parts) == 1:
            return _shuffled(self._parts[0][0], size, random)
        ends = np.cumsum([share for _, share in self._parts]) * size + random.random()
        counts = np.diff(np.floor([0, *ends[:-1], size]).astype(int))
        drawn = [_shuffled(part, count, random) for (part, _), count in zip(self._parts, counts, strict=True)]
        return random.permutation(np.concatenate(drawn))


def _shuffled(numbers: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """So many of some numbers in random order; all of them before one comes again."""
    rounds = [random.permutation(len(numbers)) for _ in range(-(-count // len(numbers)))]
    return numbers[np.concatenate([np.empty(0, dtype=np.int64), *rounds])[:count]]
