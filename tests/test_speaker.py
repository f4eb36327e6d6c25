"""The speaker: its inputs, its sentences, their probabilities, and learning to name passed landmarks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learners import small_caption_config, small_houses_config, small_speaker_world, wordless
from torch import Tensor

from agents.config import CaptionConfig
from agents.learners.recording import ExpertActor, record
from agents.speaking.decoding import Decoding, speak
from agents.speaking.demonstrations import SpeakerData
from agents.speaking.speaker import Memory, Speaker
from agents.speaking.speaker_inputs import MOVE, GraphRoutes, Routes, recorded_routes
from agents.training.optimization import OptimizerStep
from envs.make import make_env
from vln.errors import InputError
from vln.language import EOS, PAD, UNK

EPISODES = np.array([3, 17, 20, 26, 33, 39])
Case = tuple[Speaker, Routes, Tensor]
WORLDS = ("graph", "houses", "letters", "blind")
LONGEST = 12


class Worlds(dict[str, SpeakerData]):
    """Worlds by name, opened when they are asked for: houses take seconds."""

    def __init__(self, data: Path, cache: Path) -> None:
        super().__init__()
        self._data, self._cache = data, cache

    def __missing__(self, name: str) -> SpeakerData:
        self[name] = small_speaker_world(self._data, self._config(name), self._cache)
        return self[name]

    def _config(self, name: str) -> CaptionConfig:
        if name == "letters":
            return small_caption_config(text=wordless(unit="character", max_length=90))
        if name == "houses":
            return small_houses_config(max_steps=LONGEST)
        return small_caption_config(ablate="vision" if name == "blind" else "nothing")


class Cases(dict[str, Case]):
    """A speaker of each world, routes, and what people said of them."""

    def __init__(self, worlds: Worlds) -> None:
        super().__init__()
        self._worlds = worlds

    def __missing__(self, name: str) -> Case:
        told = self._worlds[name].captioned("train")
        self[name] = fresh(self._worlds[name]), told.demonstrations.routes(EPISODES), told.tokens[EPISODES]
        return self[name]


@pytest.fixture(autouse=True)
def flushed() -> Iterator[None]:
    """As in training: vanishing numbers of Adam would slow it down 16 times."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def worlds(small_data, tmp_path_factory) -> Worlds:
    return Worlds(small_data, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def cases(worlds) -> Cases:
    return Cases(worlds)


@pytest.fixture(params=WORLDS)
def case(request, cases) -> Case:
    return cases[request.param]


def fresh(world: SpeakerData, seed: int = 0) -> Speaker:
    torch.manual_seed(seed)
    speaker = world.speaker().eval()
    with torch.no_grad():
        for weight in speaker.parameters():  # far from uniform, so that searches differ
            weight.mul_(3.0)
    return speaker


# --- routes ---


def test_routes_of_paths_are_those_of_an_expert_that_walks_them(worlds):
    env = make_env(worlds["graph"].data, "train", len(EPISODES), tensors=True)
    recording = record(env, EPISODES, ExpertActor(), torch.zeros(len(EPISODES), dtype=torch.bool))
    lived, looked_up = recorded_routes(recording), worlds["graph"].demonstrations("train").routes(EPISODES)
    assert torch.equal(lived.mask, looked_up.mask)
    assert torch.equal(lived.view, looked_up.view)
    assert torch.equal(lived.frames["viewpoint"], looked_up.frames["viewpoint"])
    torch.testing.assert_close(lived.action, looked_up.action, atol=1e-5, rtol=1e-5)
    turns = (lived.frames["heading"] - looked_up.frames["heading"]).cos()
    torch.testing.assert_close(turns, torch.ones_like(turns))


def test_a_route_of_one_viewpoint_is_a_stop(worlds):
    graph = worlds["graph"].data.source.graphs[0]
    route = GraphRoutes([graph]).of([(graph.scan, graph.viewpoints[:1] * 2, 1.0)])
    assert route.mask.tolist() == [[True]]
    assert route.view.tolist() == [[-1]]
    assert route.action[0, 0, -1] == 1


@pytest.mark.parametrize(
    ("scan", "path", "told"),
    [("nowhere", ["a"], "'nowhere' is not known"), (None, [], "is empty"), (None, ["a"], "breaks at step 0")],
)
def test_paths_that_cannot_be_walked_are_told_of(worlds, scan, path, told):
    graph = worlds["graph"].data.source.graphs[0]
    with pytest.raises(InputError, match=told):
        GraphRoutes([graph]).of([(scan or graph.scan, path, 0.0)])


def test_routes_do_not_depend_on_the_padding_of_others(case):
    speaker, routes, tokens = case
    together = speaker.log_prob(routes, tokens)
    alone = [speaker.log_prob(routes.rows(torch.tensor([row])), tokens[row : row + 1]) for row in range(len(tokens))]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


# --- the critic ---


def by_hand(speaker: Speaker, memory: Memory, sentence: list[int]) -> float:
    """The mean log-probability of a sentence, word by word."""
    last, state, total = torch.tensor([EOS]), speaker.begin(memory), 0.0
    for word in sentence:
        log_probs, state = speaker.step(last, state, memory)
        assert float(log_probs.exp().sum()) == pytest.approx(1, abs=1e-4)
        total += float(log_probs[0, word])
        last = torch.tensor([word])
    return total / len(sentence)


@torch.no_grad()
def test_log_prob_is_the_mean_over_the_steps_of_the_decoder(case):
    speaker, routes, tokens = case
    found = speaker.log_prob(routes, tokens)
    memory = speaker.read(routes)
    for row, sentence in enumerate(tokens.tolist()):
        words = [word for word in sentence if word != PAD]
        assert words[-1] == EOS
        assert float(found[row]) == pytest.approx(by_hand(speaker, memory.rows(torch.tensor([row])), words), abs=1e-4)


@pytest.mark.parametrize("name", ["graph", "houses", "letters"])
def test_the_critic_has_gradients_of_everything(cases, name):
    speaker, routes, tokens = cases[name]
    speaker.zero_grad()
    speaker.log_prob(routes, tokens).sum().backward()
    assert all(weight.grad is not None for weight in speaker.parameters())


def test_a_sentence_without_words_is_refused(case):
    speaker, routes, tokens = case
    for empty in (torch.full_like(tokens, PAD), torch.full_like(tokens, PAD).index_fill(1, torch.tensor([0]), EOS)):
        with pytest.raises(InputError, match="is empty"):
            speaker.log_prob(routes, empty)


def test_routes_of_another_world_are_refused(cases):
    graph, houses = (cases[name] for name in ("graph", "houses"))
    for (speaker, _, _), (_, routes, _) in ((graph, houses), (houses, graph)):
        with pytest.raises(InputError, match="give routes of the speaker's own world"):
            speaker.read(routes)
    speaker, routes, _ = graph
    assert speaker.actions == MOVE
    with pytest.raises(InputError, match=f"actions have {MOVE + 1} numbers"):
        speaker.read(replace(routes, action=torch.nn.functional.pad(routes.action, (0, 1))))


# --- words ---

METHODS = (Decoding(), Decoding("sample", 0.7, 0.9), Decoding("sample"), Decoding("beam", beams=4))


@pytest.mark.parametrize("decoding", METHODS, ids=str)
def test_sentences_have_words_and_one_end_and_the_log_prob_of_the_critic(case, decoding):
    speaker, routes, _ = case
    found = speak(speaker, speaker.read(routes), decoding, LONGEST, torch.Generator().manual_seed(0))
    torch.testing.assert_close(speaker.log_prob(routes, found.tokens).detach(), found.log_prob, atol=1e-4, rtol=1e-4)
    for sentence in found.tokens.tolist():
        words = [word for word in sentence if word != PAD]
        assert 2 <= len(words) <= LONGEST
        assert words.count(EOS) == 1
        assert words[-1] == EOS
        assert UNK not in words
        assert sentence[: len(words)] == words


def test_a_beam_of_one_is_greedy_and_wider_ones_find_no_worse(case):
    speaker, routes, _ = case
    memory = speaker.read(routes)
    greedy, one, wide = (
        speak(speaker, memory, decoding, LONGEST)
        for decoding in (Decoding(), Decoding("beam", beams=1), Decoding("beam", beams=6))
    )
    assert torch.equal(greedy.tokens, one.tokens)
    torch.testing.assert_close(greedy.log_prob, one.log_prob)
    assert (wide.log_prob >= greedy.log_prob).all()


def test_the_widest_beam_finds_the_likeliest_of_all_short_sentences(cases):
    speaker, routes, _ = cases["graph"]
    memory = speaker.read(routes.rows(torch.tensor([0])))
    vocabulary = len(speaker.output_bias)
    every = torch.cartesian_prod(torch.arange(EOS + 1, vocabulary), torch.arange(EOS, vocabulary))
    tokens = torch.nn.functional.pad(every, (0, 1), value=EOS)
    tokens[every[:, 1] == EOS, 2] = PAD
    with torch.no_grad():
        best = speaker.fit(memory.rows(torch.zeros(len(tokens), dtype=torch.int64)), tokens).max()
    found = speak(speaker, memory, Decoding("beam", beams=vocabulary), 3)
    assert float(found.log_prob[0]) == pytest.approx(float(best), abs=1e-5)


def test_cold_and_narrow_sampling_is_greedy_and_seeds_decide(case):
    speaker, routes, _ = case
    memory = speaker.read(routes)

    def drawn(seed: int, **settings: float) -> list[list[int]]:
        random = torch.Generator().manual_seed(seed)
        return speak(speaker, memory, Decoding("sample", **settings), LONGEST, random).tokens.tolist()

    greedy = speak(speaker, memory, Decoding(), LONGEST).tokens.tolist()
    assert drawn(0, temperature=1e-4) == drawn(0, temperature=0.0) == drawn(0, top_p=1e-6) == greedy
    assert drawn(1, temperature=2.0) == drawn(1, temperature=2.0) != drawn(2, temperature=2.0)


@pytest.mark.parametrize(
    ("decoding", "flag"),
    [(Decoding(temperature=-1), "temperature"), (Decoding(top_p=1.5), "top-p"), (Decoding(beams=0), "beams")],
)
def test_decodings_out_of_range_are_told_of(cases, decoding, flag):
    speaker, routes, _ = cases["graph"]
    with pytest.raises(InputError, match=f"--{flag}"):
        speak(speaker, speaker.read(routes), decoding, LONGEST)
    with pytest.raises(InputError, match="no room for a word"):
        speak(speaker, speaker.read(routes), Decoding(), 1)


@given(st.integers(0, 5), st.integers(2, 8), st.integers(0, 10_000))
def test_sampled_sentences_are_never_too_long(cases, row, longest, seed):
    speaker, routes, _ = cases["graph"]
    memory = speaker.read(routes.rows(torch.tensor([row])))
    found = speak(speaker, memory, Decoding("sample", 3.0), longest, torch.Generator().manual_seed(seed))
    assert found.tokens.shape[1] <= longest
    assert found.tokens[0, -1] == EOS


# --- learning ---


def share_said_right(speaker: Speaker, routes: Routes, tokens: Tensor, max_length: int) -> float:
    """Share of the routes whose sentence greedy decoding says word for word."""
    found = speak(speaker.eval(), speaker.read(routes), Decoding(), max_length).tokens
    speaker.train()
    longest = max(found.shape[1], tokens.shape[1])
    said, meant = (torch.nn.functional.pad(each, (0, longest - each.shape[1])) for each in (found, tokens))
    return float((said == meant).all(1).float().mean())


@pytest.mark.parametrize("name", ["graph", "houses"])
def test_it_learns_to_name_what_is_passed(worlds, name):
    """How many updates it takes depends on how the processor rounds; that it learns does not."""
    world = worlds[name]
    told = world.captioned("train")
    episodes = np.arange(0, 40, 5)
    routes, tokens = told.demonstrations.routes(episodes), told.tokens[episodes]
    torch.manual_seed(0)
    speaker, max_length = world.speaker(), world.config.text.max_length
    assert share_said_right(speaker, routes, tokens, max_length) == 0  # untrained
    optimizer = OptimizerStep(speaker, 1e-2, 5.0)
    for update in range(1, 401):
        optimizer.backward(-speaker.log_prob(routes, tokens).mean())
        optimizer.step()
        if update % 40 == 0 and share_said_right(speaker, routes, tokens, max_length) == 1:
            break
    speaker.eval()
    assert share_said_right(speaker, routes, tokens, max_length) > 0.8
    # The critic knows which sentence belongs to which route.
    memory = speaker.read(routes)
    every = torch.arange(len(episodes))
    pairs = speaker.fit(memory.rows(every.repeat_interleave(len(every))), tokens.repeat(len(every), 1))
    assert (pairs.view(len(every), -1).argmax(1) == every).float().mean() > 0.8
    assert (pairs.view(len(every), -1).argmax(0) == every).float().mean() > 0.8


def test_words_that_are_seen_are_likelier_to_be_said(cases):
    speaker, routes, _ = cases["graph"]
    memory = speaker.read(routes)
    assert memory.seen is not None
    assert memory.seen[routes.mask].sum(1).gt(0).all()
    assert memory.seen[..., :3].eq(0).all()
    start = torch.full((len(routes),), EOS)
    with torch.no_grad():
        copied, _ = speaker.step(start, speaker.begin(memory), memory)
        plain, _ = speaker.step(start, speaker.begin(memory), replace(memory, seen=None))
    seen = memory.seen.amax(1) > 0
    gain = (copied - plain)[:, 1:]
    assert gain[seen[:, 1:]].mean() > gain[~seen[:, 1:]].mean()
