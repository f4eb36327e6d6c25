"""Returns and losses: worked by hand, and in which direction they push."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from agents import losses
from agents.attention import attend, masked_softmax

# Two episodes of three steps, the second of which ends after one: columns are episodes.
MASK = tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
REWARD = tensor([[1.0, 4.0], [2.0, 99.0], [3.0, 99.0]])


# --- returns ---


def test_returns_are_discounted_sums_within_the_episode():
    found = losses.discounted_returns(REWARD, MASK, 0.5)
    assert found.tolist() == [[1 + 0.5 * (2 + 0.5 * 3), 4.0], [2 + 0.5 * 3, 0.0], [3.0, 0.0]]


def test_discount_zero_is_the_reward_and_one_the_sum():
    assert losses.discounted_returns(REWARD, MASK, 0.0).tolist() == (REWARD * MASK).tolist()
    assert losses.discounted_returns(REWARD, MASK, 1.0)[0].tolist() == [6.0, 4.0]


@given(
    st.lists(st.lists(st.integers(-8, 8), min_size=1, max_size=6), min_size=1, max_size=4), st.sampled_from([0, 0.5, 1])
)
def test_returns_of_any_episode_satisfy_the_definition(rewards, discount):
    longest = max(map(len, rewards))
    padded = tensor([row + [7] * (longest - len(row)) for row in rewards], dtype=torch.float32).T
    mask = tensor([[1.0] * len(row) + [0.0] * (longest - len(row)) for row in rewards]).T
    found = losses.discounted_returns(padded, mask, discount)
    for episode, row in enumerate(rewards):
        for step in range(longest):
            sum_from_here = sum(discount**later * reward for later, reward in enumerate(row[step:]))
            assert found[step, episode] == pytest.approx(sum_from_here)


# --- means ---


def test_a_masked_mean_is_over_what_is_alive_and_zero_over_nothing():
    assert losses.masked_mean(REWARD, MASK) == (1 + 2 + 3 + 4) / 4
    assert losses.masked_mean(REWARD, torch.zeros_like(MASK)) == 0


def test_a_sum_per_episode_weighs_steps_alike():
    assert losses.per_episode(REWARD, MASK, 2) == (1 + 2 + 3 + 4) / 2


# --- reinforcement ---


def test_the_policy_loss_is_minus_log_probability_times_advantage():
    log_probs = tensor([[-1.0, -2.0], [-3.0, -4.0]])
    advantages, mask = tensor([[2.0, -1.0], [0.5, 99.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
    assert losses.policy_loss(log_probs, advantages, mask, 2) == (1 * 2 + 2 * -1 + 3 * 0.5) / 2


def test_the_policy_loss_makes_good_actions_likelier_and_bad_ones_rarer():
    logits = torch.zeros(1, 3, 2, requires_grad=True)  # three episodes, two actions; each took action 0
    advantages = tensor([[1.0, -1.0, 0.0]], requires_grad=True)
    losses.policy_loss(logits.log_softmax(-1)[..., 0], advantages, torch.ones(1, 3), 3).backward()
    assert (-logits.grad[0, :, 0]).sign().tolist() == [1, -1, 0]
    assert advantages.grad is None


def test_a_dead_step_has_no_gradient():
    log_probs, values = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    returns = losses.discounted_returns(REWARD, MASK, 0.9)
    loss = losses.policy_loss(log_probs, returns, MASK, 2) + losses.value_loss(values, returns, MASK, 2)
    loss.backward()
    for gradient in (log_probs.grad, values.grad):
        assert ((gradient != 0) == (MASK > 0)).all()


def test_the_value_loss_is_half_the_squared_error_and_pulls_towards_the_return():
    values = tensor([[1.0, 5.0]], requires_grad=True)
    loss = losses.value_loss(values, tensor([[3.0, 4.0]]), torch.ones(1, 2), 2)
    loss.backward()
    assert loss == (0.5 * 4 + 0.5 * 1) / 2
    assert (-values.grad * 2).tolist() == [[2.0, -1.0]]


def test_explained_variance_is_one_when_perfect_zero_for_the_mean_and_none_without_variance():
    returns, mask = tensor([[1.0, 2.0], [3.0, 77.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
    assert losses.explained_variance(returns, returns, mask) == 1
    assert losses.explained_variance(torch.full_like(returns, 2.0), returns, mask) == 0
    assert losses.explained_variance(returns * 2, returns, mask) == 0  # errors as large as the returns vary
    assert math.isnan(losses.explained_variance(returns, torch.ones_like(returns), mask))
    assert math.isnan(losses.explained_variance(returns, returns, torch.zeros_like(mask)))


# --- progress ---


def test_the_progress_target_is_the_share_of_the_way_that_is_done():
    distance = tensor([[10.0, 4.0], [5.0, 20.0], [0.0, math.nan]])  # half way; further off than at the start; withheld
    target = losses.progress_target(tensor([10.0, 4.0]), distance)
    assert target.tolist() == [[0.0, 0.0], [0.5, -1.0], [1.0, 0.0]]


def test_an_episode_that_starts_at_its_goal_has_finite_progress():
    assert losses.progress_target(torch.zeros(1), torch.zeros(1, 1)) == 0


# --- attention ---


def test_a_masked_softmax_is_a_softmax_over_what_is_there():
    logits, mask = tensor([[0.0, math.log(3), 50.0]]), tensor([[True, True, False]])
    assert masked_softmax(logits, mask)[0].tolist() == pytest.approx([0.25, 0.75, 0.0])


def test_attending_is_a_weighted_sum():
    memory = tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    assert attend(tensor([[1.0, 0.0], [0.5, 0.5]]), memory).tolist() == [[1.0, 2.0], [6.0, 7.0]]
