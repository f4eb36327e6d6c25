"""What surrounds an agent along a trajectory: metres to the goal, rooms, neighbouring viewpoints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vln.graph import NavigationGraph
from vln.probing.predicates import Predicates, step_predicates
from vln.replay.plan import trajectory_on_map
from vln.rooms import Room
from vln.trajectory import Pose, Trajectory

RoomNames = Callable[[str, np.ndarray], list[str]]
"""Gives the names of the rooms at positions (N, 3) of a scan; empty in doorways and where rooms are unknown."""


class Surroundings(Protocol):
    """Predicates of the places along a trajectory."""

    def predicates(self, trajectory: Trajectory) -> Predicates:
        """Return the predicates of the T steps."""

    def viewpoints(self, scan: str) -> Mapping[str, Pose]:
        """Return the poses of the viewpoints of a graph, whose headings do not count; empty elsewhere."""


@dataclass(frozen=True)
class GraphSurroundings:
    """Surroundings on navigation graphs; graphs and rooms are by scan, `radius` is the success radius in metres."""

    graphs: Mapping[str, NavigationGraph]
    rooms: Mapping[str, Mapping[str, Room]]
    radius: float

    def predicates(self, trajectory: Trajectory) -> Predicates:
        """Return the predicates of the T steps."""
        known = self.rooms.get(trajectory.scan, {})
        names = [known[pose.viewpoint].name if pose.viewpoint in known else "" for pose in trajectory.poses]
        return step_predicates(trajectory, self._distances(trajectory), self.radius, names)

    def viewpoints(self, scan: str) -> Mapping[str, Pose]:
        """Return the poses of the viewpoints of a graph, whose headings do not count."""
        pairs = zip(self.graphs[scan].viewpoints, self.graphs[scan].positions.tolist(), strict=True)
        return {viewpoint: Pose(viewpoint, tuple(position), 0.0, 0.0) for viewpoint, position in pairs}

    def _distances(self, trajectory: Trajectory) -> Sequence[float]:
        """Return T + 1 metres to the goal; empty if it is withheld."""
        if len(trajectory.reference) < 2:
            return ()
        graph = self.graphs[trajectory.scan]
        here = [graph.index[pose.viewpoint] for pose in trajectory.poses]
        return graph.distances[here, graph.index[trajectory.reference[-1]]].tolist()


@dataclass(frozen=True)
class SceneSurroundings:
    """Surroundings in continuous worlds; `radius` is the success radius in metres."""

    room_names: RoomNames
    radius: float

    def predicates(self, trajectory: Trajectory) -> Predicates:
        """Return the predicates of the T steps."""
        positions = np.array([pose.position for pose in trajectory.poses])
        names = self.room_names(trajectory.scan, positions)
        return step_predicates(trajectory_on_map(trajectory), trajectory.distances, self.radius, names)

    def viewpoints(self, scan: str) -> Mapping[str, Pose]:
        """Return nothing: there are no viewpoints."""
        return {}
