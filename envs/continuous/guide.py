"""The next room on the shortest path through a house."""

from typing import Protocol

import numpy as np

from envs.houses.layout import Layout

BEHIND_DOOR = 0.5  # metres behind doors where remaining distances are taken, so that doors beside the path score worse
NO_ROOM, GOAL_ROOM = -1, -2  # values instead of the index of a room


class Distances(Protocol):
    """Geodesic distances to a goal: `envs.navigation.Field`, or those of another simulator."""

    @property
    def goal(self) -> np.ndarray:
        """Position of the goal, (3,) metres."""

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return distances in metres, (n,), from points (n, 3)."""


class Guide:
    """Finds the next room on the shortest path to a goal from anywhere in a house."""

    def __init__(self, layout: Layout, field: Distances) -> None:
        self._layout = layout
        self._goal = int(layout.rooms_at(field.goal[None])[0])
        exits = [exit_ for room in layout.exits for exit_ in room]
        self._of = np.repeat(np.arange(len(layout.exits)), [len(room) for room in layout.exits])
        self._into = np.array([exit_.room for exit_ in exits], dtype=np.int64)
        self._doors = np.array([layout.scene.doors[exit_.door].centre for exit_ in exits]).reshape(-1, 3)
        outward = np.array([exit_.outward for exit_ in exits]).reshape(-1, 2)
        behind = self._doors + BEHIND_DOOR * np.insert(outward, 1, 0.0, axis=1)
        self._remaining = BEHIND_DOOR + field.distance(behind)

    def next_room(self, position: np.ndarray, before: int) -> int:
        """Return the index of the next room; `GOAL_ROOM` in the room of the goal, `NO_ROOM` without exits.

        In a doorway, which belongs to no room, it is `before`, the result of the previous step.
        """
        here = int(self._layout.rooms_at(position[None])[0])
        if here == NO_ROOM:
            return before
        if here == self._goal:
            return GOAL_ROOM
        own = np.flatnonzero(self._of == here)
        if not len(own):
            return NO_ROOM
        metres = np.linalg.norm(self._doors[own] - position, axis=1) + self._remaining[own]
        return int(self._into[own[metres.argmin()]])
