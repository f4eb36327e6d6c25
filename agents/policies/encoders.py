"""What policies see and read with: encoders of views and of instructions, by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from agents.config import EncoderConfig, TextConfig, TrainConfig
from agents.policies.language import Instruction, InstructionEncoder
from agents.policies.views import BlindViews, ViewContent, build_views
from agents.policies.vision import BlindImages, ImageContent, ImageViews
from agents.registry import TEXT_ENCODERS, VIEW_ENCODERS
from vln.errors import InputError
from vln.graph import VIEWS
from vln.language import PAD, Unit, load_word_vectors

SCALE = 0.4  # standard deviation of embeddings that start at random, that of GloVe's numbers


class TextEncoder(Protocol):
    """A torch module that reads instructions."""

    width: int  # Numbers of a token's context, and of the summary (C)
    word_width: int  # Numbers of `Instruction.words` (E)

    def __call__(self, tokens: Tensor) -> Instruction:
        """Encode token ids (B, L), zero-padded; each row has at least one token."""


def encoder_settings(config: TrainConfig) -> EncoderConfig:
    """The settings of a policy's encoders; raises an InputError if its configuration has none."""
    if not isinstance(config.policy, EncoderConfig):
        problem = f"{type(config.policy).__name__} has no settings of encoders"
        raise InputError("policy", problem, "let it extend agents.config.EncoderConfig")
    return config.policy


def view_encoder(config: TrainConfig, data: Any) -> ViewContent | ImageContent:
    """Build the encoder that `policy.view_encoder` names, with fresh weights from torch's global random generator.

    `data` is an environment of `envs.make.make_env`, or the data it shares with others.
    """
    settings = encoder_settings(config)
    name = settings.view_encoder or ("rgbd" if data.source.table is None else "features")
    views: Any = VIEW_ENCODERS.find(name)(config, data)
    if data.source.table is not None:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            here = torch.zeros(1, dtype=torch.int64)
            seen = views.around(here, views.make_cache(1)).pool(torch.full((1, VIEWS), 1 / VIEWS))
        check_width(f"view encoder '{name}'", seen.shape[-1], settings.view, "--policy.view")
    return cast(ViewContent | ImageContent, views)


def text_encoder(config: TrainConfig, data: Any) -> TextEncoder:
    """Build what encodes instructions, with fresh weights; arguments as of `view_encoder`."""
    name = encoder_settings(config).text_encoder
    found: Any = TEXT_ENCODERS.find(name)(config, data)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        read = found(torch.ones(1, 2, dtype=torch.int64))
    for part, wanted in (("context", "width"), ("summary", "width"), ("words", "word_width")):
        check_width(f"text encoder '{name}'", getattr(read, part).shape[-1], getattr(found, wanted), wanted, part)
    return cast(TextEncoder, found)


def check_width(source: str, width: int, wanted: int, setting: str, part: str = "vectors") -> None:
    """Raise an InputError unless an encoder gives vectors of the width that is wanted."""
    if width != wanted:
        raise InputError(source, f"gives {part} of {width} numbers, not {wanted}", f"set {setting} to {width}")


def feature_views(config: TrainConfig, data: Any) -> ViewContent:
    """Captions, or a table of numbers, of the 36 views of each viewpoint of a navigation graph."""
    source, words = data.source, None
    if source.table.vocabulary:
        words = start_embeddings(source.table.vocabulary, config.language, source.word_vectors, "word")
    return build_views(source.table, source.graphs, encoder_settings(config), words)


def rgbd_views(config: TrainConfig, data: Any) -> ImageViews | BlindImages:  # noqa: ARG001 (encoders get both)
    """A small convolutional network of the colour and depth images of a camera."""
    settings = encoder_settings(config)
    if config.ablate == "vision":
        return BlindImages(settings.camera, settings.view)
    return ImageViews(settings.camera, settings.view, settings.feature_dropout)


def blind_views(views: nn.Module, settings: EncoderConfig) -> nn.Module:
    """What takes the place of an encoder of views in an agent that is to be blind."""
    return BlindImages(settings.camera, settings.view) if hasattr(views, "encode") else BlindViews(settings.view)


def recurrent_text(config: TrainConfig, data: Any) -> InstructionEncoder:
    """Embeddings of words, or of letters, and a recurrent network over them."""
    vocabulary = data.vocabulary
    start = start_embeddings(vocabulary.symbols, config.language, data.source.word_vectors, vocabulary.unit)
    return InstructionEncoder(config.language, start, getattr(config.policy, "dropout", 0.0))


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
