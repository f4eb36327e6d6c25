"""A replay as one page for browsers: map, views, attention and action probabilities, moment by moment.

The file contains everything, so it works without a network and can be sent to others.
"""

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from vln.files import read_text, write_text
from vln.graph import VIEW_STEP, VIEWS
from vln.replay import style
from vln.replay.animation import indexed, pace
from vln.replay.column import source_line
from vln.replay.episode import GraphReplay, HouseReplay, Replay
from vln.replay.figure import View, draw_maps
from vln.replay.fonts import font_faces
from vln.replay.legend import attention_entry, demonstration_name, map_entries, svg_line, svg_symbol
from vln.replay.map import Panel
from vln.replay.moves import describe_step
from vln.replay.outcome import ending, outcome, outcome_colour, outcome_mark
from vln.replay.word_attention import shown_words, word_weights
from vln.trajectory import Pose, Step, Trajectory

TEMPLATE, MARK, FONTS = Path(__file__).with_name("page.html"), "/*CONTENT*/null", "/*FONTS*/"
DPI = 100  # of the map
BUDGET = 500_000  # bytes of the views of all agents
PICTURES = ((256, 80), (192, 75), (160, 70), (128, 60), (96, 50), (64, 40))  # pixels per side, and JPEG quality
DIGITS = 3
AROUND = 12  # columns of a panorama


def save_html(replay: Replay, view: View, path: Path) -> None:
    """Write the page of an episode."""
    write_text(path, html_page(replay, view))


def html_page(replay: Replay, view: View) -> str:
    """Return the page of an episode."""
    content = _content(replay, view)
    # Escape "<", so that an instruction cannot end the script.
    encoded = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    text = "".join([content["instruction"], *(word for agent in content["agents"] for word in agent["words"])])
    return read_text(TEMPLATE).replace(FONTS, font_faces(text)).replace(MARK, encoded)


def _content(replay: Replay, view: View) -> dict[str, Any]:
    first = replay.trajectories[0]
    image, panels = _map(replay, view)
    pictures = _pictures(replay)
    return {
        "title": f"Episode {replay.episode_id}",
        "source": source_line(replay),
        "instruction": first.instruction,
        "seconds": pace(replay),
        "attention": [round(255 * part) for part in to_rgb(style.ATTENTION)],
        "legend": _legend(replay, len(panels) > 1),
        "map": {"image": _encoded(image, "png"), "width": image.width, "height": image.height},
        "agents": [_agent(replay, number, panels, image.height, pictures[number]) for number in range(len(pictures))],
    }


def _legend(replay: Replay, several_floors: bool) -> list[dict[str, Any]]:
    """Return the meaning of each symbol on the map, and the SVG path that draws it around (0, 0) in points."""
    entries = [(entry.meaning, svg_symbol(entry)) for entry in map_entries(replay, several_floors)]
    if not replay.withheld:
        entries.insert(1, (demonstration_name(replay), svg_line(style.DEMONSTRATION, style.BAND - 1.5)))
    names = enumerate(replay.agents)
    paths = [(f"{style.LETTERS[agent]}  {name}", svg_line(style.AGENTS[agent], style.LINE)) for agent, name in names]
    steps = [step for each in replay.trajectories for step in each.steps]
    attends = any(step.word_attention or step.view_attention for step in steps)
    lit = [("attended to", svg_symbol(attention_entry([])))] if attends else []
    return [{"meaning": meaning, "path": path} for meaning, path in (*entries, *paths, *lit)]


def _map(replay: Replay, view: View) -> tuple[Image.Image, list[Panel]]:
    """Return the maps as a picture of few colours, and their panels."""
    figure, panels = draw_maps(replay, view, DPI)
    canvas: Any = figure.canvas
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3]
    return indexed([picture])[0], panels


def _agent(
    replay: Replay, number: int, panels: Sequence[Panel], height: int, pictures: Sequence[str]
) -> dict[str, Any]:
    trajectory, scores = replay.trajectories[number], replay.scores[number]
    words = shown_words([trajectory])
    moments = range(len(trajectory.poses))
    texts = {name: style.score_text(name, value) for name, value in scores.items()} if scores else {}
    return {
        "name": f"{style.LETTERS[number]}  {replay.agents[number]}",
        "colour": style.AGENTS[number],
        "scores": texts,
        "outcome": outcome(replay, number),
        "sign": outcome_mark(replay, number),
        "ending": ending(replay, number),
        "outcome_colour": outcome_colour(replay, number),
        "words": words,
        "pictures": pictures,
        "places": [_place(pose, panels, height) for pose in trajectory.poses],
        "distances": [style.distance_text(replay.to_goal(number, moment), " to the goal") for moment in moments],
        "steps": [_step(replay, trajectory, moment, words) for moment in moments[:-1]],
    }


def _step(replay: Replay, trajectory: Trajectory, moment: int, words: Sequence[str]) -> dict[str, Any]:
    """Return the attention, the action and the action probabilities of a step."""
    step, before = trajectory.steps[moment], trajectory.poses[moment]
    weights = word_weights(trajectory, step, words)
    chances = zip(step.choices, step.probabilities, strict=True)
    choices = [[_describe(replay, before, step, choice), _rounded(p), choice == step.choice] for choice, p in chances]
    return {
        "description": describe_step(before, step),
        "choices": choices if not before.viewpoint else sorted(choices, key=lambda choice: -choice[1]),
        "words": [] if weights is None else [_rounded(each) for each in weights.tolist()],
        "views": view_grid(step.view_attention, before),
    }


def _describe(replay: Replay, before: Pose, step: Step, choice: str) -> str:
    """Describe a choice; a viewpoint is described by its direction and distance."""
    if not isinstance(replay, GraphReplay) or choice not in replay.graph.index:
        return choice
    x, y, z = replay.graph.positions[replay.graph.index[choice]].tolist()
    return describe_step(before, replace(step, choice=choice, pose=Pose(choice, (x, y, z), 0.0, 0.0), collided=False))


def view_grid(attention: Sequence[float], pose: Pose) -> list[list[float]]:
    """Arrange attention over views as rows from the top: cells of an image, or a panorama centred on the heading.

    The weights are of the 36 views of a panorama or of the cells of a square image; there are none if none was
    recorded.
    """
    if not attention:
        return []
    weights = np.asarray(attention)
    if pose.viewpoint and len(weights) == VIEWS:
        ahead = round(pose.heading / VIEW_STEP)
        grid = np.roll(weights.reshape(-1, AROUND), AROUND // 2 - ahead, axis=1)[::-1]
    else:
        side = math.isqrt(len(weights))
        grid = weights.reshape(side, -1)
    return [[_rounded(value) for value in row] for row in grid.tolist()]


def _place(pose: Pose, panels: Sequence[Panel], height: int) -> list[float] | None:
    """Return pixels from the left and top of the map and degrees clockwise from its top; None if it is on no map."""
    x, y, z = pose.position
    for panel in panels:
        if panel.shows(z):
            left, bottom = panel.axes.transData.transform((x, y)).tolist()
            return [round(left, 1), round(height - bottom, 1), round(math.degrees(pose.heading), 1)]
    return None


def _pictures(replay: Replay) -> list[list[str]]:
    """Return each agent's views at each moment, as large as the budget allows; none on graphs, which have no images."""
    if not isinstance(replay, HouseReplay):
        return [[] for _ in replay.agents]
    encoded: list[list[str]] = []
    for side, quality in PICTURES:
        encoded = [[_picture(image, side, quality) for image in views.rgb] for views in replay.views]
        if sum(len(picture) for each in encoded for picture in each) <= BUDGET:
            break
    return encoded


def _picture(image: np.ndarray, side: int, quality: int) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    return _encoded(picture, "jpeg", quality=quality)


def _encoded(image: Image.Image, kind: str, **options: Any) -> str:
    """Return an image as a data URL."""
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _rounded(value: float | None) -> Any:
    return None if value is None else round(float(value), DIGITS)
