"""Bootstrap intervals and paired comparisons against known properties of means."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vln.statistics import compare_paired, mean_interval, seed_interval, thirds

few = settings(max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def normal(seed: int, number: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=number)


def test_interval_of_a_proportion_is_the_normal_one():
    values = np.repeat([0.0, 1.0], [1800, 549])
    interval = mean_interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_of_a_constant_is_a_point():
    interval = mean_interval(np.full(7, 0.25))
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_interval_covers_the_truth_as_often_as_it_says():
    covered = [
        interval.low <= 0 <= interval.high for seed in range(200) if (interval := mean_interval(normal(seed, 40)))
    ]
    assert 0.89 <= np.mean(covered) <= 0.985


def test_the_seed_decides_the_resampling():
    values = normal(0, 50)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


@few
@given(seeds, st.integers(2, 60))
def test_copies_of_a_value_in_one_group_add_no_certainty(seed, number):
    values = normal(seed, number)
    tripled = mean_interval(np.repeat(values, 3), groups=[f"path {group}" for group in range(number) for _ in range(3)])
    single = mean_interval(values)
    assert (tripled.mean, tripled.low, tripled.high) == pytest.approx((single.mean, single.low, single.high))


def test_groups_of_unequal_size_weigh_by_their_size():
    # Two groups of sizes 1 and 3: the resampled means are 0, 3/4 and 1.
    interval = mean_interval(np.array([0.0, 1.0, 1.0, 1.0]), groups=["a", "b", "b", "b"])
    assert (interval.mean, interval.low, interval.high) == (0.75, 0.0, 1.0)


def test_an_agent_does_not_differ_from_itself():
    values = normal(1, 30)
    comparison = compare_paired(values, values)
    assert (comparison.difference.mean, comparison.p_value) == (0, 1)


def test_a_constant_lead_is_certain():
    values = normal(1, 30)
    comparison = compare_paired(values, values + 0.5)
    assert (comparison.difference.low, comparison.difference.high) == pytest.approx((0.5, 0.5))
    assert 0 < comparison.p_value < 0.001


def test_pairs_see_what_two_intervals_do_not():
    hard = 10 * normal(2, 200)
    first, second = hard + 0.1 * normal(3, 200), hard + 0.1 * normal(4, 200) + 0.05
    assert mean_interval(first).high > mean_interval(second).low
    assert compare_paired(first, second).p_value < 0.001


@few
@given(seeds, st.floats(-0.5, 0.5))
def test_p_value_and_interval_agree(seed, lead):
    first, second = normal(seed, 60), normal(seed + 1, 60) + lead
    comparison = compare_paired(first, second)
    outside = comparison.difference.low > 0 or comparison.difference.high < 0
    assert comparison.p_value <= 0.0503 if outside else comparison.p_value >= 0.0497


@few
@given(seeds)
def test_swapping_the_agents_turns_the_difference_round(seed):
    first, second = normal(seed, 25), normal(seed + 1, 25)
    forth, back = compare_paired(first, second), compare_paired(second, first)
    assert forth.p_value == back.p_value
    assert (back.difference.low, back.difference.high) == pytest.approx((-forth.difference.high, -forth.difference.low))


def test_paired_values_must_match():
    with pytest.raises(ValueError, match="same episodes"):
        compare_paired(np.zeros(3), np.zeros(4))


def test_every_value_needs_a_group():
    with pytest.raises(ValueError, match="3 values need as many groups, got 2"):
        mean_interval(np.zeros(3), groups=["a", "b"])


def test_no_values_have_no_mean():
    with pytest.raises(ValueError, match="one episode at least"):
        mean_interval(np.zeros(0))


def test_the_interval_over_seeds_is_students():
    found = seed_interval(np.array([0.5, 0.6, 0.7]))
    half = 4.302653 * 0.1 / 3**0.5  # the quantile of two degrees of freedom
    assert (found.mean, found.low, found.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half))


@pytest.mark.parametrize("values", [np.array([0.5]), np.zeros((2, 2))])
def test_one_seed_has_no_interval(values):
    with pytest.raises(ValueError, match="two of them at least"):
        seed_interval(values)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_thirds_part_the_sizes_in_order(values):
    sizes = np.array(values)
    parts = thirds(sizes)
    assert (np.sum(parts, axis=0) == 1).all()
    for lower, upper in itertools.pairwise(parts):
        assert sizes[lower].max() < sizes[upper].min()


def test_thirds_of_different_sizes_are_of_one_number():
    assert [part.sum() for part in thirds(np.arange(12.0))] == [4, 4, 4]
