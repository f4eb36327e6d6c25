"""Images as grids of cells: a small convolutional network, what cells show and how near it is.

Cells take the place of a panorama's views: they are matched and pooled in the same way, see `agents.policies.views`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.config import CameraConfig
from agents.policies.attention import attend, compare
from agents.policies.views import FeatureDropout, Panorama, ViewCache, ViewContent
from vln.errors import InputError

PIXEL = 4  # red, green, blue, nearness
WIDE = 2  # times as many numbers between the layers of a mix
PARTS = 2  # rows and columns of parts of a cell, which are looked at alike


class ImageContent(ViewContent, Protocol):
    """What images of a camera show, as N cells in rows and columns of `side`."""

    side: int

    def encode(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What cells show, `cells` (B, N, d), and how near it is, `near` (B, N), 1 here and 0 far away."""


@dataclass(frozen=True)
class _Cells(Panorama):
    """Cells (B, N, d)."""

    features: Tensor
    cache: ViewCache

    def match(self, query: Tensor) -> Tensor:
        return compare(self.cache.hide(query), self.features)

    def pool(self, weights: Tensor) -> Tensor:
        return self.cache.hide(attend(weights, self.features))


class _Mix(nn.Module):
    """Adds to each cell something of those around it: a convolution by channel, then two layers of each cell.

    Together they cost less than half of a full convolution on a CPU, and the wide layer between them names more things
    aright than wider cells do.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.widen, self.narrow = nn.Linear(channels, WIDE * channels), nn.Linear(WIDE * channels, channels)

    def forward(self, cells: Tensor, side: int) -> Tensor:
        """Cells (B * side * side, channels) to the same."""
        grid = cells.view(-1, side, side, cells.shape[1])
        around = self.around(grid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).reshape(cells.shape)
        return cells + self.narrow(F.relu(self.widen(around), inplace=True))


class ImageViews(FeatureDropout):
    """Colour and depth images to cells of `width` numbers."""

    def __init__(self, config: CameraConfig, width: int, share: float) -> None:
        """Build an encoder with fresh weights that gives cells of `width` numbers; `share` is the feature dropout."""
        super().__init__(width, share)
        self.side, channels = config.cells, config.channels
        self.patch, rest = divmod(config.size, PARTS * config.cells)
        if rest or not self.patch:
            problem = f"images of {config.size} pixels cannot be cut into {config.cells} x {config.cells} cells"
            raise InputError("--policy.camera.size", problem, f"give a multiple of {PARTS * config.cells} pixels")
        self.stem = nn.Linear(PIXEL * self.patch**2, channels // 2)
        self.join = nn.Linear(PARTS**2 * (channels // 2), channels)
        self.mix = nn.ModuleList(_Mix(channels) for _ in range(config.layers))
        self.embed = nn.Linear(channels, width)
        self._coarse = config.precision == "bfloat16"

    def encode(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Cells of `rgb` (B, H, W, 3) uint8 and `depth` (B, H, W, 1) metres along the view axis, 0 = nothing there.

        There is nothing above and below images that are wider than high.
        """
        rgb, near = square(images["rgb"]), nearness(square(images["depth"]))
        with torch.autocast(near.device.type, torch.bfloat16, self._coarse and has_bfloat16(near.device)):
            cells = self._cells(self._patches(rgb, near))
        nearest = F.max_pool2d(near[..., 0][:, None], PARTS * self.patch)
        return {"cells": cells.float().view(len(near), self.side**2, -1), "near": nearest.flatten(1)}

    def _cells(self, patches: Tensor) -> Tensor:
        """Cells (B * side * side, d) of patches."""
        # No patch overlaps another: all is products of matrices, several times as fast as convolutions that do.
        # Rows of two dimensions throughout, since what is done in place to a view of them costs copies of all.
        x = F.relu(self.stem(patches), inplace=True)
        x = F.relu(self.join(x.view(-1, self.join.in_features)), inplace=True)
        for mix in self.mix:
            x = mix(x, self.side)
        embedded: Tensor = self.embed(x)
        return embedded

    def _patches(self, rgb: Tensor, near: Tensor) -> Tensor:
        """Images as rows of numbers, one for each part of each cell of each image.

        The images are (B, H, W, 3) uint8 and (B, H, W, 1) from 0 to 1.
        """
        shape = (len(rgb), self.side, self.side, PARTS, PARTS, self.patch)
        patches = near.new_empty(*shape, PIXEL * self.patch)
        colours, nearness = patches[..., : 3 * self.patch], patches[..., 3 * self.patch :]
        torch.add(near.new_tensor(-1.0), self._cut(rgb), alpha=2 / 255, out=colours)  # from -1 to 1, in one go
        nearness.copy_(self._cut(near))
        return patches.view(-1, self.stem.in_features)

    def _cut(self, image: Tensor) -> Tensor:
        """An image (B, H, W, C) by cell, part and row of pixels: (B, side, side, PARTS, PARTS, patch, patch * C)."""
        rows = (self.side, PARTS, self.patch)
        cut = image.view(len(image), *rows, self.side, PARTS, self.patch * image.shape[3])
        return cut.permute(0, 1, 4, 2, 5, 3, 6)

    def around(self, here: Tensor, cache: ViewCache) -> Panorama:
        """The cells `here`."""
        return _Cells(here, cache)


class BlindImages(nn.Module):
    """An encoder of images that gives cells without content."""

    zero: Tensor

    def __init__(self, config: CameraConfig, width: int) -> None:
        super().__init__()
        self.side = config.cells
        self.register_buffer("zero", torch.zeros(config.cells**2, width), persistent=False)

    def make_cache(self, batch: int, environment: Tensor | None = None) -> ViewCache:
        """Return an empty cache."""
        return ViewCache()

    def encode(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Nothing."""
        batch = len(next(iter(images.values())))
        return {"cells": self.zero.expand(batch, -1, -1), "near": self.zero[:, 0].expand(batch, -1)}

    def around(self, here: Tensor, cache: ViewCache) -> Panorama:
        """The cells `here`."""
        return _Cells(here, cache)


def square(images: Tensor) -> Tensor:
    """Images (B, H, W, C) with black bars where they are not as high as wide, or not as wide as high."""
    _, height, width, _ = images.shape
    if height == width:
        return images
    above, left = (max(height, width) - height) // 2, (max(height, width) - width) // 2
    bars = (left, max(height, width) - width - left, above, max(height, width) - height - above)
    return F.pad(images, (0, 0, *bars))


def nearness(depth: Tensor) -> Tensor:
    """1 / (1 + metres) of what is there, 0 of nothing: differences count where a body might bump into something."""
    return (depth + 1).reciprocal_().masked_fill_(depth <= 0, 0.0)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes with bfloat16 in its own instructions: those that do not take many times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Early versions of torch do not tell.
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16"))
