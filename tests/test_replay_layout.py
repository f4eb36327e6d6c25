"""No overlaps in figures: random episodes on graphs and in houses, with one to six agents."""

import dataclasses
from itertools import count

import numpy as np
import pytest
from collisions import collisions
from matplotlib.axes import Axes
from replay_cases import random_replay, without_probabilities

from vln.replay import ground, style
from vln.replay.column import STATUS, Moving, status_block
from vln.replay.figure import View, draw_episode
from vln.replay.label_placement import free_spot
from vln.replay.layout import Window

FEW, MANY = 8, 200  # episodes


@pytest.fixture(autouse=True)
def coarse_ground(monkeypatch):
    """The ground is painted in fewer pixels, which takes most of the time of a figure and places nothing."""
    monkeypatch.setattr(ground, "PIXELS", 200)


def found_in(seeds: range) -> dict[int, list[str]]:
    """Map seeds of episodes to the collisions in their still and animated figures."""
    found = {}
    for seed in seeds:
        replay, rooms = random_replay(seed)
        view = View(rooms, "all" if seed % 5 == 0 else "touched")
        found[seed] = collisions(draw_episode(replay, view))
        found[seed] += collisions(draw_episode(replay, view, animated=True, dpi=120)) if seed % 4 < 2 else []
    return {seed: lines for seed, lines in found.items() if lines}


def test_nothing_lies_on_anything_else():
    assert not found_in(range(FEW))


@pytest.mark.slow
def test_nothing_lies_on_anything_else_in_many_episodes():
    assert not found_in(range(FEW, MANY))


def test_the_check_finds_what_collides():
    replay, rooms = random_replay(2)
    scene = draw_episode(replay, View(rooms))
    (name, *_) = [text for text in scene.panels[0].axes.texts if text.get_bbox_patch() is not None]
    scene.panels[0].axes.text(*name.get_position(), "on top of it")
    scene.text.text(0, 11, "over the title")
    scene.text.text(style.POINTS * 3, 10, "beyond the edge of the page")
    told = " ".join(collisions(scene))
    assert "'on top of it'" in told
    assert "'over the title'" in told
    assert "'beyond the edge of the page' leaves its page" in told


def test_long_names_do_not_leave_the_column():
    replay, rooms = random_replay(3)
    long = "a_very_long_word_without_a_space_" * 4
    lived = tuple(
        dataclasses.replace(each, episode_id=long, split=long, instruction=f"go {long} and stop", target=long)
        for each in replay.trajectories
    )
    plan = dataclasses.replace(
        replay.plan, name=f"/{long}.glb", boxes=tuple(dataclasses.replace(box, name=long) for box in replay.plan.boxes)
    )
    replay = dataclasses.replace(replay, trajectories=lived, plan=plan, agents=tuple(long for _ in replay.agents))
    assert not collisions(draw_episode(replay, View(rooms)))
    assert not collisions(draw_episode(replay, View(rooms), animated=True, dpi=120))


def test_letters_stand_beside_what_is_taken():
    window, half = Window(0, 0, 10, 10), np.array([0.5, 0.5])
    middle = np.array([5.0, 5.0])
    assert free_spot(middle, half, [], 1.0, window).tolist() == [6, 5]
    right = np.array([[6.5, 5.0, 1.0, 3.0]])
    spot = free_spot(middle, half, [right], 1.0, window)
    assert (np.abs(spot - right[0, :2]) >= half + right[0, 2:]).any()
    corner = free_spot(np.array([10.0, 10.0]), half, [], 1.0, window)
    assert (corner + half <= 10).all()
    everything = np.array([[5.0, 5.0, 9.0, 9.0]])
    assert np.isfinite(free_spot(middle, half, [everything], 1.0, window)).all()


def rows_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_walks_without_a_goal_have_no_empty_rows():
    seeds = (seed for seed in count(1, 2) if random_replay(seed)[0].withheld)
    replay = without_probabilities(random_replay(next(seeds))[0])
    still, moving = (draw_episode(replay, View(), animated=animated) for animated in (False, True))
    for scene in (still, moving):
        told = rows_of(scene.text)
        assert not any("demonstration" in text or text in ("NE (m)", "success", "SPL") for text in told)
        assert any(text.endswith("goal unknown") for text in told)
    # One line per agent: without probabilities and distances there is no second one.
    assert status_block(replay, Moving()).height == len(replay.agents) * (STATUS - 11)
    assert status_block(random_replay(1)[0], Moving()).height == len(random_replay(1)[0].agents) * STATUS


def test_figures_are_the_same_each_time():
    positions = [
        [text.get_position() for panel in draw_episode(*random_case(2)).panels for text in panel.axes.texts]
        for _ in range(2)
    ]
    assert positions[0] == positions[1]


def random_case(seed: int):
    replay, rooms = random_replay(seed)
    return replay, View(rooms)
