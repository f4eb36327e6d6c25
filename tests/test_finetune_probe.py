"""Weights of one agent copied into another, and a few updates of it."""

from dataclasses import replace

import pytest
import torch
from learners import episodes, fresh_navigator, small_config, small_world

from agents.learners.sampler import EpisodeSampler
from agents.probing.finetune_probe import copy_matching_weights, demonstrations, finetune


@pytest.fixture(scope="module")
def world(small_data):
    return small_world(small_data, splits=("train",))


@pytest.fixture(scope="module")
def lessons(world):
    env = world.environment("train", 8)
    return demonstrations(fresh_navigator(world), env, EpisodeSampler(world.lengths("train"), 8, 0), 6)


def test_what_fits_is_taken_over_and_the_rest_stays(world):
    own, other = fresh_navigator(world, 1), fresh_navigator(world, 2).state_dict()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    other["value.0.bias"] = torch.zeros(99)
    other["unknown"] = torch.zeros(1)
    kept = copy_matching_weights(own, other, ["core."])
    after = own.state_dict()
    assert "value.0.bias" in kept
    assert {name for name in after if name.startswith("core.")} < set(kept)
    for name, value in after.items():
        assert torch.equal(value, before[name] if name in kept else other[name])


def test_other_cells_fit_into_an_agent(world):
    config = replace(world.config, policy=replace(world.config.navigator, cell="rnn", layers=2))
    own = fresh_navigator(replace(world, config=config))
    kept = copy_matching_weights(own, fresh_navigator(world, 2).state_dict(), [])
    assert set(kept) == {name for name in own.state_dict() if name.startswith("core.")}


def test_practice_lowers_the_loss_and_tells_how_far_weights_move(world, lessons):
    navigator = fresh_navigator(world)
    config = small_config(imitation=episodes(6, 1e-2, 0.5, final_fraction=1.0))
    updates = list(finetune(navigator, lessons * 5, config, ("core",)))
    assert len(updates) == 5 * len(lessons)
    first, last = ([row["loss"] for row in part] for part in (updates[:6], updates[-6:]))
    assert sum(last) < 0.8 * sum(first)
    assert all(0 < row["moved"] < 1 for row in updates)
    assert all(row["gradient_norm"] > 0 for row in updates)


def test_a_tiny_norm_to_clip_at_leaves_adam_as_it_is_but_the_norm_is_told_before(world, lessons):
    runs = []
    for clip in (1e-3, 1e9):
        config = small_config(gradient_clip=clip)
        runs.append(list(finetune(fresh_navigator(world), lessons[:1], config, ("core",))))
    assert runs[0][0]["gradient_norm"] == pytest.approx(runs[1][0]["gradient_norm"])
    assert runs[0][0]["gradient_norm"] > 1e-3
