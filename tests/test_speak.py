"""The speaker through the command line: train, resume, generate, score, and bad input."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from command_line import SMALL, SMALL_SPEAKER, Result, Run, run_script

from agents.runs import open_run
from agents.speaking.captioning import CaptionTrainer
from agents.speaking.captions import Caption
from agents.speaking.following import follower_success
from agents.speaking.retrieval import make_queries
from agents.speaking.runs import check_vocabulary
from agents.training.checkpoint import BEST, LATEST, load_checkpoint
from envs.houses.dataset import SPLITS
from envs.make import open_task
from vln.episodes import load_split
from vln.errors import InputError
from vln.files import read_json_lines
from vln.language import Vocabulary
from vln.trajectory import read_trajectories

TRAIN = ("train_speaker.py", "r2r-speaker", *SMALL_SPEAKER)
SPLIT = "val_unseen"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def speaker(run, folder) -> Path:
    """A finished run."""
    result = run(*TRAIN, "--out", folder / "speaker")
    assert result.code == 0, result.errors
    return folder / "speaker"


@pytest.fixture(scope="module")
def navigator(run, folder) -> Path:
    """A finished run of a navigator, with trajectories."""
    result = run("train.py", "r2r-navigator", "--out", folder / "navigator", *SMALL)
    assert result.code == 0, result.errors
    assert run("evaluate.py", folder / "navigator", "--split", SPLIT).code == 0
    return folder / "navigator"


@pytest.fixture(scope="module")
def episode(small_data) -> str:
    return load_split(small_data, SPLIT)[4].episode_id


def spoken(result: Result) -> list[dict[str, object]]:
    assert result.code == 0, result.errors
    return json.loads(result.output)


def test_training_leaves_checkpoints_configuration_vocabulary_and_log(speaker):
    names = {"best.safetensors", "latest.safetensors", "config.json", "vocabulary.json", "metrics.jsonl", "tensorboard"}
    assert {path.name for path in speaker.iterdir()} >= names
    state = load_checkpoint(speaker / LATEST).state
    assert state["iteration"] == 4
    values = json.loads((speaker / "config.json").read_text())
    assert values.pop("arguments")["preset"] == "r2r-speaker"
    assert values == state["config"]
    assert {row["group"] for _, row in read_json_lines(speaker / "metrics.jsonl")} == {"train", "val_seen", SPLIT}


def test_a_resumed_run_ends_like_an_uninterrupted_one(run, speaker, folder, monkeypatch):
    update = CaptionTrainer.update

    def dying(self: CaptionTrainer) -> dict[str, float]:
        if self.iteration == 3:
            raise KeyboardInterrupt
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionTrainer, "update", dying)
        assert run(*TRAIN, "--out", folder / "resumed").code == 130
    assert load_checkpoint(folder / "resumed" / LATEST).state["iteration"] == 2
    assert run(*TRAIN, "--out", folder / "resumed", "--resume").code == 0
    for name in (LATEST, BEST):
        one, other = load_checkpoint(folder / "resumed" / name), load_checkpoint(speaker / name)
        assert all(torch.equal(value, other.tensors[tensor]) for tensor, value in one.tensors.items())


@pytest.mark.parametrize("method", ["greedy", "sample", "beam"])
def test_demonstrations_are_described(run, speaker, episode, method):
    flags = ("--episode", episode, "--method", method, "--temperature", 0.8, "--top-p", 0.9, "--beams", 3, "--json")
    (row,) = spoken(run("speak.py", speaker, *flags))
    assert row["episode"] == episode
    assert row["caption"]
    assert row["log_prob"] < 0
    assert len(row["people"]) == 3
    assert spoken(run("speak.py", speaker, *flags)) == [row]  # chance comes from the seed


def test_paths_and_trajectories_are_described_like_the_demonstrations_they_are(run, speaker, navigator, small_data):
    first = load_split(small_data, SPLIT)[0]
    degrees = str(first.heading * 180 / 3.141592653589793)
    (asked,) = spoken(run("speak.py", speaker, "--episode", first.episode_id, "--json"))
    walk = ("--scan", first.scan, "--heading", degrees, "--path", *first.path, "--json")
    (walked,) = spoken(run("speak.py", speaker, *walk))
    assert walked["caption"] == asked["caption"]
    assert walked["log_prob"] == pytest.approx(asked["log_prob"], abs=1e-3)
    lived = spoken(run("speak.py", speaker, "--trajectories", navigator / "eval" / f"{SPLIT}.jsonl", "--json"))
    assert len(lived) == 30
    assert lived[0]["people"] == [first.instruction]


def test_the_table_shows_the_caption_above_what_people_said(run, speaker, episode, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = run("speak.py", speaker, "--episode", episode)
    assert result.code == 0, result.errors
    assert episode in result.output
    assert "Walk past" in result.output


def test_a_sentence_is_weighed(run, speaker, episode):
    (row,) = spoken(run("speak.py", speaker, "--episode", episode, "--instruction", "Walk past the couch.", "--json"))
    assert row["caption"] == "Walk past the couch."
    assert row["log_prob"] < 0


def test_a_speaker_is_scored(run, speaker, navigator):
    flags = ("--evaluate", "--split", SPLIT, "--distractors", 3, "--follower", navigator, "--json")
    result = run("speak.py", speaker, *flags)
    assert result.code == 0, result.errors
    scores = json.loads(result.output)
    critic = {"critic", "critic of ways", "critic chance"}
    assert scores.keys() == {"routes", "BLEU", "chrF", "loss", *critic, "SR of captions", "SR of people"}
    assert scores["routes"] == 10
    assert scores["critic chance"] == 25
    assert json.loads((speaker / "eval" / f"{SPLIT}.speaker.json").read_text()) == scores
    assert run("speak.py", speaker, "--evaluate", "--split", SPLIT).code == 0


def test_distractors_are_other_sentences_of_other_ways_through_the_building(small_data):
    episodes = load_split(small_data, "train")
    found = make_queries(episodes, 5, 0)
    assert len(found) == len(episodes)
    for number, *others in found:
        assert len({number, *others}) == 6
        for other in others:
            assert episodes[other].scan == episodes[number].scan
            assert episodes[other].path != episodes[number].path
            assert episodes[other].instruction != episodes[number].instruction
    assert make_queries(episodes[:3], 5, 0) == []  # three sentences of one way


# --- bad input ---


def refused(result: Result, *told: str) -> None:
    assert result.code == 2, result.output
    assert result.output == ""
    (sentence,) = result.errors.strip().splitlines()
    for part in told:
        assert part in sentence


def test_what_to_describe_must_be_clear(run, speaker, episode):
    refused(run("speak.py", speaker), "not clear what to describe")
    refused(run("speak.py", speaker, "--episode", episode, "--path", "a"), "not clear what to describe")


def test_unknown_episodes_paths_and_splits_are_refused(run, speaker, navigator):
    file = navigator / "eval" / f"{SPLIT}.jsonl"
    refused(run("speak.py", speaker, "--episode", "nobody_0"), "has no episode 'nobody_0'", f"'{SPLIT}'")
    refused(run("speak.py", speaker, "--trajectories", file, "--episode", "nobody_0"), "'nobody_0'", str(file))
    refused(run("speak.py", speaker, "--scan", "nowhere", "--path", "a"), "'nowhere'")
    refused(run("speak.py", speaker, "--path", "a"), "scan")
    refused(run("speak.py", speaker, "--episode", "x", "--split", "test"), "'x'")
    refused(run("speak.py", speaker, "--evaluate", "--split", "test"), "is withheld")
    refused(run("speak.py", speaker, "--evaluate", "--distractors", "0"), "--distractors")


@pytest.mark.parametrize(
    ("sentence", "told"), [("", "is empty"), (" . ", "is empty"), ("Qwx zzt", "none of the words")]
)
def test_sentences_that_say_nothing_are_refused(run, speaker, episode, sentence, told):
    refused(run("speak.py", speaker, "--episode", episode, f"--instruction={sentence}"), "--instruction", told)


@pytest.mark.parametrize(("flag", "value"), [("temperature", "-0.5"), ("top-p", "1.5"), ("beams", "0")])
def test_decodings_out_of_range_are_refused(run, speaker, episode, flag, value):
    refused(run("speak.py", speaker, "--episode", episode, f"--{flag}", value), f"--{flag}", "out of range")


def test_trajectories_of_another_simulator_are_refused(run, speaker, navigator, tmp_path):
    head, line, *_ = (navigator / "eval" / f"{SPLIT}.jsonl").read_text().splitlines()
    other = tmp_path / "houses.jsonl"
    other.write_text(head + "\n" + json.dumps({**json.loads(line), "simulator": "houses"}) + "\n")
    refused(run("speak.py", speaker, "--trajectories", other), str(other), "field 'simulator'", "'houses'")
    other.write_text("")
    refused(run("speak.py", speaker, "--trajectories", other), str(other), "has no episodes")


def test_a_speaker_with_another_vocabulary_is_refused(run, speaker, episode, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(speaker, copy)
    content = json.loads((copy / "vocabulary.json").read_text())
    content["symbols"][5] = "teapot"
    (copy / "vocabulary.json").write_text(json.dumps(content))
    refused(run("speak.py", copy, "--episode", episode), "hash field 'vocabulary'", str(copy / BEST))
    resumed = run(*TRAIN, "--out", copy, "--resume", "--text.min-count", "3")
    refused(resumed, "--text.min-count: the run has 1, not 3")


def test_vocabularies_are_compared_symbol_by_symbol():
    one = Vocabulary.build(["go left"], 1)
    check_vocabulary("speaker", one, Vocabulary.build(["left go"], 1))
    for other, told in (
        (Vocabulary.build(["go right"], 1), "symbol 4 of the speaker's vocabulary is 'left', that of the data 'right'"),
        (Vocabulary.build(["go"], 1), "'left', that of the data None"),
        (Vocabulary(one.symbols, "character"), "'word', that of the data 'character'"),
    ):
        with pytest.raises(InputError, match=told):
            check_vocabulary("speaker", one, other)


def test_captions_that_nobody_can_follow(small_data, navigator, monkeypatch, capsys):
    monkeypatch.setenv("VLN_CACHE", str(small_data / "cache"))
    episodes = load_split(small_data, SPLIT)[:1]
    follower = open_run(navigator, SPLIT, open_task, small_data)
    named = f"caption of episode '{episodes[0].episode_id}': is empty, and nobody can follow it"
    with pytest.raises(InputError, match=named):
        follower_success(follower, SPLIT, episodes, [Caption("  ", 0.0)], 0)
    for caption in (" . ", "Qwx."):  # of unknown words: the agent acts, and a line says so
        rates = follower_success(follower, SPLIT, episodes, [Caption(caption, 0.0)], 0)
        assert rates.keys() == {"SR of captions", "SR of people"}
        assert f"acts all the same: episodes {episodes[0].episode_id}" in capsys.readouterr().err
    elsewhere = [replace(episodes[0], episode_id="nobody_0")]
    with pytest.raises(InputError, match="has no episode 'nobody_0'"):
        follower_success(follower, SPLIT, elsewhere, [Caption("Walk.", 0.0)], 0)


def test_a_navigators_run_is_no_speakers(run, navigator, speaker, episode):
    refused(run("speak.py", navigator, "--episode", episode), "configuration field")
    refused(run("speak.py", speaker, "--evaluate", "--follower", speaker), "configuration field")
    refused(run("speak.py", navigator / "nothing", "--episode", episode), "there is no checkpoint")


def test_bad_configurations_are_refused_and_nothing_is_written(run, tmp_path, speaker):
    refused(run(*TRAIN, "--out", tmp_path / "bad", "--speaker.dropout", "1.0"), "--speaker.dropout")
    refused(run(*TRAIN, "--out", tmp_path / "bad", "--text.max-length", "1"), "--text.max-length")
    refused(run(*TRAIN, "--out", speaker), "already holds a run")
    assert run(*TRAIN, "--out", tmp_path / "bad", "--speaker.nonsense", "1").code == 2
    with_eyes = (*TRAIN, "--out", tmp_path / "bad", "--encoder-from", speaker / LATEST)
    refused(run(*with_eyes), "--encoder-from: a speaker on graphs has no image encoder; leave it out")
    assert not (tmp_path / "bad").exists()


# --- houses ---


@pytest.fixture(scope="module")
def run_houses(tmp_path_factory) -> Run:
    """Runs a script in few houses, kept in a folder of their own."""
    cache, few = tmp_path_factory.mktemp("cache"), {name: replace(split, houses=1) for name, split in SPLITS.items()}

    def run(script: str, *arguments: object) -> Result:
        with patch.dict(SPLITS, few):
            return run_script(script, *arguments, cache=cache)

    return run


def test_houses_are_described_too(run_houses, folder):
    camera = ("--speaker.camera.size", 16, "--speaker.camera.cells", 4, "--speaker.camera.channels", 8)
    small = ("--scenes", 1, "--max-steps", 12, "--text.embedding", 8, *camera)
    speaker, follower = folder / "houses-speaker", folder / "houses-follower"
    flags = ("--task", "houses-short", "--imitation.iterations", 1, "--reinforcement.iterations", 0)
    cut = ("--policy.camera.size", 16, "--policy.camera.cells", 4)
    eyes = (*cut, "--policy.camera.channels", 8, "--policy.camera.layers", 2)
    agent = (*SMALL, "--language.no-word-vectors", "--policy.view", 12, "--scenes", 1)
    result = run_houses("train.py", "r2r-demo", "--out", follower, *agent, *eyes, *flags)
    assert result.code == 0, result.errors
    borrowed = ("--encoder-from", follower / LATEST, "--learning-rate", 0)
    result = run_houses("train_speaker.py", "houses-speaker", "--out", speaker, *SMALL_SPEAKER, *small, *borrowed)
    assert result.code == 0, result.errors
    own, agents = (load_checkpoint(each / LATEST).part("average") for each in (speaker, follower))
    assert all(torch.equal(value, agents[name]) for name, value in own.items() if name.startswith("views."))
    result = run_houses("speak.py", speaker, "--evaluate", "--split", "val_seen", "--json")
    assert result.code == 0, result.errors
    scores = json.loads(result.output)
    assert scores["BLEU"] >= 0
    assert scores["critic chance"] >= 10
    assert run_houses("evaluate.py", follower, "--split", "val_seen").code == 0
    lived = follower / "eval" / "val_seen.jsonl"
    rows = spoken(run_houses("speak.py", speaker, "--trajectories", lived, "--json"))
    assert len(rows) == len(read_trajectories(lived)) >= scores["routes"] > 0
    refused(run_houses("speak.py", speaker, "--path", "a"), "has no viewpoints")
    other = folder / "graph.jsonl"
    other.write_text(lived.read_text().replace('"simulator":"houses"', '"simulator":"graph"'))
    refused(run_houses("speak.py", speaker, "--trajectories", other), "field 'simulator'", "'graph'")
