"""What the agent makes of views: matching a query against all 36 views of a panorama, and pooling them.

Embedding is linear, so neither ever embeds a view: a query is carried into feature space once and compared there, and
attention sums features before they are embedded. For bags of words that replaces 36 x K vector look-ups by scalar ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from agents.config import EncoderConfig
from agents.policies.attention import attend, compare
from agents.policies.state import Shared
from vln.episodes import REAL
from vln.features.table import ViewTable
from vln.graph import VIEWS, NavigationGraph
from vln.hashing import hash_integers


class Panorama(Protocol):
    """The 36 views around each of B episodes, in an embedding space of d dimensions."""

    def match(self, query: Tensor) -> Tensor:
        """Scalar products of queries (B, d) with the views: (B, 36)."""

    def pool(self, weights: Tensor) -> Tensor:
        """Weighted sums (B, d) of the views by weights (B, 36)."""

    def words_in(self, weights: Tensor) -> Tensor:
        """How much of each word (B, V) there is in the views by weights (B, 36); V is 0 where views are no words."""
        return weights.new_zeros(len(weights), 0)


class ViewCache(NamedTuple):
    """What of the views is computed once for all steps of a batch of episodes."""

    scales: Tensor | None = None  # (B, F), 0 for features hidden from an episode; None when nothing is hidden
    # (V, d), projected embeddings of words, for the whole batch; None in other than bags of words
    vocabulary: Shared | None = None

    def hide(self, features: Tensor) -> Tensor:
        """Features (B, F) without the hidden ones."""
        return features if self.scales is None else features * self.scales


class ViewContent(Protocol):
    """The views of all panoramas of a world."""

    def make_cache(self, batch: int, environment: Tensor | None = None) -> ViewCache:
        """Compute the cache of a batch of episodes; `environment` (B,) as in `FeatureDropout`."""

    def around(self, here: Tensor, cache: ViewCache) -> Panorama:
        """The views of the panoramas with rows (B,), or the cells (B, N, d) of images."""


class FeatureDropout(nn.Module):
    """Dropout whose mask lasts an episode (environment dropout, Tan et al. 2019, section 3.4).

    Some episodes may be in altered environments, which have numbers: there the same features are hidden for everyone,
    in training or not, so that a speaker and a navigator can share them. A smaller share hides a subset of the features
    that a larger one hides.
    """

    _where: Tensor

    def __init__(self, features: int, share: float) -> None:
        super().__init__()
        self.features, self.share = features, share
        self.register_buffer("_where", torch.empty(0), persistent=False)

    def make_cache(self, batch: int, environment: Tensor | None = None) -> ViewCache:
        """Draw the hidden features of each episode; `environment` (B,) numbers altered ones, -1 is the real one."""
        return ViewCache(self._scales(batch, environment))

    def _scales(self, batch: int, environment: Tensor | None) -> Tensor | None:
        """Scales (B, F): 0 for hidden features, 1 / (1 - share) for the others; None where nothing is hidden."""
        if not self.share or not (self.training or environment is not None):
            return None
        scales = torch.ones(batch, self.features, device=self._where.device)
        if self.training:
            scales = torch.bernoulli(scales * (1 - self.share)).div_(1 - self.share)
        if environment is None:
            return scales
        return torch.where(environment[:, None] == REAL, scales, altered(environment, self.features, self.share))


def altered(environment: Tensor, features: int, share: float) -> Tensor:
    """Scales (B, F) of features in environments with numbers (B,); what a smaller share hides, a larger hides too."""
    chance = hash_integers(hash_integers(environment)[:, None] + torch.arange(features, device=environment.device))
    return (chance >= share * 2**31).float() / (1 - share)


@dataclass(frozen=True)
class _Nothing(Panorama):
    """A panorama without content."""

    batch: int
    like: Tensor

    def match(self, query: Tensor) -> Tensor:
        return self.like.new_zeros(self.batch, VIEWS)

    def pool(self, weights: Tensor) -> Tensor:
        return self.like.new_zeros(self.batch, len(self.like))


class BlindViews(nn.Module):
    """Views without content: embeddings of `width` are all zero."""

    zero: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(width), persistent=False)

    def make_cache(self, batch: int, environment: Tensor | None = None) -> ViewCache:
        """Return an empty cache."""
        return ViewCache()

    def around(self, here: Tensor, cache: ViewCache) -> Panorama:
        """Nothing to see."""
        return _Nothing(len(here), self.zero)


@dataclass(frozen=True)
class _Numbers(Panorama):
    """Panoramas as numbers: features (B, 36, F) and the embedding (d, F)."""

    features: Tensor
    embedding: Tensor
    cache: ViewCache

    def match(self, query: Tensor) -> Tensor:
        return compare(self.cache.hide(query @ self.embedding), self.features)

    def pool(self, weights: Tensor) -> Tensor:
        return self.cache.hide(torch.bmm(weights[:, None], self.features)[:, 0]) @ self.embedding.T


class DenseViews(FeatureDropout):
    """Views as numbers, e.g. of a convolutional network, with a linear embedding."""

    table: Tensor

    def __init__(self, features: Tensor, width: int, share: float) -> None:
        """Features (N, 36, F) embedded into `width` dimensions."""
        super().__init__(features.shape[-1], share)
        self.register_buffer("table", features, persistent=False)
        self.embed = nn.Linear(features.shape[-1], width, bias=False)

    def around(self, here: Tensor, cache: ViewCache) -> Panorama:
        """The features of panoramas (B,)."""
        return _Numbers(self.table[here].to(self.embed.weight.dtype), self.embed.weight, cache)


@dataclass(frozen=True)
class _Words(Panorama):
    """Panoramas as bags of words: words and weights (B, 36 * K)."""

    words: Tensor
    weights: Tensor
    cache: ViewCache

    def match(self, query: Tensor) -> Tensor:
        """One score a word of the vocabulary, summed over each view's words."""
        assert self.cache.vocabulary is not None
        scores = self.cache.hide(query @ self.cache.vocabulary.tensor.T)
        return (scores.gather(1, self.words) * self.weights).view(len(query), VIEWS, -1).sum(-1)

    def pool(self, weights: Tensor) -> Tensor:
        """The weight of each word of the vocabulary first, then its embedding."""
        assert self.cache.vocabulary is not None
        return self.words_in(weights) @ self.cache.vocabulary.tensor

    def words_in(self, weights: Tensor) -> Tensor:
        """Each word weighs as much as the views that it is in."""
        assert self.cache.vocabulary is not None
        of_words = (weights[:, :, None] * self.weights.view(len(weights), VIEWS, -1)).flatten(1)
        bag = weights.new_zeros(len(weights), len(self.cache.vocabulary.tensor)).scatter_add(1, self.words, of_words)
        return self.cache.hide(bag)


class WordViews(FeatureDropout):
    """Views as weighted bags of words, with one embedding a word, projected to the width of the queries."""

    words: Tensor
    weights: Tensor

    def __init__(self, words: Tensor, weights: Tensor, embedding: Tensor, width: int, share: float) -> None:
        """Words and weights (N, 36, K), 0 where there is none; their embeddings start as `embedding` (V, E)."""
        super().__init__(len(embedding), share)
        self.register_buffer("words", words.flatten(1).to(torch.int32), persistent=False)
        self.register_buffer("weights", weights.flatten(1).float(), persistent=False)
        self.embedding = nn.Parameter(embedding.clone())
        self.project = nn.Linear(embedding.shape[1], width, bias=False)

    def make_cache(self, batch: int, environment: Tensor | None = None) -> ViewCache:
        """Draw what is hidden, and project the vocabulary once for all steps."""
        return ViewCache(self._scales(batch, environment), Shared(self.project(self.embedding)))

    def around(self, here: Tensor, cache: ViewCache) -> Panorama:
        """The words of panoramas (B,)."""
        return _Words(self.words[here].long(), self.weights[here], cache)


def weigh(panorama: Panorama, around: Tensor, content: Tensor, direction: Tensor) -> Tensor:
    """Attention over views (B, N), by queries for what they show (B, d) and for where they are (B, DIRECTION).

    `around` are features of their directions, (B, N, DIRECTION), or (N, DIRECTION) if these are the same for all.
    """
    scores = panorama.match(content / math.sqrt(content.shape[1]))
    towards = direction @ around.T if around.dim() == 2 else compare(direction, around)
    return (scores + towards).softmax(1)


def directions_of(weights: Tensor, around: Tensor) -> Tensor:
    """Where views are that have weights (B, N): (B, DIRECTION); `around` as in `weigh`."""
    return weights @ around if around.dim() == 2 else attend(weights, around)


def word_weights(attributes: np.ndarray) -> np.ndarray:
    """How much each word of a view counts, from its attributes (..., 4) = confidence, area, x, y.

    The confidence, and views scaled to unit length, so that a cluttered view is not louder than a plain one.
    """
    confidence = attributes[..., 0].astype(np.float32)
    length = np.sqrt(np.square(confidence).sum(-1, keepdims=True))
    return confidence / np.maximum(length, 1e-6)


def build_views(
    table: ViewTable, graphs: Sequence[NavigationGraph], config: EncoderConfig, embedding: Tensor | None
) -> ViewContent:
    """The views of the graphs' viewpoints, in the order of the simulator.

    `embedding` (V, E) is where embeddings of the table's vocabulary start, for a table of words.
    """
    if table.blind:
        return BlindViews(config.view)
    rows = table.rows(graphs)
    if table.dense is not None:
        return DenseViews(torch.from_numpy(table.dense[rows]), config.view, config.feature_dropout)
    assert table.words is not None and table.attributes is not None  # noqa: PT018 (one fact: a table of words)
    assert embedding is not None, "a table of words needs word vectors"
    # A view's words are in falling order of confidence, so that the surest are kept.
    words, attributes = table.words[rows, :, : config.words], table.attributes[rows, :, : config.words]
    weights = torch.from_numpy(word_weights(attributes))
    return WordViews(torch.from_numpy(words), weights, embedding, config.view, config.feature_dropout)
