"""Where views and cells of images are, as features."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vln.graph import VIEW_STEP, VIEWS

DIRECTION = 8  # numbers that describe a direction, see `directions`
GEOMETRY = DIRECTION + 3  # numbers that describe a candidate, see `candidate_features`
HALF_FIELD = math.radians(45)  # from the middle of an image to its sides


def directions(heading: Tensor, elevation: Tensor) -> Tensor:
    """Features (..., DIRECTION) of directions in radians, which tell neighbouring headings apart linearly.

    Sines and cosines of the heading's first three multiples and of the elevation.
    """
    parts = [function(heading * k) for k in (1, 2, 3) for function in (torch.sin, torch.cos)]
    return torch.stack([*parts, elevation.sin(), elevation.cos()], -1)


def facing(heading: Tensor, elevation: Tensor) -> Tensor:
    """The views whose centres are nearest to directions in radians, int64 of their shape."""
    column = torch.round(heading / VIEW_STEP).long() % 12
    return 12 * (1 + torch.round(elevation / VIEW_STEP).long().clamp(-1, 1)) + column


def candidate_features(observation: Mapping[str, Tensor], visited: Tensor) -> Tensor:
    """Features (B, A, GEOMETRY) of candidates: direction, metres, whether it is the stop slot, whether it was visited.

    `visited` (B, T) are viewpoint rows plus 1, 0 where there is none.
    """
    towards = directions(observation["candidate_heading"], observation["candidate_elevation"])
    stop = torch.zeros_like(observation["candidate_distance"])
    stop[:, 0] = 1.0
    known = (observation["candidate_viewpoint"][:, :, None] + 1 == visited[:, None]).any(-1).float()
    return torch.cat([towards, torch.stack([observation["candidate_distance"] / 5, stop, known], -1)], -1)


def view_centres() -> Tensor:
    """(36, 2) headings and elevations of the view centres in radians."""
    views = torch.arange(VIEWS)
    return torch.stack([(views % 12) * VIEW_STEP, (views // 12 - 1) * VIEW_STEP], 1).float()


def directions_around(centres: Tensor, heading: Tensor) -> Tensor:
    """(B, 36, DIRECTION) features of the directions of `view_centres` from bodies with headings (B, 1)."""
    headings, elevations = centres.T
    relative = headings - heading
    return directions(relative, elevations.expand_as(relative))


def cell_directions(side: int) -> Tensor:
    """(side * side, DIRECTION) features of the middles of an image's cells, row by row from the top left.

    Headings are to the right, as those of views; the field of view is taken to be 90 degrees.
    """
    middles = (torch.arange(side) + 0.5) / side * 2 - 1
    angles = torch.atan(middles * math.tan(HALF_FIELD))
    elevations, headings = torch.meshgrid(-angles, angles, indexing="ij")
    return directions(headings, elevations).flatten(0, 1)
