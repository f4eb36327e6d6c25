"""Tasks: rules and metrics of one's own, ids that are named tasks, and runs from Python."""

import json
import math
from dataclasses import dataclass, replace

import gymnasium
import numpy as np
import pytest
import torch
from command_line import ROOT, run_script
from learners import SMALL_HOUSES, small_config, small_world
from small_world import CORRIDOR, write_data
from small_world import episode as walk
from trainers import fresh

import agents
import envs
from agents.agent import Decision, ShortestPathAgent
from agents.config import check_config
from agents.presets import PRESETS, houses, houses_demo
from agents.runs import check_task
from envs.environment import NavigationVectorEnv
from envs.graph import PanoramicGraph
from envs.make import make_env
from vln.configuration import as_json, from_json
from vln.errors import InputError
from vln.language import Vocabulary
from vln.registry import Registry
from vln.tasks import R2R, SUCCESS_RULES, TASKS, SuccessRule, Task, find_task, register_task
from vln.tasks.scoring import METRIC_SETS, graph_metrics, judged, score_task
from vln.trajectory import Pose, Step, Trajectory, read_trajectories, write_trajectories


@SUCCESS_RULES.register("target-visible")
@dataclass(frozen=True)
class TargetVisible(SuccessRule):
    """The target is visible from some viewpoints, wherever the goal is (as in REVERIE)."""

    viewpoints: tuple[str, ...] = ("c", "f")

    def judge(self, moment):
        return [pose.viewpoint in self.viewpoints for pose in moment.poses]


@SUCCESS_RULES.register("answered-right")
@dataclass(frozen=True)
class AnsweredRight(SuccessRule):
    """The last choice is the answer, which is the episode's target."""

    def judge(self, moment):
        pairs = zip(moment.choices, moment.episodes, strict=True)
        return np.array([choice == f"stop {episode.target}" for choice, episode in pairs])


@METRIC_SETS.register("graph-and-turns")
def graph_and_turns(task, trajectories, sources):
    turns = np.array([sum(step.collided for step in each.steps) for each in trajectories], float)
    return {**graph_metrics(task, trajectories, sources), "bumps": turns}


VISIBLE = register_task(
    replace(R2R, name="corridor-visible", success=TargetVisible(), metrics="graph-and-turns", max_steps=10)
)


class Twice:
    """Moves along the expert's way twice, then stops."""

    name, vocabulary = "twice", None

    def begin(self, observation, seed):
        self._step = 0

    def act(self, observation, infos):
        self._step += 1
        return Decision(np.asarray(infos["expert"]) * (self._step <= 2))


def test_a_rule_and_a_metric_of_ones_own_go_through_evaluate_score_and_replay(tmp_path):
    data = write_data(tmp_path)
    vocabulary = Vocabulary.build(["go walk turn"], 1)
    env = make_env("corridor-visible", "made", 3, data=data, vocabulary=vocabulary, record=True)
    found = agents.evaluate(Twice(), env)
    assert [each.poses[-1].viewpoint for each in found.trajectories] == ["c", "c", "c"]
    assert found.scores["SR"] == found.scores["OSR"] == 1
    assert found.scores["bumps"] == 0
    assert agents.evaluate(ShortestPathAgent(), env).scores["OSR"] == 1, "it comes by"
    assert agents.evaluate(ShortestPathAgent(), env).scores["SR"] == pytest.approx(1 / 3), "it ends at e, e and f"
    write_trajectories(tmp_path / "twice.jsonl", found.trajectories)
    assert read_trajectories(tmp_path / "twice.jsonl") == found.trajectories
    flags = ("--data", data, "--json")
    scored = run_script("score.py", tmp_path / "twice.jsonl", "--split", "made", *flags, cache=tmp_path)
    (row,) = json.loads(scored.output).values()
    assert {name: row[name] for name in found.columns} == {
        name: pytest.approx(found.scores[name]) for name in found.columns
    }
    replayed = json.loads(run_script("replay.py", tmp_path / "twice.jsonl", *flags, cache=tmp_path).output)
    assert [(each["SR"], each["bumps"]) for each in replayed] == [(1, 0)] * 3
    table = run_script("score.py", tmp_path / "twice.jsonl", "--split", "made", *flags[:2], cache=tmp_path)
    assert "bumps" in table.output


def test_an_environment_asks_the_rule_when_an_agent_stops():
    vocabulary = Vocabulary.build(["go"], 1)
    env = NavigationVectorEnv(PanoramicGraph([CORRIDOR]), [walk("abcde")], vocabulary, 2, task=VISIBLE)
    env.reset(seed=0)
    env.step([1, 1])
    *_, infos = env.step([2, 0])
    assert infos["success"].tolist() == [False, False], "b is no place to see it from, and c no stop"
    *_, infos = env.step([0, 0])
    assert infos["success"].tolist() == [True, False]


def test_an_answer_may_be_judged():
    pose = Pose("a", (0.0, 0.0, 0.0), 0.0, 0.0)
    base = Trajectory("1_0", "made", "s", "", "What colour?", (), ("a", "b"), "x", "graph", 0, pose, (), task=R2R)
    answers = [
        replace(base, target="red", steps=(Step(0, "b", pose), Step(0, f"stop {said}", pose)))
        for said in ("red", "blue")
    ]
    assert all(each.stopped for each in answers)
    success, oracle = judged(AnsweredRight(), answers, [np.zeros(3)] * 2)
    assert success.tolist() == oracle.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (lambda count: [math.nan] * count, "metric 'odd' of task 'r2r': is not a number in episode '1_0'"),
        (lambda count: [1.0] * (count + 1), "metric 'odd' of task 'r2r': has shape .* for 1 episodes"),
    ],
)
def test_a_metric_that_is_no_number_is_one_sentence(values, problem, monkeypatch):
    monkeypatch.setitem(METRIC_SETS._values, "odd", lambda task, lived, sources: {"odd": values(len(lived))})
    pose = Pose("a", (0.0, 0.0, 0.0), 0.0, 0.0)
    lived = Trajectory("1_0", "made", "s", "", "Go.", (), ("a", "b"), "x", "graph", 0, pose, (), task=R2R)
    with pytest.raises(InputError, match=problem):
        score_task(replace(R2R, metrics="odd"), [lived], None)


def test_a_rule_that_does_not_answer_for_each_moment_is_one_sentence():
    @dataclass(frozen=True)
    class Short(SuccessRule):
        def judge(self, moment):
            return [True]

    pose = Pose("a", (0.0, 0.0, 0.0), 0.0, 0.0)
    lived = Trajectory(
        "1_0", "made", "s", "", "Go.", (), ("a",), "x", "graph", 0, pose, (Step(0, "b", pose),), task=R2R
    )
    with pytest.raises(InputError, match="success rule 'Short': judges 2 moments with an array of shape"):
        judged(Short(), [lived], [np.zeros(2)])


# --- names ---


@pytest.mark.parametrize("name", TASKS.names())
def test_named_tasks_are_sound_and_come_back_from_json(name):
    task = find_task(name)
    task.check()
    assert task.name == name
    assert from_json(Task, json.loads(json.dumps(as_json(task))), "here") == task


def test_a_task_may_be_named_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(
        "from dataclasses import replace\nfrom vln.tasks import R2R\n"
        "TASK = replace(R2R, name='mine')\n\ndef make():\n    return TASK\n\nNUMBER = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert find_task("of_mine:TASK") == find_task("of_mine:make") == replace(R2R, name="mine")
    with pytest.raises(InputError, match="task 'of_mine:NUMBER': is int, not a vln.tasks.Task"):
        find_task("of_mine:NUMBER")
    with pytest.raises(InputError, match=r"task: 'huoses' is not known; use one of r2r, .*mean 'houses'"):
        find_task("huoses")
    with pytest.raises(InputError, match="task 'r2r': is registered already"):
        register_task(R2R)


def test_a_task_is_checked_with_the_configuration():
    for changes, problem in (
        ({"role": "guide"}, "--task.role: 'r2r' has but one; leave it out"),
        ({"max_steps": 0}, "--task.max-steps: 0 is out of range"),
    ):
        with pytest.raises(InputError, match=problem):
            check_config(small_config(task=replace(R2R, **changes)))


# --- ids and presets ---


@pytest.mark.parametrize(
    ("name", "preset"),
    [("vln/HousesShort-v2", houses_demo), ("vln/Houses-v2", houses), ("vln/GraphPanoramic-v2", PRESETS["r2r-demo"])],
)
def test_an_id_is_the_task_that_a_preset_learns(name, preset, small_data, tmp_path):
    options = {"data": small_data} if name in envs.GRAPH_IDS else {"cache": tmp_path, "scenes": 1}
    env = gymnasium.make(name, **options).unwrapped
    assert env.task == preset().task
    assert env.spec.max_episode_steps == preset().task.max_steps


def test_what_scenes_training_has_changes_no_unseen_split(small_data):
    few, all_ = (make_env("r2r", "val_unseen", data=small_data, scenes=count).episodes for count in (1, None))
    assert few == all_
    trained, seen = (make_env("r2r", split, data=small_data, scenes=1).episodes for split in ("train", "val_seen"))
    assert len({each.scan for each in (*trained, *seen)}) == 1


# --- runs ---


@pytest.fixture(scope="module")
def run(small_data, tmp_path_factory):
    """The folder of a small run, as in the README."""
    folder = tmp_path_factory.mktemp("home")
    world = small_world(small_data, small_config(evaluate_every=3))
    runs = folder / "runs" / "navigator"
    runs.mkdir(parents=True)
    fresh(world, runs).train()
    torch.set_flush_denormal(False)
    (runs / "vocabulary.json").write_text(world.vocabulary.to_json())
    return folder


def test_the_lines_of_the_readme_load_evaluate_and_replay(run, small_data, monkeypatch, capsys):
    text = (ROOT / "README.md").read_text()
    lines = text[text.index("import agents\n") :].split("```")[0]
    assert len(lines.strip().splitlines()) <= 14
    monkeypatch.chdir(run)
    monkeypatch.setenv("VLN_DATA", str(small_data))
    monkeypatch.setenv("VLN_CACHE", str(small_data / "cache"))
    exec(compile(lines, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()
    assert (run / "worst.png").stat().st_size > 1000
    assert read_trajectories(run / "val_unseen.jsonl")[0].task == replace(R2R, **vars(small_config().task))


def test_a_run_is_of_its_own_task(run, small_data):
    found = agents.load_run(run / "runs" / "navigator")
    options = {**found.options, "data": small_data, "cache": small_data / "cache"}
    other = replace(found.task, actions="low-level")
    with pytest.raises(InputError, match="learnt task 'r2r', the environment is of 'r2r': field 'actions' is 'panor"):
        found.agent(make_env(other, "val_unseen", record=True, **options))
    check_task("here", found.task, replace(found.task, simulator="another", reward=SMALL_HOUSES.task.reward))


def test_registries_tell_what_they_hold():
    assert "within-radius" in SUCCESS_RULES.names()
    assert {"graph", "graph-official", "walk", "vln-ce"} <= set(METRIC_SETS.names())
    assert isinstance(METRIC_SETS, Registry)
