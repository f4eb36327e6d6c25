"""Soft attention (Luong et al. 2015)."""

import torch
from torch import Tensor


def masked_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where `mask` is true, zero elsewhere; shapes (..., N)."""
    return logits.masked_fill(~mask, -torch.inf).softmax(-1)


def attend(weights: Tensor, memory: Tensor) -> Tensor:
    """Weighted sum of a memory: weights (B, N), memory (B, N, d) to (B, d)."""
    return torch.bmm(weights[:, None], memory)[:, 0]


def compare(query: Tensor, memory: Tensor) -> Tensor:
    """Scalar products of queries (B, d) with a memory (B, N, d): (B, N).

    The query stands in front: products of many matrices with one column each are half as fast on CPUs.
    """
    return torch.bmm(query[:, None], memory.transpose(1, 2))[:, 0]
