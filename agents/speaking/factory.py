"""Making a speaker from its configuration and the data it reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.config import CaptionConfig
from agents.policies.factory import build_image_encoder, start_embeddings
from agents.policies.views import build_views
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import MOVE
from vln.features.table import ViewTable
from vln.graph import NavigationGraph
from vln.language import SPECIALS, Vocabulary


def speaker_for(config: CaptionConfig, data: Any) -> Speaker:
    """A speaker with fresh weights, as `agents.policies.factory.navigator_for`."""
    source = data.source
    if source.table is None:
        return build_camera_speaker(config, data.vocabulary, source.word_vectors, source.actions)
    return build_speaker(config, data.vocabulary, source.table, source.graphs, source.word_vectors)


def build_speaker(
    config: CaptionConfig,
    vocabulary: Vocabulary,
    table: ViewTable,
    graphs: Sequence[NavigationGraph],
    word_vectors: Path,
) -> Speaker:
    """A speaker on graphs with fresh weights, which come from torch's global random generator.

    Args:
        config: What to build.
        vocabulary: Of the instructions.
        table: What views look like.
        graphs: Buildings, in the order of the routes' viewpoints.
        word_vectors: Folder with GloVe vectors, for `config.text.word_vectors`.

    Raises:
        InputError: If word vectors or features are missing or malformed.
    """
    words = start_embeddings(table.vocabulary, config.text, word_vectors, "word") if table.vocabulary else None
    views = build_views(table, graphs, config.navigator.navigator, words)
    copies = config.speaker.copy and table.vocabulary and config.text.unit == "word"
    spelling = _spelling(vocabulary.symbols, table.vocabulary) if copies else None
    return Speaker(
        config.speaker,
        start_embeddings(vocabulary.symbols, config.text, word_vectors, vocabulary.unit),
        views,
        MOVE,
        spelling,
    )


def build_camera_speaker(config: CaptionConfig, vocabulary: Vocabulary, word_vectors: Path, actions: int) -> Speaker:
    """A speaker in a continuous world with fresh weights, which come from torch's global random generator.

    Args:
        config: What to build.
        vocabulary: Of the instructions.
        word_vectors: Folder with GloVe vectors, for `config.text.word_vectors`.
        actions: Number of actions.

    Raises:
        InputError: If word vectors are missing or malformed, or the camera's images cannot be cut into cells.
    """
    start = start_embeddings(vocabulary.symbols, config.text, word_vectors, vocabulary.unit)
    return Speaker(config.speaker, start, build_image_encoder(config.navigator), actions)


def _spelling(symbols: Sequence[str], seen: Sequence[str]) -> Tensor:
    """(V,) places of symbols among the words `seen` in views, -1 where they are never seen; so are the special ones."""
    places = {word: place for place, word in enumerate(seen)}
    return torch.tensor([-1 if symbol in SPECIALS else places.get(symbol, -1) for symbol in symbols])
