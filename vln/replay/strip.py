"""What agents saw on their way: views beside a map, numbered where they were seen."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vln.replay import style
from vln.replay.episode import HouseReplay
from vln.replay.map import Panel
from vln.replay.plan import Views
from vln.trajectory import Trajectory

MANY, FEW = 6, 3  # views of a single agent, of each of several
FAR = 6.0  # metres beyond which seeing farther is no better
NEAR = 0.4  # of the distance between views that one may be off to show more
ASIDE = 11.0  # points from a place to its number
DIRECTIONS = 16  # in which a number may stand

Moments = tuple[tuple[int, ...], ...]


def shown_moments(replay: HouseReplay) -> Moments:
    """For each agent after how many steps its views are shown; several share their start, so it is left out."""
    lived = list(zip(replay.trajectories, map(openness, replay.views), strict=True))
    if len(lived) == 1:
        return (key_moments(*lived[0], MANY),)
    return tuple(key_moments(trajectory, seen, FEW + 1)[-FEW:] for trajectory, seen in lived)


def openness(views: Views) -> np.ndarray:
    """(T + 1,) metres seen on average, up to `FAR`: a wall before the nose shows little."""
    return np.asarray(np.minimum(views.depth, FAR).mean(axis=(1, 2)))


def key_moments(trajectory: Trajectory, seen: np.ndarray, count: int) -> tuple[int, ...]:
    """The start, the end, and places about evenly along the way, there where most was seen.

    Args:
        trajectory: What the agent did.
        seen: (T + 1,) how much was seen at each pose.
        count: How many moments at most, 2 or more.
    """
    places = np.array([pose.position for pose in trajectory.poses])
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    spacing = way[-1] / (count - 1)
    chosen = {0, len(trajectory.steps)}
    for number in range(1, count - 1):
        late = np.abs(way - number * spacing)
        near = np.flatnonzero(late <= max(NEAR * spacing, float(late.min())))
        chosen.add(int(near[np.argmax(seen[near])]))
    return tuple(sorted(chosen))


def caption(replay: HouseReplay, agent: int, moment: int) -> str:
    """What to say of a view."""
    trajectory, distance = replay.trajectories[agent], replay.to_goal(agent, moment)
    if moment == 0:
        return "start"
    if moment == len(trajectory.steps):
        return "stop" if trajectory.steps[-1].choice == "stop" else "out of time"
    return style.way_text(distance) or f"step {moment}"


def draw_numbers(panel: Panel, replay: HouseReplay, moments: Moments) -> None:
    """The numbers of views beside where they were seen, where there is room for them."""
    paths = [pose.position for each in replay.trajectories for pose in each.poses if panel.shows(pose.position[2])]
    taken = [np.array(place[:2]) for place in paths[::2]]
    taken += [np.array(each.poses[end].position[:2]) for each in replay.trajectories for end in (0, -1)]
    for agent, chosen in enumerate(moments):
        for number, moment in enumerate(chosen, start=1):
            trajectory = replay.trajectories[agent]
            x, y, z = trajectory.poses[moment].position
            # The end has a letter of its own.
            if panel.shows(z) and moment < len(trajectory.steps):
                spot = _free(np.array([x, y]), taken, ASIDE / panel.scale)
                taken.append(spot)
                _write_number(panel, (x, y), spot, str(number), style.AGENTS[agent])


def _free(place: np.ndarray, taken: Sequence[np.ndarray], reach: float) -> np.ndarray:
    """The place around another that is farthest from what is taken."""
    angles = np.arange(DIRECTIONS) * 2 * math.pi / DIRECTIONS
    spots = place + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    apart = np.linalg.norm(spots[:, None] - np.array(taken), axis=-1).min(1)
    return np.array(spots[int(np.argmax(apart))])


def _write_number(panel: Panel, place: tuple[float, float], spot: np.ndarray, number: str, colour: str) -> None:
    axes, (x, y) = panel.axes, spot
    axes.plot([place[0], x], [place[1], y], color=colour, lw=0.7, zorder=6.1)
    axes.plot(*place, "o", ms=2.6, mfc="white", mec=colour, mew=0.8, zorder=6.2)
    axes.plot([x], [y], "o", ms=7.6, mfc="white", mec=colour, mew=0.9, zorder=6.3)
    look: dict[str, Any] = {"size": 5.4, "weight": "bold", "color": colour, "ha": "center", "va": "center_baseline"}
    axes.text(x, y, number, family=style.FONT, zorder=6.4, **look)
