"""A chart of what was seen where, kept by dead reckoning, and what it tells of the places around a body.

Moves are taken to have done what they say, which a wall may prove wrong: the chart of a body that slid is as far off.
Nothing here is learnt; what is read off a chart enters the memory and the decisions as what is in sight does.
"""

import math

import torch
from torch import Tensor

SIDE = 41  # rows and columns of squares; the start is in the middle of the middle one
SQUARE = 0.5  # metres; what lies beyond the last square is charted there
SEEN, BEEN, SOUGHT = range(3)
KINDS = 3
VISIT = 0.125  # what a step spent in a square counts there, up to 1
SECTORS = 16  # directions around a body, the first ahead, the next to the right
RINGS = (0.75, 1.5, 3.0, 6.0)  # metres between places at hand and far away
PLACES = SECTORS * (len(RINGS) + 1)
AROUND = KINDS * PLACES
FORWARD, LEFT, RIGHT = 1, 2, 3  # actions


def blank(batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Charts (B, KINDS, squares) without anything on them, and poses (B, 3) at their middle."""
    return like.new_zeros(batch, KINDS, SIDE**2), like.new_zeros(batch, 3)


def moved(pose: Tensor, actions: Tensor, forward: float, turn: float) -> Tensor:
    """Poses (B, 3) after actions (B,): metres to the right of the start and ahead of it, radians turned to the left."""
    goes = forward * (actions == FORWARD)
    turns = turn * ((actions == LEFT).to(pose.dtype) - (actions == RIGHT).to(pose.dtype))
    right, ahead, heading = pose.unbind(1)
    return torch.stack([right - goes * heading.sin(), ahead + goes * heading.cos(), heading + turns], 1)


def points(near: Tensor, half_field: float) -> Tensor:
    """Where the nearest thing is that each cell of an image shows.

    Args:
        near: (N, cells) nearness, 1 / (1 + metres along the view axis), 0 of nothing.
        half_field: Radians from the middle of the image to its sides.

    Returns:
        (N, cells, 2), metres to the right and ahead.
    """
    side = math.isqrt(near.shape[1])
    slant = ((torch.arange(side, device=near.device) + 0.5) / side * 2 - 1) * math.tan(half_field)
    ahead = 1 / near.clamp(min=1e-3) - 1
    return torch.stack([ahead * slant.repeat(side), ahead], 2)


def charted(chart: Tensor, pose: Tensor, places: Tensor, near: Tensor, sought: Tensor) -> Tensor:
    """Charts (B, KINDS, squares) with what bodies at poses (B, 3) see now.

    Args:
        chart: Charts so far, which are left as they are.
        pose: Where the bodies are.
        places: (B, cells, 2), see `points`.
        near: (B, cells), above 0 where a cell shows anything.
        sought: (B, cells), how likely each cell shows the goal.
    """
    there = near > 0
    square = _square(_from_start(pose, places))
    shown = torch.stack([there.to(chart.dtype), sought * there], 1)
    after = chart.clone()
    for kind, values in ((SEEN, shown[:, 0]), (SOUGHT, shown[:, 1])):
        after[:, kind] = after[:, kind].scatter_reduce(1, square, values, "amax")
    here = _square(pose[:, None, :2])
    spent = after[:, BEEN].gather(1, here)
    after[:, BEEN] = after[:, BEEN].scatter(1, here, (spent + VISIT).clamp(max=1.0))
    return after


def around(chart: Tensor, pose: Tensor) -> Tensor:
    """(B, AROUND): by ring and direction, the share of squares seen, and the most of having been and of the goal."""
    offset = _centres(chart) - pose[:, None, :2]
    heading = pose[:, 2:]
    right = offset[..., 0] * heading.cos() + offset[..., 1] * heading.sin()
    ahead = offset[..., 1] * heading.cos() - offset[..., 0] * heading.sin()
    sector = (torch.atan2(right, ahead) * (SECTORS / (2 * math.pi))).round().long() % SECTORS
    rings = chart.new_tensor(RINGS).square()
    place = torch.bucketize(right.square() + ahead.square(), rings) * SECTORS + sector
    empty = chart.new_zeros(len(chart), PLACES)
    seen = empty.scatter_reduce(1, place, chart[:, SEEN], "mean", include_self=False)
    most = [empty.scatter_reduce(1, place, chart[:, kind], "amax") for kind in (BEEN, SOUGHT)]
    return torch.cat([seen, *most], 1)


def _from_start(pose: Tensor, places: Tensor) -> Tensor:
    """Places (B, n, 2) to the right and ahead of bodies, as metres to the right and ahead of their starts."""
    right, ahead, heading = pose[:, 0, None], pose[:, 1, None], pose[:, 2, None]
    sine, cosine = heading.sin(), heading.cos()
    x, y = places.unbind(2)
    return torch.stack([right + x * cosine - y * sine, ahead + x * sine + y * cosine], 2)


def _square(places: Tensor) -> Tensor:
    """(B, n) squares that places (B, n, 2) of the start's frame are in."""
    column, row = (places / SQUARE + SIDE / 2).floor().long().clamp(0, SIDE - 1).unbind(2)
    return row * SIDE + column


def _centres(chart: Tensor) -> Tensor:
    """(squares, 2) the middles of the squares in the start's frame."""
    middles = (torch.arange(SIDE, device=chart.device, dtype=chart.dtype) + 0.5 - SIDE / 2) * SQUARE
    rows, columns = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([columns, rows], 2).flatten(0, 1)
