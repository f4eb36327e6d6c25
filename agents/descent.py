"""Descending a loss: gradients are added up, clipped, checked, and taken a step along."""

import torch
from torch import Tensor, nn


class Descent:
    """Adam on the weights of a network."""

    def __init__(self, network: nn.Module, learning_rate: float, clip: float) -> None:
        """Start; `clip` is the largest norm of the gradient."""
        self.network, self.clip = network, clip
        self.optimizer = torch.optim.Adam(network.parameters(), learning_rate, fused=True)

    def set_rate(self, learning_rate: float) -> None:
        """Change the step size."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def add(self, loss: Tensor) -> None:
        """Add the gradient of a loss to what the next step is taken along.

        Raises:
            FloatingPointError: If the loss is not finite.
        """
        _check_finite("loss", loss)
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> Tensor:
        """Take a step; returns the norm that the gradient had.

        Raises:
            FloatingPointError: If it is not finite; the weights are as before.
        """
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        _check_finite("norm of the gradient", norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm


def _check_finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value)):
        raise FloatingPointError(f"the {name} is {value.item()}")
