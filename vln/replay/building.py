"""A building with a navigation graph from above: ground, rooms, graph, target, and what agents could choose from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from vln.floors import Floors
from vln.metrics import THRESHOLD
from vln.replay import style
from vln.replay.episode import GraphReplay
from vln.replay.map import Panel, draw_circle, draw_goal, write_names
from vln.replay.space import name_rooms, paint_ground
from vln.rooms import Room
from vln.trajectory import Step

CANDIDATE = 24.0  # points, diameter of a viewpoint of probability 1


@dataclass(frozen=True)
class Building:
    """A building of a navigation graph, as maps show it.

    Attributes:
        replay: What happened in it.
        floors: Its storeys.
        rooms: Viewpoint to room, empty where rooms are unknown.
    """

    replay: GraphReplay
    floors: Floors
    rooms: Mapping[str, Room]

    @property
    def extent(self) -> np.ndarray:
        """(V, 2) positions that the building covers."""
        return self.replay.graph.positions[:, :2]

    def draw(self, panel: Panel, avoid: np.ndarray) -> None:
        """Ground, rooms, navigation graph and target.

        Args:
            panel: The storey.
            avoid: (N, 2) positions in metres that names of rooms stay clear of.
        """
        window, graph = panel.window, self.replay.graph
        rows = np.flatnonzero(self.floors.of(graph.positions[:, 2]) == panel.floor)
        ground = paint_ground(graph, rows, self.rooms, window)
        extent = (window.left, window.right, window.bottom, window.top)
        panel.axes.imshow(ground.tint, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)
        pairs = graph.positions[rows[np.argwhere(np.triu(graph.adjacency[np.ix_(rows, rows)]))]][..., :2]
        panel.axes.add_collection(LineCollection(list(pairs), colors=style.EDGE, linewidths=0.6, zorder=1))
        panel.axes.plot(*graph.positions[rows, :2].T, "o", ms=2.2, color=style.VIEWPOINT, zorder=1.1)
        write_names(panel, name_rooms(ground, graph, self.rooms, avoid, panel.scale))
        if not self.replay.withheld:
            self._draw_target(panel)

    def _draw_target(self, panel: Panel) -> None:
        """The target, the circle of success around it and the viewpoints that succeed."""
        graph = self.replay.graph
        goal = graph.index[self.replay.reference[-1]]
        near = graph.distances[goal] < THRESHOLD
        inside = [row for row in np.flatnonzero(near) if panel.shows(graph.positions[row, 2])]
        panel.axes.plot(
            *graph.positions[inside, :2].T, "o", ms=4.2, mfc=style.GOAL, mec=style.INK, mew=0.5, ls="", zorder=2.2
        )
        x, y, z = graph.positions[goal].tolist()
        draw_circle(panel, (x, y, z), THRESHOLD)
        draw_goal(panel, (x, y, z))

    def choices(self, panel: Panel, step: Step, agent: int) -> list[Artist]:
        """The viewpoints an agent could choose from, as discs of the area of their probabilities."""
        graph = self.replay.graph
        discs: list[Artist] = []
        for choice, chance in zip(step.choices, step.probabilities, strict=True):
            if choice not in graph.index or not panel.shows(graph.positions[graph.index[choice], 2]):
                continue
            x, y, _ = graph.positions[graph.index[choice]]
            look: dict[str, Any] = {"mfc": style.AGENTS[agent], "mew": 0, "alpha": style.CANDIDATE_ALPHA, "zorder": 3}
            discs.append(Line2D([x], [y], marker="o", ms=CANDIDATE * math.sqrt(chance), **look))
            panel.axes.add_artist(discs[-1])
        return discs
