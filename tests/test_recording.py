"""Recordings: packing keeps everything, and replaying a recording with gradients equals acting with gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learners import World, episodes, fresh_navigator, small_config, small_world

from agents.config import LossConfig
from agents.learners.dagger import MixedActor, replay_actor
from agents.learners.episode_learning import learn_recording, objective
from agents.learners.recording import collect, first_steps, frames_at, pack, record
from agents.training.optimization import OptimizerStep

BATCH, MAX_STEPS = 8, 24
EPISODES = np.array([3, 17, 40, 41, 66, 80, 101, 118])
ACTIONS = ("panoramic", "low-level")
STUDENT = torch.arange(BATCH) % 2 == 0


@pytest.fixture(scope="module")
def worlds(small_data) -> dict[str, World]:
    return {actions: small_world(small_data, small_config(actions=actions, max_steps=MAX_STEPS)) for actions in ACTIONS}


def recorded(world: World, seed: int = 0, **options):
    """A recording of half expert, half agent, and the navigator."""
    navigator = fresh_navigator(world)
    torch.manual_seed(seed)
    act = MixedActor(navigator, 1.0 - STUDENT.float())
    return record(world.environment("train", BATCH), EPISODES, act, STUDENT, **options), navigator


# --- packing ---


def test_episodes_are_packed_longest_first_and_step_by_step():
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 1, 0]]).float()
    found = pack(mask, first_steps(mask))
    assert found.bodies.tolist() == [1, 0, 2]
    assert found.sizes == [3, 2, 1]
    assert found.where.tolist() == [1, 0, 2, 4, 3, 7]


def test_a_body_that_starts_again_has_several_pieces():
    starts = torch.tensor([[1, 1], [0, 0], [1, 0]]).bool()
    found = pack(torch.ones(3, 2), starts)
    pieces = list(zip(found.bodies.tolist(), found.firsts.tolist(), strict=True))
    assert pieces == [(1, 0), (0, 0), (0, 2)]
    assert found.sizes == [3, 2, 1]
    assert found.where.tolist() == [1, 0, 4, 3, 2, 5]


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
def test_every_step_is_in_one_piece_and_pieces_are_in_order(lengths, skipped):
    """Bodies live through pieces of given lengths; those of the first body are left out for `skipped` 0."""
    longest = max(map(sum, lengths))
    starts, mask = torch.zeros(longest, len(lengths), dtype=torch.bool), torch.zeros(longest, len(lengths))
    for body, pieces in enumerate(lengths):
        starts[np.cumsum([0, *pieces[:-1]]), body] = True
        mask[: sum(pieces), body] = float(body != skipped or len(lengths) == 1)
    found = pack(mask, starts)
    assert sorted(found.where.tolist()) == mask.flatten().nonzero()[:, 0].tolist()
    assert found.sizes == sorted(found.sizes, reverse=True)
    done = 0
    for step, size in enumerate(found.sizes):
        expected = (found.firsts[:size] + step) * len(lengths) + found.bodies[:size]
        assert found.where[done : done + size].tolist() == expected.tolist()
        done += size


def test_frames_are_found_by_where_they_were_seen():
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 0, 1]]).float()
    frames = [{"x": torch.tensor([0, 1, 2])}, {"x": torch.tensor([3, 5])}, {"x": torch.tensor([8])}]
    assert frames_at(frames, mask, torch.tensor([8, 3, 5, 1]))["x"].tolist() == [8, 3, 5, 1]
    assert frames_at(frames, mask, torch.tensor([5, 3]))["x"].tolist() == [5, 3]


# --- living ---


@pytest.mark.parametrize("actions", ACTIONS)
def test_actions_taken_again_lead_to_the_same(worlds, actions):
    found, _ = recorded(worlds[actions])
    again = record(worlds[actions].environment("train", BATCH), EPISODES, replay_actor(found.actions), STUDENT)
    for name in ("actions", "expert", "reward", "distance", "mask", "success"):
        assert torch.equal(getattr(again, name), getattr(found, name)), name
    for one, other in zip(found.frames, again.frames, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_expert_acts_where_it_is_to(worlds):
    found, _ = recorded(worlds["panoramic"])
    acted = (found.actions != found.expert) & (found.mask > 0)
    assert acted[:, STUDENT].any()
    assert not acted[:, ~STUDENT].any()
    assert found.success[~STUDENT].all()


def test_frames_are_those_of_live_episodes_or_none(worlds):
    found, _ = recorded(worlds["panoramic"])
    assert [len(frame["viewpoint"]) for frame in found.frames] == found.mask.sum(1).tolist()
    assert recorded(worlds["panoramic"], keep_frames=False)[0].frames == []


# --- going through it again ---


class Idle(OptimizerStep):
    """Adds up gradients and takes no step."""

    def step(self) -> torch.Tensor:
        return torch.zeros(())

    @property
    def gradients(self) -> list[torch.Tensor]:
        weights = self.network.parameters()
        return [torch.zeros_like(each) if each.grad is None else each.grad for each in weights]


@pytest.mark.parametrize("actions", ACTIONS)
def test_going_through_it_again_equals_living_with_gradients(worlds, actions, monkeypatch):
    # Without chance, since who is left out draws no random numbers.
    monkeypatch.setattr(torch, "multinomial", lambda probs, count, generator: probs.argmax(1, keepdim=True))
    weights = LossConfig(policy=1.0, inflection=3.0)
    found, navigator = recorded(worlds[actions])
    optimizer = Idle(navigator, 0.0, 1.0)
    again = learn_recording(navigator, found, episodes(1, 1e-3, 0.5, weights), optimizer)
    gradients = optimizer.gradients
    optimizer.network.zero_grad()
    experience = collect(navigator, worlds[actions].environment("train", BATCH), EPISODES, STUDENT)
    loss, numbers = objective(experience, weights)
    loss.backward()
    for name, value in numbers.items():
        torch.testing.assert_close(again[name], value, msg=name, equal_nan=True)
    torch.testing.assert_close(gradients, optimizer.gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("truncate", [1, 2, 3, 100])
def test_truncation_cuts_gradients_and_changes_nothing_else(worlds, actions, truncate):
    found, navigator = recorded(worlds[actions])
    optimizer, weights = Idle(navigator, 0.0, 1.0), LossConfig(policy=1.0)
    whole_numbers = learn_recording(navigator, found, episodes(1, 1e-3, 0.5, weights), optimizer)
    uncut = optimizer.gradients
    optimizer.network.zero_grad()
    numbers = learn_recording(navigator, found, episodes(1, 1e-3, 0.5, weights, truncate=truncate), optimizer)
    torch.testing.assert_close(numbers, whole_numbers, equal_nan=True)
    same = [
        torch.allclose(one, other, atol=1e-5, rtol=1e-3) for one, other in zip(uncut, optimizer.gradients, strict=True)
    ]
    assert all(same) == (truncate == 100)
    of_value = [name.startswith("value.") for name, _ in navigator.named_parameters()]
    assert all(each for each, heads in zip(same, of_value, strict=True) if heads)  # they have no past
