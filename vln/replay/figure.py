"""The figure of an episode: a map per storey beside the instruction, the legend and the scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vln.errors import InputError
from vln.files import replacing
from vln.replay import column, strip, style
from vln.replay.building import Building
from vln.replay.episode import GraphReplay, HouseReplay, Replay
from vln.replay.fonts import FONT, missing_font
from vln.replay.house_map import HouseMap
from vln.replay.layout import GUTTER, TITLE, Grid, Window, arrange, frame, scale_bar
from vln.replay.legend import Entry, attention_entry, map_entries, probability_entry
from vln.replay.map import Panel, Site, draw_badge, draw_demonstration, draw_site, draw_start, draw_trail, occupied
from vln.replay.outcome import outcome_mark
from vln.replay.word_attention import shown_words, with_word_attention
from vln.rooms import Room

EDGE = 0.16  # inches around everything
BETWEEN = 0.22  # inches between maps and text
SHOWN_WHOLE = 18.0  # metres: smaller houses are shown whole
FOOT = 0.22  # inches below the maps, for the scale bar


@dataclass(frozen=True)
class Scene:
    """A drawn episode and the parts of it that an animation changes."""

    figure: Figure
    panels: list[Panel]
    trails: list[list[list[list[Artist]]]]  # artists that each pose adds, by agent and panel
    text: Axes  # the column of text, in points with y downwards
    bands: column.Bands  # boxes of the words that each agent's attention highlights; empty in a still figure
    moving: column.Moving  # texts and views that change; empty in a still figure


@dataclass(frozen=True)
class View:
    """The part of a building to show."""

    # Map from scan and viewpoint to room; empty if rooms are unknown
    rooms: dict[str, dict[str, Room]] = field(default_factory=dict)
    # "touched" for the storeys of the paths, "all" for the whole building, or the number of one storey from 1, the
    # lowest
    floors: str = "touched"


def draw_episode(replay: Replay, view: View, animated: bool = False, dpi: float = style.DPI) -> Scene:
    """Draw one episode; animations have room for a status line per agent."""
    site, shown, points = _site(replay, view), floors_shown(replay, view), _points(replay)
    window = _window(replay, site, points, view.floors == "all")
    grid = arrange(len(shown), window)
    bands: column.Bands = {}
    moving = column.Moving() if animated else None
    several_floors = len(set(site.floors.of(points[:, 2]).tolist())) > 1
    blocks = _column(replay, dpi, bands, moving, several_floors)
    height = max(grid.height + FOOT, column.stack_height(blocks) / style.POINTS)
    figure = _page(grid.width + BETWEEN + column.WIDTH / style.POINTS, height, dpi)
    panels = _panels(figure, grid, window, site, shown)
    text = _write_column(figure, blocks)
    _draw_scale(figure, panels[-1])
    trails = _draw_maps(replay, panels, points, numbered=isinstance(replay, HouseReplay) and not animated)
    return Scene(figure, panels, trails, text, bands, moving or column.Moving())


def draw_maps(replay: Replay, view: View, dpi: float) -> tuple[Figure, list[Panel]]:
    """Draw only the maps of an episode, before any step."""
    site, shown, points = _site(replay, view), floors_shown(replay, view), _points(replay)
    window = _window(replay, site, points, view.floors == "all")
    grid = arrange(len(shown), window)
    figure = _page(grid.width, grid.height + FOOT, dpi)
    panels = _panels(figure, grid, window, site, shown)
    _draw_scale(figure, panels[-1])
    for panel in panels:
        _draw_task(replay, panel)
        _write_names(replay, panel, points)
    return figure, panels


def _window(replay: Replay, site: Site, points: np.ndarray, whole: bool) -> Window:
    """Return the part of the map to show: the surroundings of the paths, or all if requested or if it is small."""
    if isinstance(replay, HouseReplay):
        everything = replay.plan.window
        if whole or max(everything.width, everything.height) <= SHOWN_WHOLE:
            return everything
    return frame(site.extent if whole else _seen(replay, points), site.extent)


def _site(replay: Replay, view: View) -> Site:
    """Return the place of an episode."""
    if isinstance(replay, HouseReplay):
        return HouseMap(replay)
    assert isinstance(replay, GraphReplay)
    return Building(replay, replay.floors, view.rooms.get(replay.graph.scan, {}))


def save_png(replay: Replay, view: View, path: Path) -> None:
    """Write the figure of an episode as PNG."""
    scene = draw_episode(replay, view)
    with replacing(path) as temporary:
        scene.figure.savefig(temporary, format="png")


def _points(replay: Replay) -> np.ndarray:
    """Return all positions of the demonstration and the agents, (N, 3)."""
    return np.array([*replay.demonstration, *(pose.position for each in replay.trajectories for pose in each.poses)])


def _seen(replay: Replay, points: np.ndarray) -> np.ndarray:
    """Return the positions that the window must contain, (N, 2): the paths and the circle around the goal."""
    if replay.withheld:
        return points[:, :2]
    circle = replay.radius * 0.9 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    return np.concatenate([points[:, :2], replay.demonstration[-1, :2] + circle])


def _avoid(replay: Replay, points: np.ndarray) -> np.ndarray:
    """Return positions along all paths, (N, 2), at most half a metre apart."""
    parts = [points[:, :2]]
    walked = [np.array([pose.position[:2] for pose in each.poses]) for each in replay.trajectories]
    for path in (replay.demonstration[:, :2], *walked):
        parts.extend(a + np.linspace(0, 1, 8)[:, None] * (b - a) for a, b in pairwise(path))
    return np.unique(np.concatenate(parts).round(2), axis=0)


def floors_shown(replay: Replay, view: View) -> list[int]:
    """Return the indices of the storeys to show, from the lowest."""
    floors = replay.floors
    if view.floors == "all":
        return list(range(floors.count))
    if view.floors == "touched":
        return sorted(set(floors.of(_points(replay)[:, 2]).tolist()))
    if not view.floors.isdecimal() or not 1 <= int(view.floors) <= floors.count:
        building = f"building '{replay.trajectories[0].scan}' of episode '{replay.episode_id}'"
        problem = f"{building} has no floor '{view.floors}'"
        raise InputError("--floor", problem, f"give a number from 1 to {floors.count}, 'all' or 'touched'")
    return [int(view.floors) - 1]


def _draw_maps(
    replay: Replay, panels: Sequence[Panel], points: np.ndarray, numbered: bool
) -> list[list[list[list[Artist]]]]:
    """Draw everything on the maps; return the trails, by agent, panel and pose."""
    for panel in panels:
        _draw_task(replay, panel)
    trails = [
        [draw_trail(panel, trajectory, agent, len(replay.agents)) for panel in panels]
        for agent, trajectory in enumerate(replay.trajectories)
    ]
    for place, panel in enumerate(panels):
        for agent, trajectory in enumerate(replay.trajectories):
            taken = occupied(panel, replay.trajectories[0].start)
            outcome = outcome_mark(replay, agent)
            trails[agent][place][-1].extend(draw_badge(panel, trajectory.poses[-1], agent, outcome, taken))
        if numbered and isinstance(replay, HouseReplay):
            strip.draw_numbers(panel, replay, strip.shown_moments(replay))
        _write_names(replay, panel, points)
    return trails


def _draw_task(replay: Replay, panel: Panel) -> None:
    """Draw the place, the demonstration and the start."""
    draw_site(panel)
    if not replay.withheld:
        draw_demonstration(panel, replay.demonstration)
    draw_start(panel, replay.trajectories[0].start)


def _write_names(replay: Replay, panel: Panel, points: np.ndarray) -> None:
    """Write the names of rooms and objects where nothing is drawn."""
    taken = np.concatenate(occupied(panel, replay.trajectories[0].start))
    panel.site.name(panel, _avoid(replay, points), taken)


def _column(
    replay: Replay, dpi: float, bands: column.Bands, moving: column.Moving | None, several_floors: bool
) -> list[column.Block]:
    attended = replay.trajectories if moving else ()
    text = shown_words(attended) if attended else replay.trajectories[0].instruction.split()
    reading, missing = with_word_attention(attended), missing_font(replay.trajectories[0].instruction)
    if missing:  # without the font the text would be boxes
        text, reading = missing.split(), []
    blocks = [
        column.title_block(replay),
        column.instruction_block(text, reading, dpi, bands),
        column.legend_block(replay),
    ]
    if moving:
        blocks.append(column.status_block(replay, moving))
    blocks.append(column.entries_block(_entries(replay, several_floors, animated=moving is not None)))
    if isinstance(replay, HouseReplay):
        blocks.append(column.views_block(replay, moving) if moving else column.seen_block(replay))
    return blocks


def _entries(replay: Replay, several_floors: bool, animated: bool) -> list[Entry]:
    """Return the entries of the legend."""
    entries = map_entries(replay, several_floors)
    if animated:
        steps = [step for each in replay.trajectories for step in each.steps]
        if isinstance(replay, GraphReplay) and any(step.probabilities for step in steps):
            entries.append(probability_entry())
        if reading := with_word_attention(replay.trajectories):
            entries.append(attention_entry(reading))
    return entries


def _page(width: float, height: float, dpi: float) -> Figure:
    """Return a white figure, with `EDGE` around so many inches."""
    figure = Figure(figsize=(width + 2 * EDGE, height + 2 * EDGE), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _panels(figure: Figure, grid: Grid, window: Window, site: Site, shown: Sequence[int]) -> list[Panel]:
    """Create panels from the upper left; stacked panels begin with the uppermost storey, others with the lowest."""
    width, height = figure.get_size_inches()
    panel_width, panel_height = window.width * grid.scale, window.height * grid.scale
    panels = []
    for number, floor in enumerate(shown if grid.columns > 1 else reversed(shown)):
        left = EDGE + (number % grid.columns) * (panel_width + GUTTER)
        bottom = height - EDGE - (number // grid.columns + 1) * (panel_height + TITLE)
        axes = figure.add_axes((left / width, bottom / height, panel_width / width, panel_height / height))
        title = f"Floor {floor + 1} of {site.floors.count}" if site.floors.count > 1 else "Floor plan"
        axes.set_title(title, loc="left", fontsize=8, pad=3.5, color=style.FAINT, family=FONT)
        panels.append(Panel(axes, site, floor, window, grid.scale * style.POINTS))
    return panels


def _write_column(figure: Figure, blocks: Sequence[column.Block]) -> Axes:
    width, height = figure.get_size_inches()
    left, tall = width - EDGE - column.WIDTH / style.POINTS, height - 2 * EDGE
    axes = figure.add_axes((left / width, EDGE / height, column.WIDTH / style.POINTS / width, tall / height))
    axes.set(xlim=(0, column.WIDTH), ylim=(tall * style.POINTS, 0))
    axes.axis("off")
    column.stack(axes, blocks)
    return axes


def _draw_scale(figure: Figure, panel: Panel) -> None:
    """Draw a scale bar of a round length below the last map."""
    width, height = figure.get_size_inches() * style.POINTS
    length = scale_bar(panel.window)
    box = panel.axes.get_position()
    right, y = box.x1 * width, box.y0 * height - 8
    left = right - length * panel.scale
    for xs, ys in (((left, right), (y, y)), ((left, left), (y - 2, y + 2)), ((right, right), (y - 2, y + 2))):
        line = [np.array(xs) / width, np.array(ys) / height]
        figure.add_artist(Line2D(*line, color=style.INK, lw=1.1))
    look: dict[str, Any] = {"size": 7, "color": style.INK, "family": FONT, "va": "center", "ha": "right"}
    figure.text((left - 4) / width, y / height, f"{length:g} m", **look)
