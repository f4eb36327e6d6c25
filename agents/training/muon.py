"""Muon (Jordan et al. 2024): momentum whose steps are made orthogonal, for the matrices of a network.

All directions of a matrix move alike, not those alone in which gradients happen to be large. Small networks that see
little learn from fewer examples than Adam wants. `torch.optim.Muon` does the same in half precision, which
CPUs without instructions for it do several times as slowly.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from agents.training.distributed import SINGLE, Workers

SMALLEST = 8  # rows and columns of a matrix; what is thinner has hardly any directions to balance
QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients with which singular values fall to about 1 the fastest
STEPS = 5
LIKE_ADAM = 0.2  # root mean square of Adam's steps, so that both take the same step size (Liu et al. 2025)


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised Nesterov momentum of matrices, which workers divide among them."""

    def __init__(
        self, matrices: Iterable[Tensor], learning_rate: float, momentum: float = 0.9, workers: Workers = SINGLE
    ) -> None:
        super().__init__(matrices, {"lr": learning_rate, "momentum": momentum})
        self._workers = workers

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take a step."""
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            ahead = [self._ahead(matrix, group["momentum"], self.state[matrix]) for matrix in matrices]
            for matrix, direction in zip(matrices, self._workers.divided(ahead, orthogonal), strict=True):
                matrix.add_(direction, alpha=-group["lr"] * LIKE_ADAM * max(matrix.shape) ** 0.5)

    def _ahead(self, matrix: Tensor, share: float, state: dict[str, Tensor]) -> Tensor:
        """Nesterov's momentum of a matrix."""
        momentum = state.setdefault("momentum", torch.zeros_like(matrix))
        momentum.lerp_(matrix.grad, 1 - share)  # type: ignore[arg-type]
        return matrix.grad.lerp(momentum, share)  # type: ignore[union-attr]


def orthogonal(matrix: Tensor) -> Tensor:
    """Roughly the nearest matrix whose singular values are all 1, by Newton and Schulz's iteration."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    first, third, fifth = QUINTIC
    for _ in range(STEPS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=third, alpha=fifth), x, beta=first)
    return x if wide is matrix else x.T


def matrices_of(network: nn.Module) -> list[nn.Parameter]:
    """The weights that Muon is for: matrices that are no tables of embeddings."""
    tables = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
    return [
        weight
        for weight in network.parameters()
        if weight.ndim == 2 and min(weight.shape) >= SMALLEST and id(weight) not in tables
    ]
