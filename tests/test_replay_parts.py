"""Parts of replay that need no episode: descriptions of steps, offset paths, line breaks, names of rooms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.errors import InputError
from vln.replay.moves import chosen_probability, describe_step
from vln.replay.parallel_paths import offset_path
from vln.replay.style import shorten, text_width, wrap
from vln.rooms import load_rooms
from vln.trajectory import Pose, Step

HERE = Pose("a", (0.0, 0.0, 1.5), 0.0, 0.0)


@pytest.mark.parametrize(
    ("before", "step", "words"),
    [
        (HERE, Step(0, "stop", HERE), "stop"),
        (HERE, Step(1, "b", Pose("b", (0.0, 2.25, 1.5), 0.0, 0.0)), "ahead, 2.2 m"),
        (HERE, Step(1, "b", Pose("b", (3.0, 0.0, 1.5), 0.0, 0.0)), "right 90°, 3.0 m"),
        (HERE, Step(1, "b", Pose("b", (-2.0, 2.0, 2.5), 0.0, 0.0)), "left 45°, 3.0 m, up 1.0 m"),
        (HERE, Step(0, "left", Pose("a", HERE.position, 2 * math.pi - math.pi / 6, 0.0)), "turn left 30°"),
        (HERE, Step(1, "right", Pose("a", HERE.position, math.pi / 6, 0.0)), "turn right 30°"),
        (HERE, Step(1, "right", Pose("a", HERE.position, math.pi / 8, 0.0)), "turn right 22.5°"),
        (HERE, Step(3, "down", Pose("a", HERE.position, 0.0, -math.pi / 6)), "look down 30°"),
        (HERE, Step(4, "forward", HERE, collided=True), "blocked"),
    ],
)
def test_steps_in_words(before, step, words):
    assert describe_step(before, step) == words


def test_probability_of_the_choice():
    assert chosen_probability(Step(1, "b", HERE, choices=("stop", "b"), probabilities=(0.2, 0.8))) == 0.8
    assert chosen_probability(Step(1, "b", HERE)) is None


def test_lanes_keep_to_the_right():
    there_and_back = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 0.0]])
    out, waiting, back = offset_path(there_and_back, 0.5)
    assert out.tolist() == [[0, 0], [0.5, 0], [0.5, 2]]
    assert len(waiting) == 0
    assert back.tolist() == [[0.5, 2], [-0.5, 2], [-0.5, 0], [0, 0]]


def test_lanes_mitre_corners():
    first, second = offset_path(np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0]]), 0.5)
    np.testing.assert_allclose(first[-1], [0.5, 1.5])
    np.testing.assert_allclose(second[0], [0.5, 1.5])


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=8), st.floats(-1, 1))
def test_lanes_start_and_end_where_the_path_does(points, offset):
    path = np.array(points, dtype=float)
    drawn = [piece for piece in offset_path(path, offset) if len(piece)]
    assert len(drawn) == int((np.diff(path, axis=0) != 0).any(axis=1).sum())
    if drawn:
        np.testing.assert_allclose([drawn[0][0], drawn[-1][-1]], [path[0], path[-1]])


def test_lines_fit_and_punctuation_stays_with_its_word():
    words = ["walk", "to", "the", "door", ",", "turn", "left", "and", "stop", "."]
    lines = wrap(words, 8, 60, 100)
    assert all(line[-1].x + line[-1].width <= 60 or line[-1].word in ",." for line in lines)
    assert not any(line[0].word in ",." for line in lines)
    assert [placed.word for line in lines for placed in line] == words


def test_long_names_are_shortened():
    assert shorten("blind", 8, 100) == "blind"
    short = shorten("seq2seq student forcing", 8, 50)
    assert short.endswith("…")
    assert text_width(short, 8) <= 50


def test_rooms_of_the_published_labels(data, graphs):
    rooms = load_rooms(data)
    if not rooms:
        pytest.skip("needs the published room labels in rooms/")
    names = {room.name for rooms_of_scan in rooms.values() for room in rooms_of_scan.values()}
    assert {"bedroom", "kitchen", "stairs", "family room", "meeting room"} <= names
    assert all(set(graph.viewpoints) <= set(rooms[scan]) for scan, graph in graphs.items())


def test_rooms_are_optional(small_data):
    assert load_rooms(small_data) == {}


def test_broken_room_labels_are_named(tmp_path):
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "region_label.txt").write_text("b,bedroom\n")
    (tmp_path / "rooms" / "vp2room_label.json").write_text('{"pano_info": {"scan": {"viewpoint": {"label": "b"}}}}')
    with pytest.raises(
        InputError, match=r"vp2room_label.json: field 'pano_info\[...\]\[...\]' lacks the field 'region"
    ):
        load_rooms(tmp_path)
