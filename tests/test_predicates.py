"""Predicates of words and steps: cases by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.probing.predicates import (
    KINDS,
    action_probabilities,
    frequent_words,
    next_word_predicates,
    since,
    stack,
    step_predicates,
    word_predicates,
)
from vln.tasks import R2R
from vln.trajectory import Pose, Step, Trajectory

WORDS = ("turn", "left", "at", "the", "sofa", ".", "stop", "<eos>")


def told(found: dict[str, np.ndarray], name: str) -> list[float]:
    return found[name].astype(int).tolist()


def test_words():
    found = word_predicates(WORDS, False, ("stop",))
    assert told(found, "turn") == [1, 1, 0, 0, 0, 0, 0, 0]
    assert told(found, "landmark") == [0, 0, 0, 0, 1, 0, 0, 0]
    assert told(found, "landmark, read so far") == [0, 0, 0, 0, 1, 1, 1, 1]
    assert told(found, "landmark, still to come") == [1, 1, 1, 1, 0, 0, 0, 0]
    assert told(found, "'stop'") == [0, 0, 0, 0, 0, 0, 1, 0]
    assert told(found, "words read") == list(range(8))
    assert told(found, "words left") == list(range(8))[::-1]
    assert told(found, "words since a pause") == [0, 1, 2, 3, 4, 0, 1, 2]
    assert told(found, "words since a turn word") == [0, 0, 1, 2, 3, 4, 5, 6]
    assert told(found, "end of the sentence") == [0] * 7 + [1]
    assert found["share of the sentence read"][-1] == 1


def test_letters_are_of_the_class_of_their_word():
    found = word_predicates(tuple("go left."), True, ())
    assert told(found, "turn") == [0, 0, 0, 0, 0, 0, 0, 0]  # "left." with its mark is no word
    found = word_predicates(tuple("go left now"), True, ())
    assert told(found, "turn") == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert "characters read" in found


def test_next_words():
    assert told(next_word_predicates(WORDS, False, ()), "next: object") == [0, 0, 0, 1, 0, 0, 0, 0]


def test_frequent_words_are_counted_once_a_sentence():
    assert frequent_words([("a", "a", "b", "."), ("b", "c", ".")], 2) == ("b", "a")


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_since_counts_from_what_happened_last(happened):
    found = since(np.array(happened))
    for place, value in enumerate(found.tolist()):
        before = [number for number in range(place + 1) if happened[number]]
        assert value == place - (before[-1] if before else 0)


def lived(viewpoints: str, places: list[tuple[float, float, float]], choices: list[str], headings: list[float]):
    """An episode with the given poses; a letter or nothing is the viewpoint."""
    poses = [
        Pose(name.strip(), place, heading, 0.0)
        for name, place, heading in zip(viewpoints, places, headings, strict=True)
    ]
    steps = tuple(
        Step(0, choice, pose, False, ("stop", choice), (0.25, 0.75))
        for choice, pose in zip(choices, poses[1:], strict=True)
    )
    return Trajectory("1_0", "made", "x", "", "Go.", ("go",), (), "walker", "graph", 0, poses[0], steps, task=R2R)


def test_steps_in_houses():
    place = (0.0, 0.0, 0.0)
    episode = lived("     ", [place] * 5, ["left", "forward", "right", "stop"], [0.0] * 5)
    found = step_predicates(episode, (4, 4, 3, 1, 1), 1.5, ("hall", "hall", "hall", "kitchen", "kitchen"))
    assert told(found, "about to turn left") == [1, 0, 0, 0]
    assert told(found, "has just turned left") == [0, 1, 0, 0]
    assert told(found, "about to stop") == [0, 0, 0, 1]
    assert told(found, "steps since a turn") == [0, 0, 1, 0]
    assert told(found, "near enough to stop") == [0, 0, 0, 1]
    assert told(found, "place: kitchen") == [0, 0, 0, 1]
    assert found["share of the way left"].tolist() == [1, 1, 0.75, 0.25]
    np.testing.assert_allclose(action_probabilities(episode)[:, KINDS.index("stop")], [0.25, 0.25, 0.25, 1.0])


def test_steps_on_graphs():
    north, east, up = (0.0, 2.0, 0.0), (2.0, 2.0, 0.0), (4.0, 2.0, 1.0)
    places = [(0.0, 0.0, 0.0), north, east, up, east]
    headings = [0.0, 0.0, math.pi / 2, math.pi / 2, -math.pi / 2]
    episode = lived("abcdc", places, ["b", "c", "d", "c"], headings)
    found = step_predicates(episode, (), 3.0)
    assert told(found, "about to go ahead") == [1, 0, 1, 0]
    assert told(found, "about to turn right") == [0, 1, 0, 0]
    assert told(found, "about to turn back") == [0, 0, 0, 1]
    assert told(found, "about to climb") == [0, 0, 1, 0]
    assert told(found, "about to descend") == [0, 0, 0, 1]
    assert told(found, "has been here before") == [0, 0, 0, 0]
    assert "metres to the goal" not in found
    around = {name: Pose(name, place, 0.0, 0.0) for name, place in zip("abcd", places, strict=False)}
    chances = action_probabilities(episode, around)
    assert chances.sum(1) == pytest.approx(1)
    assert chances[1, KINDS.index("right")] == 0.75


def test_stacking_fills_what_an_episode_lacks():
    names, values = stack([{"a": np.ones(2)}, {"b": np.ones(1), "a": np.zeros(1)}])
    assert names == ("a", "b")
    assert values.tolist() == [[1, 0], [1, 0], [0, 1]]


def test_looking_up_is_no_kind_of_action():
    pose = Pose("a", (0.0, 0.0, 0.0), 0.0, 0.0)
    episode = lived("aa", [pose.position] * 2, ["up"], [0.0, 0.0])
    assert not any(step_predicates(episode, (), 3.0)[name].any() for name in ("about to stop", "about to go ahead"))
