"""Views: shortcuts equal the embedding of every view, features stay hidden for an episode, weights of words."""

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.config import NavigatorConfig
from agents.policies.state import rows
from agents.policies.views import BlindViews, DenseViews, WordViews, altered, build_views, word_weights
from vln.features.table import ViewTable, blind_table
from vln.graph import VIEWS, NavigationGraph

PLACES, WORDS, VOCABULARY, EMBEDDING, FEATURES, WIDTH = 7, 4, 12, 5, 6, 3
HERE = torch.tensor([2, 0, 6, 2])
BATCH = len(HERE)


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def word_views(random: torch.Generator, share: float = 0.0) -> WordViews:
    words = torch.randint(0, VOCABULARY, (PLACES, VIEWS, WORDS), generator=random)
    weights = torch.rand(words.shape, generator=random) * (words > 0)
    embedding = torch.randn(VOCABULARY, EMBEDDING, generator=random)
    return WordViews(words, weights, embedding, WIDTH, share)


def dense_views(random: torch.Generator, share: float = 0.0) -> DenseViews:
    return DenseViews(torch.randn(PLACES, VIEWS, FEATURES, generator=random).half(), WIDTH, share)


def embedded_words(views: WordViews, scales: Tensor) -> Tensor:
    """(B, 36, WIDTH): the vector of every word of every view, weighted and summed; scales (B, V) of the words."""
    words = views.words[HERE].long().view(BATCH, VIEWS, WORDS)
    weights = views.weights[HERE].view(BATCH, VIEWS, WORDS)
    kept = torch.stack([scale[row] for scale, row in zip(scales, words, strict=True)])
    return ((weights * kept)[..., None] * views.project(views.embedding[words])).sum(2)


def embedded_numbers(views: DenseViews, scales: Tensor) -> Tensor:
    """(B, 36, WIDTH): every view's features through the layer."""
    return views.embed(views.table[HERE].float() * scales[:, None])


KINDS = {"words": (word_views, embedded_words, VOCABULARY), "dense": (dense_views, embedded_numbers, FEATURES)}


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("kind", KINDS)
def test_matching_and_pooling_equal_embedding_every_view(kind, share, random):
    make, embed, features = KINDS[kind]
    views = make(random, share)
    cache = views.make_cache(BATCH)
    panorama = views.around(HERE, cache)
    embedded = embed(views, torch.ones(BATCH, features) if cache.scales is None else cache.scales)
    query, weights = torch.randn(BATCH, WIDTH, generator=random), torch.rand(BATCH, VIEWS, generator=random)
    torch.testing.assert_close(panorama.match(query), (embedded * query[:, None]).sum(-1))
    torch.testing.assert_close(panorama.pool(weights), (embedded * weights[..., None]).sum(1))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learnt_gets_its_gradient_through_either(kind, random):
    views = KINDS[kind][0](random)
    for look in ("match", "pool"):
        panorama = views.around(HERE, views.make_cache(BATCH))
        asked = torch.ones(BATCH, WIDTH) if look == "match" else torch.ones(BATCH, VIEWS)
        views.zero_grad()
        (getattr(panorama, look)(asked) ** 2).sum().backward()
        assert all(parameter.grad.any() for parameter in views.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_features_are_drawn_once_an_episode(kind, random):
    make, _, features = KINDS[kind]
    views = make(random, share=0.5)
    scales = views.make_cache(200).scales
    assert scales.shape == (200, features)
    assert set(scales.unique().tolist()) == {0.0, 2.0}  # what is left is scaled up
    assert scales.mean() == pytest.approx(1.0, abs=0.1)
    assert len(scales.unique(dim=0)) > 40  # each episode its own
    assert not torch.equal(scales, views.make_cache(200).scales)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_hidden_without_dropout_or_in_evaluation(kind, random):
    assert KINDS[kind][0](random).make_cache(BATCH).scales is None
    assert KINDS[kind][0](random, share=0.5).eval().make_cache(BATCH).scales is None


@pytest.mark.parametrize("kind", KINDS)
def test_altered_environments_hide_the_same_from_everyone(kind, random):
    make, _, features = KINDS[kind]
    views, others = make(random, share=0.5), make(random, share=0.25)
    numbers = torch.tensor([7, -1, 8, 7])
    scales = views.make_cache(BATCH, numbers).scales
    assert torch.equal(scales[0], scales[3])
    assert torch.equal(scales[[0, 2]], views.eval().make_cache(BATCH, numbers).scales[[0, 2]])  # not only when learning
    assert torch.equal(views.make_cache(BATCH, numbers).scales[1], torch.ones(features))  # the real one, in evaluation
    less = others.eval().make_cache(BATCH, numbers).scales
    assert not ((less[0] == 0) & (scales[0] != 0)).any()  # a smaller share hides a subset
    assert make(random, share=0.0).make_cache(BATCH, numbers).scales is None


def test_as_much_is_hidden_as_was_asked_for_and_no_two_environments_are_alike():
    scales = altered(torch.arange(300), 200, 0.3)
    assert scales.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    torch.testing.assert_close(scales.mean(1), torch.ones(300), atol=0.25, rtol=0)
    torch.testing.assert_close(scales.mean(0), torch.ones(200), atol=0.25, rtol=0)
    assert len(scales.unique(dim=0)) == 300


def test_the_rows_of_a_cache_hide_what_they_hid(random):
    cache = word_views(random, share=0.5).make_cache(BATCH)
    keep = torch.tensor([3, 1])
    assert torch.equal(rows(cache, keep).scales, cache.scales[keep])
    assert rows(cache, keep).vocabulary is cache.vocabulary


def test_blind_views_say_nothing():
    views = BlindViews(WIDTH)
    panorama = views.around(HERE, rows(views.make_cache(BATCH), torch.arange(BATCH)))
    assert torch.equal(panorama.match(torch.ones(BATCH, WIDTH)), torch.zeros(BATCH, VIEWS))
    assert torch.equal(panorama.pool(torch.ones(BATCH, VIEWS)), torch.zeros(BATCH, WIDTH))
    assert not list(views.parameters())


# --- words ---


def test_words_weigh_by_confidence_and_views_have_unit_length():
    attributes = np.zeros((1, 3, 4, 4), dtype=np.float16)
    attributes[0, 0, :2, 0] = 0.75, 1.0  # a view of two words
    attributes[0, 1, 0, 0] = 0.25  # of one
    attributes[0, :, :, 1:] = 0.5  # area and place do not matter
    weights = word_weights(attributes)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[0], [[0.6, 0.8, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], rtol=1e-6)


# --- from a table ---


def graphs() -> list[NavigationGraph]:
    """Two buildings of two viewpoints."""
    positions, adjacency = np.array([(0.0, 0, 0), (1, 0, 0)]), np.array([[False, True], [True, False]])
    return [
        NavigationGraph("one", ("a", "b"), positions, adjacency),
        NavigationGraph("two", ("a", "c"), positions, adjacency),
    ]


INDEX = {("two", "c"): 0, ("one", "b"): 1, ("two", "a"): 2, ("one", "a"): 3, ("three", "a"): 4}
ORDER = [3, 1, 2, 0]  # rows of the table in the order of the graphs' viewpoints


def test_views_are_in_the_order_of_the_viewpoints():
    dense = np.random.default_rng(0).normal(size=(len(INDEX), VIEWS, FEATURES)).astype(np.float16)
    views = build_views(ViewTable("d", "d", "", INDEX, dense=dense), graphs(), NavigatorConfig(), None)
    np.testing.assert_array_equal(views.table.numpy(), dense[ORDER])


def test_only_the_surest_words_of_a_view_are_read():
    random = np.random.default_rng(0)
    words = random.integers(1, VOCABULARY, (len(INDEX), VIEWS, WORDS)).astype(np.int16)
    attributes = np.sort(random.random((len(INDEX), VIEWS, WORDS, 4)), 2)[:, :, ::-1].astype(np.float16)
    table = ViewTable("w", "w", "", INDEX, None, words, attributes, ("<pad>",) * VOCABULARY)
    views = build_views(table, graphs(), NavigatorConfig(words=2), torch.zeros(VOCABULARY, EMBEDDING))
    np.testing.assert_array_equal(views.words.view(4, VIEWS, 2).numpy(), words[ORDER][:, :, :2])
    np.testing.assert_array_equal(views.weights.view(4, VIEWS, 2).numpy(), word_weights(attributes[ORDER][:, :, :2]))


def test_a_blind_table_gives_blind_views():
    assert isinstance(build_views(blind_table(), graphs(), NavigatorConfig(), None), BlindViews)
