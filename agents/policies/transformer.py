"""A causal transformer over the history of an episode, which attends to the instruction at every step.

Each step is one token: what is seen, and the action taken before. A layer attends to the tokens so far, whose keys and
values are the state of the policy, then to the words (Vaswani et al. 2017; the history as tokens follows Chen et al.
2021, HAMT, section 3).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from agents.config import EncoderConfig, TrainConfig
from agents.policies.attention import attend, compare
from agents.policies.encoders import LookingPolicy, TextEncoder, text_encoder, view_encoder
from agents.policies.geometry import (
    DIRECTION,
    GEOMETRY,
    candidate_features,
    cell_directions,
    view_centres,
)
from agents.policies.language import Instruction
from agents.policies.policy import PolicyOutput
from agents.policies.state import Observation, detach, privileged
from agents.policies.views import Panorama, ViewCache, ViewContent, weigh
from agents.policies.vision import ImageContent
from vln.errors import InputError

KEY = 64  # width of a candidate's key, and of what the value and progress heads hide
LONGEST = 10_000.0  # steps that the slowest sine of the positions takes to go round, over 2 pi


@dataclass(frozen=True)
class TransformerConfig(EncoderConfig):
    """The transformer over the history."""

    width: int = 256
    """Width of a token."""
    heads: int = 4
    """Heads of each attention."""
    layers: int = 2
    """Layers, each of attention to the history, attention to the words and a feed-forward network."""
    dropout: float = 0.1
    """Dropout of embeddings and of what each layer adds."""

    def build(self, config: TrainConfig, env: Any) -> "Transformer":
        """Build a transformer with fresh weights."""
        if self.width % (2 * self.heads):
            problem = f"{self.width} numbers cannot be shared by {self.heads} heads"
            raise InputError("--policy.width", problem, f"give a multiple of {2 * self.heads}")
        views, source = view_encoder(config, env), env.source
        actions = source.actions if source.table is None or env.task.actions == "low-level" else 0
        return Transformer(self, text_encoder(config, env), views, actions)


class TransformerState(NamedTuple):
    """What the transformer remembers of B episodes."""

    words: Tensor  # (B, L, E) embeddings of the words, to match with what is seen
    mask: Tensor  # (B, L) bool, True at tokens
    reading: Tensor  # (B, layers, 2, L, W) keys and values of the words
    cache: ViewCache  # What of the views is computed once for an episode
    history: Tensor  # (B, layers, 2, T, W) keys and values of the steps so far
    steps: Tensor  # (B, T) int64, 0 where there was no step, else 1 plus the row of the viewpoint; 1 off graphs
    hidden: Tensor  # (B, W) what came out of the last step, which looks; the summary of the instruction at the start
    last_action: Tensor  # (B, GEOMETRY or actions) features of the action taken last, zeros at the start
    # (B, A, GEOMETRY or actions) features of the actions offered; None after the action is known
    candidates: Tensor | None = None


class Layer(nn.Module):
    """Attention to the history, attention to the words, and a feed-forward network, each added to the token."""

    def __init__(self, width: int, heads: int, context: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.self_attention, self.word_keys = nn.Linear(width, 3 * width), nn.Linear(context, 2 * width)
        self.word_query = nn.Linear(width, width)
        self.outputs = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def keys_of(self, context: Tensor) -> Tensor:
        """Keys and values (B, 2, L, W) of words (B, L, C)."""
        return torch.stack(self.word_keys(context).chunk(2, -1), 1)

    def forward(
        self,
        token: Tensor,  # (B, W)
        history: Tensor,  # (B, 2, T, W) keys and values of the steps so far
        known: Tensor,  # (B, T + 1) bool, which of these there were, this one included
        reading: Tensor,  # (B, 2, L, W) keys and values of the words
        mask: Tensor,  # (B, L) bool, True at tokens
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step: token (B, W), history (B, 2, T + 1, W), attention to the words (B, L), mean of the heads."""
        query, *own = self.self_attention(self.norms[0](token)).chunk(3, -1)
        history = torch.cat([history, torch.stack(own, 1)[:, :, None]], 2)
        recalled, _ = self._attend(query, history, known)
        token = token + self.dropout(self.outputs[0](recalled))
        read, attention = self._attend(self.word_query(self.norms[1](token)), reading, mask)
        token = token + self.dropout(self.outputs[1](read))
        return token + self.dropout(self.feed_forward(self.norms[2](token))), history, attention

    def _attend(self, query: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attention of queries (B, W) to a memory (B, 2, N, W) where `mask` (B, N); what was read, and the weights."""
        batch, _, count, width = memory.shape
        keys, values = memory.view(batch, 2, count, self.heads, -1).permute(1, 0, 3, 2, 4)
        query = query.view(batch, self.heads, 1, -1) / math.sqrt(width // self.heads)
        scores = query @ keys.transpose(2, 3)
        weights = scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(-1)
        return (weights @ values).flatten(1), weights.mean((1, 2))


class Transformer(LookingPolicy):
    """A transformer policy over panoramas of navigation graphs, or over images of a camera."""

    config: TransformerConfig

    def __init__(
        self,
        config: TransformerConfig,
        encoder: TextEncoder,
        views: ViewContent,
        low_level_actions: int = 0,
    ) -> None:
        """Build a transformer of given encoders; it scores panoramic candidates if `low_level_actions` is 0."""
        super().__init__()
        self.config, self.encoder, self.views, self.low_level_actions = config, encoder, views, low_level_actions
        self.camera = hasattr(views, "encode")
        width, seen, cells = config.width, config.view + DIRECTION, 0
        centres = view_centres()
        if self.camera:
            side = cast(ImageContent, views).side
            centres, cells = cell_directions(side), side**2
        self.register_buffer("view_centres", centres, persistent=False)
        self.actions = low_level_actions or GEOMETRY
        self.start = nn.Linear(encoder.width, width)
        self.look_content, self.look_direction = nn.Linear(width, config.view), nn.Linear(width, DIRECTION)
        self.embed = nn.Linear(seen + self.actions + cells, width)
        self.layers = nn.ModuleList(
            Layer(width, config.heads, encoder.width, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.match = nn.Linear(encoder.word_width, config.view, bias=False)
        contexts = width + seen
        if low_level_actions:
            self.act = nn.Sequential(nn.Linear(contexts + cells, width), nn.GELU(), nn.Linear(width, low_level_actions))
        else:
            self.choose_content, self.choose_key = nn.Linear(contexts, config.view), nn.Linear(contexts, KEY)
            self.candidate = nn.Sequential(nn.Linear(GEOMETRY, KEY), nn.Tanh(), nn.Linear(KEY, KEY))
            self.stop, self.arrived = nn.Linear(contexts, 1), nn.Linear(2, 1, bias=False)
        self.value = nn.Sequential(nn.Linear(contexts, KEY), nn.Tanh(), nn.Linear(KEY, 1))
        self.progress = nn.Sequential(nn.Linear(contexts, KEY), nn.Tanh(), nn.Linear(KEY, 1), nn.Sigmoid())
        self.dropout = nn.Dropout(config.dropout)

    def initial_state(self, observation: Observation) -> TransformerState:
        """Read the instructions of B episodes."""
        read: Instruction = self.encoder(observation["instruction"])
        keys = torch.stack([cast(Layer, layer).keys_of(read.context) for layer in self.layers], 1)
        batch, width = len(read.mask), self.config.width
        history = keys.new_zeros(batch, len(self.layers), 2, 0, width)
        steps = torch.zeros((batch, 0), dtype=torch.int64, device=keys.device)
        cache = self.views.make_cache(batch, observation.get("environment"))
        action = keys.new_zeros(batch, self.actions)
        return TransformerState(
            read.words, read.mask, keys, cache, history, steps, torch.tanh(self.start(read.summary)), action
        )

    def carry(self, initial: TransformerState, previous: TransformerState) -> TransformerState:
        """What was remembered, without gradients; instructions and views are those of `initial`."""
        kept = detach(previous)
        # Leading columns in which all of the batch have started a new episode are not needed any more.
        unused = int((kept.steps > 0).any(0).long().cumsum(0).eq(0).sum())
        return initial._replace(
            history=kept.history[:, :, :, unused:],
            steps=kept.steps[:, unused:],
            hidden=kept.hidden,
            last_action=kept.last_action,
        )

    def step(self, observation: Observation, state: TransformerState) -> PolicyOutput:
        """Look, add a token to the history, attend to history and words, and score the actions."""
        observation = self.encode(observation)
        here = observation["cells" if self.camera else "viewpoint"]
        panorama, around = self.views.around(here, state.cache), self._around(observation)
        near = [observation["near"]] if self.camera else []
        looked = weigh(panorama, around, self.look_content(state.hidden), self.look_direction(state.hidden))
        seen = self._pool(looked, panorama, around)
        steps = torch.cat(
            [state.steps, torch.ones_like(here[:, :1, 0]).long() if self.camera else here[:, None] + 1], 1
        )
        known = steps > 0
        token = self.embed(torch.cat([seen, state.last_action, *near], 1)) + positions(known.sum(1), self.config.width)
        token, histories, reading = self.dropout(token), [], state.mask.float()
        for number, layer in enumerate(self.layers):
            token, history, reading = layer(
                token, state.history[:, number], known, state.reading[:, number], state.mask
            )
            histories.append(history)
        hidden = self.norm(token)
        asked = self.match(attend(reading, state.words))
        grounded = weigh(panorama, around, asked, self.look_direction(hidden))
        features = torch.cat([hidden, self._pool(grounded, panorama, around)], 1)
        logits, candidates = self._score(features, asked, observation, steps, panorama, near)
        after = state._replace(history=torch.stack(histories, 1), steps=steps, hidden=hidden, candidates=candidates)
        auxiliary, target = {}, privileged(observation).get("progress")
        if target is not None:
            auxiliary["progress"] = (self.progress(features)[:, 0] - target).square()
        # The value head reads the policy's features without training them.
        value = self.value(features.detach())[:, 0]
        return PolicyOutput(logits, value, after, auxiliary, {"words": reading, "views": looked})

    def _score(
        self,
        features: Tensor,
        asked: Tensor,
        observation: Observation,
        steps: Tensor,
        panorama: Panorama,
        near: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, A) of the actions, and what to remember of each (B, A, ...)."""
        if self.low_level_actions:
            logits = self._offered(self.act(torch.cat([features, *near], 1)), observation)
            return logits, torch.eye(self.actions, device=features.device).expand(len(features), -1, -1)
        geometry = candidate_features(observation, steps)
        views = panorama.match(self.choose_content(features) + asked)
        stop = self.stop(features) + self.arrived(torch.stack([views.amax(1), views.mean(1)], 1))
        content = torch.cat([stop, views.gather(1, observation["candidate_view"])[:, 1:]], 1)
        logits = content + compare(self.choose_key(features), self.candidate(geometry))
        return self._offered(logits, observation), geometry


def positions(steps: Tensor, width: int) -> Tensor:
    """Sines and cosines (B, width) of the numbers of steps (B,) (Vaswani et al. 2017, section 3.5)."""
    rates = LONGEST ** (-torch.arange(width // 2, device=steps.device) / (width // 2))
    angles = steps[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)
