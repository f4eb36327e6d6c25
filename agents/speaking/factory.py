"""Making a speaker from its configuration and the data it reads."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from agents.config import CaptionConfig
from agents.policies.encoders import start_embeddings, view_encoder
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import MOVE
from vln.language import SPECIALS


def speaker_for(config: CaptionConfig, data: Any) -> Speaker:
    """Build a speaker with fresh weights, which come from torch's global random generator."""
    source, vocabulary, text = data.source, data.vocabulary, config.text
    if source.table is None:
        start = start_embeddings(vocabulary.symbols, text, source.word_vectors, vocabulary.unit)
        return Speaker(config.speaker, start, view_encoder(config.navigator, data), source.actions)
    views = view_encoder(config.navigator, data)
    copies = config.speaker.copy and source.table.vocabulary and text.unit == "word"
    spelling = _spelling(vocabulary.symbols, source.table.vocabulary) if copies else None
    start = start_embeddings(vocabulary.symbols, text, source.word_vectors, vocabulary.unit)
    return Speaker(config.speaker, start, views, MOVE, spelling)


def _spelling(symbols: Sequence[str], seen: Sequence[str]) -> Tensor:
    """(V,) places of symbols among the words `seen` in views, -1 where they are never seen; so are the special ones."""
    places = {word: place for place, word in enumerate(seen)}
    return torch.tensor([-1 if symbol in SPECIALS else places.get(symbol, -1) for symbol in symbols])
