"""Replay of continuous worlds: plans, views along the path, figures, animations, terminal pages, and bad input."""

import dataclasses
import io
import json
import math
from pathlib import Path
from unittest.mock import patch

import imageio_ffmpeg
import numpy as np
import pytest
from command_line import Result, run_script
from house_walks import ACROSS, HOUSE, episode_across, look, replays_of, walk
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image
from rich.console import Console
from small_house import DEPTH, WIDTH, small_episodes, small_house

from envs.continuous.floorplan import floor_plan, render_views
from vln.errors import InputError
from vln.replay.animation import BRISK, frames, pace
from vln.replay.figure import View, draw_episode, save_png
from vln.replay.halfblocks import picture_text, shrink
from vln.replay.minimap import Mark, mini_map
from vln.replay.moves import describe_group, describe_step, group_steps
from vln.replay.plan import on_map, pose_on_map, trajectory_on_map
from vln.replay.select import Selection, make_runs, replay_houses
from vln.replay.strip import key_moments
from vln.replay.style import AGENTS, GOAL, TARGET
from vln.replay.terminal import render_episode
from vln.tasks import R2R
from vln.trajectory import Pose, Step, write_trajectories


@pytest.fixture(scope="module")
def replay():
    """Two agents, the second of which gives up."""
    episode = episode_across()
    return replays_of([walk(episode, ACROSS)], [walk(episode, "rrfffs", "short")])[0]


def has_colour(picture: np.ndarray, colour: str) -> bool:
    return bool((np.abs(picture[..., :3] / 255 - to_rgb(colour)).max(axis=-1) < 0.01).sum() > 20)


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(-4, 4))
def test_forward_on_the_map_is_where_maps_point(x, z, heading):
    ahead = (x - math.sin(heading), 0.0, z - math.cos(heading))
    here, there = pose_on_map(Pose("", (x, 0.0, z), heading, 0.0)), on_map(ahead)
    moved = np.subtract(there, here.position)
    np.testing.assert_allclose(moved, [math.sin(here.heading), math.cos(here.heading), 0], atol=1e-9)


def test_plan_of_a_house():
    scene = small_house(HOUSE)
    plan = floor_plan(scene)
    assert plan.content_hash == scene.content_hash
    assert [room.name for room in plan.rooms] == ["living room", "kitchen"]
    assert [box.name for box in plan.boxes] == ["red sofa"]
    (door,) = plan.doors
    assert np.abs(door.along).tolist() == [0.0, 1.0]
    assert plan.target("red sofa", (0, 0)) == plan.boxes[0]
    assert plan.target("blue sofa", (0, 0)) is None
    (left, bottom), (right, top) = plan.extent
    assert left < 0 < WIDTH < right
    assert bottom < -DEPTH < 0 < top


def test_scores_are_those_of_continuous_worlds(replay):
    first, second = replay.scores
    assert (first["SR"], second["SR"]) == (1, 0)
    assert replay.to_goal(1, 0) > replay.to_goal(1, 6)


def test_worst_first():
    episodes = [dataclasses.replace(episode_across(), episode_id=name) for name in ("good", "bad")]
    lived = [walk(episodes[0], ACROSS), walk(episodes[1], "s")]
    assert [each.episode_id for each in replays_of(lived, worst=2)] == ["bad", "good"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scan_hash": "other"}, "field 'scan_hash' of episode '7_0' is not that of the local scene 'a house'"),
        ({"distances": (1.0,)}, "field 'distances' of episode '7_0' is not one a pose"),
        ({"words": ("one",)}, "field 'word_attention' of step 0"),
        ({"task": R2R}, "is on a navigation graph"),
    ],
)
def test_trajectories_that_do_not_fit(change, message):
    with pytest.raises(InputError, match=message):
        replays_of([dataclasses.replace(walk(episode_across(), "fs"), **change)])


def test_other_demonstrations_are_refused():
    other = dataclasses.replace(episode_across(), positions=(*episode_across().positions, (1.0, 0.0, 1.0)))
    with pytest.raises(InputError, match="has another path than in 0.jsonl"):
        replays_of([walk(episode_across(), "s")], [walk(other, "s")])


def test_figure_shows_rooms_things_agents_and_goal(replay, tmp_path):
    save_png(replay, View(), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        picture = np.asarray(image.convert("RGB"))
    assert all(has_colour(picture, colour) for colour in (*AGENTS[:2], GOAL, TARGET))
    (panel,) = draw_episode(replay, View()).panels
    written = {text.get_text() for text in panel.axes.texts}
    assert {"living room", "kitchen", "sofa", "B ✔", "C ✘"} <= written


def test_figure_without_goal(tmp_path):
    replay = replays_of([walk(episode_across(withheld=True), "ffs")])[0]
    assert replay.scores == (None,)
    save_png(replay, View(), tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert not has_colour(np.asarray(image.convert("RGB")), GOAL)


def test_unknown_floors_are_refused(replay):
    with pytest.raises(InputError, match="no floor '2'; give a number from 1 to 1"):
        draw_episode(replay, View(floors="2"))


def test_a_frame_a_step(replay):
    pictures = frames(replay, View())
    assert len(pictures) == len(ACROSS) + 1
    assert (pictures[1] != pictures[2]).any()
    assert pace(replay) == BRISK


@given(st.text("flr", max_size=40), st.integers(2, 7))
def test_key_moments_begin_and_end(actions, count):
    trajectory = trajectory_on_map(walk(episode_across(), actions + "s"))
    moments = key_moments(trajectory, np.arange(len(actions) + 2), count)
    assert (moments[0], moments[-1]) == (0, len(trajectory.steps))
    assert len(moments) <= count
    assert sorted(set(moments)) == list(moments)


def test_steps_of_one_kind_are_told_together():
    trajectory = trajectory_on_map(walk(episode_across(), "fffllrs"))
    groups = group_steps(trajectory)
    told = [describe_group(trajectory, *group) for group in groups]
    assert told == ["forward x 3, 0.8 m", "turn left 30°", "turn right 15°", "stop"]


def test_sliding_and_blocked_steps():
    here = Pose("", (0.0, 0.0, 0.0), 0.0, 0.0)
    there = dataclasses.replace(here, position=(0.1, 0.0, 0.0))
    told = [
        describe_step(here, Step(1, "forward", pose, hit))
        for pose, hit in ((here, True), (there, True), (there, False))
    ]
    assert told == ["blocked", "forward, sliding", "forward"]


def page(replay, **options) -> str:
    console = Console(file=io.StringIO(), width=140, **options)
    console.print(render_episode(replay))
    return console.file.getvalue()


def test_terminal_tells_runs_of_steps_and_words(replay):
    plain = page(replay)
    for part in (
        "Episode 7_0",
        HOUSE,
        "walker",
        "forward x 4, 1.0 m",
        "turn left 15°",
        "0.70",
        "to goal",
        "reads",
        "SPL",
    ):
        assert part in plain
    assert "▀" not in plain
    colourful = page(replay, force_terminal=True, color_system="truecolor")
    assert "▀" in colourful
    assert "C saw last" in colourful


def test_pictures_in_characters():
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = 255
    text = picture_text(image)
    assert text.plain == "\n".join(["▀" * 6] * 2)
    assert str(text.spans[0].style) == "#ffffff on #000000"
    assert shrink(image, 3, 100).shape == (2, 3, 3)


def test_small_map_shows_path_and_goal():
    plan = floor_plan(small_house(HOUSE))
    way = np.array([[1.0, -1.0, 0.0], [7.0, -1.0, 0.0]])
    picture = mini_map(plan, 0, 60, 60, [Mark(way, AGENTS[1])], np.array([7.0, -4.0, 0.0]))
    assert max(picture.shape[:2]) == 60
    assert (np.abs(picture / 255 - to_rgb(AGENTS[1])).max(-1) < 0.05).any()
    assert (np.abs(picture / 255 - to_rgb(GOAL)).max(-1) < 0.2).any()


@pytest.fixture
def replay_script(tmp_path):
    """Run the script on the small house; its scenes are made by name."""
    write_trajectories(tmp_path / "run.jsonl", [walk(episode_across(), ACROSS)])

    def call(*arguments: object) -> Result:
        with patch("envs.replay.load_scene", lambda name, *_: small_house(str(name))):
            return run_script("replay.py", tmp_path / "run.jsonl", *arguments, cache=tmp_path)

    return call


def test_script_writes_all_formats(replay_script, tmp_path):
    made = replay_script("--out", tmp_path / "out", "--format", "png", "gif", "mp4", "--json")
    assert made.code == 0, made.errors
    (row,) = json.loads(made.output)
    assert row["SR"] == 1
    assert row["actions"][:5] == ["forward"] * 4 + ["turn left 15°"]
    with Image.open(tmp_path / "out" / "7_0.gif") as image:
        assert image.n_frames == len(ACROSS) + 1
        assert image.info["duration"] > 1000
    _, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out" / "7_0.mp4"))
    assert seconds == pytest.approx(4 + 0.2 * (len(ACROSS) - 1), abs=0.5)


def test_script_names_scenes_that_are_missing(tmp_path):
    lost = dataclasses.replace(walk(episode_across(), "s"), scan="lost.glb")
    write_trajectories(tmp_path / "run.jsonl", [lost])
    result = run_script("replay.py", tmp_path / "run.jsonl", cache=tmp_path)
    assert result.code == 2
    assert "lost.glb" in result.errors


def test_views_are_drawn_where_the_body_looks():
    from envs.render import pack

    scene = pack(small_house(HOUSE))
    towards = [Pose("", small_episodes(HOUSE, 1)[0].positions[0], heading, 0.0) for heading in (0.0, math.pi)]
    views = render_views(scene, towards * 10, side=16)
    assert views.rgb.shape == (20, 16, 16, 3)
    assert views.depth.shape == (20, 16, 16)
    assert (views.depth > 0).all()
    np.testing.assert_array_equal(views.rgb[0], views.rgb[18])
    assert (views.depth[0] != views.depth[1]).any()


def test_bare_meshes_are_shown_as_pictures(tmp_path):
    bare = dataclasses.replace(small_house(HOUSE), rooms=(), doors=(), objects=())
    plan = floor_plan(bare)
    (picture,) = plan.pictures
    assert picture.image.shape[:2] == picture.walkable.shape
    assert 0.3 < picture.walkable.mean() < 0.95
    rows, columns = picture.walkable.shape
    sofa = small_house(HOUSE).objects[0].centre
    x, y = sofa[0], -sofa[2]
    window = picture.window
    column = int((x - window.left) / window.width * columns)
    row = int((window.top - y) / window.height * rows)
    assert not picture.walkable[row, column]
    red, green, blue = picture.image[row, column].tolist()
    assert red > 2 * max(green, blue)
    trajectory = walk(episode_across(), ACROSS)
    runs = make_runs([(Path("run.jsonl"), [trajectory])])
    (replay,) = replay_houses(runs, Selection(random=1), lambda each: (plan, look(each)[1]))
    save_png(replay, View(), tmp_path / "figure.png")
