"""Which of the texts, symbols and pictures of a drawn episode lie on one another or outside the page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from vln.replay import style
from vln.replay.figure import Scene

SLACK = 0.5  # points by which boxes may overlap: they are a little larger than the ink
DOT = 2.5  # points; smaller markers are the graph's viewpoints, which names may cover


@dataclass(frozen=True)
class Part:
    """A drawn part with its name, its axes and its box in points from the lower left of the page."""

    name: str
    artist: Any
    axes: Axes | None
    box: Bbox


def collisions(scene: Scene) -> list[str]:
    """Return one line per collision: of texts with anything, and of legend symbols with one another.

    Symbols on a map are at their places, so they may overlap one another.
    """
    parts = list(_parts(scene))
    found = [f"{part.name} leaves its page" for part in parts if not _inside(part, scene)]
    low, high = (np.array([getattr(part.box, end) for part in parts]) for end in ("min", "max"))
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    for one, other in np.argwhere(np.triu((common > SLACK).all(-1), 1)).tolist():
        if not _may_overlap(parts[one], parts[other], scene):
            found.append(f"{parts[one].name} on {parts[other].name}")
    names = [part for part in parts if isinstance(part.artist, Text) and part.artist.get_zorder() < 2]
    maps = [panel.axes for panel in scene.panels]
    ways = {axes: _ways(axes, style.POINTS / scene.figure.dpi) for axes in maps}
    crossed = [part for part in names if part.axes in maps and _crossed(part.box, ways[part.axes])]
    return found + [f"{part.name} on a path" for part in crossed]


def _parts(scene: Scene) -> Iterator[Part]:
    renderer = scene.figure.canvas.get_renderer()
    points = style.POINTS / scene.figure.dpi

    def part(name: str, artist: Any) -> Part:
        shown = artist
        if isinstance(artist, Text) and artist.get_bbox_patch() is not None:
            artist.update_bbox_position_size(renderer)
            shown = artist.get_bbox_patch()
        return Part(name, artist, artist.axes, Bbox(shown.get_window_extent(renderer).get_points() * points))

    for text in (each for owner in (scene.figure, *scene.figure.axes) for each in owner.texts):
        if text.get_text().strip():
            yield part(f"text {text.get_text()!r}", text)
    for axes in scene.figure.axes:
        if axes is not scene.text:
            yield part(f"title {axes.get_title(loc='left')!r}", axes._left_title)
        for line in axes.lines:
            yield from _symbols(line, axes, points)
        for arrow in (patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)):
            yield from _arrow(arrow, points)
    yield from (part("circle", patch) for patch in scene.text.patches if isinstance(patch, Circle))
    yield from (part("picture", image) for image in scene.text.images)


def _symbols(line: Line2D, axes: Axes, points: float) -> Iterator[Part]:
    """The markers of a line."""
    if line.get_marker() in ("None", None, "") or line.get_markersize() <= DOT:
        return
    half = (line.get_markersize() + line.get_markeredgewidth()) / 2
    for x, y in axes.transData.transform(np.array(line.get_xydata(), float).reshape(-1, 2)) * points:
        yield Part(f"symbol {line.get_marker()!r}", line, axes, Bbox([[x - half, y - half], [x + half, y + half]]))


def _arrow(arrow: FancyArrowPatch, points: float) -> Iterator[Part]:
    """Parts along an arrow, whose own box has empty corners."""
    start, end = arrow.axes.transData.transform(np.array(arrow._posA_posB)) * points
    for x, y in start + np.linspace(0, 1, 8)[:, None] * (end - start):
        yield Part("arrow", arrow, arrow.axes, Bbox([[x - 2, y - 2], [x + 2, y + 2]]))


def _inside(part: Part, scene: Scene) -> bool:
    """Whether a part is on its map, or on the page."""
    width, height = scene.figure.get_size_inches() * style.POINTS
    page = Bbox([[0, 0], [width, height]])
    if isinstance(part.artist, Text) and part.axes in [panel.axes for panel in scene.panels]:
        page = Bbox(part.axes.bbox.get_points() * style.POINTS / scene.figure.dpi) if "title" not in part.name else page
    return bool((part.box.min >= page.min - SLACK).all() and (part.box.max <= page.max + SLACK).all())


def _may_overlap(one: Part, other: Part, scene: Scene) -> bool:
    if not any(isinstance(part.artist, Text) for part in (one, other)):
        return one.axes is not scene.text
    texts = [part for part in (one, other) if isinstance(part.artist, Text)]
    # The letter of an agent is drawn on its view.
    return len(texts) == 1 and texts[0].axes is scene.text and texts[0].artist.get_bbox_patch() is not None


def _ways(axes: Axes, points: float) -> np.ndarray:
    """(N, 2) places in points along the paths of agents and the demonstration."""
    parts = [np.empty((0, 2))]
    for line in axes.lines:
        if line.get_zorder() in (3, 4) and line.get_linestyle() != "None":
            ends = axes.transData.transform(np.array(line.get_xydata(), float)) * points
            parts.append(
                (ends[:-1, None] + np.linspace(0, 1, 30)[:, None] * np.diff(ends, axis=0)[:, None]).reshape(-1, 2)
            )
    return np.concatenate(parts)


def _crossed(box: Bbox, way: np.ndarray) -> bool:
    """Whether a path crosses a box."""
    return bool(((way > box.min) & (way < box.max)).all(-1).any())
