"""Back-translation: sampled paths, generated instructions for them, and learning from both."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from command_line import SMALL, run_script
from learners import SMALL_NAVIGATOR, fresh_navigator, small_config, small_world

from agents.learners.recording import ExpertActor, collect, record, truncated_chunks
from agents.training.data import add_episodes
from vln.episodes import REAL, check_episodes, load_episodes
from vln.errors import InputError
from vln.path_sampling import FIRST, sample_path, sample_paths

TINY = ("--speaker.hidden", 16, "--speaker.view", 12, "--iterations", 2, "--evaluate-every", 2, "--threads", 1)


SHORT = (2, 4), 1.0


def hiding_world(data):
    """The small world for a navigator from which features are hidden."""
    config = small_config(policy=replace(SMALL_NAVIGATOR, feature_dropout=0.5))
    return small_world(data, config)


def test_paths_are_new_and_shortest_and_as_long_as_asked(small_data):
    world = small_world(small_data)
    drawn = list(sample_paths(world.graphs, world.splits["train"], 20, *SHORT, np.random.default_rng(0)))
    known = {(each.scan, each.path) for each in world.splits["train"]}
    paths = [(each["scan"], tuple(each["path"])) for each in drawn]
    assert len(set(paths)) == len(drawn) > 5
    assert known.isdisjoint(paths)
    assert {scan for scan, _ in paths} <= {each.scan for each in world.splits["train"]}
    for scan, path in paths:
        assert 2 <= len(path) <= 4
        assert world.graphs[scan].shortest_path(path[0], path[-1]) == list(path)
    assert [each["path_id"] for each in drawn] == [FIRST + number for number in range(len(drawn))]
    assert drawn == list(sample_paths(world.graphs, world.splits["train"], 20, *SHORT, np.random.default_rng(0)))


@pytest.mark.parametrize("bounds", [((2, 4), 1e6), ((50, 60), 1.0)])
def test_too_short_and_too_long_paths_are_left_out(small_data, bounds):
    graph = next(iter(small_world(small_data).graphs.values()))
    assert not any(sample_path(graph, *bounds, np.random.default_rng(seed)) for seed in range(20))


def test_described_and_learnt_from_through_the_command_line(small_data, tmp_path):
    cache, data = small_data / "cache", ("--data", small_data)
    told = run_script("train_speaker.py", "r2r-speaker", "--out", tmp_path / "speaker", *TINY, *data, cache=cache)
    assert told.code == 0, told.errors
    file = tmp_path / "made.json"
    described = ("augment.py", tmp_path / "speaker", "--out", file, "--paths", 6, "--threads", 1, *data)
    sampled = ("--method", "sample", "--seed", 3, "--viewpoints", 2, 4, "--metres", 1)
    result = run_script(*described, *sampled, cache=cache)
    assert result.code == 0, result.errors
    world = small_world(small_data)
    episodes = load_episodes(file, "train")
    check_episodes(file, episodes, world.graphs)
    assert 0 < len(episodes) <= 6
    assert len(add_episodes(world.data, [file]).splits["train"]) == len(world.splits["train"]) + len(episodes)
    with pytest.raises(InputError, match="is there already; give every path its own path_id"):
        add_episodes(world.data, [file, file])
    learnt = run_script(
        "train.py", "r2r-navigator", "--out", tmp_path / "run", *SMALL, "--augment", file, *data, cache=cache
    )
    assert learnt.code == 0, learnt.errors


def test_altered_environments_reach_the_speaker_and_the_navigator(small_data, tmp_path):
    cache, data = small_data / "cache", ("--data", small_data)
    told = run_script("train_speaker.py", "r2r-speaker", "--out", tmp_path / "speaker", *TINY, *data, cache=cache)
    assert told.code == 0, told.errors
    file = tmp_path / "made.json"
    described = ("augment.py", tmp_path / "speaker", "--out", file, "--paths", 6, "--threads", 1, *data)
    result = run_script(*described, "--altered", "--viewpoints", 2, 4, "--metres", 1, cache=cache)
    assert result.code == 0, result.errors
    episodes = load_episodes(file, "train")
    assert sorted({each.environment for each in episodes}) == list(range(len(episodes)))
    world = hiding_world(small_data)
    world = replace(world, data=add_episodes(world.data, [file]))
    env = world.environment("train", 4)
    last = len(world.splits["train"]) - 1
    observation, _ = env.reset(options={"episode_index": [0, last, 0, last]})
    assert observation["environment"].tolist() == [REAL, episodes[-1].environment] * 2
    assert env.observation_space["environment"].contains(observation["environment"].numpy())
    navigator = fresh_navigator(world)
    scales = navigator.initial_state(observation).cache.scales
    assert torch.equal(scales[1], scales[3])
    assert not torch.equal(scales[0], scales[2])
    seen = world.environment("val_seen", 4).reset(options={"episode_index": [0] * 4})[0]
    assert "environment" not in seen


def test_learning_in_altered_environments_goes_through_all_that_learns(small_data):
    """Living it as one learns, and going through what was recorded, hide the same."""
    world = hiding_world(small_data)
    some = [replace(each, environment=number) for number, each in enumerate(world.splits["train"])]
    world = world.only("train", some)
    env, navigator = world.environment("train", 4), fresh_navigator(world).eval()
    everyone = torch.ones(4)
    recording = record(env, np.arange(4), ExpertActor(), everyone)
    lived = collect(navigator, env, np.arange(4), everyone < 1)
    for predictions, where in truncated_chunks(navigator, recording, torch.zeros_like(recording.reward), 0):
        torch.testing.assert_close(predictions.log_prob, lived.predictions.log_prob.flatten()[where])
    real = hiding_world(small_data).environment("train", 4)
    others = collect(navigator, real, np.arange(4), everyone < 1)
    assert not torch.equal(others.predictions.log_prob, lived.predictions.log_prob)


@pytest.mark.parametrize("number", [-2, 1.5, True, "one", 2**31])
def test_bad_numbers_of_environments_are_named(small_data, tmp_path, number):
    entry = {"path_id": 1, "scan": "s", "path": ["a"], "heading": 0.0, "instructions": ["Go."], "environment": number}
    (tmp_path / "made.json").write_text(json.dumps([entry]))
    with pytest.raises(InputError, match=r"field 'environment' of entry 0 is malformed \(expected a whole number"):
        load_episodes(tmp_path / "made.json", "train")


def test_a_speaker_that_hides_nothing_alters_nothing(small_data, tmp_path):
    cache, data = small_data / "cache", ("--data", small_data)
    plain = ("--speaker.feature-dropout", 0.0)
    run_script("train_speaker.py", "r2r-speaker", "--out", tmp_path / "speaker", *TINY, *plain, *data, cache=cache)
    command = ("augment.py", tmp_path / "speaker", "--out", tmp_path / "made.json", "--altered", *data)
    result = run_script(*command, cache=cache)
    assert result.code == 2
    assert "--altered: the speaker was trained without feature dropout" in result.errors


def test_an_augmentation_must_fit_the_graphs(small_data, tmp_path):
    world = small_world(small_data)
    file = tmp_path / "made.json"
    entry = {"path_id": 1, "scan": "nowhere", "path": ["a", "b"], "heading": 0.0, "instructions": ["Go."]}
    file.write_text(json.dumps([entry]))
    with pytest.raises(InputError, match="the unknown scan 'nowhere'"):
        add_episodes(world.data, [file])


def test_bad_numbers_of_paths_are_named(tmp_path):
    result = run_script("augment.py", tmp_path, "--out", tmp_path / "made.json", "--paths", 0, cache=tmp_path)
    assert result.code == 2
    assert "--paths: 0 is out of range" in result.errors
