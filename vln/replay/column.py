"""The column beside a map: instruction, agents with scores, legend and, in animations, the status of each agent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from vln.replay import style
from vln.replay.episode import HouseReplay, Replay
from vln.replay.legend import Entry, demonstration_name, draw_entry
from vln.replay.outcome import outcome_colour, outcome_mark
from vln.replay.plan import Views
from vln.replay.strip import FEW, caption, shown_moments
from vln.replay.style import draw_text

WIDTH = 236.0  # points
SIZE = 8.5
SMALL = 7.0
LEADING = 1.45  # line height in sizes
BAND = 1.3  # height of the highlight of a word, in font sizes
GAP = 9.0  # between blocks
COLUMNS = ("NE", "SR", "SPL", "nDTW")
CELL = 31.0
VIEW_GAP = 8.0
SEEN_GAP = 5.0
SEEN_CAPTION = 14.0
DARK = 6.0  # metres at which the picture of depth is darkest
DARKEST = (18, 24, 48)
SWATCH = 24.0
TITLE = 10.5
ENTRY_SIZE, ENTRY_TEXT, ENTRY_GAP, ENTRY_ROW = 6.6, 15.0, 4.0, 13.0  # points: size, indent, gap, row
STATUS, STATUS_TEXT = 25.0, 12.0  # points: height of the status rows of agents, and indent of their text


Bands = dict[int, list[Bbox]]  # map from agent to one box per word, in points of the column


@dataclass(frozen=True)
class Moving:
    """The parts of the column that change from frame to frame."""

    status: list[tuple[Text, Text]] = field(default_factory=list)  # two lines of text per agent
    views: list[Any] = field(default_factory=list)  # the view of each agent: colours and, for a single agent, depth


@dataclass(frozen=True)
class Block:
    """A part of the column: its height in points, and a function that draws it from a height of the axes downwards."""

    height: float
    draw: Callable[[Axes, float], None]


def stack(axes: Axes, blocks: Sequence[Block]) -> None:
    """Draw blocks from the top down; the axes are in points with y downwards."""
    y = 0.0
    for block in blocks:
        block.draw(axes, y)
        y += block.height + GAP


def stack_height(blocks: Sequence[Block]) -> float:
    """Return the height of the blocks and the gaps between them."""
    return sum(block.height for block in blocks) + GAP * (len(blocks) - 1)


def title_block(replay: Replay) -> Block:
    """Return the block with the episode's name and source."""
    first = replay.trajectories[0]
    title = style.shorten(f"Episode {first.episode_id}", TITLE, WIDTH, weight="bold")

    def draw(axes: Axes, y: float) -> None:
        draw_text(axes, 0, y + 10, title, size=TITLE, weight="bold")
        draw_text(axes, 0, y + 22, style.shorten(source_line(replay), SMALL, WIDTH), size=SMALL, color=style.FAINT)

    return Block(23, draw)


def source_line(replay: Replay) -> str:
    """Return the data set, split and building of an episode, and a note if the goal is unknown."""
    first = replay.trajectories[0]
    source = " ".join(dict.fromkeys((first.dataset, first.split)))
    return " · ".join([source, replay.building, *(["goal unknown"] if replay.withheld else [])])


def instruction_block(words: Sequence[str], readers: Sequence[int], dpi: float, bands: Bands) -> Block:
    """Return the block of the instruction; drawing it fills `bands` with the boxes of the words.

    The attention of `readers` (indices of agents) is shown in bands that share the height of a word.
    """
    lines = style.wrap(words, SIZE, WIDTH, dpi)
    step, height = SIZE * LEADING, BAND * SIZE / max(len(readers), 1)

    def draw(axes: Axes, y: float) -> None:
        bands.update({agent: [] for agent in readers})
        for number, line in enumerate(lines):
            baseline = y + SIZE + number * step
            for placed in line:
                draw_text(axes, placed.x, baseline, placed.word, size=SIZE)
                for place, agent in enumerate(readers):
                    top = baseline - 0.97 * SIZE + place * height
                    bands[agent].append(Bbox.from_bounds(placed.x - 1, top, placed.width + 2, height))

    return Block(len(lines) * step, draw)


def legend_block(replay: Replay) -> Block:
    """Return the block of lines, agents and scores; the demonstration has no row if it is withheld."""
    scored = not replay.withheld
    top, row = (11.0 if scored else 2.0), 15.0
    rows = len(replay.agents) + scored

    def draw(axes: Axes, y: float) -> None:
        for number, name in enumerate(COLUMNS if scored else ()):
            heading = {"NE": "NE (m)", "SR": "success"}.get(name, name)
            draw_text(axes, _right(number), y + 7, heading, size=6.2, color=style.FAINT, ha="right")
        middle = y + top + 9
        for line in (y + top, middle + row * (rows - 1) + 8):
            axes.add_line(Line2D([0, WIDTH], [line] * 2, color=style.RULE, lw=0.8))
        if scored:
            axes.add_line(Line2D([1, SWATCH - 7], [middle] * 2, color=style.DEMONSTRATION, lw=style.BAND - 1.5))
            draw_text(axes, SWATCH, middle + 2.8, demonstration_name(replay), size=7.8)
        for agent, name in enumerate(replay.agents):
            _agent_row(axes, middle + row * (agent + scored), replay, agent, name)

    return Block(top + 2 + row * rows, draw)


def _agent_row(axes: Axes, middle: float, replay: Replay, agent: int, name: str) -> None:
    colour = style.AGENTS[agent]
    scores = replay.scores[agent]
    axes.add_line(Line2D([1, SWATCH - 7], [middle] * 2, color=colour, lw=style.LINE))
    room = (WIDTH - CELL * len(COLUMNS) if scores else WIDTH) - SWATCH - 12
    draw_text(axes, SWATCH, middle + 2.8, style.LETTERS[agent], size=7.8, color=colour, weight="bold")
    draw_text(axes, SWATCH + 10, middle + 2.8, style.shorten(name, 7.8, room), size=7.8)
    for number, column in enumerate(COLUMNS):
        if not scores or column not in scores:
            continue
        text, look = style.score_text(column, scores[column]), {}
        if column == "SR":
            text = f"{outcome_mark(replay, agent)} {text}"
            look = {"color": outcome_colour(replay, agent), "weight": "bold"}
        draw_text(axes, _right(number), middle + 2.8, text, size=7.8, ha="right", **look)


def entries_block(entries: Sequence[Entry]) -> Block:
    """Return the block of the map's symbols, two per row where both fit."""
    room = WIDTH - ENTRY_TEXT
    texts = [style.shorten(entry.meaning, ENTRY_SIZE, room) for entry in entries]
    wide = [style.text_width(each, ENTRY_SIZE) > room - WIDTH / 2 - ENTRY_GAP for each in texts]
    narrow = [number for number, each in enumerate(wide) if not each]
    pairs = (len(narrow) + 1) // 2
    places = {number: (place % 2, place // 2) for place, number in enumerate(narrow)}
    places |= {number: (0, pairs + row) for row, number in enumerate(np.flatnonzero(wide).tolist())}

    def draw(axes: Axes, y: float) -> None:
        for number, (across, down) in places.items():
            x, middle = across * WIDTH / 2 + 6, y + 6 + down * ENTRY_ROW
            axes.add_artist(draw_entry(entries[number], x, middle))
            draw_text(axes, x + ENTRY_TEXT - 6, middle + 2.4, texts[number], size=ENTRY_SIZE, color=style.FAINT)

    return Block((pairs + sum(wide)) * ENTRY_ROW, draw)


def status_block(replay: Replay, moving: Moving) -> Block:
    """Return the block of two lines per agent; drawing it adds these to `moving`, for each frame to fill in."""
    steps = [step for each in replay.trajectories for step in each.steps]
    # Without probabilities and a goal the second line would be empty.
    row = STATUS if not replay.withheld or any(step.probabilities for step in steps) else STATUS - 11

    def draw(axes: Axes, y: float) -> None:
        for agent in range(len(replay.agents)):
            top = y + agent * row
            colour = style.AGENTS[agent]
            draw_text(axes, 0, top + 8, style.LETTERS[agent], size=SIZE, color=colour, weight="bold")
            first = draw_text(axes, STATUS_TEXT, top + 8, "", size=SIZE)
            moving.status.append((first, draw_text(axes, STATUS_TEXT, top + 18.5, "", size=SMALL, color=style.FAINT)))

    return Block(row * len(replay.agents), draw)


def views_block(replay: HouseReplay, moving: Moving) -> Block:
    """Return the block of the agents' views: one with its depth beside it, several in two columns.

    Drawing it adds them to `moving`.
    """
    count = len(replay.agents)
    side = (WIDTH - VIEW_GAP) / 2
    rows = (count + 1) // 2

    def draw(axes: Axes, y: float) -> None:
        for agent in range(count):
            left, top = (agent % 2) * (side + VIEW_GAP), y + (agent // 2) * (side + VIEW_GAP)
            moving.views.append(_view(axes, left, top, side, replay.views[agent].rgb[0], style.AGENTS[agent]))
            if count > 1:
                badge = {"size": 7, "weight": "bold", "color": "white", "ha": "center", "va": "center_baseline"}
                box = {"boxstyle": "round,pad=0.25", "fc": style.AGENTS[agent], "ec": "white", "lw": 0.8}
                text = draw_text(axes, left + 9, top + 9, style.LETTERS[agent], bbox=box, zorder=5, **badge)
                moving.views.append(text)
        if count == 1:
            moving.views.append(_view(axes, side + VIEW_GAP, y, side, near_is_light(replay.views[0], 0), style.RULE))

    return Block(rows * (side + VIEW_GAP) - VIEW_GAP, draw)


def seen_block(replay: HouseReplay) -> Block:
    """Return the block of each agent's views at some places, with their numbers on the map."""
    moments = shown_moments(replay)
    side = (WIDTH - (FEW - 1) * SEEN_GAP) / FEW
    row = side + SEEN_CAPTION
    places = [(agent, number, moment) for agent, each in enumerate(moments) for number, moment in enumerate(each)]

    def draw(axes: Axes, y: float) -> None:
        for agent, number, moment in places:
            before = sum(map(_rows, moments[:agent])) + number // FEW
            left, top = (number % FEW) * (side + SEEN_GAP), y + before * row
            _view(axes, left, top, side, replay.views[agent].rgb[moment], style.RULE, width=0.6)
            name = f"{style.LETTERS[agent] if len(moments) > 1 else ''}{number + 1}"
            colour, width = style.AGENTS[agent], style.text_width(name, 6.6) + 4
            draw_text(axes, left, top + side + 8, name, size=6.6, color=colour, weight="bold")
            draw_text(axes, left + width, top + side + 8, caption(replay, agent, moment), size=6.2, color=style.FAINT)

    return Block(sum(map(_rows, moments)) * row, draw)


def _rows(moments: Sequence[int]) -> int:
    """Return the number of rows of so many views."""
    return -(-len(moments) // FEW)


def show_views(replay: HouseReplay, moving: Moving, moment: int) -> None:
    """Set the views to those after so many steps, or to the last ones."""
    single = len(replay.agents) == 1
    for agent, views in enumerate(replay.views):
        moving.views[agent if single else 2 * agent].set_data(views.rgb[min(moment, len(views.rgb) - 1)])
    if single:
        moving.views[1].set_data(near_is_light(replay.views[0], min(moment, len(replay.views[0].rgb) - 1)))


def near_is_light(views: Views, moment: int) -> np.ndarray:
    """Return a (H, W, 3) uint8 picture of depth, white at the camera and dark blue at `DARK` metres and beyond."""
    depth = views.depth[moment]
    share = np.where(depth > 0, np.clip(1 - depth / DARK, 0, 1), 0.0)[..., None]
    return (np.array(DARKEST) + share * (255 - np.array(DARKEST))).astype(np.uint8)


def _view(
    axes: Axes, left: float, top: float, side: float, picture: np.ndarray, edge: str, width: float = 1.6
) -> AxesImage:
    axes.add_patch(Rectangle((left, top), side, side, fill=False, ec=edge, lw=width, zorder=4, clip_on=False))
    extent = (left, left + side, top + side, top)
    return axes.imshow(picture, extent=extent, aspect="auto", interpolation="antialiased", zorder=3)


def _right(number: int) -> float:
    """Return the right edge of a column of scores."""
    return WIDTH - CELL * (len(COLUMNS) - 1 - number)
