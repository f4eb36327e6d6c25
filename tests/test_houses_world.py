"""Generated houses through the scripts' wiring: splits, agents without learning, trajectories, the command line."""

import json
import math
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from command_line import run_script
from habitat_worlds import broken_python
from learners import SMALL_HOUSES, World, episodes, open_world

from agents.agent import SamplingAgent, ShortestPathAgent
from agents.baselines import random_baseline
from agents.config import LossConfig
from agents.evaluation import rollout
from envs.continuous import ACTIONS
from envs.continuous.scenes import BODY
from envs.continuous.source import HouseSource
from envs.houses import dataset, tasks
from envs.make import make_env
from envs.scenes import load_scene
from vln.errors import InputError
from vln.metrics import METRICS
from vln.observation import PRIVILEGED
from vln.trajectory import read_trajectories, write_trajectories

FLAGS = (
    *("--scenes", 2, "--max-steps", 12, "--batch-size", 4, "--imitation.iterations", 2, "--evaluate-every", 2),
    *("--language.min-count", 1, "--language.no-word-vectors", "--language.embedding", 16, "--language.hidden", 8),
    *("--policy.hidden", 16, "--policy.view", 16, "--policy.camera.size", 16, "--policy.camera.cells", 4),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """Where data sets are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def houses(cache) -> World:
    return open_world(SMALL_HOUSES, None, ("train", "val_seen", "test"), cache=cache)


@pytest.fixture(scope="module")
def expert(houses):
    """What the expert does on the training split."""
    return rollout(ShortestPathAgent(), houses.environment("train", 16, record=True, blind=True))


def test_the_body_of_the_data_sets_is_the_simulators():
    assert tasks.BODY == BODY


def test_the_expert_succeeds_everywhere(houses, expert):
    scores = houses.scores("train", expert)
    assert set(scores) == set(METRICS)
    assert (scores["SR"] == 1).all()
    assert scores["SPL"].mean() > 0.9
    assert scores["nDTW"].mean() > 0.8


def test_worlds_share_the_houses_that_are_drawn(houses, cache):
    other = open_world(SMALL_HOUSES, None, ("val_seen",), houses.vocabulary, cache)
    blind = open_world(replace(SMALL_HOUSES, ablate="vision"), None, ("val_seen",), houses.vocabulary, cache)
    loaded = houses.data.source.cache
    assert other.data.source.cache is not loaded
    shared = [each.data.sharing(houses.data).source.cache for each in (other, blind)]
    assert shared[0] is shared[1] is loaded
    assert houses.data.sharing(blind.data).source.cache is loaded


def test_paths_are_as_long_as_the_expert_finds_them(houses, expert):
    lengths = houses.data.path_lengths("train")
    np.testing.assert_allclose(lengths, [each.distances[0] for each in expert], atol=0.5)


def test_the_random_agent_takes_actions_as_often_as_the_expert(houses, expert):
    agent, env = random_baseline(houses.data, "train", 32, expert, ())
    lived = rollout(agent, env)
    shares = [
        np.bincount([step.action for each in lives for step in each.steps], minlength=4) for lives in (expert, lived)
    ]
    np.testing.assert_allclose(*(share / share.sum() for share in shares), atol=0.08)
    assert houses.scores("train", lived)["SR"].mean() < 0.5
    assert [each.steps for each in lived] == [each.steps for each in rollout(agent, env)]
    assert {step.choice for each in lived for step in each.steps} <= set(ACTIONS)


def test_trajectories_tell_places_distances_and_targets(houses, expert, tmp_path):
    for episode, lived in zip(houses.splits["train"], expert, strict=True):
        assert (lived.scan, lived.scan_hash) == (episode.scan, load_scene(episode.scan).content_hash)
        assert (lived.reference, lived.reference_positions) == ((), episode.positions)
        assert (lived.simulator, lived.target) == ("houses", episode.target)
        assert len(lived.distances) == len(lived.steps) + 1 == len(lived.poses)
        assert lived.distances[-1] < 0.5
        assert math.dist(lived.start.position, episode.positions[0]) < 0.3
    write_trajectories(tmp_path / "lived.jsonl", expert)
    assert read_trajectories(tmp_path / "lived.jsonl") == expert


def test_withheld_goals_leave_no_distances(houses):
    env = houses.environment("test", 4, record=True, blind=True)
    env.episodes = env.episodes[:4]
    lived = rollout(SamplingAgent(np.array([0.5, 0.5, 0, 0])), env)
    assert all(each.distances == () and len(each.reference_positions) == 1 for each in lived)


def test_what_environments_of_a_world_sense(houses):
    seeing = houses.environment("train", 2)
    assert set(seeing.single_observation_space) == {"rgb", "depth", "previous_action", "instruction"}
    assert seeing.single_observation_space["rgb"].shape == (32, 32, 3)
    assert set(houses.environment("train", 2, blind=True).single_observation_space) == {
        "previous_action",
        "instruction",
    }
    options = replace(houses.data.options, blind=True)
    blind = make_env(replace(houses.data, source=HouseSource(houses.data.task, options)), "train", 2)
    assert "rgb" not in set(blind.single_observation_space)
    loss = LossConfig(auxiliary={"labels": 0.5})
    learning = replace(houses, config=replace(SMALL_HOUSES, phases={"imitation": episodes(1, 1e-3, 0.5, loss)}))
    labels = learning.environment("train", 2).single_observation_space[PRIVILEGED]
    assert set(labels) == {"category", "colour", "room", "target", "way"}
    assert PRIVILEGED not in set(learning.environment("train", 2, record=True).single_observation_space)
    deaf = houses.environment("train", 2, silent=True)
    assert deaf.reset(seed=0)[1]["instruction"].tolist() == ["", ""]


def test_the_time_limit_is_that_of_the_data_set_where_it_counts(houses):
    world = replace(houses, config=replace(SMALL_HOUSES, max_steps=7))
    assert world.environment("train", 2).max_steps == 7
    assert world.environment("val_seen", 2, record=True).max_steps == SMALL_HOUSES.task.max_steps


def test_dev_is_taken_out_of_training(cache, houses):
    config = replace(SMALL_HOUSES, select="dev")
    world = open_world(config, None, ("train", "dev"), vocabulary=houses.vocabulary, cache=cache)
    parts = {name: {episode.scan for episode in episodes} for name, episodes in world.splits.items()}
    assert (len(parts["train"]), len(parts["dev"])) == (1, 1)
    assert parts["train"] | parts["dev"] == {episode.scan for episode in houses.splits["train"]}
    # Seen houses are those that were trained in.
    seen = open_world(config, None, ("train", "val_seen"), vocabulary=houses.vocabulary, cache=cache)
    assert {episode.scan for episode in seen.splits["val_seen"]} == parts["train"]
    with pytest.raises(InputError, match="'dev' takes the only house of training; give --scenes 2 or more"):
        open_world(replace(config, scenes=1), None, ("dev",), houses.vocabulary, cache)


# --- the command line ---


@pytest.fixture(scope="module")
def run(cache):
    """Runs a script, with two houses of each kind."""

    def run(script: str, *arguments: object):
        few = {name: replace(split, houses=2) for name, split in dataset.SPLITS.items()}
        with patch.dict(dataset.SPLITS, few):
            return run_script(script, *arguments, cache=cache)

    return run


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory) -> Path:
    """The folder of a small agent that has learnt for a moment."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    result = run("train.py", "r2r-demo", "--out", folder, "--task", "houses-short-fine", *FLAGS)
    assert result.code == 0, result.errors
    return folder


@pytest.mark.parametrize("ablate", ["nothing", "vision", "language"])
def test_evaluation_writes_trajectories_and_scores(run, trained, ablate):
    result = run("evaluate.py", trained, "--split", "val_seen", "--ablate", ablate, "--json")
    assert result.code == 0, result.errors
    rows = json.loads(result.output)
    suffix = {"nothing": "", "vision": ".blind", "language": ".deaf"}[ablate]
    assert list(rows) == [f"small{suffix}", "shortest path", "random"]
    assert rows["shortest path"]["SR"] == 1
    lived = read_trajectories(trained / "eval" / f"val_seen{suffix}.jsonl")
    assert len(lived) == rows["random"]["n"]
    assert all(each.distances for each in lived)
    assert not (trained / "eval" / f"val_seen{suffix}.json").exists()


def test_evaluation_of_withheld_goals_leaves_trajectories(run, trained):
    result = run("evaluate.py", trained, "--split", "test", "--json")
    assert (result.code, result.output) == (0, "{}\n"), result.errors
    assert not read_trajectories(trained / "eval" / "test.jsonl")[0].distances


def test_what_cannot_be_is_told(run, trained, tmp_path):
    result = run("evaluate.py", trained, "--split", "nowhere")
    assert (result.code, "split: 'nowhere' of 'houses-short' is not known" in result.errors) == (2, True)
    train = ("train.py", "r2r-demo", "--out", tmp_path / "run", "--task", "houses", *FLAGS)
    for flags, problem in (
        (("--task.motion.turn", 0), "a turn of 0.0 degrees"),
        (("--scenes", 900_000), "houses: 900000 is out of range"),
        (("--policy.camera.size", 0), "--policy.camera.size: 0 is out of range"),
    ):
        result = run(*train, *flags)
        assert (result.code, problem in result.errors) == (2, True), result.errors
        assert not (tmp_path / "run").exists()


def test_an_absurd_image_size_is_one_sentence_before_anything_is_made(tmp_path):
    flags = ("--policy.camera.size", 100_000)
    result = run_script("train.py", "houses-demo", "--out", tmp_path / "run", *flags, cache=tmp_path / "cache")
    assert (result.code, "camera: an image width of 100000 pixels is not possible" in result.errors) == (2, True)
    assert not list(tmp_path.iterdir())


def test_an_interpreter_without_habitat_sim_is_told_of_before_anything_is_made(tmp_path):
    python = broken_python(tmp_path)
    for script, flags in (
        ("train.py", ("habitat-houses-demo", "--out", tmp_path / "made" / "run")),
        ("make_houses.py", ("--for-habitat", "houses-short", "--out", tmp_path / "made" / "houses")),
    ):
        result = run_script(script, *flags, "--habitat-python", python, cache=tmp_path / "cache")
        assert (result.code, "habitat_sim cannot be imported" in result.errors) == (2, True), result.errors
    assert list(tmp_path.iterdir()) == [python.parent]
