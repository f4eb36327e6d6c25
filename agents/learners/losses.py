"""Losses and returns, pure functions of tensors (T, B): T steps of B episodes, `mask` 1.0 where one was alive."""

from collections.abc import Callable

import torch
from torch import Tensor

Total = Callable[[Tensor], Tensor]  # of sums over the parts that a batch is divided into


def undivided(value: Tensor) -> Tensor:
    """The total of a batch that is in one place."""
    return value


def masked_mean(values: Tensor, mask: Tensor, total: Total = undivided) -> Tensor:
    """Mean of `values` where `mask`; zero if there is nothing."""
    of_values, of_mask = total(torch.stack([(values * mask).sum(), mask.sum()]))
    return of_values / of_mask.clamp(min=1.0)


def per_episode(values: Tensor, mask: Tensor, batch: int) -> Tensor:
    """Sum of `values` where `mask`, divided by the number of episodes, so that long and short steps weigh alike."""
    return (values * mask).sum() / batch


def discounted_returns(rewards: Tensor, mask: Tensor, discount: float) -> Tensor:
    """Discounted sums of the rewards (T, B) from each step to the end of its episode: (T, B).

    R_t = r_t + discount * R_{t+1} (Sutton and Barto 2018, equation 3.9).
    """
    returns = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[0])
    for step in range(len(rewards) - 1, -1, -1):
        following = (rewards[step] + discount * following) * mask[step]
        returns[step] = following
    return returns


def advantages(
    rewards: Tensor, values: Tensor, dones: Tensor, next_value: Tensor, discount: float, gae_lambda: float
) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, equation 16) of a rollout: (T, B).

    A_t = delta_t + discount * lambda * A_{t+1} with delta_t = r_t + discount * V_{t+1} - V_t, both cut at ends:
    `rewards`, `values` before each step and `dones`, 1.0 in the last step of an episode, are (T, B), `next_value` is
    (B,).
    """
    found = torch.zeros_like(rewards)
    advantage, value_after = torch.zeros_like(next_value), next_value
    for step in range(len(rewards) - 1, -1, -1):
        goes_on = 1 - dones[step]
        delta = rewards[step] + discount * value_after * goes_on - values[step]
        found[step] = advantage = delta + discount * gae_lambda * advantage * goes_on
        value_after = values[step]
    return found


def standardised(values: Tensor, among: Tensor | None = None) -> Tensor:
    """Values with mean 0 and standard deviation 1, on their own or `among` others; zeros where these do not vary."""
    among = values if among is None else among
    return (values - among.mean()) / (among.std(correction=0) + 1e-8)


def ppo_loss(ratios: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped objective of PPO (Schulman et al. 2017, equation 7), negated: mean over steps.

    `ratios` are new probabilities of the actions over the old ones; beyond 1 ± `clip` they have no gradient.
    """
    return -torch.minimum(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages).mean()


def clipped_value_loss(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Half of the squared error of the value head, mean over steps.

    With a `clip` above 0 the worse of the error and of that with the change from `old` clipped (PPO's first code).
    """
    errors = (values - returns).square()
    if clip:
        errors = torch.maximum(errors, (old + (values - old).clamp(-clip, clip) - returns).square())
    return 0.5 * errors.mean()


def inflection_weights(
    expert: Tensor,  # (T, B), the expert's actions
    starts: Tensor,  # (T, B) bool, where an episode starts, which counts as a change
    mask: Tensor,
    weight: float,  # how many times a step counts at which the action changes; 0 takes the inverse of their share
    total: Total = undivided,
    before: Tensor | None = None,  # (B,), the expert's actions before the first step, of episodes that go on
) -> Tensor:
    """How much each step counts in imitation, with mean 1 over the live steps (Wijmans et al. 2019, section 3.3)."""
    changed = starts.clone()
    changed[1:] |= expert[1:] != expert[:-1]
    if before is not None:
        changed[0] |= expert[0] != before
    weights = torch.where(changed, weight or 1 / masked_mean(changed.float(), mask, total).clamp(min=1e-6), 1.0)
    return weights / masked_mean(weights, mask, total).clamp(min=1e-6)


def policy_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor, batch: int) -> Tensor:
    """REINFORCE with a baseline (Williams 1992; A2C, Mnih et al. 2016): the sum of -log pi(a|s) A, no gradient to A."""
    return per_episode(-log_probs * advantages.detach(), mask, batch)


def value_loss(values: Tensor, returns: Tensor, mask: Tensor, batch: int) -> Tensor:
    """Half of the squared error of the value head."""
    return per_episode(0.5 * (values - returns).square(), mask, batch)


def progress_target(start: Tensor, distance: Tensor) -> Tensor:
    """What the progress monitor (Ma et al. 2019, section 3.2) is to say: the share of the way that is done.

    (d_0 - d_t) / d_0 within [-1, 1], for `start` d_0 and `distance` d_t in metres; 0 where the goal is withheld or
    cannot be reached.
    """
    share = ((start - distance) / start.clamp(min=1e-3)).clamp(-1.0, 1.0)
    return torch.where((start - distance).isfinite(), share, 0.0)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Share of the variance of the returns that the value head explains; 1 is perfect, 0 no better than the mean.

    NaN where the returns do not vary.
    """
    of_returns = _masked_variance(returns, mask)
    explained = 1 - _masked_variance(returns - values, mask) / of_returns
    return torch.where(of_returns > 0, explained, torch.nan)


def _masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    return masked_mean((values - masked_mean(values, mask)).square(), mask)
