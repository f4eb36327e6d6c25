"""Training a speaker: resumed runs equal uninterrupted ones, and a run without progress stops early."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from learners import small_caption_config, small_speaker_world

from agents.config import CaptionConfig
from agents.speaking.captioning import CaptionTrainer
from agents.speaking.demonstrations import SpeakerData
from agents.speaking.runs import build_caption_trainer
from agents.training import log
from agents.training.checkpoint import BEST, LATEST, load_checkpoint
from vln.errors import InputError
from vln.files import read_json_lines

CONFIG = small_caption_config()
# Dropout, so that chance matters.
DROPOUT = replace(CONFIG.speaker, dropout=0.3, feature_dropout=0.3)


@pytest.fixture(scope="module")
def world(small_data) -> SpeakerData:
    return small_speaker_world(small_data, replace(CONFIG, speaker=DROPOUT))


def fresh(world: SpeakerData, folder: Path) -> CaptionTrainer:
    """A trainer as the script makes it."""
    torch.manual_seed(world.config.seed)
    return build_caption_trainer(world, folder, "cpu", ("val_seen", "val_unseen"))


def rows(folder: Path) -> list[dict[str, object]]:
    """The log but for the clock."""
    clock = ("seconds", "steps_per_second")
    found = [row for _, row in read_json_lines(folder / "metrics.jsonl")]
    return [{name: value for name, value in row.items() if name not in clock} for row in found]


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "EVERY", 3)
        fresh(world, folder).train()
    return folder


def pressing(
    trainer: CaptionTrainer, iteration: int
) -> Callable[[str], AbstractContextManager[Callable[[], list[int]]]]:
    """What Ctrl-C after an update does to `deferred_signals`."""
    return lambda _answer: nullcontext(lambda: [signal.SIGINT] * (trainer.iteration == iteration))


@pytest.mark.parametrize("stops", [[2], [1, 4, 5]], ids=str)
def test_an_interrupted_run_ends_bit_for_bit_like_the_uninterrupted_one(world, whole, tmp_path, monkeypatch, stops):
    monkeypatch.setattr(log, "EVERY", 3)
    for number, stop in enumerate([*stops, None]):
        trainer = fresh(world, tmp_path)
        if number:
            trainer.resume(load_checkpoint(tmp_path / LATEST))
        if stop is None:
            trainer.train()
            break
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("agents.training.base.deferred_signals", pressing(trainer, stop))
            trainer.train()
        assert load_checkpoint(tmp_path / LATEST).state["iteration"] == stop
        torch.rand(7)  # what else a process may have drawn
    for name in (LATEST, BEST):
        one, other = load_checkpoint(tmp_path / name), load_checkpoint(whole / name)
        assert one.tensors.keys() == other.tensors.keys()
        assert all(torch.equal(value, other.tensors[tensor]) for tensor, value in one.tensors.items())
        assert {**one.state, "seconds": 0} == {**other.state, "seconds": 0}
    assert rows(tmp_path) == rows(whole)


def test_the_log_has_losses_bleu_and_chrf(whole):
    found = rows(whole)
    assert {row["group"] for row in found} == {"train", "val_seen", "val_unseen"}
    for row in found:
        assert (
            {"loss", "gradient_norm"} <= row.keys()
            if row["group"] == "train"
            else {"loss", "BLEU", "chrF"} <= row.keys()
        )


def test_a_run_that_gets_no_better_stops(world, tmp_path):
    config = replace(world.config, iterations=40, evaluate_every=2, patience=3)
    trainer = fresh(replace(world, config=config), tmp_path)
    losses = iter([5.0, 3.0, 4.0, 3.0, 3.5, 1.0])
    trainer._evaluate = lambda: {"val_unseen": {"BLEU": 1.0, "loss": next(losses)}}
    trainer.train()
    assert (trainer.iteration, trainer.best) == (10, -3.0)
    assert load_checkpoint(tmp_path / BEST).state["iteration"] == 4
    again = fresh(replace(world, config=config), tmp_path)
    again.resume(load_checkpoint(tmp_path / LATEST))
    again.train()
    assert again.iteration == 10


def test_only_the_same_run_is_resumed(world, whole, tmp_path):
    for changed, told in ((replace(world.config, seed=1), "'seed' is 0, not 1"), (world.config, "vocabulary")):
        vocabulary = replace(world.data.vocabulary, symbols=world.data.vocabulary.symbols[:-1])
        other = replace(world, config=changed)
        if changed is world.config:
            other = replace(world, data=replace(world.data, vocabulary=vocabulary))
        with pytest.raises(InputError, match=told):
            fresh(other, tmp_path).resume(load_checkpoint(whole / LATEST))


def test_a_loss_that_is_no_number_ends_the_run(world, tmp_path):
    trainer = fresh(world, tmp_path)
    with torch.no_grad():
        trainer.speaker.output_bias.fill_(torch.nan)
    with pytest.raises(InputError, match="the loss is nan at iteration 0"):
        trainer.update()


def test_the_loss_goes_down(world, tmp_path):
    trainer = fresh(replace(world, config=replace(CONFIG, iterations=30)), tmp_path)
    losses = [trainer.update()["loss"] for _ in range(30)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_a_configuration_is_read_back(tmp_path):
    assert isinstance(CONFIG, CaptionConfig)
    assert CONFIG.navigator.language.max_length == CONFIG.text.max_length
    assert CONFIG.navigator.navigator.view == CONFIG.speaker.view
