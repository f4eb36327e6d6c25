"""Which episodes each update learns from: a function of seed and iteration, so that a resumed run needs no cursor."""

import numpy as np

WINDOW = 16  # batches among which episodes are sorted by length
EVERY_ROW = slice(None)


class EpisodeSampler:
    """Shuffled epochs in batches of instructions of like length, which leaves little padding to compute."""

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int, rows: slice = EVERY_ROW) -> None:
        """A sampler over episodes whose instructions have `lengths` (N,) tokens; `rows` of each batch are wanted."""
        self._lengths, self._batch_size, self._seed, self._rows = lengths, batch_size, seed, rows
        # Fewer episodes than a batch: an epoch repeats them until it holds one.
        self._repeats = max(1, -(-batch_size // len(lengths)))
        self.per_epoch = len(lengths) * self._repeats // batch_size
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
        order = np.concatenate([random.permutation(len(self._lengths)) for _ in range(self._repeats)])
        order = order[: self.per_epoch * self._batch_size]
        window = WINDOW * self._batch_size
        windows = [order[first : first + window] for first in range(0, len(order), window)]
        ordered = np.concatenate([each[np.argsort(self._lengths[each], kind="stable")] for each in windows])
        return random.permutation(ordered.reshape(self.per_epoch, self._batch_size))
