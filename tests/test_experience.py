"""Rollouts: teacher forcing follows the expert, records match the episodes, ended episodes cost nothing."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from learners import SMALL_NAVIGATOR, World, fresh_navigator, small_config, small_world
from torch import Tensor

from agents.config import LossConfig
from agents.learners import recording as module
from agents.learners.episode_learning import objective
from agents.learners.losses import progress_target
from agents.learners.recording import Experience, Predictions, Steps, collect
from agents.policies.navigator import Navigator
from agents.policies.state import with_privileged

ACTIONS = ("panoramic", "low-level")
BATCH, MAX_STEPS = 8, 24
EPISODES = np.array([3, 17, 40, 41, 66, 80, 101, 118])
EVERYONE, NOBODY = torch.ones(BATCH, dtype=torch.bool), torch.zeros(BATCH, dtype=torch.bool)
HALF = torch.arange(BATCH) % 2 == 0
NOTHING = {"progress": 0.0, "labels": 0.0}


@pytest.fixture(scope="module")
def worlds(small_data) -> dict[str, World]:
    return {actions: small_world(small_data, small_config(actions=actions, max_steps=MAX_STEPS)) for actions in ACTIONS}


def live(world: World, student: Tensor, navigator: Navigator | None = None, seed: int = 0, **changes):
    """Experience of the chosen episodes, and the actions taken, (T, B)."""
    navigator = navigator or fresh_navigator(world).eval()
    env = replace(world, config=replace(world.config, **changes)).environment("train", BATCH)
    taken, step = [], env.step

    def note(actions: Tensor):
        taken.append(actions)
        return step(actions)

    env.step = note
    torch.manual_seed(seed)
    return collect(navigator, env, EPISODES, student), torch.stack(taken)


# --- teacher forcing ---


@pytest.mark.parametrize("actions", ACTIONS)
def test_the_teacher_walks_the_shortest_path_and_stops_at_the_goal(worlds, actions):
    found, _ = live(worlds[actions], NOBODY)
    assert found.success.tolist() == [1.0] * BATCH
    last = found.mask.sum(0).long() - 1
    assert not found.distance[last, torch.arange(BATCH)].any()
    starts = found.distance[0]
    torch.testing.assert_close(found.reward.sum(0), starts + worlds[actions].config.task.reward.success)
    assert torch.equal(found.predictions.log_prob, found.predictions.expert_log_prob)
    shortest = []
    for episode in (worlds[actions].splits["train"][index] for index in EPISODES):
        graph = worlds[actions].graphs[episode.scan]
        shortest.append(graph.distances[graph.index[episode.start], graph.index[episode.goal]])
    np.testing.assert_allclose(starts, shortest, rtol=1e-5)


def test_the_panoramic_teacher_takes_one_action_a_viewpoint(worlds):
    found, taken = live(worlds["panoramic"], NOBODY)
    paths = [len(worlds["panoramic"].splits["train"][index].path) for index in EPISODES]
    assert found.mask.sum(0).tolist() == paths  # the stop comes on top, the start does not count
    last = found.mask.sum(0).long() - 1
    assert not taken[last, torch.arange(BATCH)].any()


def test_teacher_and_student_live_side_by_side(worlds):
    mixed, _ = live(worlds["panoramic"], HALF)
    taught, _ = live(worlds["panoramic"], NOBODY)
    assert mixed.student.tolist() == HALF.float().tolist()
    steps = len(taught.mask)
    for name in ("mask", "reward", "distance"):
        torch.testing.assert_close(getattr(mixed, name)[:steps, ~HALF], getattr(taught, name)[:, ~HALF])
    assert mixed.success[~HALF].all()
    acted = (mixed.predictions.log_prob != mixed.predictions.expert_log_prob) & (mixed.mask > 0)
    assert acted[:, HALF].any()
    assert not acted[:, ~HALF].any()


# --- what is noted ---


@pytest.mark.parametrize("actions", ACTIONS)
def test_what_is_noted_equals_living_it_again(worlds, actions):
    world = worlds[actions]
    navigator = fresh_navigator(world).eval()
    found, taken = live(world, HALF, navigator)
    env = world.environment("train", BATCH)
    observation, infos = env.reset(options={"episode_index": EPISODES})
    state = navigator.initial_state(observation)
    alive, start = torch.ones(BATCH, dtype=torch.bool), infos["distance"]
    for step, chosen in enumerate(taken):
        progress = progress_target(start, infos["distance"])
        output = navigator.step(with_privileged(observation, progress=progress), state)
        policy = torch.distributions.Categorical(logits=output.logits)
        again = {
            "log_prob": policy.log_prob(chosen),
            "expert_log_prob": policy.log_prob(infos["expert"]),
            "entropy": torch.stack([torch.special.entr(row).sum() for row in policy.probs]),
            "value": output.value,
        }
        assert torch.equal(found.mask[step] > 0, alive)
        for name, value in again.items():
            torch.testing.assert_close(getattr(found.predictions, name)[step][alive], value[alive])
        here, there = found.predictions.auxiliary["progress"][step], output.auxiliary["progress"]
        torch.testing.assert_close(here[alive], there[alive])
        torch.testing.assert_close(found.distance[step][alive], infos["distance"][alive])
        state = navigator.after(output.state, chosen)
        observation, reward, terminated, truncated, infos = env.step(chosen)
        torch.testing.assert_close(found.reward[step], reward)
        alive = alive & ~(terminated | truncated)
    assert not alive.any()
    assert torch.equal(found.success > 0, infos["success"])


def test_the_student_samples_from_its_policy(worlds):
    world, count = worlds["panoramic"], 2000
    env = replace(world, config=replace(world.config, max_steps=1)).environment("train", count)
    navigator, episodes = fresh_navigator(world).eval(), np.full(count, EPISODES[0])
    observation, _ = env.reset(options={"episode_index": episodes})
    state = navigator.initial_state(observation)
    policy = navigator.step(observation, state).logits[0].softmax(-1)
    torch.manual_seed(0)
    found = collect(navigator, env, episodes, torch.ones(count, dtype=torch.bool))
    for probability in policy[policy > 0]:
        share = (found.predictions.log_prob[0].exp() - probability).abs().lt(1e-6).float().mean()
        assert abs(share - probability) < 4 * (0.25 / count) ** 0.5  # four standard errors


def test_an_episode_that_never_stops_is_cut_and_fails(worlds):
    found, _ = live(worlds["panoramic"], NOBODY, max_steps=2)
    assert found.mask.sum(0).tolist() == [2.0] * BATCH
    assert not found.success.any()
    nearer = found.distance[0] - found.distance[1]
    torch.testing.assert_close(found.reward[0], nearer)


def test_a_policy_that_is_not_a_number_is_an_error(worlds):
    navigator = fresh_navigator(worlds["panoramic"])
    with torch.no_grad():
        navigator.start.bias[0] = torch.nan
    with pytest.raises(FloatingPointError, match="a probability of the policy is nan"):
        live(worlds["panoramic"], EVERYONE, navigator)


# --- leaving out ended episodes ---


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("shrink", [0.8, 1.0])
def test_leaving_out_ended_episodes_changes_neither_experience_nor_gradient(worlds, actions, shrink, monkeypatch):
    # Without chance, since who is left out draws no random numbers.
    monkeypatch.setattr(torch, "multinomial", lambda probs, count, generator: probs.argmax(1, keepdim=True))
    weights = LossConfig(policy=1.0)
    found = {}
    for share in (shrink, -1.0):
        monkeypatch.setattr(module, "SHRINK", share)
        navigator = fresh_navigator(worlds[actions]).eval()
        experience, _ = live(worlds[actions], HALF, navigator)
        loss, _ = objective(experience, weights)
        loss.backward()
        found[share] = experience, loss, [parameter.grad for parameter in navigator.parameters()]
    (one, loss, gradients), (all_, whole_loss, whole_gradients) = found[shrink], found[-1.0]
    pairs = [(getattr(one, field.name), getattr(all_, field.name)) for field in fields(Steps)]
    pairs += zip(one.predictions[:-1], all_.predictions[:-1], strict=True)
    pairs.append((one.predictions.auxiliary["progress"], all_.predictions.auxiliary["progress"]))
    for here, there in pairs:
        alive = all_.mask if here.dim() == 2 else 1
        torch.testing.assert_close(here * alive, there * alive)
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(gradients, whole_gradients, atol=1e-5, rtol=1e-4)


def test_ended_episodes_are_left_out(worlds, monkeypatch):
    sizes = []
    step = Navigator.step

    def spy(self, observation, state):
        sizes.append(len(observation["instruction"]))
        return step(self, observation, state)

    monkeypatch.setattr(Navigator, "step", spy)
    found, _ = live(worlds["panoramic"], NOBODY)
    alive = found.mask.sum(1).long().tolist()
    assert len(set(alive)) > 2
    for size, left in zip(sizes, alive, strict=True):
        assert left <= size <= left / module.SHRINK + 1
    assert sizes[-1] < BATCH


# --- the loss of a batch ---

# Two episodes of two steps; the agent acted in the first, the expert in the second, which ended after one step.
MADE = Experience(
    frames=[],
    predictions=Predictions(
        expert_log_prob=torch.tensor([[-1.0, -2.0], [-3.0, 9.0]]),
        log_prob=torch.tensor([[-0.5, -2.0], [-0.25, 9.0]]),
        entropy=torch.tensor([[0.5, 0.25], [0.125, 9.0]]),
        value=torch.tensor([[1.0, 7.0], [2.0, 9.0]]),
        auxiliary={
            "progress": torch.tensor([[0.25, 0.0], [0.25, 9.0]]),
            "labels": torch.tensor([[1.0, 2.0], [3.0, 9.0]]),
        },
    ),
    actions=torch.tensor([[1, 2], [0, 9]]),
    expert=torch.tensor([[1, 2], [1, 9]]),
    reward=torch.tensor([[1.0, 5.0], [4.0, 0.0]]),
    distance=torch.tensor([[8.0, 4.0], [4.0, 0.0]]),
    mask=torch.tensor([[1.0, 1.0], [1.0, 0.0]]),
    student=torch.tensor([1.0, 0.0]),
    success=torch.tensor([0.0, 1.0]),
)
RETURNS = (1 + 0.5 * 4, 4.0)
TERMS = {
    "teacher": 2 / 2,
    "student": (1 + 3) / 2,
    "policy": (0.5 * (RETURNS[0] - 1) + 0.25 * (RETURNS[1] - 2)) / 2,
    "value": 0.5 * ((RETURNS[0] - 1) ** 2 + (RETURNS[1] - 2) ** 2) / 2,
    "entropy": (0.5 + 0.125) / 2,
    "progress": (0.25 + 0 + 0.25) / 3,
    "labels": (1 + 2 + 3) / 3,
}


def test_the_terms_of_the_loss_by_hand():
    _, numbers = objective(MADE, LossConfig(discount=0.5))
    for name, expected in TERMS.items():
        assert float(numbers[name]) == pytest.approx(expected), name
    assert numbers["success"] == 0
    assert numbers["return"] == 5
    assert numbers["steps"] == 1.5


@pytest.mark.parametrize("term", ["teacher", "student", "policy", "value", "progress", "labels"])
def test_each_weight_scales_its_term(term):
    weights = {"teacher": 0.0, "student": 0.0, "policy": 0.0, "value": 0.0, "entropy": 0.0, "auxiliary": dict(NOTHING)}
    (weights["auxiliary"] if term in NOTHING else weights)[term] = 3.0
    loss, _ = objective(MADE, LossConfig(**weights, discount=0.5))
    assert float(loss) == pytest.approx(3 * TERMS[term])


def test_entropy_is_rewarded_with_the_policy_gradient():
    weights = {"teacher": 0.0, "student": 0.0, "value": 0.0, "auxiliary": NOTHING, "discount": 0.5}
    loss, _ = objective(MADE, LossConfig(policy=2.0, entropy=0.25, **weights))
    assert float(loss) == pytest.approx(2 * (TERMS["policy"] - 0.25 * TERMS["entropy"]))


def test_numbers_to_log_carry_no_gradient(worlds):
    experience, _ = live(worlds["panoramic"], HALF)
    loss, numbers = objective(experience, LossConfig())
    assert loss.requires_grad
    assert not any(value.requires_grad for value in numbers.values())


def test_imitation_alone_leaves_the_students_actions_out_of_it(worlds):
    """The student walks where it likes; it learns what the expert would have done there."""
    experience, _ = live(worlds["panoramic"], EVERYONE)
    loss, numbers = objective(experience, LossConfig(value=0.0, auxiliary=NOTHING))
    torch.testing.assert_close(loss, numbers["student"])
    assert numbers["teacher"] == 0


def test_hidden_features_differ_between_batches_of_a_training_agent(worlds):
    config = replace(worlds["panoramic"].config, policy=replace(SMALL_NAVIGATOR, feature_dropout=0.5))
    navigator = fresh_navigator(replace(worlds["panoramic"], config=config)).train()
    first, second = (live(worlds["panoramic"], NOBODY, navigator, seed=seed)[0] for seed in (0, 1))
    assert not torch.allclose(first.predictions.log_prob, second.predictions.log_prob)
    again, _ = live(worlds["panoramic"], NOBODY, navigator, seed=0)
    assert torch.equal(first.predictions.log_prob, again.predictions.log_prob)
