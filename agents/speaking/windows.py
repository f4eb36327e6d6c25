"""What each update of a language model reads: windows that move on over a text, at several places at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from vln.language import EOS, PAD


@dataclass(frozen=True)
class Window:
    """Symbols to read and those to expect."""

    inputs: Tensor  # (B, L) int64
    targets: Tensor  # (B, L) int64, what comes after each of the inputs; `PAD` where nothing does
    first: bool  # Whether what comes before has not been read, so that no state can be carried on


class TextWindows:
    """Endless epochs over documents: a function of seed and iteration, so that a resumed run needs no cursor.

    In each epoch the documents are put in another order and strung together, beginning at a random place; each reader
    goes through a part of them, window by window.
    """

    def __init__(self, documents: Sequence[np.ndarray], readers: int, length: int, seed: int) -> None:
        """Windows of `length` symbols at up to `readers` places; a ValueError if the text is shorter than one."""
        total = sum(map(len, documents))
        if total < length:
            raise ValueError(f"{total} symbols are fewer than the {length} of a window")
        self._documents, self._length, self._seed = documents, length, seed
        self.readers = min(readers, total // length)
        self.per_epoch = total // (self.readers * length)
        self._epoch = -1

    def window(self, iteration: int) -> Window:
        """What an update reads."""
        epoch, place = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, symbols = epoch, self._shuffle(epoch)
            # The symbol before the first is the last: the text is a ring.
            self._inputs, self._targets = self._lanes(np.roll(symbols, 1)), self._lanes(symbols)
        span = slice(place * self._length, (place + 1) * self._length)
        return Window(self._inputs[:, span], self._targets[:, span], place == 0)

    def _lanes(self, symbols: np.ndarray) -> Tensor:
        """(readers, per_epoch * length): what each reader reads; the few that are left wait for another epoch."""
        kept = self.readers * self.per_epoch * self._length
        return torch.from_numpy(symbols[:kept].reshape(self.readers, -1))

    def _shuffle(self, epoch: int) -> np.ndarray:
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(len(self._documents))
        symbols = np.concatenate([self._documents[each] for each in order])
        return np.roll(symbols, -int(random.integers(len(symbols))))


def all_windows(symbols: np.ndarray, readers: int, length: int) -> list[Window]:
    """Windows in which readers go through all of a text (N,) once; each begins its part knowing only what was last."""
    rows = -(-len(symbols) // readers)
    targets = torch.from_numpy(symbols)
    inputs = pad(targets[:-1], (1, 0), value=EOS)
    left = readers * rows - len(symbols)
    inputs, targets = (pad(each, (0, left), value=PAD).view(readers, rows) for each in (inputs, targets))
    spans = [slice(start, start + length) for start in range(0, rows, length)]
    return [Window(inputs[:, span], targets[:, span], not span.start) for span in spans]
