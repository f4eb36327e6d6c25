"""Making a navigator from its configuration and the data it reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.config import TextConfig, TrainConfig
from agents.policies.navigator import Navigator
from agents.policies.views import build_views
from agents.policies.vision import BlindImages, ImageViews
from vln.errors import InputError
from vln.features.table import ViewTable
from vln.graph import NavigationGraph
from vln.language import PAD, Unit, Vocabulary, load_word_vectors

SCALE = 0.4  # standard deviation of embeddings that start at random, that of GloVe's numbers


def navigator_for(config: TrainConfig, data: Any) -> Navigator:
    """A navigator with fresh weights, which come from torch's global random generator.

    Args:
        config: What to build.
        data: An environment of `envs.make.make_env`, or the data it shares with others: its `task`, `vocabulary` and
            `source` tell what there is to see and to do.

    Raises:
        InputError: If word vectors are missing or malformed, or images cannot be cut into cells.
    """
    source, low_level = data.source, data.task.actions == "low-level"
    if source.table is None:
        return build_camera_navigator(config, data.vocabulary, source.labels, source.word_vectors, source.actions)
    actions = source.actions if low_level else 0
    return build_navigator(config, data.vocabulary, source.table, source.graphs, source.word_vectors, actions)


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
    words = start_embeddings(table.vocabulary, config.language, word_vectors, "word") if table.vocabulary else None
    views = build_views(table, graphs, config.navigator, words)
    start = start_embeddings(vocabulary.symbols, config.language, word_vectors, vocabulary.unit)
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
    views = build_image_encoder(config)
    start = start_embeddings(vocabulary.symbols, config.language, word_vectors, vocabulary.unit)
    return Navigator(config.navigator, config.language, start, views, actions, labels)


def build_image_encoder(config: TrainConfig) -> ImageViews | BlindImages:
    """What looks at the images of a continuous world."""
    settings = config.navigator
    if config.ablate == "vision":
        return BlindImages(settings.camera, settings.view)
    return ImageViews(settings.camera, settings.view, settings.feature_dropout)


def start_embeddings(symbols: Sequence[str], text: TextConfig, word_vectors: Path, unit: Unit) -> Tensor:
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
