"""Views of agents along their paths, shown beside a map and numbered by place."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vln.replay import style
from vln.replay.episode import HouseReplay
from vln.replay.fonts import FONT
from vln.replay.label_placement import free_spot, half_size
from vln.replay.map import Panel, occupied
from vln.replay.plan import Views
from vln.trajectory import Pose, Trajectory

MANY, FEW = 6, 3  # views of a single agent, and of each of several
FAR = 6.0  # metres at which depth is clipped for `openness`
NEAR = 0.4  # largest shift of a view along the path to show more, relative to the distance between views
ASIDE = 11.0  # points from a place to its number
NUMBER = 5.4  # points, font size of a number

Moments = tuple[tuple[int, ...], ...]


def shown_moments(replay: HouseReplay) -> Moments:
    """Return the moments whose views are shown, by agent; several agents share their start, so it is left out."""
    pairs = list(zip(replay.trajectories, map(openness, replay.views), strict=True))
    if len(pairs) == 1:
        return (key_moments(*pairs[0], MANY),)
    return tuple(key_moments(trajectory, seen, FEW + 1)[-FEW:] for trajectory, seen in pairs)


def openness(views: Views) -> np.ndarray:
    """Return the mean depth of each view clipped at `FAR`, (T + 1,) metres: a view of a near wall shows little."""
    return np.asarray(np.minimum(views.depth, FAR).mean(axis=(1, 2)))


def key_moments(trajectory: Trajectory, seen: np.ndarray, count: int) -> tuple[int, ...]:
    """Choose the start, the end, and moments at about even distances along the path, shifted to open views.

    Returns at most `count` moments, at least 2; `seen` is (T + 1,), the openness of the view at each pose.
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
    """Return the caption of a view."""
    trajectory, distance = replay.trajectories[agent], replay.to_goal(agent, moment)
    if moment == 0:
        return "start"
    if moment == len(trajectory.steps):
        return "stop" if trajectory.steps[-1].choice == "stop" else "out of time"
    return style.distance_text(distance) or f"step {moment}"


def draw_numbers(panel: Panel, replay: HouseReplay, moments: Moments) -> None:
    """Draw the numbers of views beside their places, where they fit."""
    for agent, chosen in enumerate(moments):
        trajectory = replay.trajectories[agent]
        for number, moment in enumerate(chosen, start=1):
            pose = trajectory.poses[moment]
            # The end has a letter instead.
            if panel.shows(pose.position[2]) and moment < len(trajectory.steps):
                taken = occupied(panel, replay.trajectories[0].start)
                _write_number(panel, pose, taken, str(number), style.AGENTS[agent])


def _write_number(panel: Panel, pose: Pose, taken: Sequence[np.ndarray], number: str, colour: str) -> None:
    axes, place = panel.axes, np.array(pose.position[:2])
    half = half_size(number, NUMBER, panel.scale)
    x, y = free_spot(place, half, taken, ASIDE / panel.scale, panel.window, math.pi / 2 - pose.heading).tolist()
    axes.plot([place[0], x], [place[1], y], color=colour, lw=0.7, zorder=6.1)
    axes.plot(*place, "o", ms=2.4, mfc="white", mec=colour, mew=0.8, zorder=6.2)
    frame = {"boxstyle": f"round,pad={style.FRAME},rounding_size=0.6", "fc": "white", "ec": colour, "lw": 0.9}
    look: dict[str, Any] = {"size": NUMBER, "weight": "bold", "color": colour, "ha": "center", "va": "center"}
    axes.text(x, y, number, family=FONT, zorder=6.4, bbox=frame, **look)
