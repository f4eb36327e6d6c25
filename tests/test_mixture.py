"""Training on a mixture of tasks: what is drawn, what is known, how it is judged, and what cannot be mixed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SMALL, run_script
from learners import SMALL_NAVIGATOR, episodes, small_config
from trainers import before_update, press_ctrl_c, rows, same_weights

from agents.config import data_options
from agents.learners.sampler import EpisodeSampler
from agents.training import log
from agents.training.build import build_trainer
from agents.training.checkpoint import LATEST, load_checkpoint
from envs.make import open_task
from envs.mixture import mixed_episodes
from vln.episodes import Episode
from vln.errors import InputError
from vln.tasks import R2R, Task, find_task, mixed_tasks

WEIGHTS = {"r2r": 3.0, "r4r": 1.0}
CONFIG = small_config(
    task=R2R,
    mixture=WEIGHTS,
    policy=replace(SMALL_NAVIGATOR, dropout=0.3),
    imitation=episodes(4, 1e-2, 0.5),
    reinforcement=episodes(2, 1e-3, 0.5),
    evaluate_every=3,
)
SPLITS = ("train", "val_unseen")


@pytest.fixture(scope="module")
def folder(small_data, tmp_path_factory) -> Path:
    """The small data folder with R4R in it: the same ids and paths, and a word that R2R lacks."""
    made = tmp_path_factory.mktemp("mixed")
    for each in small_data.iterdir():
        (made / each.name).symlink_to(each)
    (made / "r4r").mkdir()
    for split in ("train", "val_seen", "val_unseen"):
        entries = json.loads((small_data / "r2r" / f"R2R_{split}.json").read_text())
        for each in entries:
            each["instructions"] = [f"Zigzag. {text}" for text in each["instructions"]]
        (made / "r4r" / f"R4R_{split}.json").write_text(json.dumps(entries[:20]))
    return made


def opened(folder: Path, mixture=WEIGHTS, splits=SPLITS, **options):
    how = {**data_options(CONFIG), "data": folder, "cache": folder / "cache", **options}
    return open_task(CONFIG.task, splits, mixture=mixture, **how)


# --- what is drawn ---


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.95, 0.04, 0.01), (0.5, 0.5)])
def test_batches_have_tasks_in_proportion_to_their_weights(shares):
    sizes = [300, 10, 50][: len(shares)]
    ends = np.cumsum([0, *sizes])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    parts = [(np.arange(*ends[place : place + 2]), share) for place, share in enumerate(shares)]
    lengths = np.random.default_rng(0).integers(3, 40, len(owner))
    sampler = EpisodeSampler(lengths, 16, 5, parts=parts)
    drawn = np.stack([sampler.batch(number) for number in range(100 * sampler.per_epoch)])
    found = np.bincount(owner[drawn.ravel()], minlength=len(shares)) / drawn.size
    assert found == pytest.approx(shares, abs=0.003)
    for place, (numbers, share) in enumerate(parts):
        each = np.bincount(drawn[: sampler.per_epoch].ravel(), minlength=len(owner))[numbers]
        assert np.ptp(each) <= 1
        assert abs(each.sum() - share * 16 * sampler.per_epoch) < 1
        assert (owner[drawn] == place).any(1).sum() > len(drawn) * share / 16  # not in a few batches alone
    later = EpisodeSampler(lengths, 16, 5, parts=parts)
    assert later.batch(77).tolist() == drawn[77].tolist()
    assert EpisodeSampler(lengths, 16, 6, parts=parts).batch(77).tolist() != drawn[77].tolist()


def test_training_draws_from_all_tasks_in_proportion(folder, tmp_path):
    data = opened(folder)
    trainer = build_trainer(CONFIG, data, tmp_path, "cpu", ())
    sampler = trainer.learner.setup.sampler
    drawn = np.concatenate([sampler.batch(number) for number in range(20 * sampler.per_epoch)])
    found = np.mean([data.splits["train"][number].task == "r4r" for number in drawn])
    assert found == pytest.approx(0.25, abs=0.01)


# --- what there is ---


def test_the_training_split_and_the_vocabulary_are_those_of_all_tasks(folder):
    alone, data = opened(folder, None), opened(folder)
    train = data.splits["train"]
    assert train[: len(alone.splits["train"])] == alone.splits["train"]
    assert {each.task for each in train} == {"", "r4r"}
    assert len({each.episode_id for each in train}) == len(train) > len(alone.splits["train"])
    assert "zigzag" in data.vocabulary.symbols
    assert "zigzag" not in alone.vocabulary.symbols
    assert set(data.vocabulary.symbols) == {*alone.vocabulary.symbols, "zigzag"}
    assert opened(folder, splits=("val_unseen",)).vocabulary.symbols == data.vocabulary.symbols
    assert data.splits["val_unseen"] == alone.splits["val_unseen"]


def test_each_task_is_evaluated_by_its_own_rules_and_learnt_with_the_largest_step_limit(folder):
    data = opened(folder)
    assert list(data.splits) == ["train", "val_unseen", "r4r-val_unseen"]
    limits = {split: data.make_env(split).max_steps for split in data.splits}
    assert limits == {"train": 20, "val_unseen": 10, "r4r-val_unseen": 20}
    assert data.make_env("r4r-val_unseen").task == find_task("r4r")
    assert data.make_env("train").task.name == "r2r"
    assert data.make_env("train", max_steps=4).max_steps == 4


def test_without_a_mixture_nothing_changes(folder):
    data = opened(folder, {"r2r": 2.0})
    assert data.parts("train") == []
    assert data.splits == opened(folder, None).splits
    assert data.make_env("train").task is CONFIG.task


class Told:
    """A source of episodes in scenes."""

    splits = ()

    def __init__(self, task: str, scenes: dict[str, str], mixes: bool = True) -> None:
        self.task, self.scenes, self.mixes = Task(task, task), scenes, mixes

    def episodes(self, split: str) -> list[Episode]:
        return [Episode(f"{scan}_0", scan, split, "Go.", ("a", "b"), 0.0) for scan in self.scenes[split]]


def test_scenes_that_the_main_task_holds_out_are_not_trained_on():
    one, other = Told("one", {"train": "ab", "dev": "c"}), Told("other", {"train": "abc", "dev": "d"})
    opened, found = mixed_episodes([one, other], ["train", "dev"])
    assert [each.episode_id for each in found["train"]] == ["a_0", "b_0", "other/a_0", "other/b_0"]
    assert [each.scan for each in found["dev"]] == ["c"]
    assert [each.scan for each in opened["dev"]] == ["c", "d"]


def test_tasks_in_generated_houses_mix(tmp_path):
    data = open_task(
        "houses-short", ["train"], mixture={"houses-short": 1, "houses": 1}, scenes=1, min_count=1, cache=tmp_path
    )
    train = data.splits["train"]
    numbers = [next(n for n, each in enumerate(train) if each.task == task) for task in ("", "houses")]
    env = data.make_env("train", 2)
    _, infos = env.reset(seed=0, options={"episode_index": np.array(numbers)})
    assert np.isfinite(infos["distance"]).all()
    assert env.max_steps == 150
    assert [round(share, 2) for _, share in data.parts("train")] == [0.5, 0.5]


# --- training ---


def fresh(folder: Path, out: Path):
    data = opened(folder)
    torch.manual_seed(0)
    return build_trainer(CONFIG, data, out, "cpu", [*data.splits][1:])


def test_a_run_on_a_mixture_resumes_bit_for_bit_and_reports_every_task(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(log, "EVERY", 2)
    whole = fresh(folder, tmp_path / "whole")
    whole.train()
    assert {row["group"] for row in rows(tmp_path / "whole")} == {"train", "val_unseen", "r4r-val_unseen"}
    interrupted = fresh(folder, tmp_path / "parts")
    before_update(interrupted, 5, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        interrupted.train()
    resumed = fresh(folder, tmp_path / "parts")
    resumed.resume(load_checkpoint(tmp_path / "parts" / LATEST))
    resumed.train()
    same_weights(tmp_path / "parts", tmp_path / "whole")


def test_a_mixture_on_the_command_line_is_trained_resumed_and_evaluated(folder, tmp_path):
    def run(script, *arguments):
        return run_script(script, *arguments, "--data", folder, cache=folder / "cache")

    out, mixture = tmp_path / "run", ("--mixture", "r2r=3", "r4r=1")
    result = run("train.py", "r2r-navigator", "--out", out, *mixture, *SMALL)
    assert result.code == 0, result.errors
    assert json.loads((out / "config.json").read_text())["mixture"] == WEIGHTS
    assert "zigzag" in (out / "vocabulary.json").read_text()
    again = run("train.py", "--resume", "--out", out, *mixture)
    assert again.code == 0, again.errors
    other = run("train.py", "--resume", "--out", out, "--mixture", "r2r=1", "r4r=1")
    assert (other.code, other.errors.count("\n")) == (2, 1)
    assert "--mixture.r2r: the run has 3.0, not 1.0" in other.errors
    found = run("evaluate.py", out)
    assert found.code == 0, found.errors


# --- what cannot be mixed ---


@pytest.mark.parametrize(
    ("mixture", "problem"),
    [
        (("r2r=1", "r5r=1"), "task: 'r5r' is not known; use one of r2r, "),
        (("r2r=1", "r4r=0"), "--mixture: 0 is no weight of 'r4r'; give a finite number above 0"),
        (("r2r=-0.5", "r4r=1"), "--mixture: -0.5 is no weight of 'r2r'"),
        (("r2r=nan", "r4r=1"), "--mixture: nan is no weight of 'r2r'"),
        (("r4r=1",), "--mixture: lacks 'r2r', on which the run is evaluated; add r2r=WEIGHT, or choose another --task"),
        (("r2r=1", "r4r-low-level=1"), "--mixture: 'r4r-low-level' differs from 'r2r' in its actions"),
        (("r2r=1", "houses=1"), "--mixture: 'houses' differs from 'r2r' in its scenes"),
        (("r2r=1", "r4r=1", "vln.tasks:R2R=1"), "--mixture: names 'r2r' twice"),
    ],
)
def test_what_cannot_be_mixed_is_one_sentence(run, tmp_path, mixture, problem):
    result = run("train.py", "r2r-navigator", "--out", tmp_path / "run", "--mixture", *mixture)
    assert (result.code, result.output, result.errors.count("\n")) == (2, "", 1)
    assert problem in result.errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [("r2r",), ("r2r=x",), ("=1",)])
def test_what_is_no_weight_names_the_flag(run, tmp_path, words):
    result = run("train.py", "r2r-navigator", "--out", tmp_path / "run", "--mixture", *words)
    assert result.code == 2
    assert "--mixture" in result.errors


def test_bodies_that_differ_cannot_be_mixed():
    with pytest.raises(InputError, match="'houses-fine' differs from 'houses' in its motion"):
        mixed_tasks(find_task("houses"), {"houses": 1, "houses-fine": 1})


def test_scenes_that_are_not_made_for_it_cannot_be_mixed():
    with pytest.raises(InputError, match="--mixture: tasks with scenes 'graphs' cannot be mixed; learn one at a time"):
        mixed_episodes([Told("one", {"train": "a"}, mixes=False), Told("other", {"train": "a"})], ["train"])


def test_a_task_without_episodes_is_named(folder):
    data = opened(folder)
    bare = data.only("train", [each for each in data.splits["train"] if not each.task])
    with pytest.raises(InputError, match="--mixture: there are no training episodes of 'r4r' in these scenes"):
        bare.parts("train")
