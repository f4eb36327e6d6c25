"""The map of a building with a navigation graph: floor, rooms, graph, goal, and the agents' choices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from vln.floors import Floors
from vln.metrics import THRESHOLD
from vln.replay import style
from vln.replay.episode import GraphReplay
from vln.replay.ground import Ground, name_rooms, paint_ground
from vln.replay.map import Panel, draw_circle, draw_goal, write_names
from vln.rooms import Room
from vln.trajectory import Step

CANDIDATE = 24.0  # points, diameter of the disc of probability 1


@dataclass(frozen=True)
class Building:
    """The maps of a building with a navigation graph; `rooms` maps viewpoints to rooms, empty if these are unknown."""

    replay: GraphReplay
    floors: Floors
    rooms: Mapping[str, Room]
    _grounds: dict[int, Ground] = field(default_factory=dict)  # cached by storey, since painting takes a while

    @property
    def extent(self) -> np.ndarray:
        """(V, 2) positions that the building covers."""
        return self.replay.graph.positions[:, :2]

    def _ground(self, panel: Panel) -> Ground:
        if panel.floor not in self._grounds:
            self._grounds[panel.floor] = paint_ground(self.replay.graph, self._rows(panel), self.rooms, panel.window)
        return self._grounds[panel.floor]

    def _rows(self, panel: Panel) -> np.ndarray:
        """Rows in the graph of the viewpoints of a storey."""
        return np.flatnonzero(self.floors.of(self.replay.graph.positions[:, 2]) == panel.floor)

    def draw(self, panel: Panel) -> None:
        """Draw the floor, the navigation graph and the goal."""
        window, graph, rows = panel.window, self.replay.graph, self._rows(panel)
        ground = self._ground(panel)
        extent = (window.left, window.right, window.bottom, window.top)
        panel.axes.imshow(ground.tint, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)
        pairs = graph.positions[rows[np.argwhere(np.triu(graph.adjacency[np.ix_(rows, rows)]))]][..., :2]
        panel.axes.add_collection(LineCollection(list(pairs), colors=style.EDGE, linewidths=0.6, zorder=1))
        panel.axes.plot(*graph.positions[rows, :2].T, "o", ms=2.2, color=style.VIEWPOINT, zorder=1.1)
        if not self.replay.withheld:
            self._draw_target(panel)

    def name(self, panel: Panel, avoid: np.ndarray, taken: np.ndarray) -> None:
        """Write the names of rooms, clear of paths (N, 2) and of drawn parts (M, 4)."""
        names = name_rooms(self._ground(panel), self.replay.graph, self.rooms, avoid, taken, panel.scale)
        write_names(panel, names)

    def _draw_target(self, panel: Panel) -> None:
        """Draw the goal, the success radius around it and the viewpoints that count as success."""
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
        """Draw the viewpoints that an agent could choose, as discs with areas proportional to their probabilities."""
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
