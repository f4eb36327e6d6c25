"""What the signs on a map mean, for the legends of figures and pages."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Circle

from vln.replay import style
from vln.replay.episode import HouseReplay, Replay

RADIUS = 4.5  # points, of the circle around the goal in a legend
STROKE = 13.0  # points, length of a line in a legend


@dataclass(frozen=True)
class Sign:
    """A sign.

    Attributes:
        meaning: What it means.
        look: Of the marker, as matplotlib takes it; empty for the dashed circle around the goal.
    """

    meaning: str
    look: dict[str, Any] = field(default_factory=dict)


def map_signs(replay: Replay, several_floors: bool) -> list[Sign]:
    """The signs on the maps of an episode."""
    ink = style.INK
    signs = [Sign("start and heading", {"marker": "o", "ms": 5.5, "mfc": "white", "mec": ink, "mew": 1.3})]
    if not replay.withheld:
        signs.append(Sign("goal", {"marker": "*", "ms": 10, "mfc": style.GOAL, "mec": ink, "mew": 0.7}))
        signs.extend(_house_signs(replay) if isinstance(replay, HouseReplay) else _graph_signs(replay))
    if several_floors:
        signs.append(Sign("path goes on upstairs", {"marker": "^", "ms": 6, "mfc": style.FAINT, "mec": "white"}))
        signs.append(Sign("path goes on downstairs", {"marker": "v", "ms": 6, "mfc": style.FAINT, "mec": "white"}))
    return signs


def _graph_signs(replay: Replay) -> list[Sign]:
    near = {"marker": "o", "ms": 4.2, "mfc": style.GOAL, "mec": style.INK, "mew": 0.5}
    return [Sign(f"success: walk to goal < {replay.radius:g} m", near), Sign(f"{replay.radius:g} m around goal")]


def _house_signs(replay: HouseReplay) -> list[Sign]:
    signs = [Sign(f"success: within {replay.radius:g} m")]
    if replay.target:
        thing = {"marker": "s", "ms": 7, "mfc": "none", "mec": style.TARGET, "mew": 2.2}
        signs.append(Sign(f"what to find: {replay.target.name}", thing))
    return signs


def demonstration_name(replay: Replay) -> str:
    """What path A is."""
    return f"A  {'straight line to the goal' if replay.trajectories[0].known == 'goal' else 'demonstration'}"


def probability_sign() -> Sign:
    """The discs that animations draw around viewpoints."""
    disc = {"marker": "o", "ms": 9, "mfc": style.AGENTS[0], "mew": 0, "alpha": style.CANDIDATE_ALPHA}
    return Sign("area: probability of a move", disc)


def attention_sign(readers: list[int]) -> Sign:
    """The light on words; that of several agents shares the height of a word."""
    order = f", from above {' '.join(style.LETTERS[agent] for agent in readers)}" if len(readers) > 1 else ""
    return Sign(f"attended words{order}", {"marker": "s", "ms": 8, "mfc": style.ATTENTION, "mew": 0})


def draw_sign(sign: Sign, x: float, y: float) -> Artist:
    """A sign at a place in points."""
    if sign.look:
        return Line2D([x], [y], ls="", **sign.look)
    return Circle((x, y), RADIUS, **style.CIRCLE)


def sign_path(sign: Sign) -> dict[str, Any]:
    """A sign as attributes of a path of SVG, around (0, 0) in points."""
    if not sign.look:
        ring = f"M{RADIUS},0 A{RADIUS},{RADIUS} 0 1 1 {-RADIUS},0 A{RADIUS},{RADIUS} 0 1 1 {RADIUS},0"
        return {"d": ring, "fill": "none", "stroke": style.INK, "stroke-width": 0.8, "stroke-dasharray": "2.8 2"}
    marker = MarkerStyle(sign.look["marker"])
    outlines = marker.get_path().transformed(marker.get_transform()).to_polygons(closed_only=False)
    scaled = [np.round(sign.look["ms"] * outline * (1, -1), 2).tolist() for outline in outlines]
    parts = ["M" + " L".join(f"{x},{y}" for x, y in outline) + " Z" for outline in scaled]
    return {
        "d": " ".join(parts),
        "fill": sign.look["mfc"],
        "stroke": sign.look.get("mec", "none"),
        "stroke-width": sign.look.get("mew", 1),
        "opacity": sign.look.get("alpha", 1),
    }


def line_path(colour: str, width: float) -> dict[str, Any]:
    """A line as attributes of a path of SVG, around (0, 0) in points."""
    return {"d": f"M{-STROKE / 2},0 L{STROKE / 2},0", "fill": "none", "stroke": colour, "stroke-width": width}
