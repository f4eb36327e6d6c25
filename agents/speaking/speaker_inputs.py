"""Routes: the inputs of a speaker, made from trajectories on graphs or in continuous worlds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from agents.learners.recording import Recording, frames_at
from agents.policies.geometry import DIRECTION, directions, facing
from agents.policies.state import Observation
from vln.errors import InputError
from vln.graph import NavigationGraph

MOVE = DIRECTION + 2  # numbers of a move on a graph: direction from the body, metres, whether it is the stop
SEEN = ("viewpoint", "heading", "rgb", "depth", "cells", "near")  # what a speaker wants of an observation


@dataclass(frozen=True)
class Routes:
    """B trajectories of up to T actions, padded at their ends."""

    # What was seen before each action, (B, T, ...) each: `viewpoint` and `heading` on graphs, `rgb` and `depth`, or
    # what `agents.policies.vision` made of them, where there is a camera
    frames: Observation
    action: Tensor  # (B, T, MOVE) moves on graphs, (B, T, actions) one-hot low-level actions elsewhere
    view: Tensor  # (B, T) int64, the view towards which each action moves; -1 where it moves towards none
    mask: Tensor  # (B, T) bool, True at actions; each row has at least one
    # (B,) int64, numbers of altered environments, -1 for the real one; None where all are real
    environment: Tensor | None = None

    def __len__(self) -> int:
        return len(self.mask)

    def rows(self, keep: Tensor) -> "Routes":
        """The routes `keep` (n,), without padding that none of them needs."""
        mask = self.mask[keep]
        longest = int(mask.sum(1).max()) if len(keep) else 0
        frames = {name: value[keep, :longest] for name, value in self.frames.items()}
        environment = None if self.environment is None else self.environment[keep]
        return Routes(frames, self.action[keep, :longest], self.view[keep, :longest], mask[:, :longest], environment)

    def to(self, device: torch.device | str) -> "Routes":
        """The same on another device."""
        frames = {name: value.to(device) for name, value in self.frames.items()}
        environment = None if self.environment is None else self.environment.to(device)
        return Routes(frames, self.action.to(device), self.view.to(device), self.mask.to(device), environment)


def recorded_routes(recording: Recording, low_level_actions: int = 0) -> Routes:
    """The routes of a recording with frames; `low_level_actions` is 0 for panoramic actions on graphs."""
    alive = recording.mask.T > 0  # (B, T)
    bodies, steps = alive.nonzero().unbind(1)
    seen = frames_at(recording.frames, recording.mask, steps * len(alive) + bodies)
    actions = recording.actions.T[alive]
    if low_level_actions:
        action, view = one_hot(actions, low_level_actions).float(), torch.full_like(actions, -1)
    elif "candidate_heading" not in seen:
        fix = "give a critic of the same world, or train with panoramic actions"
        raise InputError("critic", "the speaker knows panoramic moves, and the agent's actions are others", fix)
    else:
        chosen = {
            name: seen[f"candidate_{name}"].gather(1, actions[:, None])[:, 0]
            for name in ("heading", "elevation", "distance", "view")
        }
        stop = actions == 0
        action = _moves(chosen["heading"], chosen["elevation"], chosen["distance"], stop)
        view = torch.where(stop, -1, chosen["view"])
    frames = {name: _padded(seen[name], alive) for name in SEEN if name in seen}
    return Routes(frames, _padded(action, alive), _padded(view, alive), alive)


def _padded(values: Tensor, mask: Tensor) -> Tensor:
    """Values (N, ...) of the places that are true in mask (B, T), row by row, to (B, T, ...)."""
    padded = values.new_zeros(*mask.shape, *values.shape[1:])
    padded[mask] = values
    return padded


def _moves(heading: Tensor, elevation: Tensor, metres: Tensor, stop: Tensor) -> Tensor:
    """(..., MOVE) features of moves: radians from where the body looks, radians up, metres, whether it is the stop."""
    return torch.cat([directions(heading, elevation), torch.stack([metres / 5, stop.float()], -1)], -1)


class GraphRoutes:
    """Makes routes of paths on navigation graphs, without an environment."""

    def __init__(self, graphs: Sequence[NavigationGraph]) -> None:
        """Routes in `graphs`, in the order of the views' table."""
        self._graphs = {graph.scan: graph for graph in graphs}
        first = np.cumsum([0, *(len(graph.viewpoints) for graph in graphs)])
        self._first = {graph.scan: int(row) for graph, row in zip(graphs, first, strict=False)}
        self._positions = torch.from_numpy(np.concatenate([graph.positions for graph in graphs]))

    def of(self, paths: Sequence[tuple[str, Sequence[str], float]]) -> Routes:
        """Routes of scans, viewpoints (staying is no move) and initial headings in radians; each ends with the stop."""
        rows = [self._rows(scan, path) for scan, path, _ in paths]
        if not rows:
            raise InputError("paths", "there are none", "choose a split that has some")
        lengths = torch.tensor([len(each) for each in rows])
        longest = int(lengths.max())
        places = torch.tensor([each + each[-1:] * (longest - len(each)) for each in rows])
        here = self._positions[places]
        east, north, up = torch.diff(here, dim=1, append=here[:, -1:]).unbind(2)
        towards, elevation = torch.atan2(east, north), torch.atan2(up, torch.hypot(east, north))
        start = torch.tensor([[heading % (2 * math.pi)] for _, _, heading in paths], dtype=torch.float64)
        facing_before = torch.cat([start, towards[:, :-1]], 1)
        step = torch.arange(longest)
        mask, stop = step < lengths[:, None], step == lengths[:, None] - 1
        relative = torch.where(stop, 0.0, towards - facing_before)
        metres = torch.sqrt(east.square() + north.square() + up.square())
        action = _moves(relative, elevation, metres, stop).float() * mask[:, :, None]
        view = torch.where(stop, -1, facing(towards, elevation)) * mask
        frames = {"viewpoint": places * mask, "heading": (facing_before.float() * mask)[:, :, None]}
        return Routes(frames, action, view, mask)

    def _rows(self, scan: str, path: Sequence[str]) -> list[int]:
        fix = "give viewpoints of one building, each a neighbour of the one before"
        graph = self._graphs.get(scan)
        if graph is None:
            raise InputError("scan", f"'{scan}' is not known", "choose one of the building's in connectivity/scans.txt")
        step = graph.first_break(path) if path else 0
        if step is not None:
            problem = f"breaks at step {step}: {graph.explain(path, step)}" if path else "is empty"
            raise InputError("path", problem, fix)
        return [self._first[scan] + graph.index[viewpoint] for viewpoint, _ in groupby(path)]
