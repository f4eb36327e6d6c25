"""PPO: rollouts join to whole episodes, memory is carried over, resumed runs equal uninterrupted ones, it learns."""

from dataclasses import replace

import pytest
import torch
from learners import (
    SMALL_HOUSES,
    SMALL_NAVIGATOR,
    World,
    episodes,
    fresh_navigator,
    open_world,
    ppo,
    small_config,
    small_world,
)
from trainers import before_update, collector_of, few, fresh, mean, ppo_of, press_ctrl_c, same_weights

from agents.config import LossConfig, check_config
from agents.learners.dagger import replay_actor
from agents.learners.ppo import PpoConfig, Rollout, minibatch_loss, ppo_summary, ppo_targets
from agents.learners.recording import record
from agents.learners.recording import truncated_chunks as imitated
from agents.learners.sampler import EpisodeSampler
from agents.training import log
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.optimization import OptimizerStep
from vln.errors import InputError

ACTIONS = ("panoramic", "low-level")
BATCH, MAX_STEPS = 8, 10
WEIGHTS = LossConfig(teacher=0.0, student=0.5, policy=1.0, value=0.5)
SETTINGS = PpoConfig(steps=4, epochs=2, minibatches=2, loss=WEIGHTS)


@pytest.fixture(scope="module")
def worlds(small_data) -> dict[str, World]:
    return {actions: small_world(small_data, small_config(actions=actions, max_steps=MAX_STEPS)) for actions in ACTIONS}


def joined(parts: list[Rollout]) -> dict[str, torch.Tensor]:
    """What happened in several chunks, (T, B) each."""
    names = ("actions", "expert", "log_prob", "value", "reward", "progress", "dones", "success", "episode_starts")
    return {name: torch.cat([getattr(part, name) for part in parts]) for name in names}


# --- chunks ---


@pytest.mark.parametrize("actions", ACTIONS)
def test_chunks_of_any_length_join_to_the_same(worlds, actions):
    """With the weights fixed, where a chunk ends changes nothing: the memory is carried."""
    long = joined([collector_of(worlds[actions]).rollout(24)])
    stream = collector_of(worlds[actions])
    short = joined([stream.rollout(steps) for steps in (1, 5, 11, 7)])
    for name, value in long.items():
        torch.testing.assert_close(short[name], value, msg=name)
    assert long["dones"].sum() > BATCH


@pytest.mark.parametrize("actions", ACTIONS)
def test_chunks_equal_episodes_lived_as_a_whole(worlds, actions):
    """The first episode of each body, cut into chunks of three steps, as `record` and `chunks` go through it."""
    world = worlds[actions]
    navigator = fresh_navigator(world).eval()
    stream = collector_of(world, navigator)
    found = joined([stream.rollout(3) for _ in range(4)])  # longer than the time limit
    episodes = EpisodeSampler(world.lengths("train"), BATCH, 0).batch(0)
    everyone = torch.ones(BATCH, dtype=torch.bool)
    whole = record(world.environment("train", BATCH), episodes, replay_actor(found["actions"]), everyone)
    assert torch.equal(whole.reward, found["reward"][: len(whole.mask)] * whole.mask)
    for predictions, where in imitated(navigator, whole, torch.zeros_like(whole.reward), 0):
        for name in ("log_prob", "value"):
            torch.testing.assert_close(getattr(predictions, name), found[name].flatten()[where], msg=name)


@pytest.mark.parametrize("actions", ACTIONS)
def test_steps_weigh_alike_wherever_a_chunk_ends(worlds, actions):
    """What the expert did before a chunk is known to it, and to a stream that goes on from a checkpoint."""
    settings = replace(SETTINGS, loss=LossConfig(inflection=3.0))
    long = collector_of(worlds[actions]).rollout(16)
    whole = ppo_targets(long, settings)["weight"]
    stream, first = collector_of(worlds[actions]), 0
    for steps in (3, 5, 1, 7):
        here = stream.rollout(steps)
        found, expected = ppo_targets(here, settings)["weight"], whole[first : first + steps]
        torch.testing.assert_close(found / found.mean(), expected / expected.mean())
        first += steps
        kept, state = stream.state_dict(), torch.get_rng_state()
        stream = collector_of(worlds[actions])
        stream.load_state_dict(kept)
        torch.set_rng_state(state)
    assert (whole[0] == whole.max()).all()
    assert 0 < (whole[3] == whole.max()).float().mean() < 1  # so that a wrong first step of a chunk would show


def test_an_episode_ends_and_the_next_begins(worlds):
    found = joined([collector_of(worlds["panoramic"]).rollout(30)])
    assert found["episode_starts"][0].all()
    assert torch.equal(found["episode_starts"][1:], found["dones"][:-1] > 0)
    assert not (found["success"] * (1 - found["dones"])).any()
    assert not found["progress"][found["episode_starts"]].any()
    lengths = [torch.diff(row.nonzero()[:, 0]).max() for row in found["dones"].T]
    assert max(lengths) <= MAX_STEPS


@pytest.mark.parametrize("actions", ACTIONS)
def test_ratios_start_at_one(worlds, actions):
    """What is gone through again is what was lived, across ends of episodes and of chunks."""
    navigator = fresh_navigator(worlds[actions])
    stream = collector_of(worlds[actions], navigator)
    settings = replace(SETTINGS, steps=7, epochs=1, minibatches=1)
    learner = ppo_of(settings, stream, OptimizerStep(navigator, 0.0, 1.0))
    for _ in range(4):
        numbers = learner.update()
        assert abs(numbers["kl"]) < 1e-7  # what rounding leaves; a memory that differed would make it 1e-3
        assert numbers["clipped"] == 0
        torch.testing.assert_close(numbers["policy"], torch.zeros(()), atol=1e-5, rtol=0)  # standardised advantages


def test_a_chunk_measures_itself_with_generalised_advantages():
    ones = torch.ones(2, 1)
    chunk = Rollout(
        frames=[],
        actions=ones.long(),
        expert=torch.tensor([[1], [2]]),
        log_prob=-ones,
        value=torch.tensor([[1.0], [2.0]]),
        reward=torch.tensor([[3.0], [4.0]]),
        progress=0 * ones,
        dones=0 * ones,
        success=0 * ones,
        episode_starts=torch.tensor([[True], [False]]),
        expert_before=torch.tensor([1]),
        next_value=torch.tensor([8.0]),
        state=None,
    )
    found = ppo_targets(chunk, PpoConfig(loss=LossConfig(discount=0.5, inflection=3.0), gae_lambda=0.5))
    second = 4 + 0.5 * 8 - 2
    first = 3 + 0.5 * 2 - 1 + 0.25 * second
    assert found["returns"].tolist() == [[first + 1], [second + 2]]
    assert found["advantages"].tolist() == [[pytest.approx(-1.0)], [pytest.approx(1.0)]]
    assert found["weight"].tolist() == [[1.0], [1.0]]  # both are changes
    assert ppo_summary(chunk, found)["success"].isnan()


def test_unclipped_ppo_is_the_policy_gradient(worlds):
    """One step from the old policy has the gradient of REINFORCE with the same advantages."""
    navigator = fresh_navigator(worlds["panoramic"])
    nothing = {"progress": 0.0, "labels": 0.0}
    weights = LossConfig(teacher=0.0, student=0.0, policy=1.0, value=0.0, entropy=0.0, auxiliary=nothing)
    settings = replace(SETTINGS, steps=12, loss=weights)
    rollout = collector_of(worlds["panoramic"], navigator).rollout(12)
    targets = ppo_targets(rollout, settings)
    loss, _ = minibatch_loss(navigator, rollout, targets, torch.arange(BATCH), settings)
    loss.backward()
    found = navigator.core.cells[0].weight_hh.grad.clone()
    navigator.zero_grad()
    loss, _ = minibatch_loss(navigator, rollout, targets, torch.arange(BATCH), replace(settings, clip=1e9))
    loss.backward()
    torch.testing.assert_close(navigator.core.cells[0].weight_hh.grad, found)
    assert found.abs().sum() > 0


def test_parts_of_the_batch_add_up(worlds):
    navigator = fresh_navigator(worlds["low-level"])
    collector = collector_of(worlds["low-level"], navigator)
    collector.rollout(5)
    rollout = collector.rollout(8)
    targets = ppo_targets(rollout, SETTINGS)
    whole, _ = minibatch_loss(navigator, rollout, targets, torch.arange(BATCH), SETTINGS)
    halves = [
        minibatch_loss(navigator, rollout, targets, bodies, SETTINGS)[0]
        for bodies in torch.tensor([5, 0, 3, 6, 1, 2, 4, 7]).chunk(2)
    ]
    torch.testing.assert_close(sum(halves) / 2, whole)


# --- a frozen encoder ---


@pytest.fixture(scope="module")
def houses(tmp_path_factory) -> World:
    return open_world(SMALL_HOUSES, None, ("train",), cache=tmp_path_factory.mktemp("cache"))


def test_a_frozen_encoder_learns_from_encoded_images_as_others_from_images(houses):
    """The same chunk gives the same terms, whether its images are looked at again or not."""
    found = []
    for frozen in (False, True):
        navigator = fresh_navigator(houses)
        stream = collector_of(houses, navigator, frozen)
        chunk = stream.rollout(6)
        assert ("cells" in chunk.frames[0], "rgb" in chunk.frames[0]) == (frozen, not frozen)
        targets = ppo_targets(chunk, SETTINGS)
        found.append(minibatch_loss(navigator, chunk, targets, torch.arange(BATCH), SETTINGS)[1])
    for name in ("policy", "value", "entropy", "student", "progress", "kl"):
        torch.testing.assert_close(found[1][name], found[0][name], msg=name)


def test_a_frozen_encoder_stays_as_it_is(houses):
    navigator = fresh_navigator(houses)
    before = {name: weight.clone() for name, weight in navigator.named_parameters()}
    stream = collector_of(houses, navigator, freeze_encoder=True)
    settings = replace(SETTINGS, loss=replace(WEIGHTS, auxiliary={"progress": 0.5, "labels": 1.0}))
    ppo_of(settings, stream, OptimizerStep(navigator, 1e-2, 1.0)).update()
    moved = {name for name, weight in navigator.named_parameters() if not torch.equal(weight, before[name])}
    assert not any(name.startswith(("views.", "recognise.")) for name in moved)
    assert {"act.0.weight", "core.cells.0.weight_hh", "seek.weight", "onward.weight"} <= moved


def test_a_frozen_encoder_is_that_of_a_camera():
    with pytest.raises(InputError, match=r"--reinforcement.freeze-encoder: .* no camera"):
        check_config(small_config(reinforcement=ppo(1, 1e-3, WEIGHTS, freeze_encoder=True)))


# --- interruptions ---

# Dropout, which PPO does without; 3 updates of imitation, then 7 of 3 steps, shorter than an episode.
CONFIG = small_config(
    policy=replace(SMALL_NAVIGATOR, dropout=0.3, feature_dropout=0.3),
    max_steps=MAX_STEPS,
    imitation=episodes(3, 1e-2, 0.5),
    reinforcement=ppo(7, 3e-3, WEIGHTS, steps=3),
    evaluate_every=6,
)


@pytest.mark.parametrize("actions", ACTIONS)
def test_an_interrupted_run_ends_bit_for_bit_like_the_uninterrupted_one(small_data, tmp_path, monkeypatch, actions):
    monkeypatch.setattr(log, "EVERY", 3)
    world = small_world(small_data, replace(CONFIG, task=replace(CONFIG.task, actions=actions)))
    fresh(world, tmp_path / "whole").train()
    folder = tmp_path / "parts"
    for number, stop in enumerate([2, 4, 6, 9, None]):
        trainer = fresh(world, folder)
        if number:
            trainer.resume(load_checkpoint(folder / LATEST))
        if stop is None:
            trainer.train()
            break
        before_update(trainer, stop, press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        torch.rand(7)  # what else a process may have drawn
    same_weights(folder, tmp_path / "whole")


def test_a_checkpoint_leads_back_to_where_the_bodies_were(worlds):
    world = worlds["low-level"]
    navigator = fresh_navigator(world)
    stream, again = collector_of(world, navigator), collector_of(world, navigator)
    stream.rollout(13)
    again.load_state_dict({name: value.clone() for name, value in stream.state_dict().items()})
    torch.manual_seed(2)
    one = joined([stream.rollout(9)])
    torch.manual_seed(2)
    other = joined([again.rollout(9)])
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_stream_that_has_not_started_keeps_nothing(worlds):
    stream = collector_of(worlds["panoramic"])
    assert stream.state_dict() == {}
    stream.load_state_dict({})
    assert not stream.running


# --- learning learns ---


def test_reinforcement_raises_success_from_a_random_start(small_data, tmp_path):
    nothing = {"progress": 0.0, "labels": 0.0}
    weights = LossConfig(
        teacher=0.0, student=0.0, policy=1.0, value=0.5, entropy=0.05, discount=0.95, auxiliary=nothing
    )
    config = small_config(
        policy=replace(SMALL_NAVIGATOR, hidden=32, view=16),
        batch_size=32,
        imitation=episodes(0, 1e-3, 0.0),
        reinforcement=ppo(200, 3e-3, weights, steps=8, epochs=3, minibatches=2),
    )
    trainer = fresh(few(small_data, config), tmp_path, ())
    history = [trainer.update() for _ in range(14)]
    assert mean(history[-5:], "reward") > mean(history[:3], "reward") + 0.5
    assert mean(history[-5:], "success") > mean(history[:3], "success") + 0.2
    assert mean(history[-5:], "explained_variance") > mean(history[:5], "explained_variance")
    assert trainer.steps == 14 * 32 * 8
