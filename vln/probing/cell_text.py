"""Cells as coloured text: the activation of a cell at every word or step, for terminals and pages."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from rich.text import Text

from vln.probing.probes import Finding
from vln.replay.style import AGENTS, follows_closely

NEGATIVE, POSITIVE = (np.array(to_rgb(colour)) for colour in AGENTS[:2])
STRONGEST = 0.9  # strength of the colour at a cell's largest values
BRIGHTEST = 98  # percentile of a cell's absolute values that gets the strongest colour
LINES = 3  # episodes shown per cell


@dataclass(frozen=True, eq=False)
class Line:
    """The activations of a cell in an episode of T moments."""

    episode: str
    tokens: tuple[str, ...]  # T words or arrows
    values: np.ndarray  # (T,) activations
    holds: np.ndarray  # (T,) bool, true where the predicate is above its mean


@dataclass(frozen=True, eq=False)
class ShownCell:
    """A cell and the predicate that explains it."""

    name: str  # layer and number
    finding: Finding
    values: np.ndarray  # (N,) activations in the half in which the predicate was scored
    predicate: np.ndarray  # (N,) values of the predicate at these moments
    lines: tuple[Line, ...]

    @property
    def scale(self) -> float:
        """The absolute activation that gets the strongest colour."""
        return max(float(np.percentile(np.abs(self.values), BRIGHTEST)), 1e-9)

    @property
    def title(self) -> str:
        """Summary of the cell, its predicate and the correlation."""
        found = self.finding
        sign = "-" if found.chosen < 0 else "+"
        return f"{self.name}  {sign} {found.predicate}  r {found.score:.2f}, by chance {found.chance:.2f}"


def show_cell(
    name: str, finding: Finding, episodes: Sequence[tuple[np.ndarray, np.ndarray, tuple[str, ...], str]]
) -> ShownCell:
    """Return a cell with example episodes; each is given as activations (T,), predicate (T,), T tokens and id."""
    every, truth = (np.concatenate([each[part] for each in episodes]) for part in (0, 1))
    # Episodes in which the predicate varies most show most.
    varied = sorted(episodes, key=lambda each: -float(np.std(each[1])))[:LINES]
    lines = (Line(episode, tokens, values, holds > truth.mean()) for values, holds, tokens, episode in varied)
    return ShownCell(name, finding, every, truth, tuple(lines))


def shade(share: float) -> tuple[int, int, int]:
    """Map a fraction from -1 to 1 of a cell's scale to a colour: blue, white, orange."""
    strength = STRONGEST * min(abs(share), 1.0)
    colour = POSITIVE if share > 0 else NEGATIVE
    red, green, blue = np.round(255 * (1 + strength * (colour - 1))).astype(int).tolist()
    return red, green, blue


def line_text(line: Line, scale: float) -> Text:
    """Render a line for a terminal, underlined where the predicate holds."""
    text = Text()
    for place, (token, value, holds) in enumerate(zip(line.tokens, line.values.tolist(), line.holds, strict=True)):
        text.append("" if not place or follows_closely(token) else " ")
        red, green, blue = shade(value / scale)
        text.append(token, style=f"{'underline ' if holds else ''}black on rgb({red},{green},{blue})")
    return text


def line_html(line: Line, scale: float) -> str:
    """Render a line for a page."""
    parts = []
    for token, value, holds in zip(line.tokens, line.values.tolist(), line.holds, strict=True):
        red, green, blue = shade(value / scale)
        look = f"background:rgb({red},{green},{blue})"
        mark = ' class="holds"' if holds else ""
        parts.append(f'<span{mark} style="{look}" title="{value:.2f}">{html.escape(token)}</span>')
    return f"<p><small>{html.escape(line.episode)}</small> {' '.join(parts)}</p>"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.7 "DejaVu Sans", sans-serif; max-width: 60em; margin: 2em auto; color: #222; }}
h3 {{ font-size: 15px; margin: 1.6em 0 0.2em; }} p {{ margin: 0.2em 0; }} small {{ color: #6b6b6b; }}
span {{ padding: 1px 3px; border-radius: 3px; }} .holds {{ border-bottom: 3px solid #222; }}
</style></head><body><h1>{title}</h1><p>{legend}</p>{body}</body></html>
"""
LEGEND = (
    "Each word or arrow is a moment. Orange: the activation is high; blue: far below zero. Underlined: the predicate "
    "is above its mean. r is the correlation in buildings that were not used to choose the predicate; + and - "
    "are its sign. Arrows are actions: ↑ ahead, ← → turns, ↓ back, ■ stop."
)


def page(title: str, parts: Sequence[tuple[str, Sequence[ShownCell]]]) -> str:
    """Return the page of the cells of each part of a network."""
    body = []
    for name, cells in parts:
        body.append(f"<h2>{html.escape(name)}</h2>")
        for cell in cells:
            lines = "".join(line_html(line, cell.scale) for line in cell.lines)
            body.append(f"<h3>{html.escape(cell.title)}</h3>{lines}")
    return PAGE.format(title=html.escape(title), legend=LEGEND, body="\n".join(body))
