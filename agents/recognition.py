"""Learning to see by naming: labels of the pixels, never seen when acting, say which words fit what a cell shows.

Names are matched with cells as the words of an instruction are, so that what is learnt here is what words are looked
for by.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vln.language import PAD, UNK, Vocabulary

SAMPLES = 4  # rows and columns of pixels in a cell that are asked for their label
LONGEST = 4  # words of a name


class Names(nn.Module):
    """What the labels of one kind of image (category, colour) are called; a label may have several names, or none."""

    tokens: Tensor
    labels: Tensor

    def __init__(self, labels: Sequence[Sequence[str]], vocabulary: Vocabulary) -> None:
        """The names of each label, as far as a vocabulary of words knows all their words."""
        super().__init__()
        self.count = len(labels)
        known = [
            (label, words)
            for label, names in enumerate(labels)
            for words in (vocabulary.encode(name, LONGEST + 1)[:-1] for name in names)
            if len(words) and UNK not in words
        ]
        tokens = np.full((len(known), LONGEST), PAD, dtype=np.int64)
        for row, (_, words) in zip(tokens, known, strict=True):
            row[: len(words)] = words
        self.register_buffer("tokens", torch.from_numpy(tokens), persistent=False)
        of_names = torch.tensor([label for label, _ in known], dtype=torch.int64)
        self.register_buffer("labels", of_names, persistent=False)

    def vectors(self, embedding: nn.Embedding) -> Tensor:
        """(M, E) mean of each name's word vectors."""
        return embedding(self.tokens).sum(1) / (self.tokens != PAD).sum(1, keepdim=True)

    def shown(self, image: Tensor, side: int, cells: Tensor) -> Tensor:
        """Whether some cells show what a name is for.

        Args:
            image: (B, H, W) labels of the pixels.
            side: Rows and columns of cells.
            cells: (n,) numbers of the cells that are asked, row by row.

        Returns:
            (B, n, M) float, 1 where at least one of the pixels looked at has the name's label.
        """
        step = max(1, image.shape[1] // (side * SAMPLES))
        pixels = image[:, step // 2 :: step, step // 2 :: step]
        size = pixels.shape[1] // side
        pixels = pixels.reshape(len(image), side, size, side, size).transpose(2, 3).flatten(3).flatten(1, 2)[:, cells]
        found = torch.zeros(*pixels.shape[:2], self.count, device=image.device)
        return found.scatter_(2, pixels.long(), 1.0)[:, :, self.labels]


def naming_loss(logits: Tensor, shown: Tensor) -> Tensor:
    """(B,) cross-entropy of whether cells show what names are for, (B, N, M) each: mean of cells, sum of names."""
    return F.binary_cross_entropy_with_logits(logits, shown, reduction="none").sum(2).mean(1)
