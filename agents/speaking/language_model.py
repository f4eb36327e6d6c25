"""Recurrent language models: the speaker's decoder without a trajectory, over characters or words.

What Karpathy's "The Unreasonable Effectiveness of Recurrent Neural Networks" (2015) trains: at each symbol the
network says how likely every symbol is to come next. Minus the binary logarithm of what it said of the one that
came is the number of bits in which that one could have been written down.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from agents.config import Cell, LearningConfig
from agents.speaking.decoder import Decoder, State, never_padding

SCALE = 0.4  # standard deviation of embeddings at the start


@dataclass(frozen=True)
class LanguageModelConfig(LearningConfig):
    """Everything that the training of a language model depends on, together with the text."""

    text: str = "r2r"
    """What to read: the instructions of a data set (r2r, houses-short, ...), or any UTF-8 file."""
    houses: int = 100
    """Houses of training whose instructions are read, for instructions of houses."""
    unit: Literal["character", "word"] = "character"
    """What the text is cut into; joined again, words (with the blank before them) and characters are the text as is."""
    min_count: int = 3
    """Units rarer than this in the training text are unknown, and spelled."""
    cell: Cell = "lstm"
    """Recurrent cell."""
    hidden: int = 384
    """Width of its hidden state."""
    layers: int = 1
    """Recurrent layers."""
    embedding: int = 64
    """Width of the embeddings."""
    dropout: float = 0.1
    """Dropout of embeddings, states and thoughts."""
    batch_size: int = 32
    """Places of the text that are read at a time."""
    sequence: int = 64
    """Symbols after which the gradient stops flowing back; the state is carried on."""
    iterations: int = 1200
    """Updates, if the run is not stopped earlier."""
    learning_rate: float = 4e-3
    """Adam's step size at the start; it falls linearly."""
    evaluate_every: int = 600
    """Updates between evaluations, each followed by a checkpoint; there is one before each sample as well."""


class LanguageModel(Decoder):
    """Says how likely each symbol is to come next; `agents.speaking.decoding.carry_on` chooses."""

    def __init__(self, config: LanguageModelConfig, symbols: int) -> None:
        super().__init__()
        self.config = config
        embedding = torch.randn(symbols, config.embedding) * SCALE
        self.build_decoder(embedding, config.hidden, config.dropout, cell=config.cell, layers=config.layers)

    def begin(self, batch: int) -> State:
        """The state of `batch` readers who have read nothing."""
        return tuple(
            self.output_bias.new_zeros(self.decoder.num_layers, batch, self.decoder.hidden_size)
            for _ in range(self.parts)
        )

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Log-probabilities (B, L, V) of what comes after each of the inputs (B, L), and the state at their end."""
        hidden, state = self.decode_states(inputs, state)
        return never_padding(self.scores(self.output_features(self.dropout(hidden)))).log_softmax(-1), state

    def step(self, last: Tensor, state: State) -> tuple[Tensor, State]:
        """Log-probabilities (B, V) of what comes after the last symbols (B,), and the state after those."""
        log_probs, state = self(last[:, None], state)
        return log_probs[:, 0], state
