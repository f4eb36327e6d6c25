"""Interpretable cells: planted ones are found, chance ones are not, the halves share nothing, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.errors import InputError
from vln.probing.probes import LEVEL, Moments, explain, halves, permuted_moments, supported

EPISODES, STEPS, NOISE = 60, 12, 40


def moments(seed: int = 0, planted: bool = True, lengths: np.ndarray | None = None) -> Moments:
    """Cells of slowly varying noise, like memory cells; if `planted`, the seventh follows the second predicate."""
    random = np.random.default_rng(seed)
    lengths = np.full(EPISODES, STEPS) if lengths is None else lengths
    count = int(lengths.sum())
    cells = np.cumsum(random.normal(size=(count, NOISE)), 0) * 0.1 + random.normal(size=(count, NOISE))
    place = np.concatenate([np.arange(length) for length in lengths])
    rare = random.random(count) < 0.15
    predicates = np.stack([place, rare, np.repeat(random.random(len(lengths)) < 0.5, lengths)], 1)
    if planted:
        cells[:, 7] = -predicates[:, 1]
    buildings = tuple(f"house {number % 9}" for number in range(len(lengths)))
    names = ("place", "rare", "of the episode")
    return Moments(cells.astype(np.float32), predicates.astype(np.float32), names, lengths, buildings)


def test_a_planted_cell_is_found_first_and_noise_is_not():
    first, *others = explain(moments(), permutations=200)
    assert (first.cell, first.predicate) == (7, "rare")
    assert first.score == pytest.approx(1, abs=1e-4)
    assert first.chosen == pytest.approx(-1, abs=1e-4)
    assert first.p_value == pytest.approx(1 / 201)
    assert not [each for each in others if each.found]
    assert all(0 < each.chance < 1 for each in others)


def test_a_counter_is_found_though_all_episodes_are_of_one_length():
    """Did permuted episodes begin at their beginning, a predicate of the place would be the same for all of them."""
    counting = moments(planted=False)
    counting.cells[:, 3] = counting.predicates[:, 0]
    (found,) = [each for each in explain(counting) if each.found]
    assert (found.cell, found.predicate) == (3, "place")


def test_chance_alone_is_called_a_finding_as_seldom_as_promised():
    worlds = [explain(moments(seed, planted=False), permutations=60, seed=seed) for seed in range(60)]
    wrong = sum(any(each.found for each in found) for found in worlds)
    assert wrong <= 60 * LEVEL + 3 * np.sqrt(60 * LEVEL * (1 - LEVEL))


def test_what_holds_in_one_half_alone_is_not_found():
    half = moments(planted=False)
    first = np.repeat(halves(half.buildings), half.lengths)
    half.cells[first, 5] = half.predicates[first, 1]
    (cell,) = [each for each in explain(half) if each.cell == 5]
    assert abs(cell.chosen) > 0.99
    assert not cell.found


@given(st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=60).filter(lambda names: len(set(names)) > 1))
def test_halves_share_no_building_and_are_about_equal(buildings):
    first = halves(buildings)
    sides = {
        name: {bool(side) for each, side in zip(buildings, first, strict=True) if each == name} for name in buildings
    }
    assert all(len(each) == 1 for each in sides.values())
    assert 0 < first.sum() < len(buildings)
    assert abs(2 * first.sum() - len(buildings)) <= max(buildings.count(name) for name in buildings)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 99))
def test_shuffling_loses_no_moment(lengths, seed):
    found = permuted_moments(np.array(lengths), np.random.default_rng(seed))
    assert sorted(found.tolist()) == list(range(sum(lengths)))


def test_predicates_that_hardly_ever_change_are_left_out():
    few = moments(planted=False)
    few.predicates[:, 1] = 0
    few.predicates[:20, 1] = 1
    assert supported(few).tolist() == [True, False, True]
    assert {each.predicate for each in explain(few)} <= {"place", "of the episode"}


def test_a_cell_that_never_changes_is_no_finding():
    still = moments()
    still.cells[:, 4] = 0.3
    (cell,) = [each for each in explain(still) if each.cell == 4]
    assert (cell.score, cell.found) == (0, False)


def test_bad_input():
    one = moments()
    with pytest.raises(InputError, match="all are in one building"):
        explain(Moments(one.cells, one.predicates, one.names, one.lengths, ("house",) * EPISODES))
    nothing = Moments(one.cells, np.zeros_like(one.predicates), one.names, one.lengths, one.buildings)
    with pytest.raises(InputError, match="none of 3 changes in 10 episodes of each half"):
        explain(nothing)
