"""The task of the guide, as printed: its success rule and metric go through training, evaluation, scoring, replay."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import SMALL
from guide import tutorials

from envs.make import make_env
from vln.errors import InputError
from vln.registry import import_module
from vln.tasks import SUCCESS_RULES
from vln.tasks.scoring import METRIC_SETS
from vln.trajectory import read_trajectories

GUIDE = tutorials()["A task"]
(MODULE,) = GUIDE.files.values()
COMMANDS = [command[1:] for command in GUIDE.commands]


@pytest.fixture(scope="module")
def call(run, tmp_path_factory):
    """Runs a command of the guide, by its number and with flags besides, in a folder that has the module."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_task.py").write_text(MODULE)
    sys.path.insert(0, str(folder))

    def called(number: int, *flags: object):
        name, *arguments = (each.replace("runs/", f"{folder}/runs/") for each in COMMANDS[number])
        return run(f"{name}.py", *arguments, *flags)

    yield called
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def evaluated(call):
    """The scores that evaluation prints, after training."""
    trained = call(0, *SMALL, "--task.success.metres", 2.5)
    assert trained.code == 0, trained.errors
    found = call(1, "--json")
    assert found.code == 0, found.errors
    return json.loads(found.output)


@pytest.fixture
def file(call, evaluated):
    """The trajectories of the evaluation."""
    return Path(next(each for each in sys.path if (Path(each) / "my_task.py").is_file())) / COMMANDS[2][1]


def test_the_rule_judges_and_the_metric_counts(evaluated, file):
    trajectories = read_trajectories(file)
    rule = trajectories[0].task.success
    assert (SUCCESS_RULES.name_of(type(rule)), rule.metres) == ("said-stop", 2.5)
    for row in evaluated.values():
        assert {"SR", "SPL", "revisits"} <= row.keys()
    assert evaluated["shortest path"]["SR"] == evaluated["shortest path"]["OSR"] == 1
    assert evaluated["shortest path"]["revisits"] == 0
    assert evaluated["random"]["revisits"] > 0


def test_running_out_of_time_at_the_goal_is_no_success(call, evaluated, small_data):
    task = import_module("my_task", "--import").task
    env = make_env(task, "val_unseen", 1, data=small_data, cache=small_data / "cache", record=True, max_steps=99)
    _, infos = env.reset(seed=0)
    while infos["expert"][0]:
        *_, infos = env.step(infos["expert"])
    assert not infos["success"][0]
    *_, infos = env.step(infos["expert"])
    assert infos["success"][0]


def test_scoring_gives_the_same_numbers(call, evaluated):
    scored = call(2, "--json")
    assert scored.code == 0, scored.errors
    (row,) = json.loads(scored.output).values()
    same = [name for name in row if name in evaluated["said-stop"] and name != "n"]
    assert "revisits" in same
    assert {name: row[name] for name in same} == {name: pytest.approx(evaluated["said-stop"][name]) for name in same}
    assert "revisits" in call(2).output


def test_it_is_replayed(call, evaluated):
    replayed = call(3, "--json")
    assert replayed.code == 0, replayed.errors
    (row,) = json.loads(replayed.output)
    assert {"SR", "revisits"} <= row.keys()


# --- what cannot be ---


def test_a_rule_that_is_not_imported_is_one_sentence(call, evaluated, monkeypatch):
    monkeypatch.delitem(SUCCESS_RULES._values, "said-stop")
    for number in (2, 3):
        found = call(number)
        assert (found.code, found.output, found.errors.count("\n")) == (2, "", 1)
        assert found.errors.startswith("success rule: 'said-stop' is not known; use one of within-radius, ")
        assert "--import" in found.errors


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"revisits": np.nan}, "metric 'revisits' of task 'r2r-said-stop': is not a number in episode '"),
        ({"revisits": np.zeros(1)}, "metric 'revisits' of task 'r2r-said-stop': has shape (1,) for "),
        ({"SPL": None}, "metric set 'graph-and-revisits': gives no SPL; "),
    ],
)
def test_a_bad_metric_is_one_sentence_and_code_2(call, evaluated, monkeypatch, change, sentence):
    right = METRIC_SETS.find("graph-and-revisits")

    def bad(task, trajectories, sources):
        scores = right(task, trajectories, sources)
        (name, value), *_ = change.items()
        values = np.full(len(trajectories), value) if isinstance(value, float) else value
        return {key: each for key, each in {**scores, name: values}.items() if each is not None}

    monkeypatch.setitem(METRIC_SETS._values, "graph-and-revisits", bad)
    for number in (1, 2):
        found = call(number)
        assert (found.code, found.output) == (2, "")
        assert sentence in found.errors.splitlines()[-1]


def test_a_metric_set_that_is_unknown_is_told_before_anything_is_trained(call, monkeypatch):
    monkeypatch.delitem(METRIC_SETS._values, "graph-and-revisits")
    found = call(0, *SMALL, "--out", "nowhere")
    assert (found.code, found.errors.count("\n")) == (2, 1)
    assert found.errors.startswith("metric set: 'graph-and-revisits' is not known; use one of graph, ")
    assert not Path("nowhere").exists()


def test_a_rule_that_does_not_answer_for_each_body_is_one_sentence(call, evaluated, small_data, monkeypatch):
    task = import_module("my_task", "--import").task
    monkeypatch.setattr(type(task.success), "judge", lambda self, moment: [True])
    env = make_env(task, "val_unseen", 3, data=small_data, cache=small_data / "cache")
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"success rule 'SaidStop': judges 3 moments with an array of shape \(1,\)"):
        env.step([0, 0, 0])
