"""The tutorials of docs/extend.md, run as they are printed, on small data."""

import dataclasses
import json
import runpy
import shlex
import sys
from unittest.mock import patch

import pytest
from command_line import SMALL, run_script
from guide import BLOCK, PAGE, ROOT, followed, give, tutorials
from safetensors.torch import load_file

from envs.houses import dataset

LONGEST = 60  # lines of code of a file


@pytest.fixture(autouse=True)
def small(small_data, monkeypatch):
    """Room-to-Room is the small made data, and a split of houses has one."""
    monkeypatch.setenv("VLN_DATA", str(small_data))
    for split, made in dataset.SPLITS.items():
        monkeypatch.setitem(dataset.SPLITS, split, dataclasses.replace(made, houses=1))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def rows(folder, split="val_unseen"):
    return json.loads((folder / "eval" / f"{split}.scores.json").read_text())


def test_files_are_short_and_all_are_run():
    written = {name: text for each in tutorials().values() for name, text in each.files.items()}
    assert len(written) >= 10
    for name, text in written.items():
        assert sum(bool(line.strip()) for line in text.splitlines()[1:]) <= LONGEST, name
    headings = [f'"{heading}"' for heading, each in tutorials().items() if each.files]
    tests = "".join(path.read_text() for path in sorted(PAGE.parent.parent.glob("tests/test_*.py")))
    assert [heading for heading in headings if heading not in tests] == []


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_the_agent_of_the_first_pages(page, tmp_path, monkeypatch, cache):
    text = (ROOT / page).read_text()
    (tmp_path / "my_agent.py").write_text(
        next(block for kind, block in BLOCK.findall(text) if "class Wanderer" in block)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_agent", raising=False)
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("vln") and "Wanderer" in line]
    assert commands
    for words in commands:
        give(words, cache=cache)
    assert rows(tmp_path / "runs/agents/Wanderer")["Wanderer"]["SR"] == 0


def test_an_agent_of_your_own(tmp_path, monkeypatch, cache):
    with followed("An agent of your own", tmp_path, monkeypatch) as (alone, beside, play, replay):
        give(alone, cache=cache)
        found = rows(tmp_path / "runs/agents/Wanderer")
        assert next(iter(found)) == "Wanderer"
        flags = (*("--imitation.iterations", 0), *("--reinforcement.iterations", 0))
        small = (*("--policy.hidden", 8), *("--policy.view", 8), *("--policy.camera.size", 16))
        trained = run_script(
            *("train.py", "houses-demo", "--out", "runs/houses-demo", "--scenes", 1, "--threads", 1),
            *("--label-pretraining.iterations", 1, *flags, *small),
            cache=cache,
        )
        assert trained.code == 0, trained.errors
        give(beside, cache=cache)
        again = rows(tmp_path / "runs/agents/Wanderer")
        assert list(again)[:2] == ["houses-demo", "Wanderer"]
        assert again["shortest path"] == found["shortest path"]
        assert again["Wanderer"] != found["Wanderer"]  # it has another option
        assert "from the goal" in give(play, "--seed", 0, cache=cache).output
        give(replay, cache=cache)
        assert len(list((tmp_path / "figures").glob("*.png"))) == 3


def test_a_policy_of_stable_baselines3(tmp_path, monkeypatch, cache):
    pytest.importorskip("sb3_contrib")
    with followed("A policy of stable-baselines3", tmp_path, monkeypatch) as (train, evaluate, score):
        assert train[:2] == ["python", "train_sb3.py"]
        with patch.object(sys, "argv", ["train_sb3.py", "256"]):
            runpy.run_path("train_sb3.py", run_name="__main__")
        give(evaluate, cache=cache)
        found = rows(tmp_path / "runs/agents/stable-baselines")
        (scored,) = json.loads(give(score, "--json", cache=cache).output).values()
        own = found["stable-baselines"]
        assert {name: scored[name] for name in ("TL", "SR", "SPL", "nDTW")} == {
            name: pytest.approx(own[name]) for name in ("TL", "SR", "SPL", "nDTW")
        }
        assert {"shortest path", "random"} < set(found)


TINY = (  # the smallest agent in houses
    *("--batch-size", 4, "--max-steps", 6, "--policy.hidden", 8, "--policy.view", 8, "--language.hidden", 8),
    *("--policy.camera.size", 16, "--policy.camera.cells", 4),
)
ROUND = (  # of imitation, and an update of reinforcement
    *("--imitation.iterations", 2, "--imitation.rounds", 1, "--imitation.episodes", 4, "--reinforcement.iterations", 1),
)
HOUSES = (*TINY, *ROUND, "--scenes", 1, "--threads", 1, "--label-pretraining.iterations", 1)


def test_encoders_of_images_and_sentences(tmp_path, monkeypatch, cache):
    with followed("Encoders of images and sentences", tmp_path, monkeypatch) as (train, evaluate):
        give(train, *HOUSES, cache=cache)
        give(evaluate, cache=cache)
        assert next(iter(rows(tmp_path / "runs/bag"))) == "bag"
        weights = load_file(tmp_path / "runs/bag/latest.safetensors")
        assert [name for name in weights if name.endswith("views.network.0.weight")]
        assert [name for name in weights if name.endswith("encoder.words.weight")]


def test_a_reward(tmp_path, monkeypatch, cache):
    with followed("A reward", tmp_path, monkeypatch) as (train,):
        give(train, *SMALL, cache=cache)
        (reward,) = [json.loads((tmp_path / "runs/on-the-path/config.json").read_text())["task"]["reward"]]
        assert reward == {"kind": "on-the-path", "price": 0.01}
        evaluated = run_script("evaluate.py", "runs/on-the-path", cache=cache)
        assert evaluated.code == 0, evaluated.errors


SIZES = (*("--batch-size", 6, "--max-steps", 5, "--language.hidden", 8, "--evaluate-every", 2, "--threads", 1),)


def test_a_policy(tmp_path, monkeypatch, cache):
    with followed("A policy", tmp_path, monkeypatch) as (train, resume, evaluate, replay):
        smaller = {"4": "1", "960": "6", "50": "2"}
        fewer = [smaller.get(word, word) for word in train]
        give(fewer, *SIZES, "--imitation.iterations", 2, "--policy.hidden", 8, cache=cache)
        config = json.loads((tmp_path / "runs/tiny/config.json").read_text())
        assert config["policy"] == {"kind": "my_policy:TinyConfig", "hidden": 8}
        assert [phase["learner"] for phase in config["phases"].values()] == ["dagger", "ppo"]
        give(resume, cache=cache)
        give(evaluate, cache=cache)
        give(replay, cache=cache)
        assert len(list((tmp_path / "figures").glob("*.png"))) == 2


def test_a_learner(tmp_path, monkeypatch, cache):
    with followed("A learner", tmp_path, monkeypatch) as (train, evaluate):
        give(train, *SIZES, "--policy.hidden", 8, "--imitation.iterations", 3, "--imitation.gamma", 0.5, cache=cache)
        phase = json.loads((tmp_path / "runs/focal/config.json").read_text())["phases"]["imitation"]
        assert (phase["learner"], phase["gamma"]) == ("focal", 0.5)
        give(evaluate, cache=cache)


def test_a_data_set(tmp_path, monkeypatch, cache):
    with followed("A data set", tmp_path, monkeypatch) as (write, train, evaluate, replay):
        runpy.run_path(write[1], run_name="__main__")
        give(train, *SIZES, "--policy.hidden", 8, "--imitation.iterations", 2, cache=cache)
        give(evaluate, cache=cache)
        assert rows(tmp_path / "runs/corridor")["shortest path"]["SR"] == 1
        give(replay, cache=cache)
        assert len(list((tmp_path / "figures").glob("*.png"))) == 1


def test_a_scene(tmp_path, monkeypatch, cache):
    with followed("A scene", tmp_path, monkeypatch) as (house, make, train, evaluate, replay, another, more):
        give(house, cache=cache)
        give(make, cache=cache)
        give(train, *TINY, *ROUND, cache=cache)
        give(evaluate, cache=cache)
        assert rows(tmp_path / "runs/home", "val_seen")["shortest path"]["SR"] == 1
        give(replay, cache=cache)
        assert len(list((tmp_path / "figures").glob("*.png"))) == 1
        give(another, cache=cache)
        give(more, cache=cache)
        again = run_script("evaluate.py", "runs/home", "--split", "val_far", cache=cache)
        assert again.code == 0, again.errors


def test_several_tasks_at_once(tmp_path, monkeypatch, cache):
    with followed("Several tasks at once", tmp_path, monkeypatch) as (train,):
        give(train, *HOUSES, cache=cache)
        lines = [json.loads(line) for line in (tmp_path / "runs/mixed/metrics.jsonl").read_text().splitlines()]
        assert {"val_unseen", "houses-val_unseen"} <= {line["group"] for line in lines if "SPL" in line}


def test_a_log_sink(tmp_path, monkeypatch, cache):
    with followed("A log sink", tmp_path, monkeypatch) as (train,):
        give(train, *SMALL[:2], *SIZES, "--policy.hidden", 8, cache=cache)
        table = (tmp_path / "runs/table/metrics.csv").read_text().splitlines()
        lines = [json.loads(line) for line in (tmp_path / "runs/table/metrics.jsonl").read_text().splitlines()]
        assert any("val_unseen/SPL" in line for line in table)
        assert len(table) >= len(lines)
