"""What policies see and read with: encoders of views and of instructions, by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from agents.config import EncoderConfig, TextConfig, TrainConfig
from agents.policies.geometry import directions_around
from agents.policies.language import Instruction, InstructionEncoder
from agents.policies.policy import Policy
from agents.policies.state import Observation
from agents.policies.views import BlindViews, Panorama, ViewContent, build_views, directions_of
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


def view_encoder(config: TrainConfig, data: Any) -> ViewContent:
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
    return cast(ViewContent, views)


def text_encoder(config: TrainConfig, data: Any) -> TextEncoder:
    """Build what encodes instructions, with fresh weights; arguments as of `view_encoder`."""
    name = encoder_settings(config).text_encoder
    found: Any = TEXT_ENCODERS.find(name)(config, data)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        read = found(torch.ones(1, 2, dtype=torch.int64))
    for part, wanted in (("context", "width"), ("summary", "width"), ("words", "word_width")):
        check_width(f"text encoder '{name}'", getattr(read, part).shape[-1], getattr(found, wanted), wanted, part)
    return cast(TextEncoder, found)


class LookingPolicy(Policy):
    """A policy that looks around: at panoramas of graphs, or at the cells of images where there is a `camera`.

    Its state has `candidates`, features of the actions offered at the step just made, and `last_action`.
    """

    config: Any
    views: ViewContent
    camera: bool
    view_centres: Tensor
    dropout: nn.Dropout

    def encode(self, observation: Observation) -> Observation:
        """Encode images as cells; an observation of a graph, or one that is encoded, is returned as it is."""
        if not self.camera or "cells" in observation:
            return observation
        kept = {name: value for name, value in observation.items() if name not in ("rgb", "depth")}
        seen = cast(ImageContent, self.views).encode(observation)
        check_width("view encoder", seen["cells"].shape[-1], self.config.view, "--policy.view")
        return {**kept, **seen}

    def after(self, state: Any, actions: Tensor) -> Any:
        """The state after taking `actions` (B,)."""
        assert state.candidates is not None, "the state of a step"
        taken = state.candidates[torch.arange(len(actions), device=actions.device), actions]
        return state._replace(last_action=taken, candidates=None)

    def _around(self, observation: Observation) -> Tensor:
        """Features of directions from the body: of its views (B, 36, DIRECTION), or of cells (N, DIRECTION)."""
        return self.view_centres if self.camera else directions_around(self.view_centres, observation["heading"])

    def _pool(self, weights: Tensor, panorama: Panorama, around: Tensor) -> Tensor:
        """What views with weights (B, N) show, and where they are (B, view + DIRECTION)."""
        return torch.cat([self.dropout(panorama.pool(weights)), directions_of(weights, around)], 1)

    def _offered(self, logits: Tensor, observation: Observation) -> Tensor:
        """Logits (B, A) with -inf for actions that are not offered."""
        mask = observation.get("candidate_mask")
        return logits if mask is None else logits.masked_fill(mask <= 0, -torch.inf)


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
    camera, width = settings.camera, settings.view
    return (
        BlindImages(camera, width) if config.ablate == "vision" else ImageViews(camera, width, settings.feature_dropout)
    )


def blind_views(views: nn.Module, settings: EncoderConfig) -> nn.Module:
    """What takes the place of an encoder of views in an agent that is to be blind."""
    return BlindImages(settings.camera, settings.view) if hasattr(views, "encode") else BlindViews(settings.view)


def recurrent_text(config: TrainConfig, data: Any) -> InstructionEncoder:
    """Embeddings of words, or of letters, and a recurrent network over them."""
    vocabulary = data.vocabulary
    start = start_embeddings(vocabulary.symbols, config.language, data.source.word_vectors, vocabulary.unit)
    return InstructionEncoder(config.language, start, getattr(config.policy, "dropout", 0.0))


def start_embeddings(symbols: Sequence[str], text: TextConfig, word_vectors: Path, unit: Unit) -> Tensor:
    """(V, E) start of embeddings: vectors from a folder where it has them of words, else random; zero for padding."""
    start = torch.randn(len(symbols), text.embedding) * SCALE
    if text.word_vectors and unit == "word":
        known, found = load_word_vectors(word_vectors, symbols)
        if known.shape[1] != text.embedding:
            problem = f"vectors have {known.shape[1]} numbers, not {text.embedding}"
            raise InputError(word_vectors, problem, "set --language.embedding to their width")
        start = torch.where(torch.from_numpy(found)[:, None], torch.from_numpy(known), start)
    start[PAD] = 0.0
    return start
