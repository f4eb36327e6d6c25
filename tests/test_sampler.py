"""The sampler: epochs are permutations, a function of seed and iteration alone, in batches of like length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learners.sampler import EpisodeSampler

LENGTHS = np.random.default_rng(0).integers(5, 80, 1000)


def epoch(sampler: EpisodeSampler, number: int) -> np.ndarray:
    first = number * sampler.per_epoch
    return np.stack([sampler.batch(iteration) for iteration in range(first, first + sampler.per_epoch)])


@given(count=st.integers(1, 70), batch=st.integers(1, 20), seed=st.integers(0, 2**40), number=st.integers(0, 3))
def test_every_epoch_meets_every_episode_alike(count, batch, seed, number):
    """A permutation but for the few that fill no batch; a batch larger than that repeats them."""
    found = epoch(EpisodeSampler(LENGTHS[:count], batch, seed), number)
    times = np.bincount(found.ravel(), minlength=count)
    assert found.shape[1] == batch
    assert len(times) == count
    if count >= batch:
        assert times.max() == 1
        assert count - times.sum() < batch
    else:
        assert found.shape[0] == 1
        assert times.max() <= -(-batch // count)


def test_a_batch_is_a_function_of_seed_and_iteration():
    fresh, used = EpisodeSampler(LENGTHS, 64, 7), EpisodeSampler(LENGTHS, 64, 7)
    history = {iteration: used.batch(iteration).tolist() for iteration in [3, 40, 0, 41, 16, 15]}
    for iteration, batch in sorted(history.items()):
        assert fresh.batch(iteration).tolist() == batch
    assert EpisodeSampler(LENGTHS, 64, 8).batch(3).tolist() != history[3]


def test_epochs_differ():
    sampler = EpisodeSampler(LENGTHS, 50, 0)
    first, second = epoch(sampler, 0), epoch(sampler, 1)
    assert sorted(first.ravel()) == sorted(second.ravel()) == list(range(1000))
    assert (first != second).mean() > 0.9


def test_a_batch_holds_instructions_of_like_length_in_no_order_of_length():
    found = LENGTHS[epoch(EpisodeSampler(LENGTHS, 20, 0), 0)]
    assert (found.max(1) - found.min(1)).mean() < 0.2 * (LENGTHS.max() - LENGTHS.min())
    assert abs(np.corrcoef(found.mean(1), np.arange(len(found)))[0, 1]) < 0.4


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_all_episodes_come_up_within_an_epoch_or_two(batch):
    sampler = EpisodeSampler(LENGTHS, batch, 0)
    met = np.concatenate([epoch(sampler, 0).ravel(), epoch(sampler, 1).ravel()])
    assert len(np.unique(met)) == 1000
