"""The recurrent core and the instruction encoder against PyTorch's own networks and against the equations."""

import math

import pytest
import torch
from torch import nn

from agents.config import LanguageConfig
from agents.policies.language import Instruction, InstructionEncoder
from agents.policies.recurrent import RECURRENT, RecurrentCore, reversal
from agents.policies.state import rows

CELLS, LAYERS = ("rnn", "lstm", "gru"), (1, 2, 3)
BATCH, WIDTH, HIDDEN, STEPS = 3, 5, 4, 6


def seeded(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


# --- the core ---


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", LAYERS)
def test_the_core_stepped_by_hand_equals_the_network_over_the_sequence(cell, layers):
    core = RecurrentCore(cell, WIDTH, HIDDEN, layers, dropout=0.0)
    network = RECURRENT[cell](WIDTH, HIDDEN, layers)
    for layer, own in enumerate(core.cells):
        for name, weight in own.named_parameters():
            getattr(network, f"{name}_l{layer}").data.copy_(weight)
    inputs, first = seeded(STEPS, BATCH, WIDTH), seeded(BATCH, HIDDEN)
    state, tops = core.initial(first), []
    for step in inputs:
        top, state = core(step, state)
        tops.append(top)
    start = first.expand(layers, BATCH, HIDDEN).contiguous()
    outputs, end = network(inputs, (start, torch.zeros_like(start)) if cell == "lstm" else start)
    torch.testing.assert_close(torch.stack(tops), outputs)
    torch.testing.assert_close(state, torch.stack(end if cell == "lstm" else (end,), 2).transpose(0, 1))


def test_a_step_of_the_lstm_follows_the_equations():
    core = RecurrentCore("lstm", WIDTH, HIDDEN, 1, dropout=0.0)
    x, hidden, memory = seeded(BATCH, WIDTH), seeded(BATCH, HIDDEN), seeded(HIDDEN, BATCH).T
    weights = core.cells[0]
    gates = x @ weights.weight_ih.T + weights.bias_ih + hidden @ weights.weight_hh.T + weights.bias_hh
    let_in, forget, new, let_out = gates.chunk(4, 1)
    after = forget.sigmoid() * memory + let_in.sigmoid() * new.tanh()
    top, state = core(x, torch.stack([hidden, memory], 1)[:, None])
    torch.testing.assert_close(state[:, 0, 1], after)
    torch.testing.assert_close(top, let_out.sigmoid() * after.tanh())
    assert torch.equal(state[:, 0, 0], top)


def test_two_steps_of_an_lstm_of_one_number_by_hand():
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    weights = {"i": (0.5, -0.3, 0.1), "f": (-0.2, 0.4, 0.6), "g": (0.9, 0.7, -0.5), "o": (0.3, -0.8, 0.2)}
    hidden, memory, expected = 0.25, 0.0, []
    for x in (1.5, -2.0):
        let_in, forget, new, let_out = (on_x * x + on_h * hidden + bias for on_x, on_h, bias in weights.values())
        memory = sigmoid(forget) * memory + sigmoid(let_in) * math.tanh(new)
        hidden = sigmoid(let_out) * math.tanh(memory)
        expected.append((hidden, memory))
    core, network = RecurrentCore("lstm", 1, 1, 1, dropout=0.0), nn.LSTM(1, 1)
    rows = torch.tensor(list(weights.values()))
    for part, suffix in ((core.cells[0], ""), (network, "_l0")):
        for name, values in (("weight_ih", rows[:, :1]), ("weight_hh", rows[:, 1:2]), ("bias_ih", rows[:, 2])):
            getattr(part, f"{name}{suffix}").data.copy_(values)
        getattr(part, f"bias_hh{suffix}").data.zero_()
    state, found = core.initial(torch.tensor([[0.25]])), []
    for x in (1.5, -2.0):
        _, state = core(torch.tensor([[x]]), state)
        found.append(tuple(state.flatten().tolist()))
    assert found == [pytest.approx(pair) for pair in expected]
    outputs, _ = network(torch.tensor([[[1.5]], [[-2.0]]]), (torch.tensor([[[0.25]]]), torch.zeros(1, 1, 1)))
    assert outputs.flatten().tolist() == pytest.approx([hidden for hidden, _ in expected])


def test_a_step_of_the_vanilla_network_follows_the_equation():
    core = RecurrentCore("rnn", WIDTH, HIDDEN, 1, dropout=0.0)
    x, hidden, weights = seeded(BATCH, WIDTH), seeded(BATCH, HIDDEN), core.cells[0]
    expected = x @ weights.weight_ih.T + weights.bias_ih + hidden @ weights.weight_hh.T + weights.bias_hh
    torch.testing.assert_close(core(x, hidden[:, None, None])[0], expected.tanh())


def test_a_step_of_the_gru_follows_the_equations():
    core = RecurrentCore("gru", WIDTH, HIDDEN, 1, dropout=0.0)
    x, hidden, weights = seeded(BATCH, WIDTH), seeded(BATCH, HIDDEN), core.cells[0]
    of_x = (x @ weights.weight_ih.T + weights.bias_ih).chunk(3, 1)
    of_hidden = (hidden @ weights.weight_hh.T + weights.bias_hh).chunk(3, 1)
    reset, keep = ((one + other).sigmoid() for one, other in list(zip(of_x, of_hidden, strict=True))[:2])
    new = (of_x[2] + reset * of_hidden[2]).tanh()
    torch.testing.assert_close(core(x, hidden[:, None, None])[0], (1 - keep) * new + keep * hidden)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_starts_every_layer_alike_and_the_memory_at_zero(cell):
    first = seeded(BATCH, HIDDEN)
    state = RecurrentCore(cell, WIDTH, HIDDEN, 2, dropout=0.0).initial(first)
    assert state.shape == (BATCH, 2, 2 if cell == "lstm" else 1, HIDDEN)
    assert all(torch.equal(state[:, layer, 0], first) for layer in range(2))
    assert not state[:, :, 1:].any()


def test_dropout_sits_between_layers_alone():
    x, first = seeded(64, WIDTH), seeded(64, HIDDEN)
    for layers, same in ((1, True), (2, False)):
        core = RecurrentCore("gru", WIDTH, HIDDEN, layers, dropout=0.5)
        dropped, whole = core(x, core.initial(first))[0], core.eval()(x, core.initial(first))[0]
        assert torch.equal(dropped, whole) is same


# --- the instruction encoder ---

VOCABULARY = 11
TOKENS = torch.tensor([[3, 4, 5, 6, 7], [8, 2, 0, 0, 0], [9, 10, 3, 2, 0], [2, 0, 0, 0, 0]])


def encoder(cell="lstm", layers=1, bidirectional=True, dropout=0.0) -> InstructionEncoder:
    torch.manual_seed(0)
    config = LanguageConfig(cell=cell, hidden=HIDDEN, layers=layers, bidirectional=bidirectional)
    return InstructionEncoder(config, seeded(VOCABULARY, WIDTH), dropout)


def lengths(tokens: torch.Tensor) -> torch.Tensor:
    return (tokens != 0).sum(1)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_encoder_equals_a_network_over_packed_sequences(cell, layers, bidirectional):
    own = encoder(cell, layers, bidirectional)
    network = RECURRENT[cell](WIDTH, HIDDEN, layers, batch_first=True, bidirectional=bidirectional)
    for stack, suffix in ((own.forwards, ""), (own.backwards, "_reverse")):
        for layer, part in enumerate(stack):
            for name, weight in part.named_parameters():
                getattr(network, f"{name.removesuffix('_l0')}_l{layer}{suffix}").data.copy_(weight)
    words = own.embedding(TOKENS)
    packed = nn.utils.rnn.pack_padded_sequence(words, lengths(TOKENS), batch_first=True, enforce_sorted=False)
    packed_context, end = network(packed)
    context, _ = nn.utils.rnn.pad_packed_sequence(packed_context, batch_first=True)
    hidden = end[0] if cell == "lstm" else end
    summary = torch.cat([*hidden[-2:]], -1) if bidirectional else hidden[-1]
    found = own(TOKENS)
    assert torch.equal(found.mask, TOKENS != 0)
    torch.testing.assert_close(found.context[found.mask], context[found.mask])
    torch.testing.assert_close(found.summary, summary)
    assert torch.equal(found.words, words)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_and_company_change_nothing(cell):
    own = encoder(cell, layers=2)
    together = own(torch.cat([TOKENS, torch.zeros(len(TOKENS), 4, dtype=torch.int64)], 1))
    assert together.context.shape[1] == TOKENS.shape[1]  # as long as the longest, no longer
    for row, (tokens, length) in enumerate(zip(TOKENS, lengths(TOKENS).tolist(), strict=True)):
        alone = own(tokens[None, :length])
        torch.testing.assert_close(together.context[row, :length], alone.context[0])
        torch.testing.assert_close(together.summary[row], alone.summary[0])


def test_reversal_turns_round_the_words_and_leaves_the_padding():
    positions = reversal(torch.tensor([4, 1, 3]), 4)
    assert positions.tolist() == [[3, 2, 1, 0], [0, 1, 2, 3], [2, 1, 0, 3]]
    assert torch.equal(positions.gather(1, positions), torch.arange(4).expand(3, -1))


def test_padding_is_never_learnt():
    own = encoder()
    own(TOKENS).context.sum().backward()
    assert not own.embedding.weight.grad[0].any()
    assert own.embedding.weight.grad[2:].any(1).all()


def test_dropout_takes_the_same_dimensions_of_every_word():
    own = encoder(dropout=0.5)
    found = own(TOKENS).context
    zero = found == 0
    assert zero.any()
    assert (zero == zero[:, :1]).all()
    whole = own.eval()(TOKENS).context
    assert not (whole[found != 0] == 0).any()


def test_rows_keeps_what_belongs_to_them():
    found = encoder()(TOKENS)
    kept = rows(found, torch.tensor([2, 0]))
    assert isinstance(kept, Instruction)
    for name in ("context", "words", "mask", "summary"):
        assert torch.equal(getattr(kept, name), getattr(found, name)[[2, 0]])
