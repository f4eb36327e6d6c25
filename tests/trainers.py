"""Small trainers, runs that are interrupted, and how two runs compare."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from learners import World, fresh_navigator, small_world

from agents.config import TrainConfig
from agents.learners.learner import Setup
from agents.learners.ppo import Ppo, PpoConfig, RolloutCollector
from agents.learners.sampler import EpisodeSampler
from agents.training.build import build_trainer
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.distributed import SINGLE
from agents.training.trainer import Trainer
from vln.files import read_json_lines

STREAMS = 8  # episodes at a time


def few(small_data: Path, config: TrainConfig, count: int = 10) -> World:
    """A world of a few training episodes in one building."""
    world = small_world(small_data, config, ("train",))
    return world.only("train", world.splits["train"][: 6 * count : 6])


def fresh(world: World, folder: Path, evaluated: tuple[str, ...] = ("val_unseen",), critic=None) -> Trainer:
    """A trainer as the script makes it."""
    torch.manual_seed(world.config.seed)
    return build_trainer(world.config, world.data, folder, "cpu", evaluated, critic)


def before_update(trainer: Trainer, number: int, act: Callable[[], Any]) -> None:
    """Do something at the start of an update, counted from 1."""
    update = trainer.update

    def interrupted() -> dict[str, float]:
        if trainer.iteration == number - 1:
            act()
        return update()

    trainer.update = interrupted


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The log but for the clock."""
    return [
        {name: value for name, value in row.items() if name not in ("seconds", "steps_per_second")}
        for _, row in read_json_lines(folder / "metrics.jsonl")
    ]


def mean(history: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in history) / len(history)


def same_weights(one: Path, other: Path) -> None:
    """Two runs ended alike."""
    here, there = load_checkpoint(one / LATEST), load_checkpoint(other / LATEST)
    assert here.tensors.keys() == there.tensors.keys()
    assert all(torch.equal(value, there.tensors[name]) for name, value in here.tensors.items())
    assert {**here.state, "seconds": 0} == {**there.state, "seconds": 0}
    assert rows(one) == rows(other)


def collector_of(world: World, navigator=None, freeze_encoder: bool = False) -> RolloutCollector:
    """A collector of training episodes, and random numbers as at its start."""
    navigator = navigator or fresh_navigator(world)
    torch.manual_seed(1)
    sampler = EpisodeSampler(world.lengths("train"), STREAMS, 0)
    return RolloutCollector(navigator, world.environment("train", STREAMS), sampler, freeze_encoder)


def setup_of(policy, env, sampler, optimizer=None, batch_size: int = 8, workers=SINGLE) -> Setup:
    """What a learner works with."""
    return Setup(policy, env, sampler, optimizer, batch_size, 0, Path(), workers=workers)


def ppo_of(config: PpoConfig, collector: RolloutCollector, optimizer=None) -> Ppo:
    """PPO with a collector."""
    learner = Ppo(config, setup_of(collector._policy, collector._env, collector._sampler, optimizer))
    learner.collector = collector
    return learner
