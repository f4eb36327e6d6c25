"""Soft attention (Luong et al. 2015)."""

import torch
from torch import Tensor


def masked_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension where `mask` is true, zero elsewhere; shapes (..., N)."""
    return logits.masked_fill(~mask, -torch.inf).softmax(-1)


def attend(weights: Tensor, memory: Tensor) -> Tensor:
    """Weighted sum of a memory: weights (B, N), memory (B, N, d) to (B, d)."""
    return torch.bmm(weights[:, None], memory)[:, 0]
