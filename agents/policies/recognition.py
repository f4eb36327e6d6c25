"""Label losses: labels of pixels, which are privileged, teach an encoder what the cells of an image show.

The navigator then looks for the words of an instruction among the labels that it recognises.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLES = 4  # rows and columns of pixels in a cell that are asked for their label
WEIGHTS = {"room": 0.25}  # walls of rooms look alike: what can hardly be told must not drown what can


def sampled(image: Tensor, side: int) -> Tensor:
    """The pixels (B, h, w) of an image (B, H, W) of labels that are asked: those of one that is sampled are its own."""
    step = max(1, image.shape[1] // (side * SAMPLES))
    return image[:, step // 2 :: step, step // 2 :: step]


def labels_shown(image: Tensor, count: int, side: int, cells: Tensor) -> Tensor:
    """(B, n, count) 1.0 where at least one pixel looked at in a cell has a label; never for label 0, which is none.

    `image` (B, H, W) has labels below `count`; `cells` (n,) are asked of `side` rows and columns of cells.
    """
    pixels = sampled(image, side)
    size = pixels.shape[1] // side
    pixels = pixels.reshape(len(image), side, size, side, size).transpose(2, 3).flatten(3).flatten(1, 2)[:, cells]
    shown = torch.zeros(*pixels.shape[:2], count, device=image.device).scatter_(2, pixels.long(), 1.0)
    shown[:, :, 0] = 0.0
    return shown


def label_weights(labels: Mapping[str, int]) -> Tensor:
    """(M,) what each label of several kinds of images counts in the loss, from how many there are of each kind."""
    return torch.cat([torch.full((count,), WEIGHTS.get(kind, 1.0)) for kind, count in labels.items()])


def label_loss(logits: Tensor, shown: Tensor, weights: Tensor) -> Tensor:
    """(B,) cross-entropy of whether cells show labels, (B, N, M) each: mean of cells, weighted (M,) sum of labels."""
    return F.binary_cross_entropy_with_logits(logits, shown, reduction="none").mean(1) @ weights


def cells_shown(image: Tensor, side: int) -> Tensor:
    """(B, cells) 1.0 where at least one pixel of an image (B, H, W) is above 0, in `side` rows and columns of cells."""
    size = image.shape[1] // side
    return image.view(-1, side, size, side, size).amax((2, 4)).flatten(1).float()


def pointing_loss(logits: Tensor, shown: Tensor) -> Tensor:
    """(B,) cross-entropy of whether cells show what is sought, (B, cells) each: sum of cells, over their columns."""
    side = math.isqrt(logits.shape[1])
    return F.binary_cross_entropy_with_logits(logits, shown, reduction="none").sum(1) / side
