"""Losses and returns, pure functions of tensors (T, B): T steps of B episodes, `mask` 1.0 where one was alive."""

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask`; zero if there is nothing."""
    return (values * mask).sum() / mask.sum().clamp(min=1.0)


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


def policy_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor, batch: int) -> Tensor:
    """REINFORCE with a baseline (Williams 1992; A2C, Mnih et al. 2016): the sum of -log pi(a|s) A, no gradient to A."""
    return per_episode(-log_probs * advantages.detach(), mask, batch)


def value_loss(values: Tensor, returns: Tensor, mask: Tensor, batch: int) -> Tensor:
    """Half of the squared error of the value head."""
    return per_episode(0.5 * (values - returns).square(), mask, batch)


def progress_loss(estimates: Tensor, start: Tensor, distance: Tensor, mask: Tensor) -> Tensor:
    """Squared error of the progress monitor (Ma et al. 2019, section 3.2), mean over steps.

    The target is (d_0 - d_t) / d_0, the share of the way that is done, within [-1, 1]; `start` is d_0 (B,) in metres.
    """
    target = ((start - distance) / start.clamp(min=1e-3)).clamp(-1.0, 1.0)
    return masked_mean((estimates - target).square(), mask)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Share of the variance of the returns that the value head explains; 1 is perfect, 0 no better than the mean.

    NaN where the returns do not vary.
    """
    of_returns = _masked_variance(returns, mask)
    explained = 1 - _masked_variance(returns - values, mask) / of_returns
    return torch.where(of_returns > 0, explained, torch.nan)


def _masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    return masked_mean((values - masked_mean(values, mask)).square(), mask)
