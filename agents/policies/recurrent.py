"""Recurrent cells by name, and a stack of them stepped by hand."""

import torch
from torch import Tensor, nn

from agents.config import Cell

RECURRENT = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def both_ways(forwards: nn.Module, backwards: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    """States (B, T, 2 * hidden) after inputs x (B, T, d) of which the first `lengths` (B,) of a row count.

    The backward layer reads each row reversed within its length: padding stays behind, where it cannot reach it, which
    is many times faster than packed sequences.
    """
    reverse = reversal(lengths, x.shape[1])
    backward = backwards(reorder(x, reverse))[0]
    return torch.cat([forwards(x)[0], reorder(backward, reverse)], -1)


class BothWays(nn.Module):
    """An LSTM in each direction over sequences of different lengths."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(width, hidden, batch_first=True)
        self.backwards = nn.LSTM(width, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """States (B, T, 2 * hidden) after inputs (B, T, width) of which the first `lengths` (B,) of a row count."""
        return both_ways(self.forwards, self.backwards, x, lengths)


def reversal(lengths: Tensor, longest: int) -> Tensor:
    """(B, L) positions that reverse the first `lengths` (B,) items of a row and leave the others; their own inverse."""
    positions = torch.arange(longest, device=lengths.device)
    reverse = lengths[:, None] - 1 - positions
    return torch.where(reverse >= 0, reverse, positions)


def reorder(x: Tensor, positions: Tensor) -> Tensor:
    """The items of x (B, L, d) at positions (B, L)."""
    return x.gather(1, positions[:, :, None].expand_as(x))


class RecurrentCore(nn.Module):
    """Layers of recurrent cells: h_t = cell(x_t, h_{t-1}), each layer fed by the one below.

    The state is one tensor (B, layers, parts, hidden); an LSTM has two parts, hidden and cell, the others one.
    """

    def __init__(self, cell: Cell, width: int, hidden: int, layers: int, dropout: float) -> None:
        """Cells that read inputs of `width`; dropout sits between layers."""
        super().__init__()
        sizes = [width, *[hidden] * (layers - 1)]
        self.cells = nn.ModuleList(CELLS[cell](size, hidden) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.parts = 2 if cell == "lstm" else 1
        self.hidden = hidden

    def initial(self, first: Tensor) -> Tensor:
        """The state that starts every layer's hidden part at `first` (B, hidden) and the cell part at zero."""
        parts = [first] + [torch.zeros_like(first)] * (self.parts - 1)
        return torch.stack(parts, 1)[:, None].expand(-1, len(self.cells), -1, -1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, width) and the state to the top layer's hidden (B, hidden) and the new state."""
        after: list[Tensor] = []
        for layer, cell in enumerate(self.cells):
            before = state[:, layer].unbind(1)
            new = cell(self.dropout(x) if layer else x, before if self.parts == 2 else before[0])
            after += new if self.parts == 2 else (new,)
            x = after[-self.parts]
        return x, torch.stack(after, 1).view(len(x), len(self.cells), self.parts, -1)
