"""Search at test time: the trajectory that fits its instruction best is scored."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SMALL, run_script
from learners import small_caption_config, small_speaker_world

from agents.agent import ShortestPathAgent
from agents.evaluation import rollout
from agents.speaking import reranking
from agents.speaking.reranking import best_of, check_search, fit, own_log_prob
from agents.speaking.runs import TrainedSpeaker
from envs.make import make_env
from vln.errors import InputError
from vln.tasks import R2R
from vln.trajectory import Pose, Step, Trajectory, read_trajectories

SPLIT = "val_unseen"
HERE = Pose("a", (0.0, 0.0, 0.0), 0.0, 0.0)


@pytest.fixture(scope="module")
def critic(small_data) -> TrainedSpeaker:
    torch.manual_seed(0)
    world = small_speaker_world(small_data, small_caption_config())
    return TrainedSpeaker(Path("run"), world.speaker().eval(), world)


def trajectory(*probabilities: float, choice: str = "b") -> Trajectory:
    """Steps that chose `choice` with these probabilities."""
    steps = tuple(
        Step(1, choice, HERE, choices=("stop", choice), probabilities=(1 - chance, chance)) for chance in probabilities
    )
    names = ("1_0", SPLIT, "house", "hash", "Go.")
    return Trajectory(*names, (), ("a",), "agent", "graph", 0, HERE, steps, task=R2R)


def test_the_agents_own_probability_is_that_of_what_it_did():
    assert own_log_prob(trajectory(0.5, 0.25)) == pytest.approx(math.log(0.125))
    assert own_log_prob(trajectory(0.0)) == pytest.approx(math.log(1e-4))  # four digits are written


@torch.no_grad()
def test_a_fit_is_the_speakers_log_probability_a_word(critic):
    data = critic.data.data
    env = make_env(data, SPLIT, 16, record=True)
    ended: list[int] = []
    walked = rollout(ShortestPathAgent(), env, advance=ended.append)
    assert sum(ended) == len(env.episodes)
    fits = fit(walked, critic)
    for number in (0, len(walked) - 1):
        routes = critic.data.trajectory_routes("here", [walked[number]])[0]
        tokens = torch.from_numpy(data.vocabulary.encode_batch([walked[number].instruction], 40)[0])
        assert fits[number] == pytest.approx(float(critic.speaker.log_prob(routes, tokens)), abs=1e-4)


def test_the_best_of_each_episode_is_chosen(monkeypatch):
    sure, unsure = trajectory(0.9), trajectory(0.1)
    fits = iter([np.array([0.0, -1.0]), np.array([-0.1, -1.0])])
    monkeypatch.setattr(reranking, "fit", lambda candidates, critic: next(fits))
    assert best_of([[unsure, unsure], [sure, sure]], None, confidence=1.0) == [sure, sure]
    fits = iter([np.array([0.0, -1.0]), np.array([-0.1, -0.9])])
    assert best_of([[unsure, unsure], [sure, sure]], None, confidence=0.0) == [unsure, sure]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((8, None), "--search: it goes with --critic"),
        ((0, Path("run")), "--critic: it goes with --search"),
        ((-1, None), "--search: -1 is out of"),
    ],
)
def test_a_search_needs_a_critic(given, problem):
    with pytest.raises(InputError, match=problem):
        check_search(*given)


def test_a_search_through_the_command_line(small_data, tmp_path):
    cache, data = small_data / "cache", ("--data", small_data)
    tiny = ("--speaker.hidden", 16, "--speaker.view", 12, "--iterations", 2, "--evaluate-every", 2, "--threads", 1)
    told = run_script("train_speaker.py", "r2r-speaker", "--out", tmp_path / "speaker", *tiny, *data, cache=cache)
    assert told.code == 0, told.errors
    learnt = run_script("train.py", "r2r-navigator", "--out", tmp_path / "run", *SMALL, *data, cache=cache)
    assert learnt.code == 0, learnt.errors
    searched = ("--search", 2, "--critic", tmp_path / "speaker", "--json")
    result = run_script("evaluate.py", tmp_path / "run", *searched, *data, cache=cache)
    assert result.code == 0, result.errors
    assert '"run.search"' in result.output
    assert read_trajectories(tmp_path / "run" / "eval" / f"{SPLIT}.search.jsonl")
    assert not (tmp_path / "run" / "eval" / f"{SPLIT}.jsonl").exists()
