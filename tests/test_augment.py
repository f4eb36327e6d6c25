"""Back-translation: paths that nobody has described, sentences for them, and learning from both."""

import json

import numpy as np
import pytest
from command_line import SMALL, run_script
from learners import small_world

from scripts.augment import FIRST, draw, draw_path
from scripts.train import augmented
from vln.episodes import check_episodes, load_episodes
from vln.errors import InputError

TINY = ("--speaker.hidden", 16, "--speaker.view", 12, "--iterations", 2, "--evaluate-every", 2, "--threads", 1)


SHORT = (2, 4), 1.0


def test_paths_are_new_and_shortest_and_as_long_as_asked(small_data):
    world = small_world(small_data)
    drawn = list(draw(world, 20, *SHORT, np.random.default_rng(0)))
    known = {(each.scan, each.path) for each in world.splits["train"]}
    paths = [(each["scan"], tuple(each["path"])) for each in drawn]
    assert len(set(paths)) == len(drawn) > 5
    assert known.isdisjoint(paths)
    assert {scan for scan, _ in paths} <= {each.scan for each in world.splits["train"]}
    for scan, path in paths:
        assert 2 <= len(path) <= 4
        assert world.graphs[scan].shortest_path(path[0], path[-1]) == list(path)
    assert [each["path_id"] for each in drawn] == [FIRST + number for number in range(len(drawn))]
    assert drawn == list(draw(world, 20, *SHORT, np.random.default_rng(0)))


@pytest.mark.parametrize("bounds", [((2, 4), 1e6), ((50, 60), 1.0)])
def test_too_short_and_too_long_paths_are_left_out(small_data, bounds):
    graph = next(iter(small_world(small_data).graphs.values()))
    assert not any(draw_path(graph, *bounds, np.random.default_rng(seed)) for seed in range(20))


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
    assert len(augmented(world, [file]).splits["train"]) == len(world.splits["train"]) + len(episodes)
    with pytest.raises(InputError, match="is there already; give every path its own path_id"):
        augmented(world, [file, file])
    learnt = run_script(
        "train.py", "r2r-navigator", "--out", tmp_path / "run", *SMALL, "--augment", file, *data, cache=cache
    )
    assert learnt.code == 0, learnt.errors


def test_an_augmentation_must_fit_the_graphs(small_data, tmp_path):
    world = small_world(small_data)
    file = tmp_path / "made.json"
    entry = {"path_id": 1, "scan": "nowhere", "path": ["a", "b"], "heading": 0.0, "instructions": ["Go."]}
    file.write_text(json.dumps([entry]))
    with pytest.raises(InputError, match="the unknown scan 'nowhere'"):
        augmented(world, [file])


def test_bad_numbers_of_paths_are_named(tmp_path):
    result = run_script("augment.py", tmp_path, "--out", tmp_path / "made.json", "--paths", 0, cache=tmp_path)
    assert result.code == 2
    assert "--paths: 0 is out of range" in result.errors
