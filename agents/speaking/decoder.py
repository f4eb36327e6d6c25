"""The decoder that speakers and language models share: a recurrent network over the words said so far.

The embedding of words that are read is also the output layer (tied weights, Press and Wolf 2017).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.config import Cell
from agents.policies.recurrent import RECURRENT
from vln.language import PAD

State = tuple[Tensor, ...]
"""What is carried from word to word: (layers, B, H) hidden, and with an LSTM (layers, B, H) cell."""


class Decoder(nn.Module):
    """A recurrent network over words that scores the next one; subclasses say what else it attends to."""

    def build_decoder(
        self, embedding: Tensor, hidden: int, dropout: float, attended: int = 0, cell: Cell = "lstm", layers: int = 1
    ) -> None:
        """Make the weights; word vectors start as `embedding` (V, E).

        `attended` is the width of vectors that subclasses attend to, 0 if there are none.
        """
        width = embedding.shape[1]
        self.embedding = nn.Embedding.from_pretrained(embedding.clone(), freeze=False, padding_idx=PAD)  # type: ignore[no-untyped-call]
        between = dropout if layers > 1 else 0.0
        self.parts = 2 if cell == "lstm" else 1
        self.decoder = RECURRENT[cell](width, hidden, layers, batch_first=True, dropout=between)
        if attended:
            self.attention = nn.Linear(hidden, attended, bias=False)
        self.out = nn.Linear(hidden + attended, hidden)
        self.word = nn.Linear(hidden, width, bias=False)
        self.output_bias = nn.Parameter(torch.zeros(len(embedding)))
        self.dropout = nn.Dropout(dropout)

    def decode_states(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """States of the top layer (B, L, H) after each of the tokens (B, L), and what is carried on."""
        words = self.dropout(self.embedding(tokens))
        if self.parts == 2:
            return self.decoder(words, state)
        hidden, after = self.decoder(words, state[0])
        return hidden, (after,)

    def output_features(self, found: Tensor) -> Tensor:
        """Features (..., H) of states and, if any, of what was attended to, (..., H + attended)."""
        return self.dropout(torch.tanh(self.out(found)))

    def scores(self, features: Tensor) -> Tensor:
        """Scores (..., V) of the next word; those of padding mean nothing."""
        return self.word(features) @ self.embedding.weight.T + self.output_bias


def never_padding(scores: Tensor) -> Tensor:
    """Scores (..., V) with -inf for the padding, which is not said."""
    return F.pad(scores[..., 1:], (1, 0), value=-torch.inf)
