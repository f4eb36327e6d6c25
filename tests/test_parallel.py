"""Distributed training: gradients of the whole batch, equal weights, resumed runs, all ways to end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import ROOT, SMALL, run_script
from learners import (
    SMALL_NAVIGATOR,
    dagger,
    episodes,
    exploring,
    fresh_navigator,
    ppo,
    small_caption_config,
    small_config,
    small_speaker_world,
    small_world,
)
from teamwork import bad_input, bug, fail, killed
from torch import Tensor, nn
from trainers import before_update, collector_of, press_ctrl_c, same_weights, setup_of

from agents.config import LossConfig, TrainConfig, check_config
from agents.learners.dagger import Shard, join_shards
from agents.learners.label_pretraining import STEPS, LabelPretraining
from agents.learners.ppo import Rollout, minibatch_loss, ppo_targets
from agents.learners.sampler import EpisodeSampler
from agents.policies.state import rows
from agents.training.build import build_trainer
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.devices import use_threads
from agents.training.distributed import SINGLE, WorkerLost, Workers, check_workers, launch, workers_wanted
from agents.training.optimization import OptimizerStep
from agents.training.trainer import Trainer
from envs.environment import AutoresetMode, NavigationVectorEnv
from vln.errors import InputError
from vln.files import read_json_lines

WORKERS = 2
CHANCE = replace(SMALL_NAVIGATOR, dropout=0.3, feature_dropout=0.3)
PPO = ppo(5, 3e-3, LossConfig(teacher=0.0, student=0.5, policy=1.0, value=0.5), steps=3)
DAGGER = dagger(4, 1e-2, LossConfig(inflection=0.0), truncate=7, rounds=2, episodes=16, expert_decay=0.5)
# Runs, and the updates before which they are interrupted.
RUNS: dict[str, tuple[TrainConfig, tuple[int, ...]]] = {
    "episodes": (
        small_config(
            policy=CHANCE,
            imitation=episodes(3, 1e-2, 0.5),
            reinforcement=episodes(2, 3e-3, 0.25, LossConfig(student=0.0, policy=1.0)),
        ),
        (2, 4),
    ),
    "dagger and ppo": (
        small_config(
            policy=CHANCE,
            actions="low-level",
            max_steps=12,
            imitation=DAGGER,
            reinforcement=PPO,
            optimizer="muon",
        ),
        (2, 7),
    ),
    "exploration": (
        small_config(
            policy=CHANCE,
            imitation=episodes(1, 1e-2, 0.5),
            self_imitation=exploring(
                4,
                1e-2,
                loss=LossConfig(teacher=0.0),
                split="val_unseen",
                rounds=2,
                episodes=4,
                samples=4,
                keep=1,
                rehearsal_fraction=0.34,
            ),
            select="latest",
        ),
        (3,),
    ),
}


def trainer_in(data: Path, config: TrainConfig, folder: Path, workers: Workers = SINGLE) -> Trainer:
    """A worker's trainer; a critic without experience helps whoever explores."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    speaker = small_speaker_world(data, small_caption_config()).speaker() if config.explored_splits else None
    torch.manual_seed(config.seed)
    return build_trainer(config, small_world(data, config).data, folder, "cpu", ("val_unseen",), speaker, workers)


def everywhere_equal(tensors: dict[str, Tensor], workers: Workers) -> bool:
    everyones = workers.gather({name: value.detach() for name, value in tensors.items()})
    return all(torch.equal(value, each[name]) for each in everyones for name, value in tensors.items())


# --- the gradient of the whole batch ---


def gradient(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A worker's own gradient in the next update, and the one that the step would be taken along."""
    optimizer, own = trainer.optimizer, {}
    weights = dict(trainer.policy.named_parameters())

    def step() -> Tensor:
        own.update({name: each.grad.clone() for name, each in weights.items() if each.grad is not None})
        optimizer.workers.average_gradients(weights.values())
        return torch.ones(())

    optimizer.step = step  # type: ignore[method-assign]
    while trainer.learner.missing():
        trainer.collect()
    trainer.update()
    return own, {name: each.grad for name, each in weights.items() if each.grad is not None}


def same_gradient(part: dict[str, Tensor], whole: dict[str, Tensor]) -> None:
    assert part.keys() == whole.keys()
    scale = max(float(value.abs().max()) for value in whole.values())
    for name, value in whole.items():
        torch.testing.assert_close(part[name], value, rtol=1e-3, atol=1e-6 * scale, msg=name)


def compare_gradients(data: Path, folder: Path, workers: Workers) -> None:
    """As nothing is left to chance, each kind of learning has the gradient of one worker with the whole batch."""
    torch.set_num_threads(1)
    demonstrated = small_config(imitation=episodes(6, 1e-2, 1.0))
    gathered = replace(RUNS["dagger and ppo"][0], policy=SMALL_NAVIGATOR)
    for number, config in enumerate((demonstrated, gathered)):
        _, whole = gradient(trainer_in(data, config, folder / f"{number}alone{workers.rank}"))
        own, found = gradient(trainer_in(data, config, folder / f"{number}", workers))
        same_gradient(found, whole)
        with pytest.raises(AssertionError):
            same_gradient(own, whole)
    compare_ppo(data, workers)


def compare_ppo(data: Path, workers: Workers) -> None:
    """The same for the bodies of a chunk that workers divide among them."""
    world = small_world(data, small_config(max_steps=10))
    navigator = fresh_navigator(world)
    collector = collector_of(world, navigator)
    collector.rollout(5)
    rollout, gradients = collector.rollout(7), []
    for members in (SINGLE, workers):
        optimizer = OptimizerStep(navigator, 0.0, 1.0, workers=members)
        share = of_environments(rollout, members.rows)
        targets = ppo_targets(share, PPO, members)
        loss, _ = minibatch_loss(navigator, share, targets, torch.arange(share.actions.shape[1]), PPO)
        optimizer.backward(loss)
        members.average_gradients(navigator.parameters())
        gradients.append(gradients_of(navigator))
        navigator.zero_grad()
    same_gradient(*reversed(gradients))


def gradients_of(navigator: nn.Module) -> dict[str, Tensor]:
    return {name: each.grad.clone() for name, each in navigator.named_parameters() if each.grad is not None}


def of_environments(rollout: Rollout, chosen: slice) -> Rollout:
    """A rollout of some of its environments."""
    parts: dict[str, Any] = {each.name: getattr(rollout, each.name) for each in fields(Rollout)}
    tensors = {name: value[..., chosen] for name, value in parts.items() if isinstance(value, Tensor)}
    index = torch.arange(8)[chosen]
    frames = [rows(frame, index) for frame in rollout.frames]
    return Rollout(**{**parts, **tensors, "frames": frames, "state": rows(rollout.state, index)})


def name_together(workers: Workers) -> None:
    """Workers that name what they see learn, each from walks of its own, and have the same weights."""
    import labels  # compiled code takes seconds to load, which other workers do without
    from small_house import small_house

    from envs.continuous import HousesSimulator, SceneCache, Sensors

    use_threads(1)
    learner, size = labels.labelled_navigator(), len(labels.EPISODES)
    before = {name: value.clone() for name, value in learner.named_parameters()}
    simulator = HousesSimulator(Sensors(32, 32, category=True, colour=True), scenes=SceneCache(small_house))
    env = NavigationVectorEnv(
        simulator,
        labels.EPISODES,
        labels.VOCABULARY,
        size // workers.count,
        autoreset_mode=AutoresetMode.DISABLED,
        tensors=True,
    )
    sampler = EpisodeSampler(np.ones(size), size, 0, workers.rows)
    optimizer = OptimizerStep(learner, 1e-2, 5.0, workers=workers)
    naming = LabelPretraining(labels.PHASE, setup_of(learner, env, sampler, optimizer, size, workers))
    for naming.updates in range(2):
        numbers = naming.update()
    assert int(workers.sum(numbers["frames"])) == STEPS * size
    assert len(naming._seen["rgb"]) == 32 * int(numbers["frames"])
    assert everywhere_equal(dict(learner.named_parameters()), workers)
    assert not everywhere_equal({"seen": naming._seen["rgb"][:9]}, workers)
    assert any(not torch.equal(value, before[name]) for name, value in learner.named_parameters())


def test_gradients_are_those_of_the_whole_batch(small_data, tmp_path):
    small_world(small_data)  # tables of features are made once
    launch(partial(compare_gradients, small_data, tmp_path), WORKERS)


def test_workers_name_what_each_has_seen():
    launch(name_together, WORKERS)
    torch.set_flush_denormal(False)  # training turns it on


# --- runs ---


def train_and_resume(data: Path, folder: Path, workers: Workers, only: tuple[str, ...] = tuple(RUNS)) -> None:
    """Each run as a whole, and in parts."""
    torch.set_num_threads(1)
    for name in only:
        config, stops = RUNS[name]
        trainer = trainer_in(data, config, folder / name / "whole", workers)
        start = {key: value.clone() for key, value in trainer.policy.state_dict().items()}
        trainer.train()
        end = trainer.policy.state_dict()
        assert everywhere_equal(dict(end), workers)
        assert everywhere_equal(trainer.average, workers)
        assert not all(torch.equal(value, start[key]) for key, value in end.items())
        assert not everywhere_equal({"random": torch.get_rng_state()}, workers)
        for number, stop in enumerate([*stops, None]):
            trainer = trainer_in(data, config, folder / name / "parts", workers)
            if number:
                trainer.resume(load_checkpoint(folder / name / "parts" / LATEST))
            if stop and workers.rank == stop % WORKERS:  # one worker hears it
                before_update(trainer, stop, press_ctrl_c)
            try:
                trainer.train()
            except KeyboardInterrupt:
                assert trainer.iteration == stop
            torch.rand(3 + workers.rank)  # what else a process may have drawn
            workers.any(False)  # the checkpoint has been written


@pytest.fixture(scope="module")
def trained(small_data, tmp_path_factory) -> Path:
    """The folder of all runs, whole and in parts."""
    folder = tmp_path_factory.mktemp("together")
    launch(partial(train_and_resume, small_data, folder), WORKERS)
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_run_ends_bit_for_bit_like_the_uninterrupted_one(trained, name):
    same_weights(trained / name / "parts", trained / name / "whole")
    state = load_checkpoint(trained / name / "whole" / LATEST).state
    assert (state["workers"], state["iteration"]) == (
        WORKERS,
        sum(phase.iterations for phase in RUNS[name][0].phases.values()),
    )


def test_what_was_gathered_is_of_the_whole_batch(trained, small_data, tmp_path):
    """The expert alone acts in the first round, so that it is the same with one worker."""
    alone = trainer_in(small_data, RUNS["dagger and ppo"][0], tmp_path)
    alone.collect()
    name = "000000.safetensors"
    assert (tmp_path / "dagger" / name).read_bytes() == (trained / "dagger and ppo/whole/dagger" / name).read_bytes()
    assert len(list((trained / "dagger and ppo/whole/dagger").iterdir())) == 4
    assert {path.name for path in (trained / "exploration/parts/explored").iterdir()} == {
        "000002.safetensors",
        "000003.safetensors",
    }


def test_a_checkpoint_of_other_numbers_of_workers_is_refused(trained, small_data, tmp_path):
    checkpoint = load_checkpoint(trained / "episodes" / "whole" / LATEST)
    for workers in (1, 4):
        trainer = trainer_in(small_data, RUNS["episodes"][0], tmp_path, Workers(0, workers))
        with pytest.raises(InputError, match=rf"the run has 2 workers, not {workers}; resume with --workers 2"):
            trainer.resume(checkpoint)


def test_two_workers_learn_through_the_command_line(small_data, tmp_path):
    flags = ("--imitation.iterations", 40, "--reinforcement.iterations", 0, "--evaluate-every", 40)
    fast = ("--imitation.learning-rate", "1e-2", "--policy.dropout", 0, "--policy.feature-dropout", 0)
    command = ("train.py", "r2r-navigator", *SMALL, *flags, *fast, "--workers", WORKERS, "--data", small_data)
    result = run_script(*command, "--out", tmp_path / "run", cache=small_data / "cache")
    assert (result.code, result.output) == (0, ""), result.errors
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("best.safetensors", "latest.safetensors", "config.json", "vocabulary.json", "metrics.jsonl", "tensorboard")
    }
    assert load_checkpoint(tmp_path / "run" / LATEST).state["workers"] == WORKERS
    rows = [row for _, row in read_json_lines(tmp_path / "run" / "metrics.jsonl")]
    losses = [row["loss"] for row in rows if row["group"] == "train"]
    assert losses[-1] < 0.8 * losses[0]  # 0.52 to 0.64 with three seeds
    assert not multiprocessing.active_children()


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("rank", "act", "expected", "words"),
    [
        (1, killed, WorkerLost, "worker 1 of 2 ended with signal 9; --resume goes on where a run stood"),
        (1, bad_input, InputError, "file: is bad; mend it."),
        (1, bug, RuntimeError, r"(?s)worker 1 of 2 failed:.*teamwork.*LookupError: broken"),
        (0, bug, LookupError, "broken"),
    ],
)
def test_the_end_of_one_is_the_end_of_all(rank, act, expected, words):
    with pytest.raises(expected, match=words):
        launch(partial(fail, rank, act), WORKERS)
    assert not multiprocessing.active_children()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("changes", "workers", "problem"),
    [
        ({}, 0, "--workers: 0 is out of range; give a whole number of at least 1."),
        ({}, 3, "--batch-size: a batch of 8 cannot be divided equally among 3 workers; give a multiple of 3, or other"),
        (
            {"reinforcement": PPO},
            8,
            "--reinforcement.minibatches: each of 8 workers has only 1 environments; give",
        ),
        (
            {"self_imitation": exploring(1, 1e-3, samples=4), "select": "latest"},
            4,
            "--self-imitation.samples: 2 instructions at once cannot be divided among 4 workers",
        ),
    ],
)
def test_numbers_of_workers_that_cannot_be(changes, workers, problem):
    with pytest.raises(InputError, match=problem):
        check_workers(small_config(**changes), workers)
        check_config(small_config(**changes), workers)


def test_a_refusal_is_one_sentence_and_starts_nothing(small_data, tmp_path):
    command = ("train.py", "r2r-navigator", *SMALL, "--workers", 4, "--data", small_data, "--out", tmp_path / "run")
    result = run_script(*command, cache=small_data / "cache")
    assert (result.code, result.output, result.errors.count("\n")) == (2, "", 1)
    assert "--batch-size: a batch of 6 cannot be divided equally among 4 workers" in result.errors
    assert not list(tmp_path.iterdir())


def test_torchrun_says_how_many_there_are(monkeypatch):
    assert workers_wanted(3) == 3
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (workers_wanted(1), workers_wanted(4)) == (4, 4)
    with pytest.raises(InputError, match="--workers: 2 are asked for, but torchrun has started 4; leave it out"):
        workers_wanted(2)


# --- what workers divide ---


def test_rows_of_workers_are_disjoint_and_make_up_the_batch():
    lengths = np.random.default_rng(0).integers(1, 20, 50)
    whole = EpisodeSampler(lengths, 12, 3)
    parts = [EpisodeSampler(lengths, 12, 3, Workers(rank, 3).rows) for rank in range(3)]
    for iteration in range(9):
        everyones = np.stack([part.batch(iteration) for part in parts], 1)
        assert everyones.ravel().tolist() == whole.batch(iteration).tolist()


def test_shards_of_workers_are_joined_in_the_order_of_the_batch():
    def part(episodes: list[int], lengths: list[int], first: int) -> Shard:
        steps = np.arange(first, first + sum(lengths), dtype=np.uint8)
        return Shard(np.array(episodes, np.int32), np.array(lengths, np.int32), steps, steps + 100)

    found = join_shards([part([1, 3], [2, 1], 0), part([2, 4], [1, 3], 10)])
    assert found.episodes.tolist() == [1, 2, 3, 4]
    assert found.lengths.tolist() == [2, 1, 1, 3]
    assert found.actions.tolist() == [0, 1, 10, 2, 11, 12, 13]
    assert found.expert.tolist() == [100, 101, 110, 102, 111, 112, 113]
    assert (found.episodes.dtype, found.actions.dtype) == (np.int32, np.uint8)


def test_seeds_of_workers_differ():
    draws = set()
    for rank in range(8):
        torch.manual_seed(Workers(rank, 8).seed(5 << 24))
        draws.add(float(torch.rand(())))
    assert len(draws) == 8


def test_as_many_threads_as_were_asked_for_are_left():
    """Those of compiled code, which start when they are counted, would give torch others."""
    program = "import torch; from agents.training.devices import *; use_threads(1); print(torch.get_num_threads())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("OMP_NUM_THREADS", None)
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"


# --- processes as a shell has them ---


def command_of(small_data: Path, out: Path) -> tuple[str, ...]:
    flags = ("--imitation.iterations", 3000, "--evaluate-every", 4, "--data", small_data, "--out", out)
    return (str(ROOT / "scripts" / "train.py"), "r2r-navigator", *map(str, (*SMALL, *flags)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "number"),
    [
        (("--workers", "2"), signal.SIGINT),
        (("--workers", "2"), signal.SIGTERM),
        (("--workers", "2"), signal.SIGUSR1),
        (("torchrun",), signal.SIGINT),
        (("torchrun",), signal.SIGTERM),
    ],
)
def test_a_signal_ends_all_after_a_checkpoint(small_data, tmp_path, start, number):
    out, command = tmp_path / "run", command_of(small_data, tmp_path / "run")
    if start == ("torchrun",):
        command = ("-m", "torch.distributed.run", "--nproc-per-node", "2", *command)
    else:
        command = (*command, *start)
    environment = {**os.environ, "VLN_CACHE": str(small_data / "cache"), "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen((sys.executable, *command), env=environment, start_new_session=True, **pipes)
    while not (out / LATEST).exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    os.killpg(running.pid, number)  # as terminals and schedulers do
    output, errors = running.communicate(timeout=300)
    iteration = load_checkpoint(out / LATEST).state["iteration"]
    assert f"stopped after iteration {iteration}; the same command with --resume goes on" in errors
    assert errors.count("stopped after") == 1
    if start != ("torchrun",):
        assert (running.returncode, output) == (128 + number, "")
        assert "Traceback" not in errors
