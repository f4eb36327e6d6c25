"""Agents that need no run: behind a chat endpoint, or of a user; what they do wrong is one sentence."""

import json
import re
import socket
import sys
from pathlib import Path

import pytest
from chat_server import Behaviour, serving
from command_line import run_script
from small_house import small_house

import agents
from agents.adapters import chat
from agents.adapters.chat import ChatAgent, chosen_action
from agents.own import read_options
from envs.glb import save_glb
from envs.make import make_env
from vln.trajectory import read_trajectories

OWN = '''
"""Agents that do something wrong, and one that can be killed."""

from pathlib import Path

import gymnasium
import numpy as np


class Stops:
    num_envs = 8

    def __init__(self, env, sure: bool = True):
        pass

    def act(self, observation, infos):
        return np.zeros(len(infos["instruction"]), dtype=np.int64)


class Killed(Stops):
    """Ends the process in its third batch, the first time."""

    def begin(self, observation, seed):
        with Path("begun").open("a") as file:
            file.write("x")
        if Path("begun").read_text() == "xxx":
            raise KeyboardInterrupt


class Shape(Stops):
    def act(self, observation, infos):
        return np.zeros((2, 3), dtype=np.int64)


class Kind(Stops):
    def act(self, observation, infos):
        return np.zeros(len(infos["instruction"]))


class Outside(Stops):
    def act(self, observation, infos):
        return np.full(len(infos["instruction"]), 99)


class Other(Stops):
    action_space = gymnasium.spaces.Discrete(77)


class Plain:
    """Is made of nothing."""

    def act(self, observation, infos):
        return np.zeros(len(infos["instruction"]), dtype=np.int64)


class NoAct:
    pass


class Needs(Stops):
    def __init__(self, env, model):
        pass
'''


@pytest.fixture
def here(tmp_path, small_data, monkeypatch) -> Path:
    """A folder with the agents, where commands are given."""
    (tmp_path / "own_agents.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("VLN_DATA", str(small_data))
    monkeypatch.setattr(chat, "BACK_OFF", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return tmp_path


def evaluate(folder: Path, agent: str, *options: str, task: str = "r2r", expect: int = 0):
    given = ("--agent-options", *options) if options else ()
    result = run_script("evaluate.py", "--task", task, "--agent", agent, *given, cache=folder / "cache")
    assert result.code == expect, result.errors
    return result


def scores(folder: Path, agent: str) -> dict[str, float]:
    name = agent.rpartition(":")[2]
    return json.loads((folder / "runs/agents" / name / "eval/val_unseen.scores.json").read_text())[name]


def test_a_killed_evaluation_goes_on_where_it_was(here):
    evaluate(here, "own_agents:Killed", expect=130)
    (partial,) = (here / "runs/agents/Killed/eval").iterdir()
    assert len(read_trajectories(partial)) == 16
    with partial.open("a") as file:
        file.write('{"episode_id": "cut o')  # as a kill in the middle of a write leaves it
    result = evaluate(here, "own_agents:Killed")
    assert "16 of 30 episodes are done" in result.errors
    assert (here / "begun").read_text() == "x" * 5  # two batches, the one that was killed, and two more
    assert not partial.exists()
    whole = read_trajectories(here / "runs/agents/Killed/eval/val_unseen.jsonl")
    evaluate(here, "own_agents:Stops")
    other = read_trajectories(here / "runs/agents/Stops/eval/val_unseen.jsonl")
    assert [(each.episode_id, each.steps, each.seed) for each in whole] == [
        (each.episode_id, each.steps, each.seed) for each in other
    ]


def test_what_another_agent_has_done_is_not_taken_over(here):
    evaluate(here, "own_agents:Killed", expect=130)
    evaluate(here, "own_agents:Killed", "sure=false")
    assert (here / "begun").read_text() == "x" * 7  # all four batches again


@pytest.mark.parametrize(
    ("agent", "options", "message"),
    [
        ("own_agents:Shape", (), "agent 'Shape': gives actions of shape (2, 3); give integers (B,) from 0 to"),
        ("own_agents:Kind", (), "agent 'Kind': gives actions of type float64"),
        ("own_agents:Outside", (), "agent 'Outside': gives action 99"),
        ("own_agents:Other", (), "agent 'own_agents:Other': is for actions Discrete(77), those of 'r2r' are"),
        ("own_agents:NoAct", (), "has no method 'act'"),
        ("own_agents:Stopps", (), "has no 'Stopps'; name something that is in it (did you mean 'Stops'?)"),
        ("nothing:Stops", (), "module 'nothing' cannot be imported"),
        ("chatt", (), "did you mean 'chat'?"),
        ("own_agents:Stops", ("sur=1",), "takes no option 'sur'; give sure (did you mean 'sure'?)"),
        ("own_agents:Stops", ("sure",), "'sure' is no option; give key=value"),
        ("own_agents:Plain", ("sure=true",), "takes no option 'sure'; give none"),
        ("own_agents:Needs", (), "cannot be made (missing a required argument: 'model')"),
        ("stable-baselines", ("path=none.zip",), "none.zip: there is no such file"),
    ],
)
def test_bad_input(here, agent, options, message):
    result = evaluate(here, agent, *options, expect=2)
    assert message in result.errors
    assert len(result.errors.strip().splitlines()) == 1


def test_a_class_without_a_constructor_is_enough(here):
    evaluate(here, "own_agents:Plain")
    evaluate(here, "own_agents:Stops")
    assert scores(here, "own_agents:Plain") == scores(here, "own_agents:Stops")


def test_what_is_wrong_with_a_class_is_said_before_any_data_are_opened(here):
    assert "has no method 'act'" in evaluate(here, "own_agents:NoAct", task="houses", expect=2).errors
    assert not list(here.rglob("houses"))


def test_anything_that_acts_is_evaluated_from_python(small_data):
    class Stops:
        def act(self, observation, infos):
            return [0] * len(infos["instruction"])

    env = make_env("r2r", "val_unseen", 8, data=small_data, record=True)
    found = agents.evaluate(Stops(), env)
    assert found.scores["n"] == len(env.episodes)
    assert {each.agent for each in found.trajectories} == {"Stops"}


def test_a_task_is_needed_and_only_without_runs(here):
    for arguments, message in (
        (("--agent", "chat"), "--task: no task is given"),
        ((), "runs: none is given"),
        (("--agent", "own_agents:Stops", "--agent", "own_agents:Stops", "--task", "r2r"), "different names"),
    ):
        result = run_script("evaluate.py", *arguments, cache=here)
        assert (result.code, message in result.errors) == (2, True), result.errors


def test_options_are_json_or_text():
    read = read_options(["url=http://localhost:1/v1?a=b", "retries=2", "sample=true", "names=[1, 2]", "empty="])
    assert read == {
        "url": "http://localhost:1/v1?a=b",
        "retries": 2,
        "sample": True,
        "names": [1, 2],
        "empty": "",
    }


# --- a chat endpoint ---


def test_failures_of_an_endpoint_lose_no_episode_and_are_counted(here):
    behaviour = Behaviour(malformed=5, late=10)
    with serving(behaviour) as url:
        result = evaluate(here, "chat", f"url={url}", "timeout=0.5", "num_envs=10")
    found = scores(here, "chat")
    assert found["n"] == 30
    assert behaviour.counts["late"] >= 5
    assert behaviour.counts["malformed"] >= 10
    (late,) = re.findall(r"chat: (\d+) requests that timed out", result.errors)
    assert int(late) >= behaviour.counts["late"]  # more where the machine is busy
    assert f"chat: {behaviour.counts['malformed']} answers that name no action offered" in result.errors
    trajectories = read_trajectories(here / "runs/agents/chat/eval/val_unseen.jsonl")
    asked = set(behaviour.instructions())
    assert asked == {f"Instruction: {each.instruction}" for each in trajectories}
    assert all(len(each.steps) == 4 for each in trajectories if not _fell_back(each))


def _fell_back(trajectory) -> bool:
    """Whether it stopped before its three moves, as it does where all tries fail."""
    return len(trajectory.steps) < 4


def test_a_killed_evaluation_does_not_ask_again_about_what_is_done(here, monkeypatch):
    behaviour, ask = Behaviour(), ChatAgent._ask

    def killed(self, messages):
        if len(behaviour.requests) >= 60:
            raise KeyboardInterrupt
        return ask(self, messages)

    with serving(behaviour) as url:
        monkeypatch.setattr(ChatAgent, "_ask", killed)
        evaluate(here, "chat", f"url={url}", "num_envs=5", expect=130)
        monkeypatch.setattr(ChatAgent, "_ask", ask)
        (partial,) = (here / "runs/agents/chat/eval").iterdir()
        done = {f"Instruction: {each.instruction}" for each in read_trajectories(partial)}
        assert 5 <= len(done) < 20
        before = len(behaviour.requests)
        evaluate(here, "chat", f"url={url}", "num_envs=5")
    assert not done & set(behaviour.instructions()[before:])
    assert scores(here, "chat")["n"] == 30


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Behaviour(key="secret"), "refuses the key (status 401); set $OPENAI_API_KEY"),
        (Behaviour(status=404), "refuses the request (status 404"),
        (Behaviour(body="<html>hello</html>"), "does not speak the chat protocol (its answer begins '<html>hello"),
        (Behaviour(malformed=1), "had an answer that names an action (the last answer begins 'I am only a language"),
        (Behaviour(status=500), "requests that failed"),
    ],
)
def test_endpoints_that_cannot_be_used_are_one_sentence(here, behaviour, message):
    with serving(behaviour) as url:
        result = evaluate(here, "chat", f"url={url}", expect=2)
    assert message in result.errors
    assert len(result.errors.strip().splitlines()) == 1


def test_an_endpoint_that_is_not_there(here):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = evaluate(here, "chat", f"url=http://127.0.0.1:{port}/v1", expect=2)
    assert "cannot be reached" in result.errors
    assert len(result.errors.strip().splitlines()) == 1


def test_nothing_is_asked_twice_where_a_batch_is_short(here):
    with serving(behaviour := Behaviour()) as url:
        evaluate(here, "chat", f"url={url}", "num_envs=8")  # 30 episodes: the last batch has two to spare
    trajectories = read_trajectories(here / "runs/agents/chat/eval/val_unseen.jsonl")
    assert len(behaviour.requests) == sum(len(each.steps) for each in trajectories)


def test_without_its_package_it_says_what_to_install(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    errors = evaluate(here, "chat", expect=2).errors
    assert errors == "agent 'chat': the package 'httpx' is not installed; install it with pip install vln[chat].\n"


def test_a_key_is_read_from_the_environment(here, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with serving(Behaviour(key="secret")) as url:
        evaluate(here, "chat", f"url={url}")
    assert scores(here, "chat")["n"] == 30


OFFERED = {0: "stop", 1: "move 1 (20 degrees left and 2.1 m)", 12: "move 12 (90 degrees right and 3.0 m)"}


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("ACTION: stop", 0),
        ("First I thought ACTION: stop.\nBut no.\naction = 'move 1'", 1),
        ("**ACTION: Move 12 (90 degrees right and 3.0 m)**", 12),
        ("stop", 0),
        ("ACTION: move", None),  # could be either
        ("ACTION: fly", None),
        ("", None),
    ],
)
def test_the_last_action_that_is_named_counts(reply, action):
    assert chosen_action(reply, OFFERED) == action


def test_an_unknown_fallback_is_refused_before_anything_is_asked(here):
    behaviour = Behaviour()
    with serving(behaviour) as url:
        result = evaluate(here, "chat", f"url={url}", "fallback=sto", expect=2)
    assert "fallback 'sto' is no action that is offered" in result.errors
    assert "did you mean 'stop'?" in result.errors
    assert not behaviour.requests


def test_what_the_camera_shows_is_sent(here):
    mesh, behaviour = save_glb(small_house("mesh"), here), Behaviour()
    with serving(behaviour) as url:
        asked = ("--scene", mesh, "--instruction", "Go to the sofa.", "--seed", 0, "--agent", "chat")
        result = run_script("play.py", *asked, "--agent-options", f"url={url}", cache=here / "cache")
    assert result.code == 0, result.errors
    assert behaviour.instructions() == ["Instruction: Go to the sofa."] * 4
    assert {image.size for image in behaviour.images()} == {(64, 64)}
    assert all(len(image.getcolors()) > 1 for image in behaviour.images())
