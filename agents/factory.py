"""Making a navigator from its configuration and the data it reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from agents.config import CaptionConfig, TextConfig, TrainConfig
from agents.navigator import Navigator
from agents.routes import MOVE
from agents.speaker import Speaker
from agents.views import build_views
from agents.vision import BlindImages, ImageViews
from vln.errors import InputError
from vln.features.table import ViewTable
from vln.graph import NavigationGraph
from vln.language import PAD, SPECIALS, Unit, Vocabulary, load_word_vectors

SCALE = 0.4  # standard deviation of embeddings that start at random, that of GloVe's numbers


def build_navigator(
    config: TrainConfig,
    vocabulary: Vocabulary,
    table: ViewTable,
    graphs: Sequence[NavigationGraph],
    word_vectors: Path,
    low_level_actions: int,
) -> Navigator:
    """A navigator with fresh weights, which come from torch's global random generator.

    Args:
        config: What to build.
        vocabulary: Of the instructions.
        table: What views look like.
        graphs: Buildings, in the order of the simulator.
        word_vectors: Folder with GloVe vectors, for `config.language.word_vectors`.
        low_level_actions: Number of low-level actions; 0 for panoramic actions.

    Raises:
        InputError: If word vectors or features are missing or malformed.
    """
    words = _start(table.vocabulary, config.language, word_vectors, "word") if table.vocabulary else None
    views = build_views(table, graphs, config.navigator, words)
    start = _start(vocabulary.symbols, config.language, word_vectors, vocabulary.unit)
    return Navigator(config.navigator, config.language, start, views, low_level_actions)


def build_camera_navigator(
    config: TrainConfig,
    vocabulary: Vocabulary,
    labels: Mapping[str, int],
    word_vectors: Path,
    actions: int,
) -> Navigator:
    """A navigator of a continuous world with fresh weights, which come from torch's global random generator.

    Args:
        config: What to build.
        vocabulary: Of the instructions.
        labels: How many labels pixels may have, by observation, e.g. "category"; 0 is none.
        word_vectors: Folder with GloVe vectors, for `config.language.word_vectors`.
        actions: Number of actions.

    Raises:
        InputError: If word vectors are missing or malformed, or the camera's images cannot be cut into cells.
    """
    views = _eyes(config)
    start = _start(vocabulary.symbols, config.language, word_vectors, vocabulary.unit)
    return Navigator(config.navigator, config.language, start, views, actions, labels)


def _eyes(config: TrainConfig) -> ImageViews | BlindImages:
    """What looks at the images of a continuous world."""
    settings = config.navigator
    if config.ablate == "vision":
        return BlindImages(settings.camera, settings.view)
    return ImageViews(settings.camera, settings.view, settings.feature_dropout)


def _start(symbols: Sequence[str], text: TextConfig, word_vectors: Path, unit: Unit) -> Tensor:
    """(V, E) start of the embeddings of symbols, as a configuration wants it; those of characters start at random."""
    vectors = word_vectors if text.word_vectors and unit == "word" else None
    return embedding(symbols, text.embedding, vectors)


def embedding(symbols: Sequence[str], width: int, word_vectors: Path | None) -> Tensor:
    """(V, width) start of an embedding: vectors from a folder where it has them, else random; zero for padding."""
    start = torch.randn(len(symbols), width) * SCALE
    if word_vectors is not None:
        known, found = load_word_vectors(word_vectors, symbols)
        if known.shape[1] != width:
            raise InputError(
                word_vectors,
                f"vectors have {known.shape[1]} numbers, not {width}",
                "set --language.embedding to their width",
            )
        start = torch.where(torch.from_numpy(found)[:, None], torch.from_numpy(known), start)
    start[PAD] = 0.0
    return start


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
    words = _start(table.vocabulary, config.text, word_vectors, "word") if table.vocabulary else None
    views = build_views(table, graphs, config.task.navigator, words)
    copies = config.speaker.copy and table.vocabulary and config.text.unit == "word"
    spelling = _spelling(vocabulary.symbols, table.vocabulary) if copies else None
    return Speaker(
        config.speaker, _start(vocabulary.symbols, config.text, word_vectors, vocabulary.unit), views, MOVE, spelling
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
    start = _start(vocabulary.symbols, config.text, word_vectors, vocabulary.unit)
    return Speaker(config.speaker, start, _eyes(config.task), actions)


def _spelling(symbols: Sequence[str], seen: Sequence[str]) -> Tensor:
    """(V,) places of symbols among the words `seen` in views, -1 where they are never seen; so are the special ones."""
    places = {word: place for place, word in enumerate(seen)}
    return torch.tensor([-1 if symbol in SPECIALS else places.get(symbol, -1) for symbol in symbols])
