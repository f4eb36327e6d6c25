"""Descending a loss: gradients are added up, clipped, checked, and taken a step along."""

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from agents.training.distributed import SINGLE, Workers
from agents.training.muon import Muon, matrices_of


class OptimizerStep:
    """Adam on the weights of a network, or Muon on its matrices and Adam on the rest."""

    def __init__(
        self, network: nn.Module, learning_rate: float, clip: float, muon: bool = False, workers: Workers = SINGLE
    ) -> None:
        """Start; `clip` is the largest norm of the gradient, which is the mean over all workers."""
        self.network, self.clip, self.workers = network, clip, workers
        matrices = matrices_of(network) if muon else []
        special = {id(matrix) for matrix in matrices}
        rest = [weight for weight in network.parameters() if id(weight) not in special]
        self.optimizers: dict[str, Optimizer] = {"optimizer": Adam(rest, learning_rate, fused=True)}
        if matrices:
            self.optimizers["muon"] = Muon(matrices, learning_rate, workers=workers)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Change the step size."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss to what the next step is taken along; a FloatingPointError if it is not finite."""
        _check_finite("loss", loss)
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> Tensor:
        """Take a step; returns the norm of the gradient. A FloatingPointError comes before it if that is not finite."""
        self.workers.average_gradients(self.network.parameters())
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        _check_finite("norm of the gradient", norm)
        for optimizer in self.optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        return norm


def _check_finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value)):
        raise FloatingPointError(f"the {name} is {value.item()}")
