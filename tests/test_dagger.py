"""DAgger: a data set of actions that reproduces its episodes, rounds, and interrupted runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learners import SMALL_NAVIGATOR, World, dagger, small_config, small_world
from trainers import before_update, fresh, press_ctrl_c, same_weights

from agents.config import LossConfig
from agents.learners.dagger import Aggregate, Shard, round_starts
from agents.training import log
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.trainer import Trainer
from vln.errors import InputError

# Dropout, so that chance matters; three rounds of two batches each, which start at updates 0, 1 and 3.
CONFIG = small_config(
    actions="low-level",
    max_steps=20,
    policy=replace(SMALL_NAVIGATOR, dropout=0.3, feature_dropout=0.3),
    imitation=dagger(6, 1e-2, LossConfig(inflection=3.2), truncate=7, rounds=3, episodes=16, expert_decay=0.5),
    evaluate_every=4,
)


@pytest.fixture(scope="module")
def world(small_data) -> World:
    return small_world(small_data, CONFIG)


# --- the data set ---


def shard(*lengths: int, first: int = 0) -> Shard:
    """Episodes 10, 11, ... with actions that count up."""
    steps = np.arange(first, first + sum(lengths), dtype=np.uint8)
    episodes = np.arange(10, 10 + len(lengths), dtype=np.int32)
    return Shard(episodes, np.array(lengths, dtype=np.int32), steps, steps + 100)


def test_episodes_come_back_by_their_numbers(tmp_path):
    data = Aggregate(tmp_path / "d")
    data.add(shard(2, 3))
    data.add(shard(1, 4, first=5))
    for found in (data, restored(tmp_path / "d", 2)):
        assert found.lengths.tolist() == [2, 3, 1, 4]
        episodes, lengths, actions, expert = found.recall(np.array([3, 0, 2]))
        assert episodes.tolist() == [11, 10, 10]
        assert lengths.tolist() == [4, 2, 1]
        assert actions.T.tolist() == [[6, 7, 8, 9], [0, 1, 0, 0], [5, 0, 0, 0]]
        assert expert.T.tolist() == [[106, 107, 108, 109], [100, 101, 0, 0], [105, 0, 0, 0]]


def restored(folder: Path, count: int) -> Aggregate:
    data = Aggregate(folder)
    data.restore(count)
    return data


def test_a_step_takes_two_bytes(tmp_path):
    data = Aggregate(tmp_path)
    data.add(shard(*[60] * 64))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 60 * 64 + 8 * 64 + 512


def test_what_came_after_a_checkpoint_comes_again(tmp_path):
    data = Aggregate(tmp_path)
    data.add(shard(2))
    data.add(shard(3))
    again = restored(tmp_path, 1)
    again.add(shard(4))
    assert restored(tmp_path, 2).lengths.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda file: file.unlink(), "000000.safetensors: is missing or no part of a data set of DAgger .*; start the"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "is missing or no part of a data set"),
        (lambda file: file.write_bytes(b"{}"), "is missing or no part of a data set"),
    ],
)
def test_a_damaged_data_set_is_an_error(tmp_path, damage, problem):
    Aggregate(tmp_path).add(shard(2))
    damage(tmp_path / "000000.safetensors")
    with pytest.raises(InputError, match=problem):
        restored(tmp_path, 1)


def test_other_numbers_of_steps_are_an_error(tmp_path):
    Aggregate(tmp_path).add(replace(shard(2), lengths=np.array([3], dtype=np.int32)))
    with pytest.raises(InputError, match="has other numbers of steps than its episodes"):
        restored(tmp_path, 1)


# --- rounds ---


def test_rounds_go_through_the_data_equally_often():
    assert round_starts(60, 3) == [0, 10, 30]  # 10 updates with one part, 20 with two, 30 with three
    assert round_starts(5, 1) == [0]


@given(st.integers(1, 500), st.integers(1, 20))
def test_rounds_start_in_order_and_within_the_phase(iterations, rounds):
    starts = round_starts(iterations, rounds)
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert len(starts) == rounds
    assert starts[-1] <= iterations


# --- learning ---


def gathered(trainer: Trainer, updates: int = 0) -> Trainer:
    """After some updates, and what has to be gathered for the next one."""
    for _ in range(updates + 1):
        while trainer.learner.missing():
            trainer.collect()
        if trainer.iteration < updates:
            trainer.update()
    return trainer


def test_the_experts_share_falls_from_round_to_round(world, tmp_path):
    trainer = gathered(fresh(world, tmp_path), 3)
    by_expert = [np.mean(each.actions == each.expert) for each in trainer.learner.data.shards]
    assert len(by_expert) == 6
    assert by_expert[:2] == [1.0, 1.0]
    assert 1 > np.mean(by_expert[2:4]) > np.mean(by_expert[4:])
    whom = np.concatenate([each.episodes for each in trainer.learner.data.shards])
    assert len(set(whom.tolist())) > 40


def test_what_is_recalled_is_what_was_lived(world, tmp_path):
    trainer = gathered(fresh(world, tmp_path), 3)
    data = trainer.learner.data
    found = trainer.learner.replay()
    lengths = found.mask.sum(0).long()
    known = {
        (int(episode), *actions.tolist()): expert.tolist()
        for each in data.shards
        for episode, actions, expert in zip(
            each.episodes,
            np.split(each.actions, np.cumsum(each.lengths)[:-1]),
            np.split(each.expert, np.cumsum(each.lengths)[:-1]),
            strict=True,
        )
    }
    columns = zip(found.actions.T.tolist(), found.expert.T.tolist(), lengths.tolist(), strict=True)
    for actions, expert, length in columns:
        right = [labels for (_, *taken), labels in known.items() if taken == actions[:length]]
        assert expert[:length] in right


def test_a_world_that_has_changed_is_an_error(world, tmp_path):
    trainer = gathered(fresh(world, tmp_path))
    trainer.learner.env.max_steps = 2
    with pytest.raises(InputError, match="dagger: its episodes do not end as they did when they were added; start the"):
        trainer.update()


def test_imitation_learns_from_the_data_set(small_data, tmp_path):
    config = replace(
        CONFIG,
        policy=replace(SMALL_NAVIGATOR, hidden=32, view=16),
        phases={"imitation": dagger(60, 1e-2, rounds=2, episodes=8)},
    )
    whole = small_world(small_data, config, ("train",))
    few = whole.only("train", whole.splits["train"][: 6 * 8 : 6])
    trainer = fresh(few, tmp_path, ())
    history = []
    while trainer.iteration < 40:
        gathered(trainer, trainer.iteration)
        history.append(trainer.update())
    assert history[-1]["student"] < 0.3 * history[0]["student"]
    assert history[-1]["progress"] < history[0]["progress"]


# --- interruptions ---


@pytest.fixture(scope="module")
def uninterrupted(world, tmp_path_factory) -> Path:
    """The folder of a whole run."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "EVERY", 3)
        fresh(world, folder).train()
    return folder


def before_gathering(trainer: Trainer, number: int, act) -> None:
    """Do something at the start of the gathering of a batch, counted from 1."""
    gather = trainer.collect

    def interrupted() -> None:
        if len(trainer.learner.data.shards) == number - 1:
            act()
        gather()

    trainer.collect = interrupted


def same_data(one: Path, other: Path) -> None:
    """Two runs gathered the same."""
    files = sorted(path.name for path in (other / "dagger").iterdir())
    assert sorted(path.name for path in (one / "dagger").iterdir()) == files
    assert all((one / "dagger" / name).read_bytes() == (other / "dagger" / name).read_bytes() for name in files)


def test_ctrl_c_while_gathering_and_while_learning(world, uninterrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 3)
    for number, (when, stop) in enumerate(
        [(before_gathering, 1), (before_gathering, 4), (before_update, 3), (before_update, 5), (None, 0)]
    ):
        trainer = fresh(world, tmp_path)
        if number:
            trainer.resume(load_checkpoint(tmp_path / LATEST))
        if when is None:
            trainer.train()
            break
        when(trainer, stop, press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        torch.rand(7)  # what else a process may have drawn
    same_weights(tmp_path, uninterrupted)
    same_data(tmp_path, uninterrupted)


def test_a_killed_run_has_what_was_gathered_before_its_last_evaluation(world, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 3)

    def die() -> None:
        raise MemoryError

    trainer = fresh(replace(world, config=replace(CONFIG, evaluate_every=2)), tmp_path)
    before_gathering(trainer, 6, die)
    with pytest.raises(MemoryError):
        trainer.train()
    checkpoint = load_checkpoint(tmp_path / LATEST)
    assert checkpoint.state["iteration"] == 2
    assert int(checkpoint.part("learner")["added"]) == 4
    assert len(list((tmp_path / "dagger").iterdir())) == 5
