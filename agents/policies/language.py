"""The instruction encoder: embedding, then a recurrent network, one context vector per word, or per character."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.config import LanguageConfig
from agents.policies.recurrent import RECURRENT, both_ways
from vln.language import PAD


class Instruction(NamedTuple):
    """What the encoder made of a batch of instructions."""

    context: Tensor  # (B, L, C), one vector per token
    # (B, L, E), embeddings of the tokens; where these are characters, which mean nothing alone, the context
    words: Tensor
    mask: Tensor  # (B, L) bool, True at tokens
    summary: Tensor  # (B, C), final state
    goal: Tensor | None = None  # (B, C), context of the words that name the goal; None where nobody asks for it


class InstructionEncoder(nn.Module):
    """Reads token ids."""

    def __init__(self, config: LanguageConfig, embedding: Tensor, dropout: float) -> None:
        """An encoder whose word vectors start as `embedding` (V, E)."""
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(embedding.clone(), freeze=False, padding_idx=PAD)  # type: ignore[no-untyped-call]
        self.width = config.hidden * (2 if config.bidirectional else 1)
        self.spells = config.unit == "character"
        self.word_width = self.width if self.spells else embedding.shape[1]
        sizes = [embedding.shape[1], *[self.width] * (config.layers - 1)]
        cell = RECURRENT[config.cell]
        self.forwards = nn.ModuleList(cell(size, config.hidden, batch_first=True) for size in sizes)
        backwards = sizes if config.bidirectional else []
        self.backwards = nn.ModuleList(cell(size, config.hidden, batch_first=True) for size in backwards)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Instruction:
        """Encode token ids (B, L), zero-padded; each row has at least one token."""
        lengths = (tokens != PAD).sum(1)
        tokens = tokens[:, : int(lengths.max())]
        words = self.embedding(tokens)
        context = words
        for layer in range(len(self.forwards)):
            context = self._layer(layer, self._drop(context), lengths)
        dropped = self._drop(context)
        meanings = dropped if self.spells else words
        return Instruction(dropped, meanings, tokens != PAD, self.dropout(self._summary(context, lengths)))

    def _drop(self, x: Tensor) -> Tensor:
        """Dropout of the same dimensions at every word (Gal and Ghahramani 2016) of x (B, L, E)."""
        return x * self.dropout(x.new_ones(len(x), 1, x.shape[-1]))

    def _layer(self, layer: int, x: Tensor, lengths: Tensor) -> Tensor:
        """One layer over x (B, L, E)."""
        if not len(self.backwards):
            return self.forwards[layer](x)[0]
        return both_ways(self.forwards[layer], self.backwards[layer], x, lengths)

    def _summary(self, context: Tensor, lengths: Tensor) -> Tensor:
        """The last state of each direction (B, C): forwards at the last word, backwards at the first."""
        last = context[torch.arange(len(context), device=context.device), lengths - 1]
        if not len(self.backwards):
            return last
        half = self.width // 2
        return torch.cat([last[:, :half], context[:, 0, half:]], -1)
