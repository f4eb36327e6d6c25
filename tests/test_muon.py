"""Muon: orthogonal steps, the parameters that it serves, and learning."""

import pytest
import torch
from torch import nn

from agents.policies.recurrent import RecurrentCore
from agents.training.muon import SMALLEST, Muon, matrices_of, orthogonal
from agents.training.optimization import OptimizerStep


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (64, 50)])
def test_singular_values_become_about_one(shape):
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(size, min(shape))).Q for size in shape)
    matrix = left @ torch.logspace(-0.4, 0.4, min(shape)).diag() @ right.T
    after = torch.linalg.svdvals(orthogonal(matrix))
    assert after.min() > 0.3
    assert after.max() < 1.3
    # The same directions: what is left of the matrix between its own singular vectors is diagonal.
    between = left.T @ orthogonal(matrix) @ right
    torch.testing.assert_close(between, torch.diag(between.diagonal()), atol=2e-3, rtol=0)


def test_steps_are_as_large_as_adams_whatever_the_gradient():
    for scale in (1e-4, 1.0, 1e4):
        torch.manual_seed(0)
        matrix = nn.Parameter(torch.zeros(64, 64))
        matrix.grad = torch.randn(64, 64) * scale
        Muon([matrix], 0.5).step()
        assert float(matrix.detach().square().mean().sqrt()) == pytest.approx(0.5 * 0.2, rel=0.2)


def test_tables_vectors_and_thin_matrices_are_left_to_adam():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.core = nn.Embedding(20, 16), RecurrentCore("lstm", 16, 16, 1, 0.0)
            self.thin, self.wide = nn.Linear(16, SMALLEST - 1), nn.Linear(16, SMALLEST)

    network = Net()
    found = {id(weight) for weight in matrices_of(network)}
    assert id(network.table.weight) not in found
    assert id(network.thin.weight) not in found
    assert {id(network.wide.weight), *(id(each) for each in network.core.parameters() if each.ndim == 2)} == found
    optimizer = OptimizerStep(network, 1e-3, 1.0, muon=True)
    held = [id(each) for optimizer in optimizer.optimizers.values() for each in optimizer.param_groups[0]["params"]]
    assert sorted(held) == sorted(id(each) for each in network.parameters())


def test_a_network_learns():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 8))
    x = torch.randn(256, 16)
    y = torch.tanh(x @ torch.randn(16, 8))
    optimizer, losses = OptimizerStep(network, 1e-2, 10.0, muon=True), []
    for _ in range(400):
        loss = (network(x) - y).square().mean()
        optimizer.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.02 * losses[0]
