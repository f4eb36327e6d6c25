"""The text beside a map: instruction, who is who with scores, signs and, in animations, what each agent does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from vln.metrics import THRESHOLD
from vln.replay import style
from vln.replay.select import Replay

WIDTH = 236.0  # points
SIZE = 8.5
SMALL = 7.0
LEADING = 1.45  # line height in sizes
BAND = 1.3  # height of what lights a word up, in sizes
GAP = 9.0  # between blocks
COLUMNS = ("NE", "SR", "SPL", "nDTW")
CELL = 31.0
SWATCH = 24.0


Bands = dict[int, list[Bbox]]  # agent to a box a word, in points of the column


@dataclass(frozen=True)
class Block:
    """A part of the column: its height in points, and what draws it below a height of the axes."""

    height: float
    draw: Callable[[Axes, float], None]


def stack(axes: Axes, blocks: Sequence[Block]) -> None:
    """Draw blocks from the top down; the axes are in points with y downwards."""
    y = 0.0
    for block in blocks:
        block.draw(axes, y)
        y += block.height + GAP


def stack_height(blocks: Sequence[Block]) -> float:
    """Height of the blocks and the gaps between them."""
    return sum(block.height for block in blocks) + GAP * (len(blocks) - 1)


def title_block(replay: Replay) -> Block:
    """Which episode this is."""
    first = replay.trajectories[0]

    def draw(axes: Axes, y: float) -> None:
        _text(axes, 0, y + 10, f"Episode {first.episode_id}", size=10.5, weight="bold")
        _text(axes, 0, y + 22, f"{first.dataset} {first.split} · building {first.scan}", size=SMALL, color=style.FAINT)

    return Block(23, draw)


def instruction_block(words: Sequence[str], readers: Sequence[int], dpi: float, bands: Bands) -> Block:
    """The instruction.

    Args:
        words: The words to show.
        readers: The agents that attend to them; their bands share the height of a word.
        dpi: Resolution it will be drawn at.
        bands: Filled with where each word is to be lit up, when the block is drawn.
    """
    lines = style.wrap(words, SIZE, WIDTH, dpi)
    step, height = SIZE * LEADING, BAND * SIZE / max(len(readers), 1)

    def draw(axes: Axes, y: float) -> None:
        bands.update({agent: [] for agent in readers})
        for number, line in enumerate(lines):
            baseline = y + SIZE + number * step
            for placed in line:
                _text(axes, placed.x, baseline, placed.word, size=SIZE)
                for place, agent in enumerate(readers):
                    top = baseline - 0.97 * SIZE + place * height
                    bands[agent].append(Bbox.from_bounds(placed.x - 1, top, placed.width + 2, height))

    return Block(len(lines) * step, draw)


def legend_block(replay: Replay) -> Block:
    """Which line is whose, and the scores of each."""
    row = 15.0
    scored = replay.goal is not None

    def draw(axes: Axes, y: float) -> None:
        for number, name in enumerate(COLUMNS if scored else ()):
            heading = {"NE": "NE (m)", "SR": "success"}.get(name, name)
            _text(axes, _right(number), y + 7, heading, size=6.2, color=style.FAINT, ha="right")
        axes.add_line(Line2D([0, WIDTH], [y + 11] * 2, color=style.RULE, lw=0.8))
        middle = y + 20
        axes.add_line(Line2D([1, SWATCH - 7], [middle] * 2, color=style.DEMONSTRATION, lw=style.BAND - 1.5))
        shown = "demonstration" if scored else "demonstration and goal withheld"
        _text(axes, SWATCH, middle + 2.8, f"A  {shown}", size=7.8)
        for agent, name in enumerate(replay.agents):
            _agent_row(axes, middle + row * (agent + 1), replay, agent, name)
        bottom = middle + row * len(replay.agents) + 8
        axes.add_line(Line2D([0, WIDTH], [bottom] * 2, color=style.RULE, lw=0.8))

    return Block(28 + row * len(replay.agents), draw)


def _agent_row(axes: Axes, middle: float, replay: Replay, agent: int, name: str) -> None:
    colour = style.AGENTS[agent]
    scores = replay.scores[agent]
    axes.add_line(Line2D([1, SWATCH - 7], [middle] * 2, color=colour, lw=style.LINE))
    room = (WIDTH - CELL * len(COLUMNS) if scores else WIDTH) - SWATCH - 12
    _text(axes, SWATCH, middle + 2.8, style.LETTERS[agent], size=7.8, color=colour, weight="bold")
    _text(axes, SWATCH + 10, middle + 2.8, style.shorten(name, 7.8, room), size=7.8)
    for number, column in enumerate(COLUMNS if scores else ()):
        _text(
            axes, _right(number), middle + 2.8, style.score_text(column, (scores or {})[column]), size=7.8, ha="right"
        )


def signs_block(replay: Replay, several_floors: bool, animated: bool) -> Block:
    """What the signs on the map mean."""
    ink = style.INK
    signs: list[tuple[str, dict[str, Any]]] = [
        ("start and heading", {"marker": "o", "ms": 5.5, "mfc": "white", "mec": ink, "mew": 1.3}),
    ]
    if replay.goal is not None:
        near = {"marker": "o", "ms": 4.2, "mfc": style.GOAL, "mec": ink, "mew": 0.5}
        signs.append(("goal", {"marker": "*", "ms": 10, "mfc": style.GOAL, "mec": ink, "mew": 0.7}))
        signs.append((f"success: walk to goal < {THRESHOLD:g} m", near))
        signs.append((f"{THRESHOLD:g} m around goal", {}))
    if several_floors:
        signs.append(("path goes on upstairs", {"marker": "^", "ms": 6, "mfc": style.FAINT, "mec": "white"}))
        signs.append(("path goes on downstairs", {"marker": "v", "ms": 6, "mfc": style.FAINT, "mec": "white"}))
    if animated and any(step.probabilities for each in replay.trajectories for step in each.steps):
        disc = {"marker": "o", "ms": 9, "mfc": style.AGENTS[0], "mew": 0, "alpha": style.CANDIDATE_ALPHA}
        signs.append(("area: probability of a move", disc))
    rows = (len(signs) + 1) // 2

    def draw(axes: Axes, y: float) -> None:
        for number, (meaning, sign) in enumerate(signs):
            x, middle = (number % 2) * WIDTH / 2 + 6, y + 6 + (number // 2) * 13
            axes.add_artist(Line2D([x], [middle], ls="", **sign) if sign else Circle((x, middle), 4.5, **style.CIRCLE))
            _text(axes, x + 9, middle + 2.4, meaning, size=6.6, color=style.FAINT)

    return Block(rows * 13, draw)


def status_block(replay: Replay, onto: list[tuple[Text, Text]]) -> Block:
    """Two lines an agent, filled in frame by frame.

    Args:
        replay: The episode.
        onto: Filled with the two texts of each agent when the block is drawn.
    """
    row = 25.0

    def draw(axes: Axes, y: float) -> None:
        for agent in range(len(replay.agents)):
            top = y + agent * row
            colour = style.AGENTS[agent]
            _text(axes, 0, top + 8, style.LETTERS[agent], size=SIZE, color=colour, weight="bold")
            first = _text(axes, 12, top + 8, "", size=SIZE)
            onto.append((first, _text(axes, 12, top + 18.5, "", size=SMALL, color=style.FAINT)))

    return Block(row * len(replay.agents), draw)


def _right(number: int) -> float:
    """Right edge of a column of scores."""
    return WIDTH - CELL * (len(COLUMNS) - 1 - number)


def _text(axes: Axes, x: float, y: float, text: str, **look: Any) -> Text:
    # Instructions may hold dollar signs, which would start a formula.
    return axes.text(x, y, text, family=style.FONT, parse_math=False, **{"color": style.INK, **look})
