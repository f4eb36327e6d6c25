"""What the agent makes of views: matching a query against all 36 views of a panorama, and pooling them.

Embedding is linear, so neither ever embeds a view: a query is carried into feature space once and compared there, and
attention sums features before they are embedded. For bags of words that replaces 36 x K vector look-ups by scalar ones.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vln.features.table import ViewTable
from vln.graph import VIEWS, NavigationGraph


@dataclass(frozen=True)
class Glance:
    """What the steps of a batch of episodes share.

    Attributes:
        scales: (B, F), 0 for features hidden from an episode; None when nothing is hidden.
        vocabulary: (V, d), embeddings of words; None in other than bags of words.
    """

    scales: Tensor | None = None
    vocabulary: Tensor | None = None

    def rows(self, keep: Tensor) -> "Glance":
        """The same for the batch rows `keep` (n,)."""
        return Glance(None if self.scales is None else self.scales[keep], self.vocabulary)


class ViewContent(Protocol):
    """Views of N panoramas in an embedding space of d dimensions."""

    def begin(self, batch: int) -> Glance:
        """What the steps of a batch of episodes share."""

    def match(self, query: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Scalar products of queries (B, d) with the views of panoramas (B,): (B, 36)."""

    def pool(self, weights: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Weighted sums (B, d) of views: weights (B, 36), panoramas (B,)."""


class _FeatureDropout(nn.Module):
    """Dropout whose mask lasts an episode (environment dropout, Tan et al. 2019, section 3.4)."""

    def __init__(self, features: int, share: float) -> None:
        super().__init__()
        self.features, self.share = features, share
        self.register_buffer("_where", torch.empty(0), persistent=False)

    def _scales(self, batch: int) -> Tensor | None:
        """Scales (B, F): 0 for hidden features, 1 / (1 - share) for the others; None outside of training."""
        if not self.training or not self.share:
            return None
        keep = torch.full((batch, self.features), 1 - self.share, device=self._where.device)
        return torch.bernoulli(keep).div_(1 - self.share)


class BlindViews(nn.Module):
    """Views without content."""

    def __init__(self, width: int) -> None:
        """Embeddings of `width`, all zero."""
        super().__init__()
        self.width = width

    def begin(self, batch: int) -> Glance:
        """Nothing to share."""
        return Glance()

    def match(self, query: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Zeros (B, 36)."""
        return query.new_zeros(len(query), VIEWS)

    def pool(self, weights: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Zeros (B, d)."""
        return weights.new_zeros(len(weights), self.width)


class DenseViews(_FeatureDropout):
    """Views as numbers, e.g. of a convolutional network, with a linear embedding."""

    def __init__(self, features: Tensor, width: int, share: float) -> None:
        """Features (N, 36, F) embedded into `width` dimensions."""
        super().__init__(features.shape[-1], share)
        self.register_buffer("table", features, persistent=False)
        self.embed = nn.Linear(features.shape[-1], width, bias=False)

    def begin(self, batch: int) -> Glance:
        """Draw the feature dropout."""
        return Glance(self._scales(batch))

    def match(self, query: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Scalar products (B, 36) in feature space."""
        carried = query @ self.embed.weight
        carried = carried if glance.scales is None else carried * glance.scales
        return torch.bmm(self.table[panorama].to(query.dtype), carried[:, :, None])[:, :, 0]

    def pool(self, weights: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Weighted sums (B, d)."""
        pooled = torch.bmm(weights[:, None], self.table[panorama].to(weights.dtype))[:, 0]
        return self.embed(pooled if glance.scales is None else pooled * glance.scales)


class WordViews(_FeatureDropout):
    """Views as weighted bags of words, with one embedding a word, projected to the width of the queries."""

    def __init__(self, words: Tensor, weights: Tensor, embedding: Tensor, width: int, share: float) -> None:
        """Bags of words.

        Args:
            words: (N, 36, K) integers, 0 where there is none.
            weights: (N, 36, K), 0 where there is no word.
            embedding: (V, E), where word embeddings start.
            width: Dimensions of queries and pooled views (d).
            share: Feature dropout.
        """
        super().__init__(len(embedding), share)
        self.depth = words.shape[-1]
        self.register_buffer("words", words.flatten(1).to(torch.int32), persistent=False)
        self.register_buffer("weights", weights.flatten(1).float(), persistent=False)
        self.embedding = nn.Parameter(embedding.clone())
        self.project = nn.Linear(embedding.shape[1], width, bias=False)

    def begin(self, batch: int) -> Glance:
        """Project the vocabulary once for all steps."""
        return Glance(self._scales(batch), self.project(self.embedding))

    def match(self, query: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Scalar products (B, 36): one score a word of the vocabulary, summed over each view's words."""
        scores = query @ glance.vocabulary.T
        scores = scores if glance.scales is None else scores * glance.scales
        of_words = scores.gather(1, self.words[panorama].long()) * self.weights[panorama]
        return of_words.unflatten(1, (VIEWS, self.depth)).sum(-1)

    def pool(self, weights: Tensor, panorama: Tensor, glance: Glance) -> Tensor:
        """Weighted sums (B, d): the weight of each word of the vocabulary first, then its embedding."""
        of_words = weights.repeat_interleave(self.depth, 1) * self.weights[panorama]
        bag = weights.new_zeros(len(weights), self.features).scatter_add(1, self.words[panorama].long(), of_words)
        return (bag if glance.scales is None else bag * glance.scales) @ glance.vocabulary


def word_weights(attributes: np.ndarray) -> np.ndarray:
    """How much each word of a view counts, from its attributes (..., 4) = confidence, area, x, y.

    The confidence, and views scaled to unit length, so that a cluttered view is not louder than a plain one.
    """
    confidence = attributes[..., 0].astype(np.float32)
    length = np.sqrt(np.square(confidence).sum(-1, keepdims=True))
    return confidence / np.maximum(length, 1e-6)


def build_views(
    table: ViewTable, graphs: list[NavigationGraph], width: int, share: float, embedding: Tensor | None
) -> nn.Module:
    """The views of the graphs' viewpoints, in their order.

    Args:
        table: Features.
        graphs: Buildings in the order of the simulator.
        width: Dimensions of view embeddings (d).
        share: Feature dropout.
        embedding: (V, E) where embeddings of the table's vocabulary start; for a table of words.
    """
    if table.blind:
        return BlindViews(width)
    rows = table.rows(graphs)
    if table.dense is not None:
        return DenseViews(torch.from_numpy(table.dense[rows]), width, share)
    assert table.words is not None and table.attributes is not None and embedding is not None
    weights = torch.from_numpy(word_weights(table.attributes[rows]))
    return WordViews(torch.from_numpy(table.words[rows]), weights, embedding, width, share)
