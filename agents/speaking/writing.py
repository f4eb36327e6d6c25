"""Texts by a language model, that go on from a prime text."""

from dataclasses import dataclass, field

import torch

from agents.speaking.decoding import Decoding, check_decoding, continue_text
from agents.speaking.language_model import LanguageModel
from vln.errors import InputError
from vln.language import EOS, SPECIALS, UNK, Vocabulary

LINE = "\n"  # what a text without ends begins after
SHOWN = 40  # known units that an error names


@dataclass(frozen=True)
class Writer:
    """How texts are written: up to `length` units after the prime text; with `ends`, as sentences have."""

    vocabulary: Vocabulary
    ends: bool
    prime: str = ""
    decoding: Decoding = field(default_factory=lambda: Decoding("sample", 0.7))
    length: int = 300
    seed: int = 0

    def check(self) -> None:
        """Raise an InputError if the prime text, the decoding or the length is no good; it names the flag."""
        check_decoding(self.decoding)
        if self.length < 1:
            raise InputError("--length", f"{self.length} is out of range", "give a whole number of at least 1")
        for unit in self.vocabulary.split(self.prime):
            if unit not in self.vocabulary.lookup:
                known = "".join(self.vocabulary.symbols[len(SPECIALS) :][:SHOWN])
                raise InputError("--prime", f"{unit!r} is not in the vocabulary", f"use those such as {known!r}")

    def __call__(self, model: LanguageModel, count: int = 1) -> list[str]:
        """`count` texts, which begin with the prime text, by a model in evaluation mode; checked by `check`."""
        self.check()
        device = model.output_bias.device
        random = torch.Generator(device).manual_seed(self.seed)
        start = EOS if self.ends else self.vocabulary.lookup.get(LINE, UNK)
        prefix = torch.tensor([start, *self.vocabulary.numbers(self.vocabulary.split(self.prime))], device=device)
        found = continue_text(model, prefix, count, self.decoding, self.length + 1, random)
        return [self.prime + self.vocabulary.decode(row) for row in found.tokens.tolist()]
