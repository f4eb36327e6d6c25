"""The symbols on a map and their meanings, for the legends of figures and pages."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle

from vln.replay import style
from vln.replay.episode import HouseReplay, Replay
from vln.tasks import WithinRadius

RADIUS = 4.5  # points, radius of the circle around the goal in a legend
STROKE = 13.0  # points, length of a line in a legend


@dataclass(frozen=True)
class Entry:
    """A symbol and its meaning; `look` are properties of its marker, empty for the dashed circle around the goal."""

    meaning: str
    look: dict[str, Any] = field(default_factory=dict)


def map_entries(replay: Replay, several_floors: bool) -> list[Entry]:
    """Return the legend of the maps of an episode."""
    ink = style.INK
    entries = [Entry("start and heading", {"marker": "o", "ms": 5.5, "mfc": "white", "mec": ink, "mew": 1.3})]
    if not replay.withheld:
        entries.append(Entry("goal", {"marker": "*", "ms": 10, "mfc": style.GOAL, "mec": ink, "mew": 0.7}))
        entries.extend(_house_entries(replay) if isinstance(replay, HouseReplay) else _graph_entries(replay))
    if several_floors:
        entries.append(Entry("path goes on upstairs", {"marker": "^", "ms": 6, "mfc": style.FAINT, "mec": "white"}))
        entries.append(Entry("path goes on downstairs", {"marker": "v", "ms": 6, "mfc": style.FAINT, "mec": "white"}))
    return entries


def _graph_entries(replay: Replay) -> list[Entry]:
    near = {"marker": "o", "ms": 4.2, "mfc": style.GOAL, "mec": style.INK, "mew": 0.5}
    rule, walk = replay.trajectories[0].task.success, f"walk to goal < {replay.radius:g} m"
    around = Entry(f"{replay.radius:g} m around goal")
    if isinstance(rule, WithinRadius):
        return [Entry(f"success: {walk}", near), around]
    return [Entry(f"success: {rule.label}"), Entry(walk, near), around]


def _house_entries(replay: HouseReplay) -> list[Entry]:
    entries = [Entry(f"success: {replay.trajectories[0].task.success.label}")]
    if replay.target:
        thing = {"marker": "s", "ms": 7, "mfc": "none", "mec": style.TARGET, "mew": 2.2}
        entries.append(Entry(f"what to find: {replay.target.name}", thing))
    return entries


def demonstration_name(replay: Replay) -> str:
    """Return the name of path A."""
    return f"A  {'straight line to the goal' if replay.trajectories[0].known == 'goal' else 'demonstration'}"


def probability_entry() -> Entry:
    """Return the legend entry of the discs that animations draw around viewpoints."""
    disc = {"marker": "o", "ms": 9, "mfc": style.AGENTS[0], "mew": 0, "alpha": style.CANDIDATE_ALPHA}
    return Entry("area: probability of a move", disc)


def attention_entry(readers: list[int]) -> Entry:
    """Return the legend entry of highlighted words; several agents share the height of a word."""
    order = f", from above {' '.join(style.LETTERS[agent] for agent in readers)}" if len(readers) > 1 else ""
    return Entry(f"attended words{order}", {"marker": "s", "ms": 8, "mfc": style.ATTENTION, "mew": 0})


def draw_entry(entry: Entry, x: float, y: float) -> Artist:
    """Draw a symbol at a position in points."""
    if entry.look:
        return Line2D([x], [y], ls="", **entry.look)
    return Circle((x, y), RADIUS, **style.CIRCLE)


def svg_symbol(entry: Entry) -> dict[str, Any]:
    """Return a symbol as attributes of an SVG path around (0, 0) in points."""
    if not entry.look:
        ring = f"M{RADIUS},0 A{RADIUS},{RADIUS} 0 1 1 {-RADIUS},0 A{RADIUS},{RADIUS} 0 1 1 {RADIUS},0"
        return {"d": ring, "fill": "none", "stroke": style.INK, "stroke-width": 0.8, "stroke-dasharray": "2.8 2"}
    marker = MarkerStyle(entry.look["marker"])
    outlines = marker.get_path().transformed(marker.get_transform()).to_polygons(closed_only=False)
    scaled = [np.round(entry.look["ms"] * outline * (1, -1), 2).tolist() for outline in outlines]
    parts = ["M" + " L".join(f"{x},{y}" for x, y in outline) + " Z" for outline in scaled]
    return {
        "d": " ".join(parts),
        "fill": entry.look["mfc"],
        "stroke": entry.look.get("mec", "none"),
        "stroke-width": entry.look.get("mew", 1),
        "opacity": entry.look.get("alpha", 1),
    }


def svg_line(colour: str, width: float) -> dict[str, Any]:
    """Return a line as attributes of an SVG path around (0, 0) in points."""
    return {"d": f"M{-STROKE / 2},0 L{STROKE / 2},0", "fill": "none", "stroke": colour, "stroke-width": width}
