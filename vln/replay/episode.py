"""An episode with the trajectories of one or more agents, on a navigation graph or in a continuous world."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from vln.continuous_metrics import resample
from vln.floors import Floors, find_floors
from vln.graph import NavigationGraph
from vln.replay.plan import FloorPlan, PlanBox, Views
from vln.replay.scores import Scores
from vln.trajectory import Trajectory


@dataclass(frozen=True)
class Replay(ABC):
    """One episode with the trajectories of one or more agents."""

    agents: tuple[str, ...]  # names of the agents, one per trajectory
    # Trajectories in the frame of maps; all share episode, start and demonstration
    trajectories: tuple[Trajectory, ...]
    scores: tuple[Scores | None, ...]  # metrics by name, one map per trajectory; None if the goal is withheld

    @property
    def episode_id(self) -> str:
        """Id of the episode."""
        return self.trajectories[0].episode_id

    @property
    @abstractmethod
    def building(self) -> str:
        """Name of the place in figures."""

    @property
    def radius(self) -> float:
        """Metres from the goal that count as near: the success radius of rules of distance."""
        return self.trajectories[0].task.success.metres

    @property
    @abstractmethod
    def floors(self) -> Floors:
        """Storeys of the place."""

    @property
    @abstractmethod
    def demonstration(self) -> np.ndarray:
        """(N, 3) positions of the demonstration; the start alone if the goal is withheld."""

    @abstractmethod
    def to_goal(self, agent: int, moment: int) -> float | None:
        """Return an agent's geodesic metres to the goal after so many steps; None if the goal is withheld."""

    def succeeded(self, agent: int) -> bool | None:
        """Whether an agent succeeded; None if the goal is withheld."""
        scores = self.scores[agent]
        return None if scores is None else bool(scores["SR"])

    @property
    def withheld(self) -> bool:
        """Whether the goal is withheld."""
        return self.trajectories[0].withheld


@dataclass(frozen=True)
class GraphReplay(Replay):
    """An episode on a navigation graph."""

    graph: NavigationGraph

    @property
    def building(self) -> str:
        """Name of the building in figures."""
        return f"building {self.graph.scan}"

    @property
    def floors(self) -> Floors:
        """Storeys by the heights of the viewpoints."""
        return find_floors(self.graph.positions[:, 2])

    @property
    def reference(self) -> tuple[str, ...]:
        """Viewpoints of the demonstration; the start alone if the goal is withheld."""
        return self.trajectories[0].reference

    @property
    def demonstration(self) -> np.ndarray:
        """(N, 3) viewpoints of the demonstration."""
        return self.graph.positions[[self.graph.index[viewpoint] for viewpoint in self.reference]]

    def to_goal(self, agent: int, moment: int) -> float | None:
        """Return metres along the graph."""
        if self.withheld:
            return None
        here, goal = self.trajectories[agent].poses[moment].viewpoint, self.reference[-1]
        return float(self.graph.distances[self.graph.index[here], self.graph.index[goal]])


@dataclass(frozen=True)
class HouseReplay(Replay):
    """An episode in a continuous world, with the views of each agent."""

    plan: FloorPlan
    views: tuple[Views, ...]

    @property
    def building(self) -> str:
        """Name of the place in figures."""
        return self.plan.name

    @property
    def floors(self) -> Floors:
        """Storeys of the plan."""
        return self.plan.floors

    @property
    def demonstration(self) -> np.ndarray:
        """(N, 3) positions along the demonstration, close together so that stairs are included."""
        places = np.array(self.trajectories[0].reference_positions)
        return resample(places) if len(places) > 1 else places

    @property
    def target(self) -> PlanBox | None:
        """The target object; None if the goal is no object or withheld."""
        if self.withheld:
            return None
        x, y, _ = self.trajectories[0].reference_positions[-1]
        return self.plan.target(self.trajectories[0].target, (x, y))

    def to_goal(self, agent: int, moment: int) -> float | None:
        """Return metres along the floor."""
        distances = self.trajectories[agent].distances
        return distances[moment] if distances and not self.withheld else None
