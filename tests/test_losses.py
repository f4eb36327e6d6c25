"""Returns and losses: cases by hand, and the signs of their gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from agents.learners import losses
from agents.policies.attention import attend, masked_softmax

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


# --- proximal policy optimisation ---


def test_advantages_by_hand():
    """An episode of two steps and the first step of the next; discount and trace one half."""
    rewards, values = tensor([[1.0], [2.0], [3.0]]), tensor([[4.0], [6.0], [8.0]])
    found = losses.advantages(rewards, values, tensor([[0.0], [1.0], [0.0]]), tensor([10.0]), 0.5, 0.5)
    last, second = 3 + 0.5 * 10 - 8, 2 - 6
    assert found[:, 0].tolist() == [1 + 0.5 * 6 - 4 + 0.25 * second, second, last]


CHUNKS = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.booleans()), min_size=1, max_size=8)


@given(CHUNKS, st.integers(-4, 4), st.sampled_from([0.0, 0.5, 1.0]))
def test_trace_one_trusts_no_value_but_the_last_and_trace_zero_the_next(steps, following, discount):
    rewards, values, ends = (tensor(column, dtype=torch.float32)[:, None] for column in zip(*steps, strict=True))
    last = tensor([float(following)])
    found = [losses.advantages(rewards, values, ends, last, discount, trace) for trace in (1.0, 0.0)]
    returns, after = last, last
    for step in range(len(steps) - 1, -1, -1):
        goes_on = 1 - ends[step]
        returns = rewards[step] + discount * returns * goes_on
        torch.testing.assert_close(found[0][step], returns - values[step])
        torch.testing.assert_close(found[1][step], rewards[step] + discount * after * goes_on - values[step])
        after = values[step]


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=6), st.sampled_from([0.0, 0.5, 1.0]))
def test_advantages_of_a_whole_episode_are_its_returns_less_the_values(rewards, discount):
    column = tensor(rewards, dtype=torch.float32)[:, None]
    ends, values = torch.zeros_like(column), torch.arange(len(rewards), dtype=torch.float32)[:, None]
    ends[-1] = 1
    found = losses.advantages(column, values, ends, tensor([99.0]), discount, 1.0)
    returns = losses.discounted_returns(column, torch.ones_like(column), discount)
    torch.testing.assert_close(found, returns - values)


def test_what_lies_beyond_an_end_does_not_matter():
    rewards, values = torch.ones(3, 1), torch.ones(3, 1)
    ends = tensor([[0.0], [1.0], [0.0]])
    one, other = (losses.advantages(rewards, values, ends, tensor([after]), 0.9, 0.9) for after in (1.0, 7.0))
    assert torch.equal(one[:2], other[:2])
    assert one[2] != other[2]


def test_standardised_values_have_mean_zero_and_deviation_one():
    assert losses.standardised(tensor([1.0, 3.0])).tolist() == pytest.approx([-1.0, 1.0])
    assert losses.standardised(tensor([2.0, 2.0])).tolist() == [0.0, 0.0]


def test_the_clipped_objective_by_hand():
    ratios, gains = tensor([1.5, 0.5, 1.5, 0.5, 1.1]), tensor([1.0, 1.0, -1.0, -1.0, 2.0])
    kept = (1.2 + 0.5 - 1.5 - 0.8 + 2.2) / 5
    assert float(losses.ppo_loss(ratios, gains, 0.2)) == pytest.approx(-kept)


def test_a_ratio_that_went_far_enough_has_no_gradient():
    ratios = tensor([1.5, 0.5, 1.5, 0.5, 1.1], requires_grad=True)
    losses.ppo_loss(ratios, tensor([1.0, 1.0, -1.0, -1.0, 2.0]), 0.2).backward()
    assert (-ratios.grad * 5).tolist() == pytest.approx([0.0, 1.0, -1.0, 0.0, 2.0])


def test_values_are_clipped_around_the_old_ones_if_they_are():
    values, old, returns = tensor([3.0, 1.5]), tensor([1.0, 1.0]), tensor([3.0, 1.0])
    assert float(losses.clipped_value_loss(values, old, returns, 0.0)) == 0.5 * 0.25 / 2
    # The first may count as 1.5 at most, which is 1.5 from the return; the second may go where it went.
    assert float(losses.clipped_value_loss(values, old, returns, 0.5)) == pytest.approx(0.5 * (1.5**2 + 0.25) / 2)


# --- inflections ---

EXPERT = tensor([[1, 1], [1, 2], [3, 9]])
STARTS = tensor([[True, True], [False, False], [False, False]])


def test_a_step_counts_more_where_the_expert_changes_its_mind():
    mask = tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    found = losses.inflection_weights(EXPERT, STARTS, mask, 3.0)
    mean = (3 + 1 + 3 + 3 + 3) / 5
    expected = tensor([[3.0, 3.0], [1.0, 3.0], [3.0, 3.0]]) / mean
    torch.testing.assert_close(found * mask, expected * mask)


def test_an_episode_that_goes_on_remembers_what_the_expert_did_before():
    goes_on = torch.zeros_like(STARTS)
    found = losses.inflection_weights(EXPERT, goes_on, torch.ones(3, 2), 3.0, before=tensor([1, 2]))
    torch.testing.assert_close(found / found.min(), tensor([[1.0, 3.0], [1.0, 3.0], [3.0, 3.0]]))
    begun = losses.inflection_weights(EXPERT, STARTS, torch.ones(3, 2), 3.0, before=tensor([1, 1]))
    assert torch.equal(begun, losses.inflection_weights(EXPERT, STARTS, torch.ones(3, 2), 3.0))


def test_without_a_weight_of_its_own_every_step_counts_once():
    assert losses.inflection_weights(EXPERT, STARTS, torch.ones(3, 2), 1.0).tolist() == [[1.0, 1.0]] * 3


def test_the_weight_can_be_the_inverse_of_the_share():
    found = losses.inflection_weights(EXPERT, STARTS, torch.ones(3, 2), 0.0)
    torch.testing.assert_close(found[0, 0] / found[1, 0], tensor(6 / 5))


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=6), st.integers(0, 5))
def test_weights_have_mean_one(expert, weight):
    actions, mask = tensor(expert), torch.ones(len(expert), 3)
    starts = torch.zeros_like(actions, dtype=torch.bool)
    starts[0] = True
    found = losses.inflection_weights(actions, starts, mask, float(weight))
    torch.testing.assert_close(losses.masked_mean(found, mask), tensor(1.0))


# --- progress ---


def test_the_progress_target_is_the_share_of_the_way_that_is_done():
    distance = tensor([[10.0, 4.0], [5.0, 20.0], [0.0, math.nan]])  # half way; further off than at the start; withheld
    target = losses.progress_target(tensor([10.0, 4.0]), distance)
    assert target.tolist() == [[0.0, 0.0], [0.5, -1.0], [1.0, 0.0]]


def test_a_goal_that_cannot_be_reached_has_no_progress():
    distance = tensor([[math.inf, 2.0], [math.inf, math.inf]])
    assert losses.progress_target(tensor([10.0, math.inf]), distance).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_an_episode_that_starts_at_its_goal_has_finite_progress():
    assert losses.progress_target(torch.zeros(1), torch.zeros(1, 1)) == 0


# --- attention ---


def test_a_masked_softmax_is_a_softmax_over_what_is_there():
    logits, mask = tensor([[0.0, math.log(3), 50.0]]), tensor([[True, True, False]])
    assert masked_softmax(logits, mask)[0].tolist() == pytest.approx([0.25, 0.75, 0.0])


def test_attending_is_a_weighted_sum():
    memory = tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    assert attend(tensor([[1.0, 0.0], [0.5, 0.5]]), memory).tolist() == [[1.0, 2.0], [6.0, 7.0]]
