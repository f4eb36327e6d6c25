"""Panoramic actions on navigation graphs."""

import math

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from envs.graph.simulator import GraphSimulator
from envs.graph.tables import wrap
from vln.graph import VIEWS


class PanoramicGraph(GraphSimulator):
    """Panoramic actions (Fried et al. 2018, section 3.3): 0 stops, k moves to the k-th navigable neighbour.

    A move turns the body towards the neighbour and levels the camera.
    """

    name = "graph"
    stop = 0

    @property
    def action_space(self) -> spaces.Discrete:
        """Stop, and one move for each neighbour of the viewpoint with the most neighbours."""
        return spaces.Discrete(1 + self.tables.neighbour.shape[1])

    @property
    def observation_space(self) -> spaces.Dict:
        """Pose and candidates of one body. Slot 0 of the candidates is stop: all zeros except the mask."""
        width = 1 + self.tables.neighbour.shape[1]
        candidates: dict[str, spaces.Space] = {
            "candidate_mask": spaces.MultiBinary(width),
            "candidate_viewpoint": spaces.MultiDiscrete([len(self.viewpoint_names)] * width),
            "candidate_view": spaces.MultiDiscrete([VIEWS] * width),
            "candidate_heading": spaces.Box(-math.pi, math.pi, (width,), np.float32),
            "candidate_elevation": spaces.Box(-math.pi / 2, math.pi / 2, (width,), np.float32),
            "candidate_distance": spaces.Box(0.0, float(self._length.max()), (width,), np.float32),
        }
        return spaces.Dict({**self._pose_spaces(), **candidates})

    def _prepare(self) -> None:
        """Prepend the slot of the stop action to the candidate tables."""
        tables, rows = self.tables, torch.arange(len(self.viewpoint_names), device=self.device)
        slots = torch.arange(tables.neighbour.shape[1], device=self.device)
        stop = torch.zeros(len(rows), 1, device=self.device)
        offered = torch.cat([stop + 1, slots < tables.degree[:, None]], 1)
        self._mask = offered.to(torch.int8)
        self._moves = torch.cat([stop, offered[:, 1:].float()], 1)
        self._candidate = torch.cat([rows[:, None], tables.neighbour], 1)
        self._view = torch.cat([stop.long(), tables.view], 1)
        self._heading, self._elevation, self._length = (
            torch.cat([stop, table], 1) for table in (tables.heading, tables.elevation, tables.length)
        )

    def act(self, actions: Tensor, moving: Tensor) -> Tensor:
        """Apply `actions` where `moving`. An unused slot is a collision and moves nothing."""
        ahead = self._candidate[self.viewpoint, actions]
        blocked = ahead == self.viewpoint  # the candidate of stop and of unused slots
        moves = moving & ~blocked
        self.heading = torch.where(moves, self._heading[self.viewpoint, actions], self.heading)
        self.elevation = torch.where(moves, 0.0, self.elevation)
        self._move_to(torch.where(moves, ahead, self.viewpoint))
        return moving & blocked & (actions != self.stop)

    def observe(self) -> dict[str, Tensor]:
        """Return poses and, per candidate, row, view, heading relative to the body in [-pi, pi], elevation, metres."""
        here = self.viewpoint
        relative = wrap(self._heading.index_select(0, here) - self.heading[:, None])
        return {
            **self._pose_observation(),
            "candidate_mask": self._mask.index_select(0, here),
            "candidate_viewpoint": self._candidate.index_select(0, here),
            "candidate_view": self._view.index_select(0, here),
            "candidate_heading": relative * self._moves.index_select(0, here),
            "candidate_elevation": self._elevation.index_select(0, here),
            "candidate_distance": self._length.index_select(0, here),
        }

    def expert(self) -> Tensor:
        """Return the actions of the expert, (B,) int64: the move along a shortest path to its target, or stop."""
        return self.expert_slot() + 1

    def choices(self) -> list[tuple[str, ...]]:
        """Return the name of each action for each body: "stop" or a viewpoint; empty for unused slots."""
        names = self.viewpoint_names
        # An unused slot holds the viewpoint of the body itself.
        return [
            ("stop", *("" if row == here else names[row] for row in rows[1:]))
            for here, rows in zip(self.viewpoint.tolist(), self._candidate[self.viewpoint].tolist(), strict=True)
        ]
