"""PPO: rollouts join to whole episodes, memory is carried over, resumed runs equal uninterrupted ones, it learns."""

from dataclasses import replace

import pytest
import torch
from learners import SMALL_HOUSES, SMALL_NAVIGATOR, fresh_navigator, small_config, small_world
from trainers import before_update, few, fresh, mean, press_ctrl_c, same_weights, stream_of

from agents.config import LossConfig, PhaseConfig, PpoConfig, check_config
from agents.learners.ppo import Chunk, Ppo, ppo_summary, ppo_targets
from agents.learners.recording import Follower, record
from agents.learners.recording import chunks as imitated
from agents.learners.sampler import EpisodeSampler
from agents.training import log
from agents.training.checkpoint import load_checkpoint
from agents.training.optimization import OptimizerStep
from agents.training.trainer import LATEST
from scripts.worlds import World, open_world
from vln.errors import InputError

ACTIONS = ("panoramic", "low-level")
BATCH, MAX_STEPS = 8, 10
WEIGHTS = LossConfig(teacher=0.0, student=0.5, policy=1.0, value=0.5)
SETTINGS = PpoConfig(steps=4, epochs=2, minibatches=2)


@pytest.fixture(scope="module")
def worlds(small_data) -> dict[str, World]:
    return {actions: small_world(small_data, small_config(actions=actions, max_steps=MAX_STEPS)) for actions in ACTIONS}


def joined(parts: list[Chunk]) -> dict[str, torch.Tensor]:
    """What happened in several chunks, (T, B) each."""
    names = ("actions", "expert", "log_prob", "value", "reward", "progress", "ends", "success", "begins")
    return {name: torch.cat([getattr(part, name) for part in parts]) for name in names}


# --- chunks ---


@pytest.mark.parametrize("actions", ACTIONS)
def test_chunks_of_any_length_join_to_the_same(worlds, actions):
    """With the weights fixed, where a chunk ends changes nothing: the memory is carried."""
    long = joined([stream_of(worlds[actions]).chunk(24)])
    stream = stream_of(worlds[actions])
    short = joined([stream.chunk(steps) for steps in (1, 5, 11, 7)])
    for name, value in long.items():
        torch.testing.assert_close(short[name], value, msg=name)
    assert long["ends"].sum() > BATCH


@pytest.mark.parametrize("actions", ACTIONS)
def test_chunks_equal_episodes_lived_as_a_whole(worlds, actions):
    """The first episode of each body, cut into chunks of three steps, as `record` and `chunks` go through it."""
    world = worlds[actions]
    navigator = fresh_navigator(world).eval()
    stream = stream_of(world, navigator)
    found = joined([stream.chunk(3) for _ in range(4)])  # longer than the time limit
    episodes = EpisodeSampler(world.lengths("train"), BATCH, 0).batch(0)
    everyone = torch.ones(BATCH, dtype=torch.bool)
    whole = record(world.environment("train", BATCH), episodes, Follower(found["actions"]), everyone)
    assert torch.equal(whole.reward, found["reward"][: len(whole.mask)] * whole.mask)
    for predictions, where in imitated(navigator, whole, 0):
        for name in ("log_prob", "value"):
            torch.testing.assert_close(getattr(predictions, name), found[name].flatten()[where], msg=name)


@pytest.mark.parametrize("actions", ACTIONS)
def test_steps_weigh_alike_wherever_a_chunk_ends(worlds, actions):
    """What the expert did before a chunk is known to it, and to a stream that goes on from a checkpoint."""
    weights = LossConfig(inflection=3.0)
    long = stream_of(worlds[actions]).chunk(16)
    whole = ppo_targets(long, weights, SETTINGS)["weight"]
    stream, first = stream_of(worlds[actions]), 0
    for steps in (3, 5, 1, 7):
        here = stream.chunk(steps)
        found, expected = ppo_targets(here, weights, SETTINGS)["weight"], whole[first : first + steps]
        torch.testing.assert_close(found / found.mean(), expected / expected.mean())
        first += steps
        kept, state = stream.tensors(), torch.get_rng_state()
        stream = stream_of(worlds[actions])
        stream.load(kept)
        torch.set_rng_state(state)
    assert (whole[0] == whole.max()).all()
    assert 0 < (whole[3] == whole.max()).float().mean() < 1  # so that a wrong first step of a chunk would show


def test_an_episode_ends_and_the_next_begins(worlds):
    found = joined([stream_of(worlds["panoramic"]).chunk(30)])
    assert found["begins"][0].all()
    assert torch.equal(found["begins"][1:], found["ends"][:-1] > 0)
    assert not (found["success"] * (1 - found["ends"])).any()
    assert not found["progress"][found["begins"]].any()
    lengths = [torch.diff(row.nonzero()[:, 0]).max() for row in found["ends"].T]
    assert max(lengths) <= MAX_STEPS


@pytest.mark.parametrize("actions", ACTIONS)
def test_ratios_start_at_one(worlds, actions):
    """What is gone through again is what was lived, across ends of episodes and of chunks."""
    navigator = fresh_navigator(worlds[actions])
    stream = stream_of(worlds[actions], navigator)
    ppo = Ppo(
        replace(SETTINGS, steps=7, epochs=1, minibatches=1), navigator, stream, OptimizerStep(navigator, 0.0, 1.0)
    )
    for _ in range(4):
        numbers = ppo.update(WEIGHTS)
        assert abs(numbers["kl"]) < 1e-7  # what rounding leaves; a memory that differed would make it 1e-3
        assert numbers["clipped"] == 0
        torch.testing.assert_close(numbers["policy"], torch.zeros(()), atol=1e-5, rtol=0)  # standardised advantages


def test_a_chunk_measures_itself_with_generalised_advantages():
    ones = torch.ones(2, 1)
    chunk = Chunk(
        frames=[],
        actions=ones.long(),
        expert=torch.tensor([[1], [2]]),
        log_prob=-ones,
        value=torch.tensor([[1.0], [2.0]]),
        reward=torch.tensor([[3.0], [4.0]]),
        progress=0 * ones,
        ends=0 * ones,
        success=0 * ones,
        begins=torch.tensor([[True], [False]]),
        before=torch.tensor([1]),
        following=torch.tensor([8.0]),
        state=None,
    )
    found = ppo_targets(chunk, LossConfig(discount=0.5, inflection=3.0), PpoConfig(trace=0.5))
    second = 4 + 0.5 * 8 - 2
    first = 3 + 0.5 * 2 - 1 + 0.25 * second
    assert found["returns"].tolist() == [[first + 1], [second + 2]]
    assert found["gains"].tolist() == [[pytest.approx(-1.0)], [pytest.approx(1.0)]]
    assert found["weight"].tolist() == [[1.0], [1.0]]  # both are changes
    assert ppo_summary(chunk, found)["success"].isnan()


def test_unclipped_ppo_is_the_policy_gradient(worlds):
    """One step from the old policy has the gradient of REINFORCE with the same advantages."""
    navigator = fresh_navigator(worlds["panoramic"])
    weights = LossConfig(teacher=0.0, student=0.0, policy=1.0, value=0.0, entropy=0.0, progress=0.0)
    ppo = Ppo(replace(SETTINGS, steps=12), navigator, stream_of(worlds["panoramic"], navigator), None)
    chunk = ppo.stream.chunk(12)
    targets = ppo_targets(chunk, weights, ppo.config)
    loss, _ = ppo._loss(chunk, targets, torch.arange(BATCH), weights)
    loss.backward()
    found = navigator.core.cells[0].weight_hh.grad.clone()
    navigator.zero_grad()
    monkey = replace(ppo.config, clip=1e9)
    ppo.config = monkey
    loss, _ = ppo._loss(chunk, targets, torch.arange(BATCH), weights)
    loss.backward()
    torch.testing.assert_close(navigator.core.cells[0].weight_hh.grad, found)
    assert found.abs().sum() > 0


def test_parts_of_the_batch_add_up(worlds):
    navigator = fresh_navigator(worlds["low-level"])
    ppo = Ppo(SETTINGS, navigator, stream_of(worlds["low-level"], navigator), None)
    ppo.stream.chunk(5)
    chunk = ppo.stream.chunk(8)
    targets = ppo_targets(chunk, WEIGHTS, SETTINGS)
    whole, _ = ppo._loss(chunk, targets, torch.arange(BATCH), WEIGHTS)
    halves = [
        ppo._loss(chunk, targets, bodies, WEIGHTS)[0] for bodies in torch.tensor([5, 0, 3, 6, 1, 2, 4, 7]).chunk(2)
    ]
    torch.testing.assert_close(sum(halves) / 2, whole)


# --- frozen eyes ---


@pytest.fixture(scope="module")
def houses(tmp_path_factory) -> World:
    return open_world(SMALL_HOUSES, None, ("train",), cache=tmp_path_factory.mktemp("cache"))


def test_frozen_eyes_learn_from_what_was_seen_as_others_from_images(houses):
    """The same chunk gives the same terms, whether its images are looked at again or not."""
    found = []
    for frozen in (False, True):
        navigator = fresh_navigator(houses)
        stream = stream_of(houses, navigator, frozen)
        chunk = stream.chunk(6)
        assert ("cells" in chunk.frames[0], "rgb" in chunk.frames[0]) == (frozen, not frozen)
        targets = ppo_targets(chunk, WEIGHTS, SETTINGS)
        found.append(Ppo(SETTINGS, navigator, stream, None)._loss(chunk, targets, torch.arange(BATCH), WEIGHTS)[1])
    for name in ("policy", "value", "entropy", "student", "progress", "kl"):
        torch.testing.assert_close(found[1][name], found[0][name], msg=name)


def test_frozen_eyes_stay_as_they_are(houses):
    navigator = fresh_navigator(houses)
    before = {name: weight.clone() for name, weight in navigator.named_parameters()}
    stream = stream_of(houses, navigator, frozen_eyes=True)
    Ppo(SETTINGS, navigator, stream, OptimizerStep(navigator, 1e-2, 1.0)).update(replace(WEIGHTS, semantic=1.0))
    moved = {name for name, weight in navigator.named_parameters() if not torch.equal(weight, before[name])}
    assert not any(name.startswith(("views.", "recognise.")) for name in moved)
    assert {"act.0.weight", "core.cells.0.weight_hh", "seek.weight", "onward.weight"} <= moved


def test_frozen_eyes_are_those_of_a_camera():
    with pytest.raises(InputError, match=r"--ppo.frozen-eyes: .* no camera"):
        check_config(small_config(ppo=PpoConfig(frozen_eyes=True)))


# --- interruptions ---

# Dropout, which PPO does without; 3 updates of imitation, then 7 of 3 steps, shorter than an episode.
CONFIG = small_config(
    navigator=replace(SMALL_NAVIGATOR, dropout=0.3, feature_dropout=0.3),
    max_steps=MAX_STEPS,
    imitation=PhaseConfig(3, 1e-2, 0.5),
    reinforcement=PhaseConfig(7, 3e-3, 0.0, WEIGHTS, method="ppo"),
    ppo=replace(SETTINGS, steps=3),
    evaluate_every=6,
)


@pytest.mark.parametrize("actions", ACTIONS)
def test_an_interrupted_run_ends_bit_for_bit_like_the_uninterrupted_one(small_data, tmp_path, monkeypatch, actions):
    monkeypatch.setattr(log, "EVERY", 3)
    world = small_world(small_data, replace(CONFIG, actions=actions))
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
    stream, again = stream_of(world, navigator), stream_of(world, navigator)
    stream.chunk(13)
    again.load({name: value.clone() for name, value in stream.tensors().items()})
    torch.manual_seed(2)
    one = joined([stream.chunk(9)])
    torch.manual_seed(2)
    other = joined([again.chunk(9)])
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_stream_that_has_not_started_keeps_nothing(worlds):
    stream = stream_of(worlds["panoramic"])
    assert stream.tensors() == {}
    stream.load({})
    assert not stream.running


# --- learning learns ---


def test_reinforcement_raises_success_from_a_random_start(small_data, tmp_path):
    weights = LossConfig(student=0.0, policy=1.0, value=0.5, entropy=0.05, progress=0.0, discount=0.95)
    config = small_config(
        navigator=replace(SMALL_NAVIGATOR, hidden=32, view=16),
        batch_size=32,
        imitation=PhaseConfig(0, 1e-3, 0.0),
        reinforcement=PhaseConfig(200, 3e-3, 0.0, weights, method="ppo"),
        ppo=PpoConfig(steps=8, epochs=3, minibatches=2),
    )
    trainer = fresh(few(small_data, config), tmp_path, ())
    history = [trainer.update() for _ in range(14)]
    assert mean(history[-5:], "reward") > mean(history[:3], "reward") + 0.5
    assert mean(history[-5:], "success") > mean(history[:3], "success") + 0.2
    assert mean(history[-5:], "explained_variance") > mean(history[:5], "explained_variance")
    assert trainer.steps == 14 * 32 * 8
