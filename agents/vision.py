"""Images as grids of cells: a small convolutional network, what cells show and how near it is.

Cells take the place of a panorama's views: they are matched and pooled in the same way, see `agents.views`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.config import CameraConfig
from agents.views import FeatureDropout, Glance, Panorama
from vln.errors import InputError


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
        return torch.bmm(self.features, self.glance.dim(query)[:, :, None])[:, :, 0]

    def pool(self, weights: Tensor) -> Tensor:
        return self.glance.dim(torch.bmm(weights[:, None], self.features)[:, 0])


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
        self.side, self.size = config.cells, config.size
        # Half a cell at a time: patches do not overlap, which costs a third of convolutions that do.
        patch, rest = divmod(config.size, 2 * config.cells)
        if rest or not patch:
            problem = f"images of {config.size} pixels cannot be cut into {config.cells} x {config.cells} cells"
            raise InputError("--navigator.camera.size", problem, f"give a multiple of {2 * config.cells} pixels")
        channels = config.channels
        self.stem = nn.Conv2d(4, channels, patch, patch)
        self.narrow = nn.Conv2d(channels, 2 * channels, 3, 2, 1)
        self.mix = nn.ModuleList(nn.Conv2d(2 * channels, 2 * channels, 3, 1, 1) for _ in range(config.layers))
        self.embed = nn.Linear(2 * channels, width)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def begin(self, batch: int) -> Glance:
        """Draw the feature dropout."""
        return Glance(self._scales(batch))

    def see(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Cells of `rgb` (B, H, W, 3) uint8 and `depth` (B, H, W, 1) metres along the view axis, 0 = nothing there."""
        near = nearness(images["depth"])
        pixels = torch.cat([images["rgb"].float().mul_(1 / 127.5).sub_(1.0), near], -1)
        x = F.relu(self.stem(pixels.permute(0, 3, 1, 2)), inplace=True)
        x = F.relu(self.narrow(x), inplace=True)
        for layer in self.mix:
            x = x + F.relu(layer(x), inplace=True)
        cells = self.embed(x.permute(0, 2, 3, 1).flatten(1, 2))
        nearest = F.max_pool2d(near[..., 0][:, None], self.size // self.side)
        return {"cells": cells, "near": nearest.flatten(1)}

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
