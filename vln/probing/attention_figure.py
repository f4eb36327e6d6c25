"""The figure of an agent's attention: steps against words and views, and camera images with the attention on them."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from vln.probing.attention import OVER, AttentionRecord, collect_attention
from vln.replay import style
from vln.replay.episode import HouseReplay, Replay
from vln.replay.fonts import FONT, drawable, families
from vln.replay.strip import key_moments, openness

HEAT = LinearSegmentedColormap.from_list("heat", ["white", style.ATTENTION])
ROW, WORD, VIEW = 11.0, 15.0, 9.0  # points of a row, and of a column of words or views
LEFT, TOP, EDGE, GAP = 120.0, 62.0, 12.0, 18.0
SIDE, MANY = 92.0, 6  # side of a view, and number of moments, the last of which has no view
BRIGHT = 0.65  # opacity of the most attended cell


def draw_attention(replay: Replay, over: tuple[str, ...] = OVER, agent: int = 0) -> Figure:
    """Draw attention with steps from the top, words and views from the left; in houses some camera images below."""
    found = collect_attention(replay, agent)
    read = found.word_weights if "words" in over else None
    columns = found.columns if "views" in over else None
    tall = ROW * len(found.actions)
    wide = (0 if read is None else WORD * len(found.words)) + (0 if columns is None else GAP + VIEW * columns.shape[1])
    seen = columns is not None and isinstance(replay, HouseReplay)
    width = max(LEFT + wide + EDGE, 2 * EDGE + (MANY - 1) * (SIDE + 6) if seen else 0, 320.0)
    height = TOP + tall + EDGE + (SIDE + GAP + 14 if seen else 0)
    figure = Figure((width / style.POINTS, height / style.POINTS), facecolor="white")
    FigureCanvasAgg(figure)
    title = f"Episode {replay.episode_id}, {replay.agents[agent]}"
    figure.text(EDGE / width, 1 - 13 / height, drawable(title), size=9, weight="bold", family=families(title))
    x = LEFT
    if read is not None:
        _matrix(_axes(figure, x, TOP, WORD * len(found.words), tall), read, found, found.words)
        x += WORD * len(found.words) + GAP
    if columns is not None:
        names = ("left", *[""] * (columns.shape[1] - 2), "right")
        axes = _axes(figure, x, TOP, VIEW * columns.shape[1], tall)
        _matrix(axes, columns, None if read is not None else found, names)
    if seen and isinstance(replay, HouseReplay):
        _views(figure, replay, found, agent, TOP + tall + GAP)
    return figure


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Add axes at a position in points from the left and the top."""
    across, up = figure.get_size_inches() * style.POINTS
    return figure.add_axes((x / across, 1 - (y + height) / up, width / across, height / up))


def _matrix(axes: Axes, weights: np.ndarray, found: AttentionRecord | None, names: tuple[str, ...]) -> None:
    """Draw weights (T, N) scaled by row, with column names, and with row names if `found` is given."""
    shares = weights / np.maximum(weights.max(1, keepdims=True), 1e-9)
    axes.imshow(shares, cmap=HEAT, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(names)), list(map(drawable, names)))
    axes.set_yticks([] if found is None else range(len(weights)), [] if found is None else _rows(found))
    axes.tick_params(axis="x", rotation=60, labelsize=6.5, length=0, pad=1)
    axes.tick_params(axis="y", labelsize=6.5, length=0)
    for label in axes.get_xticklabels():
        label.set(ha="left", rotation_mode="anchor", family=families(label.get_text()), parse_math=False)
    for spine in axes.spines.values():
        spine.set(color=style.RULE, linewidth=0.6)


def _rows(found: AttentionRecord) -> list[str]:
    pairs = enumerate(zip(found.actions, found.probabilities, strict=True), start=1)
    return [f"{number}  {action}{'' if chance is None else f'  {chance:.2f}'}" for number, (action, chance) in pairs]


def _views(figure: Figure, replay: HouseReplay, found: AttentionRecord, agent: int, top: float) -> None:
    """Draw the camera images of some moments under the attention over their cells."""
    views, trajectory = replay.views[agent], replay.trajectories[agent]
    assert found.view_weights is not None
    moments = [each for each in key_moments(trajectory, openness(views), MANY) if each < len(trajectory.steps)]
    for place, moment in enumerate(moments):
        axes = _axes(figure, EDGE + place * (SIDE + 6), top, SIDE, SIDE)
        grid = found.view_weights[moment]
        side = views.rgb.shape[1:3]
        extent: Any = (0, side[1], side[0], 0)
        axes.imshow(views.rgb[moment], extent=extent)
        light = np.zeros((*grid.shape, 4))
        light[..., :3] = HEAT(1.0)[:3]
        light[..., 3] = BRIGHT * grid / max(float(grid.max()), 1e-9)
        axes.imshow(light, extent=extent, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(f"before step {moment + 1}", fontsize=6.5, pad=2, color=style.FAINT, family=FONT)
