"""Metrics: cases by hand, properties on random walks, a plain implementation, and recorded agents."""

from dataclasses import replace
from math import exp, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import GRAPHS, episode

from vln.episodes import Episode, load_split
from vln.errors import InputError
from vln.metrics import (
    METRICS,
    OFFICIAL_FLOOR,
    PathDistances,
    drop_turns,
    dtw,
    mean_scores,
    padded_rows,
    path_distances,
    score,
    score_paths,
    score_rows,
)
from vln.reference_metrics import distance_dictionaries, score_all
from vln.submission import read_submission, viewpoints

Walks = tuple[list[Episode], list[list[str]]]


def one(reference: str, path: str, scan: str = "corridor", threshold: float = 3.0) -> dict[str, float]:
    """The metrics of one path, a viewpoint a letter."""
    return mean_scores(score_paths(GRAPHS, [episode(reference, scan)], [list(path)], threshold))


# --- worked by hand: the corridor's viewpoints are 2 m apart ---


def test_the_reference_itself_is_perfect():
    assert one("abcde", "abcde") == {"TL": 8, "NE": 0, **dict.fromkeys(METRICS[2:], 1)}


def test_stopping_one_viewpoint_early():
    coverage = (4 + exp(-2 / 3)) / 5
    expected = coverage * 8
    similarity = exp(-2 / (5 * 3))
    assert one("abcde", "abcd") == pytest.approx(
        {
            "TL": 6,
            "NE": 2,
            "SR": 1,
            "OSR": 1,
            "SPL": 1,  # shorter than the shortest way to the goal itself: capped
            "nDTW": similarity,
            "sDTW": similarity,
            "CLS": coverage * expected / (expected + expected - 6),
        }
    )


def test_walking_past_the_goal():
    similarity = exp(-(2 + 4) / (3 * 3))  # d and e are both aligned with c
    assert one("abc", "abcde") == pytest.approx(
        {
            "TL": 8,
            "NE": 4,
            "SR": 0,
            "OSR": 1,
            "SPL": 0,
            "nDTW": similarity,
            "sDTW": 0,
            "CLS": 4 / (4 + 4),
        }
    )


def test_a_detour_costs_path_length():
    scores = one("abc", "abcdcbc")
    assert scores["SR"] == 1
    assert scores["SPL"] == pytest.approx(4 / 12)


def test_success_is_strictly_below_the_threshold():
    scores = one("abcde", "abc", threshold=4.0)
    assert (scores["NE"], scores["SR"], scores["OSR"], scores["SPL"], scores["sDTW"]) == (4, 0, 0, 0, 0)
    assert one("abcde", "abc", threshold=4.001)["SR"] == 1


def test_a_winding_reference_is_followed_but_is_not_the_shortest_path():
    scores = one("abcdcb", "abcdcb")
    assert (scores["nDTW"], scores["sDTW"], scores["CLS"]) == (1, 1, 1)
    assert scores["SPL"] == pytest.approx(2 / 10)


def test_in_a_loop_the_start_is_the_goal():
    stayed, walked = one("abcda", "a", "block"), one("abcda", "abcda", "block")
    assert (stayed["SR"], stayed["SPL"]) == (1, 1)
    assert stayed["CLS"] == pytest.approx((1 + exp(-3 / 3) + exp(-7 / 3) + exp(-4 / 3) + 1) / 5 / 2)  # no length of it
    assert (walked["SR"], walked["SPL"], walked["nDTW"], walked["CLS"]) == (1, 0, 1, 1)


def test_a_goal_out_of_reach_is_a_failure_and_not_a_nan():
    assert one("abc", "z") == {"TL": 0, "NE": inf, **dict.fromkeys(METRICS[2:], 0), "unreachable": 1}


@pytest.mark.parametrize(("walk", "ours", "official"), [("a", 1, 0), ("aba", 0, 0), ("ab", 0, 0)])
def test_spl_of_a_start_that_is_the_goal(walk, ours, official):
    loop = [episode("abcdedcba")]
    for floor, expected in ((0.0, ours), (OFFICIAL_FLOOR, official)):
        assert score_paths(GRAPHS, loop, [walk], spl_floor=floor)["SPL"].tolist() == [expected]
    elsewhere = score_paths(GRAPHS, [episode("abc")], ["abcbc"], spl_floor=OFFICIAL_FLOOR)
    assert elsewhere["SPL"].tolist() == [one("abc", "abcbc")["SPL"]] == [4 / 8]


def test_geodesic_distances_go_around_the_block():
    assert one("abcf", "ad", "block")["NE"] == pytest.approx(3 + 3)


def test_time_warping_of_two_sequences():
    first, second = np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0])
    costs = np.abs(first[:, None] - second)[None]
    assert dtw(costs, np.array([3]), np.array([2])) == 0 + 1 + 1
    assert dtw(costs, np.array([2]), np.array([1])) == 0 + 1


def test_turns_are_left_out_of_paths_of_positions():
    path = np.array([[[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 2], [1, 0, 2]], [[5, 5, 5]] + 4 * [[9, 9, 9]]], float)
    left, lengths = drop_turns(path, np.array([5, 1]))
    assert lengths.tolist() == [3, 1]
    assert left[0].tolist() == [[0, 0, 0], [1, 0, 0], [1, 0, 2]]
    assert left[1, 0].tolist() == [5, 5, 5]


def test_a_withheld_goal_is_an_error():
    with pytest.raises(InputError, match=r"episode '1_0' of split 'made': its goal is withheld"):
        one("a", "ab")


# --- properties of random walks, in batches over both buildings ---


def walk(scan: str, start: str, choices: list[int], turns: bool) -> list[str]:
    """A walk that takes the neighbour (or, with turns, the place itself) each choice picks."""
    graph, path = GRAPHS[scan], [start]
    for choice in choices:
        here = graph.index[path[-1]]
        ways = [graph.viewpoints[row] for row in np.flatnonzero(graph.adjacency[here])] + [path[-1]] * turns
        path.append(ways[choice % len(ways)])
    return path


@st.composite
def batches(draw) -> Walks:
    """Up to five episodes with winding references, and walks from their starts with turns in place."""
    episodes, paths = [], []
    for number in range(draw(st.integers(1, 5))):
        scan, start = draw(st.sampled_from(sorted(GRAPHS))), draw(st.sampled_from("abcd"))
        reference = walk(scan, start, draw(st.lists(st.integers(0, 11), min_size=1, max_size=6)), turns=False)
        episodes.append(episode("".join(reference), scan, f"{number}_0"))
        paths.append(walk(scan, start, draw(st.lists(st.integers(0, 11), max_size=9)), turns=True))
    return episodes, paths


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert list(first) == list(second) == list(METRICS)
    for name in METRICS:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-12, atol=1e-12, err_msg=name)


@given(batches())
def test_equals_the_plain_implementation(batch):
    distances = {scan: distance_dictionaries(graph) for scan, graph in GRAPHS.items()}
    assert_same(score_paths(GRAPHS, *batch), score_all(distances, *batch))


@given(batches())
def test_metrics_keep_their_bounds_and_order(batch):
    scores = score_paths(GRAPHS, *batch)
    for name in METRICS[2:]:
        assert ((scores[name] >= 0) & (scores[name] <= 1)).all(), name
    assert (scores["SPL"] <= scores["SR"]).all()
    assert (scores["SR"] <= scores["OSR"]).all()
    assert (scores["sDTW"] == scores["SR"] * scores["nDTW"]).all()


@given(batches())
def test_following_any_reference_is_perfect_fidelity(batch):
    episodes, _ = batch
    scores = score_paths(GRAPHS, episodes, [list(episode.path) for episode in episodes])
    for name in ("SR", "OSR", "nDTW", "sDTW", "CLS"):
        np.testing.assert_allclose(scores[name], 1, err_msg=name)


@given(batches())
def test_a_shortest_path_has_perfect_spl(batch):
    episodes, _ = batch
    paths = [GRAPHS[episode.scan].shortest_path(episode.start, episode.path[-1]) for episode in episodes]
    np.testing.assert_allclose(score_paths(GRAPHS, episodes, paths)["SPL"], 1)


@given(batches(), st.integers(0, 4), st.integers(0, 3))
def test_what_is_beyond_the_lengths_does_not_matter(batch, positions, references):
    """Padding by whatever a longer path or reference in the batch would bring, NaN here."""
    found = path_distances(GRAPHS, batch[0], *drop_turns(*padded_rows(GRAPHS, *batch)))
    inside = np.arange(found.to_goal.shape[1]) < found.lengths[:, None]
    inside_reference = np.arange(found.to_reference.shape[2]) < found.reference_lengths[:, None]

    def pad(values: np.ndarray, keep: np.ndarray, *more: int) -> np.ndarray:
        return np.pad(np.where(keep, values, np.nan), [(0, 0), *((0, n) for n in more)], constant_values=np.nan)

    padded = replace(
        found,
        to_reference=pad(found.to_reference, inside[:, :, None] & inside_reference[:, None, :], positions, references),
        to_goal=pad(found.to_goal, inside, positions),
        steps=pad(found.steps, inside[:, 1:], positions),
        reference_steps=pad(found.reference_steps, inside_reference[:, 1:], references),
    )
    assert_same(score(padded), score(found))


@given(batches(), st.integers(0, 4))
def test_arrays_score_like_viewpoints(batch, padding):
    rows, lengths = padded_rows(GRAPHS, *batch)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=1)
    assert_same(score_rows(GRAPHS, batch[0], rows, lengths), score_paths(GRAPHS, *batch))


@given(batches())
def test_an_episode_scores_alone_as_in_a_batch(batch):
    alone = [score_paths(GRAPHS, [episode], [path]) for episode, path in zip(*batch, strict=True)]
    together = {name: np.concatenate([scores[name] for scores in alone]) for name in METRICS}
    assert_same(together, score_paths(GRAPHS, *batch))


@given(batches(), st.integers(1, 3))
def test_turning_in_place_does_not_matter(batch, turns):
    episodes, paths = batch
    turned = [[viewpoint for viewpoint in path for _ in range(1 + turns)] for path in paths]
    assert_same(score_paths(GRAPHS, episodes, turned), score_paths(GRAPHS, episodes, paths))


@given(batches(), st.floats(1.0, 3.0))
def test_doubling_all_distances_and_the_threshold_changes_nothing_but_metres(batch, factor):
    found = path_distances(GRAPHS, batch[0], *drop_turns(*padded_rows(GRAPHS, *batch)))
    scaled = PathDistances(
        *(factor * values for values in (found.to_reference, found.to_goal, found.steps, found.reference_steps)),
        found.lengths,
        found.reference_lengths,
    )
    first, second = score(found, threshold=3.1), score(scaled, threshold=3.1 * factor)
    for name in METRICS:
        np.testing.assert_allclose(second[name], first[name] * (factor if name in ("TL", "NE") else 1), rtol=1e-9)


# --- real data ---

RECORDED = {
    "seq2seq_student_forcing_val_seen": (1021, 11.0308, 6.0944, 0.3810, 0.5122, 0.3311, 0.5301, 0.3141, 0.5326),
    "seq2seq_student_forcing_val_unseen": (2349, 8.2302, 7.9976, 0.2103, 0.2822, 0.1826, 0.4017, 0.1706, 0.4118),
    "val_seen_random_agent": (1021, 9.6138, 9.4953, 0.1626, 0.2106, 0.1490, 0.3476, 0.1352, 0.3850),
    "val_unseen_random_agent": (2349, 9.7371, 9.2193, 0.1601, 0.2150, 0.1401, 0.3371, 0.1266, 0.3611),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_agents_score_as_published(data, graphs, name):
    split = "val_unseen" if "val_unseen" in name else "val_seen"
    walked = {walk.episode_id: viewpoints(walk) for walk in read_submission(data / "predictions" / f"{name}.json")}
    episodes = load_split(data, split)
    scores = score_paths(graphs, episodes, [walked[episode.episode_id] for episode in episodes])
    number, *means = RECORDED[name]
    assert len(episodes) == number
    assert {metric: round(mean, 4) for metric, mean in mean_scores(scores).items()} == dict(
        zip(METRICS, means, strict=True)
    )


def test_shortest_paths_score_perfectly_on_val_seen(data, graphs):
    episodes = load_split(data, "val_seen")
    paths = [graphs[episode.scan].shortest_path(episode.start, episode.path[-1]) for episode in episodes]
    means = mean_scores(score_paths(graphs, episodes, paths))
    assert (means["NE"], means["SR"], means["OSR"]) == (0, 1, 1)
    assert means["SPL"] == pytest.approx(1)
    assert means["TL"] == pytest.approx(10.186, abs=5e-4)  # the split's mean shortest length


def test_references_of_r4r_are_faithful_but_not_short(data, graphs):
    episodes = load_split(data, "val_seen", "r4r")
    scores = score_paths(graphs, episodes, [episode.path for episode in episodes])
    for name in ("SR", "nDTW", "sDTW", "CLS"):
        np.testing.assert_allclose(scores[name], 1)
    loops = np.array([episode.start == episode.goal for episode in episodes])
    assert loops.any()
    assert (scores["SPL"][loops] == 0).all()
    assert 0 < scores["SPL"][~loops].min() < scores["SPL"].max() <= 1


def test_shortest_paths_of_r4r_have_the_official_spl_where_it_is_asked_for(data, graphs):
    episodes = load_split(data, "val_seen", "r4r")
    paths = [graphs[episode.scan].shortest_path(episode.start, episode.path[-1]) for episode in episodes]
    assert score_paths(graphs, episodes, paths)["SPL"].mean() == pytest.approx(1)
    official = score_paths(graphs, episodes, paths, spl_floor=OFFICIAL_FLOOR)["SPL"]
    assert official.mean() == pytest.approx(0.9565, abs=5e-5)
