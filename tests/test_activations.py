"""Recording and clamping of cells: outputs as computed by hand, no hooks left behind, bad input."""

import numpy as np
import pytest
import torch
from learners import (
    SMALL_LANGUAGE,
    SMALL_NAVIGATOR,
    fresh_navigator,
    small_caption_config,
    small_config,
    small_speaker_world,
    small_world,
)

from agents.config import LanguageConfig, NavigatorConfig
from agents.evaluation import rollout
from agents.policies.acting import PolicyAgent
from agents.policies.language import InstructionEncoder
from agents.policies.recurrent import RECURRENT, RecurrentCore
from agents.probing.activations import (
    RecordingAgent,
    ReplayingAgent,
    clamped,
    decoder_activations,
    layers_of,
    parse_cell,
    recorded,
)
from vln.errors import InputError

HELD, VALUE = 2, 0.7


@pytest.fixture(scope="module")
def world(small_data):
    return small_world(small_data)


def by_hand(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Outputs (B, L, H) of a layer step by step, with one cell held from the first step on."""
    found, state = [], torch.zeros(1, len(x), layer.hidden_size)
    memory = torch.zeros_like(state)
    for step in x.split(1, 1):
        state = state.clone()
        state[..., HELD] = VALUE
        if isinstance(layer, torch.nn.LSTM):
            output, (state, memory) = layer(step, (state, memory))
        else:
            output, state = layer(step, state)
        output = output.clone()
        output[..., HELD] = VALUE
        found.append(output)
    return torch.cat(found, 1)


@pytest.mark.parametrize("cell", RECURRENT)
def test_what_others_read_of_a_held_cell_is_its_value(cell):
    torch.manual_seed(0)
    layer, x = RECURRENT[cell](5, 4, batch_first=True), torch.randn(3, 6, 5)
    before = layer(x)[0]
    with torch.no_grad(), clamped({"layer": layer}, {("layer", HELD): VALUE}):
        output = layer(x)[0]
    assert (output[..., HELD] == VALUE).all()
    torch.testing.assert_close(output, by_hand(layer, x))
    assert not torch.allclose(output[..., 0], before[..., 0])
    torch.testing.assert_close(layer(x)[0], before)  # nothing is left behind


@pytest.mark.parametrize("cell", RECURRENT)
def test_cells_of_a_core_are_held_like_those_of_a_layer(cell):
    torch.manual_seed(0)
    layer, core = RECURRENT[cell](5, 4, batch_first=True), RecurrentCore(cell, 5, 4, 1, 0.0)
    own = {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}
    core.cells[0].load_state_dict(own)
    x, state, found = torch.randn(3, 6, 5), core.initial(torch.zeros(3, 4)), []
    with torch.no_grad(), clamped({"core.1": core.cells[0]}, {("core.1", HELD): VALUE}):
        for step in x.unbind(1):
            top, state = core(step, state)
            found.append(top)
    torch.testing.assert_close(torch.stack(found, 1), by_hand(layer, x))


def test_an_error_leaves_no_cell_held(world):
    navigator = fresh_navigator(world)
    layers, before = layers_of(navigator), {name: value.clone() for name, value in navigator.state_dict().items()}
    with pytest.raises(ZeroDivisionError), clamped(layers, {("core.1", 1): 0.5, ("encoder.forward.1", 0): 0.0}):
        raise ZeroDivisionError
    assert all(torch.equal(value, before[name]) for name, value in navigator.state_dict().items())
    assert not any(layer._forward_hooks for layer in layers.values())


def test_layers_are_named_by_what_they_read(small_data):
    config = small_config(
        language=LanguageConfig(**{**vars(SMALL_LANGUAGE), "layers": 2, "bidirectional": False}),
        policy=NavigatorConfig(**{**vars(SMALL_NAVIGATOR), "layers": 2}),
    )
    layers = layers_of(fresh_navigator(small_world(small_data, config)))
    assert list(layers) == ["encoder.forward.1", "encoder.forward.2", "core.1", "core.2"]


@pytest.mark.parametrize("text", ["core.1:16", "core.1", "core:1", "encoder.forward.2:0", "core.1:-1", ""])
def test_cells_that_are_not_there(world, text):
    with pytest.raises(InputError, match=r"--zero: this run has no cell .* core\.1:0 to core\.1:15"):
        parse_cell(text, layers_of(fresh_navigator(world)), "--zero")


def test_what_is_heard_over_words_is_the_context_in_their_order(world):
    navigator = fresh_navigator(world).eval()
    env = world.environment("val_seen", 7, record=True)
    agent = RecordingAgent(navigator, world.vocabulary)
    lived = rollout(agent, env)
    over = agent.over_words()
    found = [np.concatenate(pair, 1) for pair in zip(*over.values(), strict=True)]
    assert list(over) == ["encoder.forward.1", "encoder.backward.1"]
    encoder: InstructionEncoder = navigator.encoder
    for episode, values in zip(lived, found, strict=True):
        tokens = torch.from_numpy(world.vocabulary.encode(episode.instruction, 40))[None]
        torch.testing.assert_close(torch.from_numpy(values), encoder(tokens).context[0].detach())


def test_what_is_heard_over_steps_is_of_the_right_episode(world):
    navigator = fresh_navigator(world).eval()
    batched, single = RecordingAgent(navigator, world.vocabulary), RecordingAgent(navigator, world.vocabulary)
    lived = rollout(batched, world.environment("val_seen", 7, record=True))
    alone = rollout(single, world.environment("val_seen", 1, record=True))
    assert [each.steps for each in lived] == [each.steps for each in alone] or len(lived) == len(alone)
    lengths = [len(each.steps) for each in lived]
    found, again = (agent.over_steps(lengths)["core.1"] for agent in (batched, single))
    for one, other, length in zip(found, again, lengths, strict=True):
        assert one.shape == (length, 16)
        np.testing.assert_allclose(one, other[:length], atol=1e-5)


def test_an_agent_retraces_its_steps_whatever_it_prefers(world):
    navigator = fresh_navigator(world)
    env = world.environment("val_seen", 7, record=True)
    lived = rollout(PolicyAgent(navigator, world.vocabulary), env)
    actions = [[step.action for step in each.steps] for each in lived]
    again = ReplayingAgent(navigator, world.vocabulary, actions)
    with clamped(layers_of(navigator), {("core.1", number): 1.0 for number in range(16)}):
        gone = rollout(again, env)
    assert [[pose.viewpoint for pose in each.poses] for each in gone] == [
        [pose.viewpoint for pose in each.poses] for each in lived
    ]
    assert gone[0].steps[0].probabilities != lived[0].steps[0].probabilities
    unchanged = rollout(ReplayingAgent(navigator, world.vocabulary, actions), env)
    assert unchanged == lived


def test_what_a_speaker_says_comes_after_the_word(small_data):
    world = small_speaker_world(small_data, small_caption_config())
    torch.manual_seed(0)
    speaker = world.speaker().eval()
    told = world.captioned("val_seen")
    routes, tokens = told.demonstrations.routes(np.arange(4)), told.tokens[:4]
    with torch.no_grad():
        memory = speaker.read(routes)
        found = decoder_activations(speaker, memory, tokens)
        # Step by step: the end of the sentence before, then the words themselves.
        state = speaker.begin(memory)
        with recorded(layers_of(speaker)) as kept:
            for place in range(3):
                last = torch.full((4,), 2) if place == 0 else tokens[:, place - 1]
                _, state = speaker.step(last, state, memory)
    for row, values in enumerate(found):
        assert len(values) == int((tokens[row] > 0).sum()) - 1
        np.testing.assert_allclose(values[1], kept["decoder.1"][2][row, 0].numpy(), atol=1e-5)
