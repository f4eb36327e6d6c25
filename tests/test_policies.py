"""What every registered policy promises learners, on graphs and before images, and the encoders it is built with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from learners import small_config, small_world
from sights import CAMERA, CATEGORIES, LANGUAGE, VOCABULARY, glances
from torch import Tensor, nn

from agents.config import EncoderConfig, TrainConfig
from agents.policies.language import Instruction
from agents.policies.policy import Policy, PolicyOutput
from agents.policies.state import (
    Observation,
    State,
    check_state,
    detach,
    map_tensors,
    named_tensors,
    rows,
    scatter,
    with_named_tensors,
    without_privileged,
)
from agents.registry import POLICIES, TEXT_ENCODERS, VIEW_ENCODERS
from vln.errors import InputError

BATCH, STEPS = 5, 4
WORLDS = ("panoramic", "low-level", "camera")


@dataclass(frozen=True)
class Walk:
    """A policy, and what it observes: STEPS observations of BATCH episodes, and the actions taken (STEPS, BATCH)."""

    policy: Policy
    seen: Sequence[Observation]
    actions: Tensor

    def decide(self, index: Tensor, state: State | None = None, first: int = 0) -> tuple[list[PolicyOutput], State]:
        """Decisions of the episodes `index` from step `first` on, and the state at the end."""
        seen = [rows(each, index) for each in self.seen]
        state = self.policy.initial_state(seen[0]) if state is None else state
        outputs = []
        for observation, taken in zip(seen[first:], self.actions[first:, index], strict=True):
            outputs.append(self.policy.step(observation, state))
            state = self.policy.after(outputs[-1].state, taken)
        return outputs, state


def small(name: str, **changes) -> EncoderConfig:
    """The configuration of a registered policy, with small encoders and without dropout."""
    plain = {"view": 12, "words": 6, "dropout": 0.0, "feature_dropout": 0.0, "camera": CAMERA}
    return replace(POLICIES.find(name)(), **{**plain, **changes})


def camera_data(config: TrainConfig) -> tuple[TrainConfig, SimpleNamespace]:
    """A configuration and data of the world of one glance."""
    labels = {"category": len(CATEGORIES)}
    source = SimpleNamespace(table=None, labels=labels, word_vectors=None, actions=4)
    return replace(config, language=LANGUAGE), SimpleNamespace(source=source, vocabulary=VOCABULARY)


def build(data_folder, name: str, world: str, **changes) -> tuple[Policy, object]:
    """A small policy of a world, in evaluation mode, and the data of that."""
    torch.manual_seed(0)
    if world == "camera":
        config, data = camera_data(TrainConfig(policy=small(name, **changes)))
        return config.policy.build(config, data).eval(), data
    found = small_world(data_folder, small_config(actions=world, policy=small(name, **changes)))
    return found.config.policy.build(found.config, found.data).eval(), found


@pytest.fixture(scope="module", params=[(name, world) for name in POLICIES.names() for world in WORLDS], ids="-".join)
def walk(request, small_data) -> Walk:
    name, world = request.param
    policy, data = build(small_data, name, world)
    if world == "camera":
        seen = [without_privileged(glances(BATCH, seed)[0]) for seed in range(STEPS)]
        seen = [{**each, "instruction": seen[0]["instruction"]} for each in seen]
        return Walk(policy, seen, torch.randint(0, 4, (STEPS, BATCH)))
    env = data.environment("train", BATCH)
    observation, infos = env.reset(options={"episode_index": [0, 5, 31, 64, 90]})
    seen, actions = [], []
    for _ in range(STEPS):
        seen.append(without_privileged(observation))
        actions.append(infos["expert"])
        observation, *_, infos = env.step(infos["expert"])
    return Walk(policy, seen, torch.stack(actions))


ALL = torch.arange(BATCH)


def same(one: State, other: State) -> None:
    here, there = named_tensors(one), named_tensors(other)
    assert here.keys() == there.keys()
    for name, value in here.items():
        torch.testing.assert_close(value, there[name], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: name + text)


def test_states_are_trees_of_batch_first_tensors_that_go_through_names(walk):
    outputs, state = walk.decide(ALL)
    for each in (walk.policy.initial_state(walk.seen[0]), outputs[0].state, state):
        check_state(each, BATCH, walk.policy)
        same(with_named_tensors(each, named_tensors(each)), each)


def test_a_decision_scores_what_is_offered(walk):
    for observation, output in zip(walk.seen, walk.decide(ALL)[0], strict=True):
        assert output.value.shape == (BATCH,)
        assert output.logits.shape[0] == BATCH
        offered = observation.get("candidate_mask", torch.ones_like(output.logits)) > 0
        assert torch.equal(output.logits > -torch.inf, offered)
        for weights in output.attention.values():
            torch.testing.assert_close(weights.sum(1), torch.ones(BATCH))


def test_rows_do_not_see_each_other(walk):
    some = torch.tensor([3, 1])
    for whole, part in zip(walk.decide(ALL)[0], walk.decide(some)[0], strict=True):
        same({"logits": whole.logits[some], "value": whole.value[some]}, {"logits": part.logits, "value": part.value})


def test_history_counts(walk):
    """The last decision depends on what was seen first."""
    changed = replace(walk, seen=[walk.seen[2], *walk.seen[1:]])
    assert not torch.allclose(walk.decide(ALL)[0][-1].logits, changed.decide(ALL)[0][-1].logits, atol=1e-6)


def test_instructions_count(walk):
    other = {**walk.seen[0], "instruction": walk.seen[0]["instruction"].roll(1, 0)}
    changed = replace(walk, seen=[other, *walk.seen[1:]])
    assert not torch.allclose(walk.decide(ALL)[0][-1].logits, changed.decide(ALL)[0][-1].logits, atol=1e-6)


def test_packed_sequences_are_its_steps_one_by_one(walk):
    sizes = [5, 4, 4, 1]
    packed = [map_tensors(lambda leaf, n=n: leaf[:n], each) for n, each in zip(sizes, walk.seen, strict=True)]
    observations = map_tensors(lambda *leaves: torch.cat(leaves), packed[0], *packed[1:])
    actions = torch.cat([taken[:n] for n, taken in zip(sizes, walk.actions, strict=True)])
    found, last = walk.policy.unroll(observations, actions, sizes, walk.policy.initial_state(walk.seen[0]))
    outputs, state = walk.decide(ALL)
    wanted = torch.cat([each.logits[:n] for n, each in zip(sizes, outputs, strict=True)])
    torch.testing.assert_close(found.logits, wanted, rtol=1e-4, atol=1e-5)
    assert len(next(iter(named_tensors(last).values()))) == 1
    same(rows(state, torch.tensor([0])), last)


def test_a_sequence_goes_on_after_its_gradients_were_cut(walk):
    outputs, _ = walk.decide(ALL)
    state = walk.policy.after(outputs[1].state, walk.actions[1])
    carried = walk.policy.carry(walk.policy.initial_state(walk.seen[0]), state)
    for going, found in zip(outputs[2:], walk.decide(ALL, carried, first=2)[0], strict=True):
        torch.testing.assert_close(found.logits, going.logits, rtol=1e-4, atol=1e-5)


def test_an_episode_that_starts_beside_older_ones_is_as_one_that_starts_alone(walk):
    outputs, _ = walk.decide(ALL)
    state = detach(walk.policy.after(outputs[1].state, walk.actions[1]))
    fresh, row = torch.tensor([2]), torch.tensor([4])
    started = scatter(state, walk.policy.initial_state(rows(walk.seen[0], fresh)), row)
    seen = map_tensors(lambda old, new: old.index_copy(0, row, new), walk.seen[2], rows(walk.seen[0], fresh))
    # The instruction belongs to the episode.
    found = walk.policy.step(seen, started)
    torch.testing.assert_close(found.logits[4], outputs[0].logits[2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.logits[:4], outputs[2].logits[:4], rtol=1e-4, atol=1e-5)
    kept = walk.policy.carry(walk.policy.initial_state({**seen, "instruction": read_by(walk, fresh, row)}), started)
    torch.testing.assert_close(walk.policy.step(seen, kept).logits, found.logits, rtol=1e-4, atol=1e-5)


def read_by(walk: Walk, fresh: Tensor, row: Tensor) -> Tensor:
    """The instructions (B, L), those of the rows `row` replaced by those of the rows `fresh`."""
    instruction = walk.seen[0]["instruction"]
    return instruction.index_copy(0, row, instruction[fresh])


def test_gradients_reach_encoders_and_heads(walk):
    walk.policy.zero_grad()
    outputs, _ = walk.decide(ALL)
    chosen = torch.stack(
        [each.logits.log_softmax(1)[ALL, taken] for each, taken in zip(outputs, walk.actions, strict=True)]
    )
    (chosen.sum() + sum(each.value.sum() for each in outputs)).backward()
    moved = {name for name, weight in walk.policy.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert any(name.startswith("encoder.") for name in moved)
    assert any(name.startswith("value.") for name in moved)
    if walk.policy.camera:
        assert any(name.startswith("views.") for name in moved)
    walk.policy.zero_grad()


# --- own encoders ---


class MeanOfWords(nn.Module):
    """Every word's embedding, and their mean."""

    def __init__(self, words: int, width: int, summary: int | None = None) -> None:
        super().__init__()
        self.width = self.word_width = width
        self.embedding = nn.Embedding(words, width, padding_idx=0)
        self.sum_up = nn.Linear(width, summary or width)

    def forward(self, tokens: Tensor) -> Instruction:
        words, mask = self.embedding(tokens), tokens > 0
        mean = words.sum(1) / mask.sum(1, keepdim=True)
        return Instruction(words, words, mask, self.sum_up(mean))


class MeanColour(nn.Module):
    """Two cells a side, each the mean colour of its part of the image."""

    side = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(3, width)

    def make_cache(self, batch, environment=None):
        return ()

    def encode(self, images):
        grid = nn.functional.adaptive_avg_pool2d(images["rgb"].permute(0, 3, 1, 2).float() / 255, self.side)
        return {"cells": self.embed(grid.flatten(2).transpose(1, 2)), "near": torch.zeros(len(grid), self.side**2)}

    def around(self, here, cache):
        return SimpleNamespace(
            match=lambda query: torch.einsum("bd,bnd->bn", query, here),
            pool=lambda weights: torch.einsum("bn,bnd->bd", weights, here),
        )


@pytest.fixture
def own_encoders(monkeypatch):
    """Registered encoders, for the time of a test."""
    text = {"mean": lambda config, data: MeanOfWords(len(data.vocabulary.symbols), 10)}
    text["wrong"] = lambda config, data: MeanOfWords(len(data.vocabulary.symbols), 10, summary=9)
    views = {"colour": lambda config, data: MeanColour(config.policy.view)}
    views["wrong"] = lambda config, data: MeanColour(7)
    for registry, values in ((TEXT_ENCODERS, text), (VIEW_ENCODERS, views)):
        monkeypatch.setattr(registry, "_values", {**registry._values, **values})


@pytest.mark.parametrize("name", POLICIES.names())
def test_a_policy_is_built_with_registered_encoders(own_encoders, small_data, name):
    policy, _ = build(small_data, name, "camera", text_encoder="mean", view_encoder="colour")
    assert isinstance(policy.encoder, MeanOfWords)
    observation = without_privileged(glances(BATCH, 0)[0])
    output = policy.step(observation, policy.initial_state(observation))
    output.logits.sum().backward()
    assert policy.views.embed.weight.grad.any()
    assert policy.encoder.embedding.weight.grad.any()
    graph, _ = build(small_data, name, "panoramic", text_encoder="mean")
    assert isinstance(graph.encoder, MeanOfWords)


@pytest.mark.parametrize("name", POLICIES.names())
def test_an_encoder_of_another_width_is_refused(own_encoders, small_data, name):
    problem = "text encoder 'wrong': gives summary of 9 numbers, not 10; set width to 9"
    with pytest.raises(InputError, match=problem):
        build(small_data, name, "panoramic", text_encoder="wrong")
    policy, _ = build(small_data, name, "camera", view_encoder="wrong")
    with pytest.raises(InputError, match="view encoder: gives vectors of 7 numbers, not 12; set --policy.view to 7"):
        policy.encode(glances(2, 0)[0])


def test_an_unknown_encoder_is_refused(small_data):
    with pytest.raises(InputError, match="text encoder: 'recurent' is not known; .* you mean 'recurrent'"):
        build(small_data, "navigator", "panoramic", text_encoder="recurent")
    with pytest.raises(InputError, match="view encoder: 'rgb' is not known"):
        build(small_data, "navigator", "camera", view_encoder="rgb")
