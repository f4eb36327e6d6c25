"""Images as grids of cells: a small convolutional network, what cells show and how near it is.

Cells take the place of a panorama's views: they are matched and pooled in the same way, see `agents.views`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.attention import attend, compare
from agents.config import CameraConfig
from agents.views import FeatureDropout, Glance, Panorama
from vln.errors import InputError

PIXEL = 4  # red, green, blue, nearness
PARTS = 2  # rows and columns of parts of a cell, which are looked at alike


class ImageContent(Protocol):
    """What images of a camera show, as N cells."""

    side: int

    def begin(self, batch: int) -> Glance:
        """What the steps of a batch of episodes share."""

    def see(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What cells show, `cells` (B, N, d), and how near it is, `near` (B, N), 1 here and 0 far away."""

    def around(self, here: Tensor, glance: Glance) -> Panorama:
        """Cells (B, N, d) to match and to pool."""


@dataclass(frozen=True)
class _Cells:
    """Cells (B, N, d)."""

    features: Tensor
    glance: Glance

    def match(self, query: Tensor) -> Tensor:
        return compare(self.glance.dim(query), self.features)

    def pool(self, weights: Tensor) -> Tensor:
        return self.glance.dim(attend(weights, self.features))


class _Mix(nn.Module):
    """Adds to each cell something of those around it: a convolution by channel, then one of the channels.

    Together they cost a third of a full convolution on a CPU.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.across = nn.Linear(channels, channels)

    def forward(self, cells: Tensor) -> Tensor:
        """Cells (B, side, side, channels) to the same."""
        around = self.around(cells.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return cells + F.relu(self.across(around), inplace=True)


class ImageViews(FeatureDropout):
    """Colour and depth images to cells of `width` numbers."""

    def __init__(self, config: CameraConfig, width: int, share: float) -> None:
        """Fresh eyes.

        Args:
            config: Their size.
            width: Numbers of a cell (d).
            share: Feature dropout.

        Raises:
            InputError: If the images cannot be cut into the cells.
        """
        super().__init__(width, share)
        self.side, channels = config.cells, config.channels
        self.patch, rest = divmod(config.size, PARTS * config.cells)
        if rest or not self.patch:
            problem = f"images of {config.size} pixels cannot be cut into {config.cells} x {config.cells} cells"
            raise InputError("--navigator.camera.size", problem, f"give a multiple of {PARTS * config.cells} pixels")
        self.stem = nn.Linear(PIXEL * self.patch**2, channels // 2)
        self.join = nn.Linear(PARTS**2 * (channels // 2), channels)
        self.mix = nn.ModuleList(_Mix(channels) for _ in range(config.layers))
        self.embed = nn.Linear(channels, width)

    def begin(self, batch: int) -> Glance:
        """Draw the feature dropout."""
        return Glance(self._scales(batch))

    def see(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Cells of `rgb` (B, H, W, 3) uint8 and `depth` (B, H, W, 1) metres along the view axis, 0 = nothing there."""
        near = nearness(images["depth"])
        pixels = torch.cat([images["rgb"].float().mul_(1 / 127.5).sub_(1.0), near], -1)
        # No patch overlaps another: all is products of matrices, several times as fast as convolutions that do.
        x = F.relu(self.stem(self._parts(pixels)), inplace=True)
        x = F.relu(self.join(x.flatten(-2)), inplace=True)
        for mix in self.mix:
            x = mix(x)
        nearest = F.max_pool2d(near[..., 0][:, None], PARTS * self.patch)
        return {"cells": self.embed(x).flatten(1, 2), "near": nearest.flatten(1)}

    def _parts(self, pixels: Tensor) -> Tensor:
        """Pixels (B, H, W, PIXEL) by cell and part of it, (B, side, side, PARTS * PARTS, PIXEL * patch * patch)."""
        grid = (self.side, PARTS, self.patch)
        cut = pixels.view(len(pixels), *grid, *grid, PIXEL)
        return cut.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(len(pixels), self.side, self.side, PARTS**2, -1)

    def around(self, here: Tensor, glance: Glance) -> Panorama:
        """The cells `here`."""
        return _Cells(here, glance)


class BlindImages(nn.Module):
    """Eyes that are shut: cells without content, whatever there is to see."""

    zero: Tensor

    def __init__(self, config: CameraConfig, width: int) -> None:
        """Cells of `width` numbers, all zero."""
        super().__init__()
        self.side = config.cells
        self.register_buffer("zero", torch.zeros(config.cells**2, width), persistent=False)

    def begin(self, batch: int) -> Glance:
        """Nothing to share."""
        return Glance()

    def see(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Nothing."""
        batch = len(next(iter(images.values())))
        return {"cells": self.zero.expand(batch, -1, -1), "near": self.zero[:, 0].expand(batch, -1)}

    def around(self, here: Tensor, glance: Glance) -> Panorama:
        """The cells `here`."""
        return _Cells(here, glance)


def nearness(depth: Tensor) -> Tensor:
    """1 / (1 + metres) of what is there, 0 of nothing: differences count where a body might bump into something."""
    return (depth + 1).reciprocal_().masked_fill_(depth <= 0, 0.0)
