"""The trainer: it learns, resumed runs equal uninterrupted ones, and failed runs lose nothing."""

import json
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from learners import SMALL_NAVIGATOR, World, episodes, small_config, small_world
from trainers import before_update, few, fresh, mean, press_ctrl_c, rows

from agents.config import LossConfig
from agents.training import log
from agents.training.average import move_average
from agents.training.checkpoint import BEST, LATEST, load_checkpoint
from agents.training.trainer import Trainer
from vln.errors import InputError
from vln.language import Vocabulary

# Dropout, so that chance matters; 6 updates of imitation, 5 of reinforcement.
CONFIG = small_config(
    policy=replace(SMALL_NAVIGATOR, dropout=0.3, feature_dropout=0.3),
    reinforcement=episodes(5, 3e-3, 0.25, LossConfig(student=0.0, policy=1.0)),
    evaluate_every=4,
)
FAST = replace(SMALL_NAVIGATOR, hidden=32, view=16)


@pytest.fixture(scope="module")
def world(small_data) -> World:
    return small_world(small_data, CONFIG)


# --- resuming ---


@pytest.fixture(scope="module", params=["adam", "muon"])
def optimised(request, world) -> World:
    """The world of runs with an optimiser."""
    return replace(world, config=replace(CONFIG, optimizer=request.param))


@pytest.fixture(scope="module")
def whole(optimised, tmp_path_factory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "EVERY", 3)
        fresh(optimised, folder).train()
    return folder


# 1 is before the first evaluation, 2 and 5 are inside a line of the log, 4 is an evaluation, 6 the end of imitation, 7
# and 10 are inside reinforcement.
@pytest.mark.parametrize("stops", [[2], [6], [1, 4, 5, 7, 10]], ids=str)
def test_an_interrupted_run_ends_bit_for_bit_like_the_uninterrupted_one(optimised, whole, tmp_path, monkeypatch, stops):
    monkeypatch.setattr(log, "EVERY", 3)
    parts = {"model", "average", "optimizer", "random", *({"muon"} if optimised.config.optimizer == "muon" else ())}
    for stop in [*stops, None]:
        trainer = fresh(optimised, tmp_path)
        if stop != stops[0]:
            trainer.resume(load_checkpoint(tmp_path / LATEST))
        if stop is None:
            trainer.train()
            break
        before_update(trainer, stop, press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        assert load_checkpoint(tmp_path / LATEST).state["iteration"] == stop
        torch.rand(7)  # what else a process may have drawn
    for name in (LATEST, BEST):
        one, other = load_checkpoint(tmp_path / name), load_checkpoint(whole / name)
        assert one.tensors.keys() == other.tensors.keys()
        assert {part.split(".")[0] for part in one.tensors} == parts
        for tensor, value in one.tensors.items():
            assert torch.equal(value, other.tensors[tensor]), tensor
        assert {**one.state, "seconds": 0} == {**other.state, "seconds": 0}
    assert rows(tmp_path) == rows(whole)


def test_the_log_has_a_line_every_few_updates_a_last_one_and_every_evaluation(whole):
    found = [(row["iteration"], row["group"]) for row in rows(whole)]
    expected = [(3, "train"), (4, "val_unseen"), (6, "train"), (8, "val_unseen"), (9, "train"), (11, "train")]
    assert found == [*expected, (11, "val_unseen")]
    for row in rows(whole):
        names = {"loss", "success", "return", "gradient_norm"} if row["group"] == "train" else {"SR", "SPL", "nDTW"}
        assert names <= row.keys()
    assert list((whole / "tensorboard").iterdir())


def test_a_line_of_the_log_is_the_mean_of_its_updates(world, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 4)
    trainer = fresh(replace(world, config=replace(CONFIG, evaluate_every=100)), tmp_path)
    losses, update = [], trainer.update

    def note() -> dict[str, float]:
        numbers = update()
        losses.append(numbers["loss"])
        return numbers

    trainer.update = note
    trainer.train()
    means = [row["loss"] for row in rows(tmp_path) if row["group"] == "train"]
    lines = losses[:4], losses[4:8], losses[8:]
    assert means == pytest.approx([sum(line) / len(line) for line in lines], abs=1e-5)


def test_a_killed_run_goes_on_from_its_last_evaluation_with_a_clean_log(optimised, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 3)
    trainer = fresh(optimised, tmp_path)

    def die() -> None:
        raise MemoryError

    before_update(trainer, 8, die)
    with pytest.raises(MemoryError):
        trainer.train()
    assert rows(tmp_path)[-1]["iteration"] == 6
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 7, "gro')  # the power went in the middle of a line
    trainer = fresh(optimised, tmp_path)
    trainer.resume(load_checkpoint(tmp_path / LATEST))
    assert trainer.iteration == 4
    trainer.train()
    assert rows(tmp_path) == rows(whole)


def test_a_run_can_be_killed_at_any_time(optimised, whole, tmp_path, monkeypatch):
    """Before the first update, and long before an evaluation once some time has gone by."""
    monkeypatch.setattr(log, "EVERY", 3)
    monkeypatch.setattr("agents.training.base.SAVE_EVERY", 0.0)

    def die() -> None:
        raise MemoryError

    for done in (0, 2):
        trainer = fresh(optimised, tmp_path)
        if done:
            trainer.resume(load_checkpoint(tmp_path / LATEST))
        before_update(trainer, done + 1, die)
        with pytest.raises(MemoryError):
            trainer.train()
        assert load_checkpoint(tmp_path / LATEST).state["iteration"] == done
    trainer = fresh(optimised, tmp_path)
    trainer.resume(load_checkpoint(tmp_path / LATEST))
    trainer.train()
    one, other = load_checkpoint(tmp_path / LATEST), load_checkpoint(whole / LATEST)
    assert all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())
    assert rows(tmp_path) == rows(whole)


def test_a_finished_run_resumes_to_nothing(optimised, whole, tmp_path):
    for path in whole.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    trainer = fresh(optimised, tmp_path)
    trainer.resume(load_checkpoint(tmp_path / LATEST))
    trainer.train()
    assert (tmp_path / LATEST).read_bytes() == (whole / LATEST).read_bytes()
    assert rows(tmp_path) == rows(whole)


def test_another_configuration_is_named(optimised, whole, tmp_path):
    other = replace(optimised, config=optimised.config.with_phase("imitation", learning_rate=5e-3))
    problem = "field 'phases.imitation.learning_rate' is 0.01, not 0.005; resume with the flags the run started"
    with pytest.raises(InputError, match=problem):
        fresh(other, tmp_path).resume(load_checkpoint(whole / LATEST))


@pytest.mark.parametrize("field", ["vocabulary", "features"])
def test_other_data_are_named(optimised, whole, tmp_path, field):
    data = optimised.data
    if field == "vocabulary":
        other = Vocabulary(tuple(dict.fromkeys([*data.vocabulary.symbols[:-1], "other"])))
        data = replace(data, vocabulary=other)
    else:
        source = copy(data.source)
        source.table = replace(source.table, source_hash="other")
        data = replace(data, source=source)
    with pytest.raises(InputError, match=rf"{LATEST}: hash field '{field}' is '\w+', not .*; use the data"):
        fresh(replace(optimised, data=data), tmp_path).resume(load_checkpoint(whole / LATEST))


def test_weights_of_another_architecture_are_named_and_change_nothing(optimised, whole, tmp_path):
    wide = replace(optimised, config=replace(CONFIG, policy=replace(CONFIG.navigator, hidden=20)))
    trainer = fresh(wide, tmp_path)
    before = {name: value.clone() for name, value in trainer.policy.state_dict().items()}
    with pytest.raises(InputError, match=r"tensor 'choose_content.weight' has shape \(12, 52\), but .*: another"):
        trainer.start_from(load_checkpoint(whole / BEST))
    assert all(torch.equal(value, before[name]) for name, value in trainer.policy.state_dict().items())


def test_another_run_starts_from_the_averaged_weights(optimised, whole, tmp_path):
    trainer, checkpoint = fresh(optimised, tmp_path), load_checkpoint(whole / BEST)
    trainer.start_from(checkpoint)
    average = checkpoint.part("average")
    assert all(torch.equal(value, average[name]) for name, value in trainer.policy.state_dict().items())
    assert all(torch.equal(value, average[name]) for name, value in trainer.average.items())
    assert trainer.iteration == 0


# --- checkpoints ---


def test_the_best_checkpoint_is_that_of_the_best_spl_on_the_selecting_split(world, tmp_path):
    trainer = fresh(world, tmp_path)
    trainer.log.rewind(0)
    kept = []
    for iteration, spl in enumerate((0.2, 0.5, 0.4, 0.5, 0.6), start=1):
        trainer.iteration = iteration
        trainer._evaluate = lambda spl=spl: {
            "val_unseen": {"SPL": spl, "SR": 0.0},
            "val_seen": {"SPL": 1 - spl, "SR": 0.0},
        }
        trainer.evaluate()
        kept.append(load_checkpoint(tmp_path / BEST).state["iteration"])
        assert load_checkpoint(tmp_path / LATEST).state["iteration"] == iteration
    assert kept == [1, 2, 2, 2, 5]
    assert trainer.best == 0.6


def test_what_is_evaluated_and_kept_are_the_averaged_weights(world, tmp_path):
    trainer = fresh(world, tmp_path)
    with torch.no_grad():
        for value in trainer.average.values():
            value.fill_(0.25)
    own = {name: value.clone() for name, value in trainer.policy.state_dict().items()}
    with trainer.averaged():
        assert all((value == 0.25).all() for value in trainer.policy.state_dict().values())
    with pytest.raises(RuntimeError), trainer.averaged():
        raise RuntimeError
    assert all(torch.equal(value, own[name]) for name, value in trainer.policy.state_dict().items())


def test_the_average_is_a_mean_at_first_and_then_decays(world, tmp_path):
    trainer = fresh(world, tmp_path)
    weights = trainer.policy.start.bias
    expected = weights.detach().clone()
    for iteration in range(120):
        trainer.iteration = iteration
        with torch.no_grad():
            weights.fill_(float(iteration))
        move_average(trainer.average, trainer.policy, trainer.config.average, iteration)
        decay = min(0.9, iteration / (iteration + 10))
        expected = decay * expected + (1 - decay) * iteration
        torch.testing.assert_close(trainer.average["start.bias"], expected)


def test_the_step_size_falls_linearly_in_each_phase(world, tmp_path):
    trainer, found = fresh(world, tmp_path), []
    for iteration in range(trainer.iterations):
        trainer.iteration = iteration
        found.append(trainer.learning_rate())
    imitation = [1e-2 * (1 - 0.9 * step / 6) for step in range(6)]
    assert found == pytest.approx([*imitation, *(3e-3 * (1 - 0.9 * step / 5) for step in range(5))])


# --- what goes wrong ---


def spoil_value(trainer: Trainer) -> None:
    trainer.policy.value[2].bias[0] = torch.nan


def spoil_policy(trainer: Trainer) -> None:
    trainer.policy.core.cells[0].weight_hh[0, 0] = torch.inf


def spoil_gradient(trainer: Trainer) -> None:
    trainer.policy.start.bias.register_hook(lambda gradient: gradient * torch.nan)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoil_value, "the loss is nan"),
        (spoil_policy, "a probability of the policy is nan"),
        (spoil_gradient, "the norm of the gradient is nan"),
    ],
)
def test_numbers_that_are_none_end_the_run_and_overwrite_nothing(world, tmp_path, spoil, problem):
    trainer = fresh(world, tmp_path)

    def act() -> None:
        with torch.no_grad():
            spoil(trainer)

    before_update(trainer, 6, act)
    with pytest.raises(InputError, match=rf"{problem} at iteration 5; start another run --start-from .*{LATEST}"):
        trainer.train()
    checkpoint = load_checkpoint(tmp_path / LATEST)
    assert checkpoint.state["iteration"] == 4
    assert all(value.isfinite().all() for value in checkpoint.part("model").values())
    assert trainer.iteration == 5


def test_numbers_that_are_none_stay_out_of_the_log(world, tmp_path):
    """Without an acting student there is no variance to explain, and JSON has no word for it."""
    config = replace(CONFIG, phases={"imitation": episodes(2, 1e-3, 1.0)})
    fresh(replace(world, config=config), tmp_path).train()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    row = json.loads(lines[0], parse_constant=pytest.fail)
    assert "explained_variance" not in row
    assert row["teacher"] > 0


# --- learning learns ---


def test_imitation_learns_ten_episodes_by_heart(small_data, tmp_path):
    config = small_config(policy=FAST, batch_size=10, imitation=episodes(200, 1e-2, 0.5))
    trainer = fresh(few(small_data, config), tmp_path, ())
    history = [trainer.update() for _ in range(30)]
    assert history[0]["success"] < 0.5
    assert mean(history[-5:], "success") > 0.8  # of sampled actions, of which a rare one may still be wrong
    assert mean(history[-5:], "teacher") < 0.1 * history[0]["teacher"]
    assert mean(history[-5:], "loss") < 0.2 * history[0]["loss"]
    assert mean(history[-5:], "progress") < history[0]["progress"]


def test_the_sequence_to_sequence_agent_learns_low_level_actions(small_data, tmp_path):
    plain = replace(FAST, panorama=False, cross_modal=False, alignment=False, visited=False)
    config = small_config(
        actions="low-level", policy=plain, max_steps=24, imitation=episodes(200, 1e-2, 0.5), batch_size=8
    )
    trainer = fresh(few(small_data, config, 2), tmp_path, ())
    history = [trainer.update() for _ in range(40)]
    assert mean(history[:5], "success") < 0.2
    assert mean(history[-10:], "success") > 0.6
    assert mean(history[-10:], "loss") < 0.3 * history[0]["loss"]


def test_reinforcement_raises_the_return_from_a_random_start(small_data, tmp_path):
    nothing = {"progress": 0.0, "labels": 0.0}
    weights = LossConfig(teacher=0.0, student=0.0, policy=1.0, entropy=0.1, discount=0.95, auxiliary=nothing)
    config = small_config(
        policy=FAST,
        batch_size=32,
        imitation=episodes(0, 1e-3, 0.0),
        reinforcement=episodes(200, 3e-3, 0.0, weights),
    )
    trainer = fresh(few(small_data, config), tmp_path, ())
    history = [trainer.update() for _ in range(30)]
    assert mean(history[-5:], "return") > mean(history[:2], "return") + 3
    assert mean(history[-5:], "explained_variance") > mean(history[:5], "explained_variance")
