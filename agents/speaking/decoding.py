"""Choosing words: greedily, at random, or by beam search, for a whole batch at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from agents.config import SHORTEST
from agents.speaking.decoder import State
from agents.speaking.language_model import LanguageModel
from agents.speaking.speaker import Memory, Speaker
from vln.errors import InputError
from vln.language import EOS, PAD, UNK

Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""From the words said last (B,) and the state to log-probabilities (B, V) of the next ones and the state after."""


@dataclass(frozen=True)
class Decoding:
    """How words are chosen."""

    method: Literal["greedy", "sample", "beam"] = "greedy"
    """Always the likeliest next word, a word at random, or the likeliest sentence that beam search finds."""
    temperature: float = 1.0
    """Of sampling: below 1 likely words become likelier; 0 is greedy."""
    top_p: float = 1.0
    """Sample among the likeliest words that have this probability together (Holtzman et al. 2020)."""
    beams: int = 5
    """Sentences that beam search keeps."""


@dataclass(frozen=True)
class Sentences:
    """B sentences: tokens (B, L) int64, zero-padded, each with its end, and mean log-probabilities per token (B,)."""

    tokens: Tensor
    log_prob: Tensor


def check_decoding(decoding: Decoding) -> None:
    """Raise an InputError if a number of a decoding is out of its range; it names the flag."""
    if not decoding.temperature >= 0:
        raise InputError("--temperature", f"{decoding.temperature} is out of range", "give a number of at least 0")
    if not 0 < decoding.top_p <= 1:
        raise InputError("--top-p", f"{decoding.top_p} is out of range", "give a share above 0, of at most 1")
    if decoding.beams < 1:
        raise InputError("--beams", f"{decoding.beams} is out of range", "give a whole number of at least 1")


@torch.no_grad()
def speak(
    speaker: Speaker, memory: Memory, decoding: Decoding, max_length: int, random: torch.Generator | None = None
) -> Sentences:
    """Sentences of up to `max_length` tokens, their ends included, about B routes; at least one word, none unknown."""
    check_decoding(decoding)
    _check_room(max_length)
    if decoding.method != "beam":
        return _decode(speaker, memory, decoding, max_length, random)
    found = _beam(speaker, memory, decoding.beams, max_length)
    if decoding.beams == 1:
        return found
    # A beam may lose what is likeliest word by word on its way; that counts as found as well.
    return _better(found, _decode(speaker, memory, Decoding(), max_length, None))


@torch.no_grad()
def continue_text(
    model: LanguageModel,
    prefix: Tensor,
    count: int,
    decoding: Decoding,
    max_length: int,
    random: torch.Generator | None = None,
) -> Sentences:
    """Continue the tokens `prefix` (L,) `count` times, greedily or sampled, by up to `max_length`, ends included."""
    check_decoding(decoding)
    _check_room(max_length)
    prefix, state = prefix.expand(count, -1), model.begin(count)
    if prefix.shape[1] > 1:
        _, state = model.decode_states(prefix[:, :-1], state)
    return _decode_tokens(model.step, prefix[:, -1], state, decoding, max_length, random)


def _check_room(max_length: int) -> None:
    """See that there is room for a word and the end."""
    if max_length < SHORTEST:
        raise InputError("max_length", f"{max_length} leaves no room for a word", f"use at least {SHORTEST}")


def _allowed(log_probs: Tensor, place: int, max_length: int) -> Tensor:
    """Log-probabilities (B, V) with -inf for what may not be said at a place."""
    forbidden = torch.zeros(log_probs.shape[1], dtype=torch.bool, device=log_probs.device)
    if place == max_length - 1:
        forbidden[:] = True
    forbidden[UNK], forbidden[EOS] = True, place == 0
    return log_probs.masked_fill(forbidden, -torch.inf)


def _decode(
    speaker: Speaker, memory: Memory, decoding: Decoding, max_length: int, random: torch.Generator | None
) -> Sentences:
    start = torch.full((len(memory.first),), EOS, device=memory.first.device)
    return _decode_tokens(
        partial(speaker.step, memory=memory), start, speaker.begin(memory), decoding, max_length, random
    )


def _decode_tokens(
    step: Step, last: Tensor, state: State, decoding: Decoding, max_length: int, random: torch.Generator | None
) -> Sentences:
    alive = torch.ones_like(last, dtype=torch.bool)
    total, tokens = state[0].new_zeros(len(last)), list[Tensor]()
    while len(tokens) < max_length and bool(alive.any()):
        log_probs, state = step(last, state)
        allowed = _allowed(log_probs, len(tokens), max_length)
        chosen = _choose(allowed, decoding, random)
        last = torch.where(alive, chosen, PAD)
        total = total + torch.where(alive, log_probs.gather(1, chosen[:, None])[:, 0], 0.0)
        tokens.append(last)
        alive = alive & (last != EOS)
    return _sentences(torch.stack(tokens, 1), total)


def _choose(log_probs: Tensor, decoding: Decoding, random: torch.Generator | None) -> Tensor:
    """Words (B,): the likeliest, or drawn with a temperature from the likeliest ones."""
    if decoding.method == "greedy" or decoding.temperature == 0:
        return log_probs.argmax(1)
    likely, words = (log_probs / decoding.temperature).softmax(1).sort(1, descending=True)
    before = likely.cumsum(1) - likely
    nucleus = likely.masked_fill(before >= decoding.top_p, 0.0)
    return words.gather(1, torch.multinomial(nucleus, 1, generator=random))[:, 0]


def _beam(speaker: Speaker, memory: Memory, beams: int, max_length: int) -> Sentences:
    """Beam search by the sum of log-probabilities; of what is left at the end, that with the best mean."""
    batch, device = len(memory.first), memory.first.device
    row = torch.arange(batch, device=device).repeat_interleave(beams)
    memory = memory.rows(row)
    state = speaker.begin(memory)
    tokens = torch.full((batch * beams, 0), PAD, device=device)
    last = torch.full((batch * beams,), EOS, device=device)
    total = torch.full((batch, beams), -torch.inf, device=device)
    total[:, 0] = 0.0
    ended = torch.zeros_like(last, dtype=torch.bool)
    while tokens.shape[1] < max_length and not bool(ended.all()):
        log_probs, state = speaker.step(last, state, memory)
        further = _allowed(log_probs, tokens.shape[1], max_length).masked_fill(ended[:, None], -torch.inf)
        further[:, PAD] = torch.where(ended, 0.0, -torch.inf)
        sums = (total.view(-1, 1) + further).view(batch, -1)
        total, best = sums.topk(beams, 1)
        parent = (best // log_probs.shape[1] + torch.arange(batch, device=device)[:, None] * beams).flatten()
        last = (best % log_probs.shape[1]).flatten()
        tokens = torch.cat([tokens[parent], last[:, None]], 1)
        state = tuple(part[:, parent] for part in state)
        ended = ended[parent] | (last == EOS)
    means = total / (tokens != PAD).sum(1).clamp(min=1).view(batch, beams)
    winner = means.argmax(1) + torch.arange(batch, device=device) * beams
    return _sentences(tokens[winner], total.flatten()[winner])


def _sentences(tokens: Tensor, total: Tensor) -> Sentences:
    """Sentences (B, L) with summed log-probabilities (B,), without padding that none of them needs."""
    lengths = (tokens != PAD).sum(1)
    return Sentences(tokens[:, : int(lengths.max())], total / lengths)


def _better(one: Sentences, other: Sentences) -> Sentences:
    """The likelier of two sentences each."""
    longest = max(one.tokens.shape[1], other.tokens.shape[1])
    here, there = (pad(each.tokens, (0, longest - each.tokens.shape[1])) for each in (one, other))
    first = one.log_prob >= other.log_prob
    tokens = torch.where(first[:, None], here, there)
    return Sentences(tokens, torch.where(first, one.log_prob, other.log_prob))
