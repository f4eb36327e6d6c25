"""Recurrent cells by name, and a stack of them stepped by hand."""

import torch
from torch import Tensor, nn

from agents.config import Cell

RECURRENT = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


class RecurrentCore(nn.Module):
    """Layers of recurrent cells: h_t = cell(x_t, h_{t-1}), each layer fed by the one below.

    The state is one tensor (layers, parts, B, hidden); an LSTM has two parts, hidden and cell, the others one.
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
        return torch.stack(parts)[None].expand(len(self.cells), -1, -1, -1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, width) and the state to the top layer's hidden (B, hidden) and the new state."""
        after = []
        for layer, cell in enumerate(self.cells):
            before = state[layer]
            new = cell(self.dropout(x) if layer else x, (before[0], before[1]) if self.parts == 2 else before[0])
            after.append(torch.stack(new) if self.parts == 2 else new[None])
            x = after[-1][0]
        return x, torch.stack(after)
