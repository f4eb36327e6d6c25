"""Where a way through a house goes on: the next room on it."""

from typing import Protocol

import numpy as np

from envs.houses.layout import Layout

BEYOND = 0.5  # metres behind a door from which the way goes on; without them a door beside the way looks like one on it
NOWHERE, ARRIVED = -1, -2  # instead of the index of a room


class Distances(Protocol):
    """Geodesic distances to a goal: `envs.navigation.Field`, or those of another simulator."""

    @property
    def goal(self) -> np.ndarray:
        """(3,) metres."""

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(n,) metres from points (n, 3)."""


class Guide:
    """Knows which room comes next on the shortest way to a goal, wherever a body has strayed to.

    Args:
        layout: Rooms and doors.
        field: Distances to the goal.
    """

    def __init__(self, layout: Layout, field: Distances) -> None:
        self._layout = layout
        self._goal = int(layout.rooms_at(field.goal[None])[0])
        exits = [exit_ for room in layout.exits for exit_ in room]
        self._of = np.repeat(np.arange(len(layout.exits)), [len(room) for room in layout.exits])
        self._into = np.array([exit_.room for exit_ in exits], dtype=np.int64)
        self._doors = np.array([layout.scene.doors[exit_.door].centre for exit_ in exits]).reshape(-1, 3)
        outward = np.array([exit_.outward for exit_ in exits]).reshape(-1, 2)
        behind = self._doors + BEYOND * np.insert(outward, 1, 0.0, axis=1)
        self._left = BEYOND + field.distance(behind)

    def following(self, position: np.ndarray, before: int) -> int:
        """The index of the room that comes next.

        Args:
            position: (3,) float64, feet.
            before: What it was at the last step; it still is in a doorway, which is in no room.

        Returns:
            `ARRIVED` in the room of the goal; `NOWHERE` where no way is known.
        """
        here = int(self._layout.rooms_at(position[None])[0])
        if here == NOWHERE:
            return before
        if here == self._goal:
            return ARRIVED
        own = np.flatnonzero(self._of == here)
        if not len(own):
            return NOWHERE
        metres = np.linalg.norm(self._doors[own] - position, axis=1) + self._left[own]
        return int(self._into[own[metres.argmin()]])
