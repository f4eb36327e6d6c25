"""Metrics of trajectories in continuous worlds: hand-worked cases, and properties."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.continuous_metrics import path_length, resample, score_trajectories
from vln.episodes import Episode
from vln.errors import InputError
from vln.metrics import METRICS, mean_scores
from vln.score_files import Scored
from vln.score_tables import comparison_table, evaluation_table, metrics_table
from vln.tasks import find_task
from vln.trajectory import Pose, Step, Trajectory

THRESHOLD = 1.5
EPISODE = Episode("0_0", "hall", "made", "Go.", (), 0.0, positions=((0.0, 0.0, 0.0), (0.0, 0.0, 4.0)))
SHARES = ("SR", "OSR", "SPL", "nDTW", "sDTW", "CLS")
METRE = st.floats(-8, 8).map(lambda value: round(value, 2))
WALK = st.lists(st.tuples(METRE, METRE), min_size=2, max_size=12)


def lived(walk, reference, stops: bool = True) -> Trajectory:
    """A walk over (x, z) places in an empty hall, whose geodesics are straight."""
    places, goal = [(x, 0.0, z) for x, z in walk], np.array(reference[-1])
    poses = [Pose("", place, 0.0, 0.0) for place in places]
    steps = [Step(1, "forward", pose) for pose in poses[1:]] + [Step(0, "stop", poses[-1])] * stops
    distances = [math.dist((pose.position[0], pose.position[2]), goal) for pose in poses]
    return Trajectory(
        episode_id="0_0",
        task=find_task("houses"),
        split="made",
        scan="hall",
        scan_hash="",
        instruction="Go.",
        words=(),
        reference=(),
        agent="made",
        simulator="houses",
        seed=0,
        start=poses[0],
        steps=tuple(steps),
        reference_positions=tuple((x, 0.0, z) for x, z in reference),
        distances=(*distances, *distances[-1:] * stops),
    )


def scores_of(*trajectories: Trajectory) -> dict[str, np.ndarray]:
    return score_trajectories(trajectories, THRESHOLD)


def straight(length: float) -> list[tuple[float, float]]:
    return [(0.0, z) for z in np.arange(0, length + 1e-9, 0.25)]


def test_walking_the_reference_is_perfect():
    found = scores_of(lived(straight(4), [(0, 0), (0, 4)]))
    assert found["TL"] == pytest.approx([4.0])
    assert found["NE"] == pytest.approx([0.0])
    for name in SHARES:
        assert found[name] == pytest.approx([1.0]), name


def test_a_detour_costs_spl_by_its_length():
    found = scores_of(lived([(0, 0), (3, 0), (3, 4)], [(0, 0), (3, 4)]))
    assert found["TL"] == pytest.approx([7.0])
    assert found["SPL"] == pytest.approx([5 / 7])


def test_success_needs_a_stop_and_oracle_success_none():
    found = scores_of(lived(straight(4), [(0, 0), (0, 4)], stops=False))
    assert (found["SR"], found["SPL"], found["sDTW"]) == (0, 0, 0)
    assert (found["OSR"], found["nDTW"]) == (1, 1)
    past = scores_of(lived(straight(8), [(0, 0), (0, 4)]))
    assert (past["SR"], past["OSR"], past["NE"]) == (0, 1, 4)


def test_dtw_to_a_parallel_way():
    # Each of the 17 places is a metre beside its partner.
    found = scores_of(lived([(1.0, z) for _, z in straight(4)], [(0, 0), (0, 4)]))
    assert found["nDTW"] == pytest.approx([math.exp(-1 / THRESHOLD)])


def test_turns_in_place_change_nothing():
    walk = straight(4)
    turned = [place for place in walk for _ in range(3)]
    for name, values in scores_of(lived(turned, [(0, 0), (0, 4)])).items():
        assert values == pytest.approx(scores_of(lived(walk, [(0, 0), (0, 4)]))[name])


@given(st.lists(st.tuples(WALK, WALK, st.booleans()), min_size=1, max_size=6))
def test_a_batch_is_its_trajectories_one_by_one(parts):
    trajectories = [lived(*part) for part in parts]
    together = scores_of(*trajectories)
    for number, each in enumerate(trajectories):
        for name, values in scores_of(each).items():
            np.testing.assert_allclose(together[name][number], values[0], atol=1e-12, err_msg=name)


@given(WALK, WALK, st.booleans())
def test_ranges(walk, reference, stops):
    found = {name: float(values[0]) for name, values in scores_of(lived(walk, reference, stops)).items()}
    assert set(found) == set(METRICS)
    assert all(0 <= found[name] <= 1 + 1e-12 for name in SHARES)
    assert found["SPL"] <= found["SR"] + 1e-12
    assert found["SR"] <= found["OSR"]
    assert found["sDTW"] <= found["nDTW"]
    assert found["TL"] >= 0
    assert found["NE"] >= 0


@given(WALK)
def test_resampling_keeps_ends_and_steps_evenly(walk):
    path = np.array([(x, 0.0, z) for x, z in walk])
    found = resample(path)
    np.testing.assert_allclose(found[[0, -1]], path[[0, -1]], atol=1e-9)
    assert len(found) >= 2
    # Straight steps are shorter where a corner is cut.
    assert np.linalg.norm(np.diff(found, axis=0), axis=1).max() <= 0.25 + 1e-6
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    assert len(found) <= max(2, length / 0.25 + 2)


def test_withheld_goals_cannot_be_scored():
    blank = replace(lived(straight(1), [(0, 0), (0, 1)]), distances=())
    with pytest.raises(InputError, match="trajectory of episode '0_0' of split 'made': has no distances to its goal"):
        scores_of(blank)


def test_a_path_is_as_long_as_its_parts():
    assert path_length([(0, 0, 0), (3, 0, 4), (3, 0, 4), (3, 2, 4)]) == 7
    assert path_length([(1, 2, 3)]) == 0


def test_episodes_that_end_where_no_way_leads_to_the_goal_are_counted_apart():
    there, off = lived(straight(4), [(0, 0), (0, 4)]), lived(straight(3), [(0, 0), (0, 4)])
    cut_off = replace(off, distances=(*off.distances[:-2], math.inf, math.inf))
    found = scores_of(there, off, cut_off)
    assert found["NE"].tolist() == [0, 1, math.inf]
    assert found["SR"].tolist() == [1, 1, 0]
    means = mean_scores(found)
    assert means["NE"] == 0.5
    assert means["unreachable"] == 1
    assert all(math.isfinite(mean) for mean in means.values())
    assert "unreachable" not in mean_scores(scores_of(there, off))


def test_tables_say_what_the_mean_error_leaves_out():
    there, off = lived(straight(4), [(0, 0), (0, 4)]), lived(straight(3), [(0, 0), (0, 4)])
    found = scores_of(there, replace(off, distances=(*off.distances[:-2], math.inf, math.inf)))
    row = {**mean_scores(found), "n": 2}
    said = "NE is without episodes that ended where no way leads to the goal (agent: 1 of 2)"
    assert evaluation_table({"agent": row}, find_task("houses"), "made").caption == said
    assert (
        evaluation_table({"agent": {**mean_scores(scores_of(there)), "n": 1}}, find_task("houses"), "made").caption
        is None
    )
    files = {"one": Scored([EPISODE, replace(EPISODE, episode_id="1_0")], found, 0)}
    cells = {column.header: list(column.cells) for column in metrics_table(files, "made").columns}
    assert cells["n"] == ["2\n1 without NE:\nno way to goal"]
    assert cells["NE m"] == [".00"]
    compared = comparison_table({**files, "two": files["one"]})
    assert list(compared.columns[2].cells) == ["1", "2", "2", "2"]
