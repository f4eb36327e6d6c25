"""The running average of a network's weights, which is what runs evaluate."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
EARLY = 10  # updates that a plain mean is behind at the start


def weights_of(network: nn.Module) -> Weights:
    """A copy of the weights of a network."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def move_average(average: Weights, network: nn.Module, decay: float, iteration: int) -> None:
    """Move an average towards the weights; early on it is a plain mean, so that the start is forgotten."""
    decay = min(decay, iteration / (iteration + EARLY))
    torch._foreach_lerp_(list(average.values()), list(network.state_dict().values()), 1 - decay)


@contextmanager
def averaged(network: nn.Module, average: Weights) -> Iterator[None]:
    """Within the block, a network has the averaged weights."""
    own = weights_of(network)
    network.load_state_dict(average)
    try:
        yield
    finally:
        network.load_state_dict(own)
