"""The reach of gradients through time: norms against full Jacobians, known decays, truncation, and inputs of agents."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learners import fresh_navigator, small_config, small_world
from torch import nn

from agents.config import LanguageConfig, NavigatorConfig
from agents.learners.recording import ExpertActor, record
from agents.policies.language import InstructionEncoder
from agents.policies.recurrent import RecurrentCore
from agents.probing.gradients import (
    CoreInputs,
    agreement,
    core_inputs,
    core_reach,
    decay,
    encoder_reach,
    gradient_of,
    loss_after,
    norm_of,
)

WIDTH, HIDDEN, STEPS = 5, 4, 6
TOKENS = torch.tensor([[3, 4, 5, 6, 2], [8, 7, 2, 0, 0], [2, 0, 0, 0, 0]])
MANY = 300  # probes, after which an estimate is near


def given_inputs(core: RecurrentCore, lengths: tuple[int, ...]) -> CoreInputs:
    torch.manual_seed(1)
    first = torch.randn(len(lengths), HIDDEN)
    return CoreInputs(torch.randn(max(lengths), len(lengths), WIDTH), torch.tensor(lengths), core.initial(first))


def core_of(cell: str, layers: int = 1) -> RecurrentCore:
    torch.manual_seed(0)
    return RecurrentCore(cell, WIDTH, HIDDEN, layers, dropout=0.0)


@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("gru", 1), ("lstm", 1), ("lstm", 2)])
def test_norms_of_the_core_are_those_of_the_jacobian(cell, layers):
    core = core_of(cell, layers)
    given = given_inputs(core, (STEPS,))

    def last(inputs: torch.Tensor) -> torch.Tensor:
        state = given.state
        for step in inputs:
            top, state = core(step[None], state)
        return top[0]

    jacobian = torch.autograd.functional.jacobian(last, given.inputs[:, 0])  # (HIDDEN, STEPS, WIDTH)
    exact = jacobian.square().sum((0, 2)).sqrt().flip(0)
    found = core_reach(core, given, probes=MANY)[0]
    torch.testing.assert_close(found.float(), exact, rtol=0.15, atol=0)


def test_norms_of_the_encoder_are_those_of_the_jacobian():
    torch.manual_seed(0)
    config = LanguageConfig(hidden=HIDDEN, cell="gru")
    encoder = InstructionEncoder(config, torch.randn(9, WIDTH), dropout=0.5)
    network = encoder.forwards[0]

    def last(words: torch.Tensor) -> torch.Tensor:
        return network(words[None])[0][0, -1]

    found = encoder_reach(encoder, TOKENS, probes=MANY)
    assert found.isnan().tolist() == [[False] * 5, [False] * 3 + [True] * 2, [False] + [True] * 4]
    for row, length in enumerate((5, 3, 1)):
        words = encoder.embedding(TOKENS[row, :length]).detach()
        jacobian = torch.autograd.functional.jacobian(last, words)
        exact = jacobian.square().sum((0, 2)).sqrt().flip(0)
        torch.testing.assert_close(found[row, :length].float(), exact, rtol=0.15, atol=0)


def test_a_linear_cell_decays_by_its_weight():
    core = core_of("rnn")
    cell = core.cells[0]
    cell.nonlinearity = "relu"  # which is linear where inputs are large
    with torch.no_grad():
        cell.weight_ih.copy_(torch.ones(HIDDEN, WIDTH))
        cell.weight_hh.copy_(0.7 * torch.eye(HIDDEN))
    inputs = torch.ones(STEPS, 2, WIDTH)
    given = CoreInputs(inputs, torch.tensor([STEPS, 3]), core.initial(torch.zeros(2, HIDDEN)))
    found = core_reach(core, given)
    torch.testing.assert_close(decay(found), torch.full((2,), 0.7, dtype=torch.float64))
    exact = math.sqrt(HIDDEN * WIDTH) * 0.7 ** torch.arange(STEPS)
    torch.testing.assert_close(core_reach(core, given, probes=MANY)[0].float(), exact, rtol=0.15, atol=0)


def test_a_vanilla_cell_forgets_faster_than_an_lstm_whose_gates_are_open():
    rnn, lstm = core_of("rnn"), core_of("lstm")
    with torch.no_grad():
        lstm.cells[0].bias_ih[HIDDEN : 2 * HIDDEN] = 3.0  # forget nothing
    factors = [decay(core_reach(core, given_inputs(core, (12, 12, 9)))).mean() for core in (rnn, lstm)]
    assert factors[0] < 0.8 * factors[1]


def test_what_vanishes_in_single_precision_is_still_measured():
    core = core_of("rnn")
    with torch.no_grad():
        core.cells[0].weight_hh.mul_(1e-3)
    found = core_reach(core, given_inputs(core, (20,)))
    assert (found > 0).all()
    assert found[0, -1] < 1e-45  # the smallest number of single precision


def test_measuring_leaves_the_network_alone():
    core = core_of("lstm")
    before = [weight.clone() for weight in core.parameters()]
    core_reach(core, given_inputs(core, (4, 2)))
    assert all(torch.equal(old, new) for old, new in zip(before, core.parameters(), strict=True))
    assert all(weight.grad is None and weight.dtype == torch.float32 for weight in core.parameters())


@given(st.floats(0.2, 1.5), st.floats(0.1, 10), st.integers(2, 9))
def test_the_decay_of_an_exponential_is_its_factor(factor, start, steps):
    norms = start * factor ** torch.arange(10, dtype=torch.float64)
    norms[steps:] = torch.nan
    assert decay(norms[None]).item() == pytest.approx(factor)


def test_one_step_has_no_decay():
    assert decay(torch.tensor([[2.0, torch.nan]])).isnan().all()


# --- in agents ---


@pytest.fixture(scope="module")
def agent(small_data):
    """An agent with two layers, and what the expert did."""
    navigator = NavigatorConfig(hidden=16, view=12, words=6, layers=2, dropout=0.3, feature_dropout=0.0)
    world = small_world(small_data, small_config(policy=navigator), ("train",))
    env = world.environment("train", 8)
    return world, fresh_navigator(world), record(env, np.arange(8), ExpertActor(), torch.ones(8))


def test_what_the_core_reads_leads_it_to_the_states_it_had(agent):
    _, navigator, recording = agent
    found = core_inputs(navigator, recording)
    assert found.lengths.tolist() == sorted(recording.mask.sum(0).long().tolist(), reverse=True)
    assert found.inputs.shape[:2] == recording.mask.shape
    ended = torch.arange(len(found.inputs))[:, None] >= found.lengths
    assert not found.inputs[ended].any()
    assert found.inputs[~ended].any(1).all()
    tops, state = [], found.state
    hook = navigator.core.register_forward_hook(lambda _, given, output: tops.append(output[0]))
    core_inputs(navigator, recording)
    hook.remove()
    for step, top in zip(found.inputs, tops, strict=True):
        own, state = navigator.core(step, state)
        torch.testing.assert_close(own[: len(top)], top)


def test_gradients_that_are_cut_differ_from_the_whole_one(agent):
    world, navigator, recording = agent
    phase = world.config.phases["imitation"]
    whole = gradient_of(navigator, recording, phase)
    again = gradient_of(navigator, recording, phase)
    assert agreement(again, whole, "core") == pytest.approx((1, 1))
    uncut = gradient_of(navigator, recording, replace(phase, truncate=99))
    assert agreement(uncut, whole, "core") == pytest.approx((1, 1))
    for steps in (1, 3):
        cosine, _ = agreement(gradient_of(navigator, recording, replace(phase, truncate=steps)), whole, "core")
        assert 0 < cosine < 0.99
    assert all(weight.grad is None for weight in navigator.parameters())


def test_a_small_step_lowers_the_loss_by_the_square_of_the_gradient(agent):
    world, navigator, recording = agent
    phase = world.config.phases["imitation"]
    whole = gradient_of(navigator, recording, phase)
    before = loss_after(navigator, recording, phase, whole, 0.0)
    fall = before - loss_after(navigator, recording, phase, whole, 1e-4)
    assert fall == pytest.approx(1e-4 * norm_of(whole) ** 2, rel=0.1)
    half = before - loss_after(navigator, recording, phase, whole, 1e-4, clip=norm_of(whole) / 2)
    assert half == pytest.approx(fall / 2, rel=0.1)
    assert loss_after(navigator, recording, phase, whole, 1e-4, clip=1e9) == pytest.approx(before - fall)


def test_a_step_into_nowhere_has_an_infinite_loss(agent):
    world, navigator, recording = agent
    nowhere = {"stop.weight": torch.full_like(navigator.stop.weight, torch.inf)}
    assert loss_after(navigator, recording, world.config.phases["imitation"], nowhere, 1.0) == math.inf


def test_agreement_is_cosine_and_ratio_of_lengths():
    whole = {"core.a": torch.tensor([3.0, 0.0]), "core.b": torch.tensor([[4.0]]), "else": torch.tensor([1.0])}
    half = {"core.a": torch.tensor([1.5, 0.0]), "core.b": torch.tensor([[2.0]]), "else": torch.tensor([7.0])}
    across = {"core.a": torch.tensor([0.0, 5.0]), "core.b": torch.tensor([[0.0]]), "else": torch.tensor([1.0])}
    assert agreement(half, whole, "core") == pytest.approx((1.0, 0.5))
    assert agreement(across, whole, "core") == pytest.approx((0.0, 1.0))


def test_modules_without_an_embedding_hook_are_left_clean():
    encoder = InstructionEncoder(LanguageConfig(hidden=HIDDEN), torch.randn(9, WIDTH), 0.0)
    encoder_reach(encoder, TOKENS)
    assert isinstance(encoder.embedding, nn.Embedding)
    assert not encoder.embedding._forward_hooks
