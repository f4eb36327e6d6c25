"""Language models: input windows, code lengths of texts, learning, and sampling."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.speaking.corpus import Corpus
from agents.speaking.decoding import Decoding
from agents.speaking.language_model import LanguageModel, LanguageModelConfig
from agents.speaking.language_modelling import bits_per_character, nats
from agents.speaking.language_runs import build_language_trainer
from agents.speaking.windows import TextWindows, all_windows
from agents.speaking.writing import Writer
from vln.errors import InputError
from vln.language import EOS, PAD, SPECIALS, UNK, Vocabulary
from vln.spelling import Text

FIRST = len(SPECIALS)
CONFIG = LanguageModelConfig(
    text="made.txt", hidden=24, embedding=12, dropout=0.0, batch_size=4, sequence=16, min_count=1, iterations=60
)
CELLS = ("rnn", "lstm", "gru")


@pytest.fixture(autouse=True)
def one_thread():
    """As in training: vanishing numbers of Adam would slow it down 16 times."""
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def fresh(symbols: int = 9, **changes: object) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(replace(CONFIG, **changes), symbols).eval()


def made(count: int, symbols: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(FIRST, symbols, count)


# --- windows ---


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 5), st.integers(1, 20), st.integers(0, 9))
def test_windows_of_an_epoch_follow_one_another_and_read_each_symbol_once_at_most(lengths, readers, length, seed):
    numbers = np.arange(sum(lengths)) + FIRST
    documents = np.split(numbers, np.cumsum(lengths)[:-1])
    if len(numbers) < length:
        with pytest.raises(ValueError, match="fewer than"):
            TextWindows(documents, readers, length, seed)
        return
    windows = TextWindows(documents, readers, length, seed)
    for epoch in range(2):
        found = [windows.window(epoch * windows.per_epoch + place) for place in range(windows.per_epoch)]
        assert [each.first for each in found] == [True] + [False] * (windows.per_epoch - 1)
        inputs, targets = (torch.cat([getattr(each, name) for each in found], 1) for name in ("inputs", "targets"))
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        read = targets.flatten().tolist()
        assert len(set(read)) == len(read) > len(numbers) - windows.readers * length
        assert set(read) <= set(numbers.tolist())
    again = TextWindows(documents, readers, length, seed).window(windows.per_epoch)
    assert torch.equal(again.targets, windows.window(windows.per_epoch).targets)


@given(st.integers(1, 50), st.integers(1, 7), st.integers(1, 9))
def test_the_windows_of_a_whole_text_read_all_of_it_once(count, readers, length):
    symbols = made(count)
    found = all_windows(symbols, readers, length)
    targets, inputs = (torch.cat([getattr(each, name) for each in found], 1) for name in ("targets", "inputs"))
    kept = targets.flatten()[targets.flatten() != PAD]
    assert kept.tolist() == symbols.tolist()
    assert inputs.flatten()[:count].tolist() == [EOS, *symbols[:-1].tolist()]


# --- costs ---


@pytest.mark.parametrize("cell", CELLS)
def test_a_uniform_model_costs_the_logarithm_of_the_number_of_symbols(cell):
    model = fresh(cell=cell, layers=2)
    with torch.no_grad():
        model.word.weight.zero_()
    text = Text(made(1000), 1000, 0.0)
    assert bits_per_character(model, text) == pytest.approx(math.log2(9 - 1), abs=1e-4)  # padding is never said


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_carrying_the_state_on_is_reading_in_one_go(cell):
    model = fresh(cell=cell, layers=2)
    symbols = made(40)
    (long,), short = all_windows(symbols, 2, 20), all_windows(symbols, 2, 7)
    expected, _ = nats(model, long, model.begin(2))
    state, found = model.begin(2), []
    for window in short:
        losses, state = nats(model, window, state)
        found.append(losses)
    torch.testing.assert_close(torch.cat(found, 1), expected)
    state = model.begin(2)
    for place in range(20):
        log_probs, state = model.step(long.inputs[:, place], state)
        torch.testing.assert_close(-log_probs.gather(1, long.targets[:, place, None])[:, 0], expected[:, place])


# --- learning ---


def corpus(text: str, **changes: object) -> Corpus:
    cut = len(text) * 9 // 10
    return Corpus(replace(CONFIG, **changes), [text[:cut]], {"last tenth": [text[cut:]]})


def trained(found: Corpus, folder: Path) -> LanguageModel:
    """A model that has learnt a text."""
    torch.manual_seed(0)
    trainer = build_language_trainer(found, Writer(found.vocabulary, ends=False), folder, "cpu")
    for _ in range(found.config.iterations):
        trainer.update()
    return trainer.model.eval()


@pytest.mark.parametrize("unit", ["character", "word"])
def test_a_periodic_text_comes_to_cost_nothing(unit, tmp_path):
    found = corpus("go to the red bed.\n" * 40, unit=unit, learning_rate=2e-2)
    model = trained(found, tmp_path)
    text = found.texts()["last tenth"]
    symbols = found.windows().window(0)
    untold = bits_per_character(fresh(len(found.vocabulary)), text)
    assert bits_per_character(model, text) < 0.1 * untold
    with torch.no_grad():
        losses, _ = nats(model, symbols, model.begin(len(symbols.inputs)))
    assert float(losses[:, 8:].mean()) < 0.05
    writer = Writer(found.vocabulary, False, "go to", Decoding("sample", 0.0), 14)
    assert writer(model)[0].startswith("go to the red bed.")


# --- writing ---

VOCABULARY = Vocabulary((*SPECIALS, "a", "b", "c", "\n", "d", "e"), "raw character")


def written(model: LanguageModel, count: int = 2, **settings: object) -> list[str]:
    return Writer(VOCABULARY, **{"ends": True, "length": 20, **settings})(model, count)


@pytest.fixture(scope="module")
def lively() -> LanguageModel:
    model = fresh()
    with torch.no_grad():
        for weight in model.parameters():  # far from uniform
            weight.mul_(3.0)
    return model


def test_samples_come_from_the_seed_and_begin_with_the_prime_text(lively):
    found = written(lively, prime="ab", seed=1, decoding=Decoding("sample", 1.0))
    assert found == written(lively, prime="ab", seed=1, decoding=Decoding("sample", 1.0))
    assert found != written(lively, prime="ab", seed=2, decoding=Decoding("sample", 1.0))
    assert all(text.startswith("ab") and 2 < len(text) <= 22 for text in found)


def test_a_temperature_of_zero_is_greedy(lively):
    cold = written(lively, decoding=Decoding("sample", 0.0), seed=1)
    assert cold == written(lively, decoding=Decoding("greedy"), seed=2)
    assert cold[0] == cold[1]


@torch.no_grad()
def test_the_prime_text_is_heard(lively):
    (text,) = written(lively, 1, prime="abc", decoding=Decoding("greedy"), length=1)
    state = lively.begin(1)
    for symbol in (EOS, *(VOCABULARY.lookup[each] for each in "abc")):
        log_probs, state = lively.step(torch.tensor([symbol]), state)
    log_probs[:, [PAD, UNK, EOS]] = -torch.inf
    assert text == f"abc{VOCABULARY.symbols[int(log_probs.argmax())]}"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prime": "abж"}, "--prime: 'ж' is not in the vocabulary"),
        ({"length": 0}, "--length"),
        ({"decoding": Decoding("sample", -1.0)}, "--temperature"),
        ({"decoding": Decoding("sample", math.nan)}, "--temperature"),
    ],
)
def test_what_cannot_be_written_is_told_of(lively, settings, told):
    with pytest.raises(InputError, match=told):
        written(lively, **settings)
