"""Making a navigator from its configuration and the data it reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from agents.config import TrainConfig
from agents.navigator import Navigator
from agents.views import build_views
from agents.vision import BlindImages, ImageViews
from vln.errors import InputError
from vln.features.table import ViewTable
from vln.graph import NavigationGraph
from vln.language import PAD, Vocabulary, load_word_vectors

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

    def embed(symbols: Sequence[str]) -> Tensor:
        vectors = word_vectors if config.language.word_vectors and config.language.unit == "word" else None
        return embedding(symbols, config.language.embedding, vectors)

    words = embed(table.vocabulary) if table.vocabulary else None
    views = build_views(table, graphs, config.navigator, words)
    return Navigator(config.navigator, config.language, embed(vocabulary.symbols), views, low_level_actions)


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
    settings, language = config.navigator, config.language
    views: ImageViews | BlindImages
    if config.ablate == "vision":
        views = BlindImages(settings.camera, settings.view)
    else:
        views = ImageViews(settings.camera, settings.view, settings.feature_dropout)
    vectors = word_vectors if language.word_vectors and language.unit == "word" else None
    start = embedding(vocabulary.symbols, language.embedding, vectors)
    return Navigator(settings, language, start, views, actions, labels)


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
