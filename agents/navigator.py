"""The navigator: reads an instruction, looks around, remembers, and scores its next moves.

The parts follow the cross-modal reasoning navigator (Wang et al. 2019, section 3.2); switched off one by one they leave
the sequence-to-sequence agent of Anderson et al. 2018.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from agents.attention import attend, masked_softmax
from agents.config import LanguageConfig, NavigatorConfig
from agents.language import Instruction, InstructionEncoder
from agents.recurrent import RecurrentCore
from agents.views import Glance, Panorama, ViewContent
from vln.graph import VIEW_STEP, VIEWS

DIRECTION = 8  # numbers that describe a direction, see `directions`
GEOMETRY = DIRECTION + 3  # a candidate: direction, metres, whether it is the stop slot, whether it was visited
KEY = 64
Observation = dict[str, Tensor]


@dataclass(frozen=True)
class State:
    """What the agent carries from step to step, for B episodes.

    Attributes:
        core: (layers, parts, B, hidden), the recurrent state.
        hidden: (B, hidden), its top layer after dropout.
        last_action: (B, GEOMETRY or actions), features of the action taken last, zeros at the start.
        visited: (B, T) int64, viewpoint rows visited, -1 where there is none.
        glance: What the views share between steps.
    """

    core: Tensor
    hidden: Tensor
    last_action: Tensor
    visited: Tensor
    glance: Glance

    def rows(self, keep: Tensor) -> "State":
        """The state of the batch rows `keep` (n,)."""
        glance = self.glance.rows(keep)
        return State(self.core[:, :, keep], self.hidden[keep], self.last_action[keep], self.visited[keep], glance)


@dataclass(frozen=True)
class Output:
    """One decision of B episodes.

    Attributes:
        logits: (B, A), -inf where an action is not offered.
        value: (B,), expected return.
        progress: (B,), estimated share of the way that is done.
        action_features: (B, A, GEOMETRY or actions), what `Navigator.chose` remembers of the action taken.
        word_attention: (B, L).
        view_attention: (B, 36), what the history looked at.
        state: The state after this step, but for the action.
    """

    logits: Tensor
    value: Tensor
    progress: Tensor
    action_features: Tensor
    word_attention: Tensor
    view_attention: Tensor
    state: State


class Navigator(nn.Module):
    """An LSTM (or RNN, or GRU) policy over observations of the graph simulator."""

    views: ViewContent
    view_centres: Tensor

    def __init__(
        self,
        config: NavigatorConfig,
        language: LanguageConfig,
        embedding: Tensor,
        views: ViewContent,
        low_level_actions: int = 0,
    ) -> None:
        """A navigator.

        Args:
            config: The policy.
            language: The instruction encoder.
            embedding: (V, E), where word vectors start.
            views: The views of the world.
            low_level_actions: Number of low-level actions; 0 scores panoramic candidates instead.
        """
        super().__init__()
        self.config, self.views, self.low_level_actions = config, views, low_level_actions
        self.encoder = InstructionEncoder(language, embedding, config.dropout)
        words, hidden = self.encoder.width, config.hidden
        seen = config.view + DIRECTION
        contexts = hidden + words + (seen if config.cross_modal else 0)
        actions = low_level_actions or GEOMETRY
        self.start = nn.Linear(words, hidden)
        self.last_action = nn.Linear(actions, KEY)
        self.core = RecurrentCore(config.cell, seen + KEY, hidden, config.layers, config.dropout)
        self.look_content, self.look_direction = nn.Linear(hidden, config.view), nn.Linear(hidden, DIRECTION)
        self.read = nn.Linear(hidden, words, bias=False)
        if config.cross_modal:
            self.ground_content, self.ground_direction = nn.Linear(words, config.view), nn.Linear(words, DIRECTION)
        if config.alignment:
            self.align = nn.Linear(embedding.shape[1], config.view, bias=False)
        if low_level_actions:
            self.act = nn.Linear(contexts, low_level_actions)
        else:
            self.candidate = nn.Sequential(nn.Linear(GEOMETRY, KEY), nn.Tanh(), nn.Linear(KEY, KEY))
            self.choose_content, self.choose_key = nn.Linear(contexts, config.view), nn.Linear(contexts, KEY)
            self.stop = nn.Linear(contexts, 1)
            self.blur = nn.Parameter(torch.tensor([0.2, 0.0]))
            self.arrived = nn.Linear(2, 1, bias=False)
        self.value = nn.Sequential(nn.Linear(contexts, KEY), nn.Tanh(), nn.Linear(KEY, 1))
        self.progress = nn.Sequential(nn.Linear(contexts, KEY), nn.Tanh(), nn.Linear(KEY, 1), nn.Sigmoid())
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("view_centres", view_centres(), persistent=False)

    def begin(self, tokens: Tensor) -> tuple[Instruction, State]:
        """Read the instructions (B, L) and start."""
        instruction = self.encoder(tokens)
        hidden = torch.tanh(self.start(instruction.summary))
        last_action = hidden.new_zeros(len(tokens), self.last_action.in_features)
        nowhere = torch.full((len(tokens), 0), -1, dtype=torch.int64, device=tokens.device)
        return instruction, State(
            self.core.initial(hidden), hidden, last_action, nowhere, self.views.begin(len(tokens))
        )

    def forward(self, instruction: Instruction, observation: Observation, state: State) -> Output:
        """Look, remember, read, ground, and score the actions."""
        here = observation["viewpoint"]
        panorama, around = self.views.around(here, state.glance), self._around(observation)
        looked, seen = self._look(state.hidden, observation, panorama, around)
        top, core = self.core(torch.cat([seen, self.last_action(state.last_action)], 1), state.core)
        hidden = self.dropout(top)
        reading = masked_softmax(
            torch.bmm(instruction.context, self.read(hidden)[:, :, None])[:, :, 0], instruction.mask
        )
        context = attend(reading, instruction.context)
        features = torch.cat([hidden, context, *self._ground(context, panorama, around)], 1)
        features = self.dropout(features)
        visited = torch.cat([state.visited, here[:, None]], 1)
        logits, action_features = self._score(
            features, attend(reading, instruction.words), observation, visited, panorama
        )
        return Output(
            logits,
            self.value(features.detach())[:, 0],  # the critic watches the policy, it does not shape it
            self.progress(features)[:, 0],
            action_features,
            reading,
            looked,
            State(core, hidden, state.last_action, visited, state.glance),
        )

    def _around(self, observation: Observation) -> Tensor:
        """(B, 36, DIRECTION) features of the views' directions, relative to the body's."""
        headings, elevations = self.view_centres.T
        relative = headings - observation["heading"][:, None]
        return directions(relative, elevations.expand_as(relative))

    def _look(
        self, hidden: Tensor, observation: Observation, panorama: Panorama, around: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attention over the views with the history in mind (B, 36), and what was seen (B, view + DIRECTION)."""
        if self.config.panorama:
            looked = self._weigh(self.look_content(hidden), self.look_direction(hidden), panorama, around)
        else:
            looked = nn.functional.one_hot(facing(observation), VIEWS).to(hidden.dtype)
        return looked, self._pool(looked, panorama, around)

    def _ground(self, context: Tensor, panorama: Panorama, around: Tensor) -> list[Tensor]:
        """What the views have to say about the words read (B, view + DIRECTION)."""
        if not self.config.cross_modal:
            return []
        grounded = self._weigh(self.ground_content(context), self.ground_direction(context), panorama, around)
        return [self._pool(grounded, panorama, around)]

    def _weigh(self, content: Tensor, direction: Tensor, panorama: Panorama, around: Tensor) -> Tensor:
        """Attention over the views (B, 36) by what they show and where, for queries (B, view) and (B, DIRECTION)."""
        scores = panorama.match(content / math.sqrt(self.config.view))
        return (scores + torch.bmm(around, direction[:, :, None])[:, :, 0]).softmax(1)

    def _pool(self, weights: Tensor, panorama: Panorama, around: Tensor) -> Tensor:
        return torch.cat([self.dropout(panorama.pool(weights)), attend(weights, around)], 1)

    def _score(
        self, features: Tensor, words: Tensor, observation: Observation, visited: Tensor, panorama: Panorama
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, A) and what to remember of each action (B, A, ...)."""
        mask = observation["candidate_mask"] > 0
        if self.low_level_actions:
            one_hot = torch.eye(self.low_level_actions, device=mask.device).expand(len(mask), -1, -1)
            return self.act(features).masked_fill(~mask, -torch.inf), one_hot
        geometry = self._geometry(observation, visited)
        query = self.choose_content(features)
        if self.config.alignment:
            query = query + self.align(words)
        views = self._blur(panorama.match(query))
        content = views.gather(1, observation["candidate_view"])
        spatial = torch.bmm(self.candidate(geometry), self.choose_key(features)[:, :, None])[:, :, 0]
        stop = self.stop(features) + self.arrived(torch.stack([views.amax(1), views.mean(1)], 1))
        stop = torch.cat([stop, content[:, 1:]], 1)
        return (spatial + stop).masked_fill(~mask, -torch.inf), geometry

    def _blur(self, scores: Tensor) -> Tensor:
        """Scores (B, 36) of views with some of what the views beside, and those above and below, scored.

        A candidate is seldom in the middle of its view, and what marks it often just outside.
        """
        grid = scores.view(len(scores), 3, 12)
        beside, above_or_below = grid.roll(1, 2) + grid.roll(-1, 2), grid.sum(1, keepdim=True) - grid
        return (grid + self.blur[0] * beside + self.blur[1] * above_or_below).flatten(1)

    def _geometry(self, observation: Observation, visited: Tensor) -> Tensor:
        """(B, A, GEOMETRY) features of the candidates."""
        towards = directions(observation["candidate_heading"], observation["candidate_elevation"])
        stop = torch.zeros_like(observation["candidate_distance"])
        stop[:, 0] = 1.0
        known = torch.zeros_like(stop)
        if self.config.visited:
            known = (observation["candidate_viewpoint"][:, :, None] == visited[:, None]).any(-1).float()
        rest = torch.stack([observation["candidate_distance"] / 5, stop, known], -1)
        return torch.cat([towards, rest], -1)

    def chose(self, output: Output, actions: Tensor) -> State:
        """The state after taking `actions` (B,)."""
        rows = torch.arange(len(actions), device=actions.device)
        state = output.state
        return State(state.core, state.hidden, output.action_features[rows, actions], state.visited, state.glance)


def directions(heading: Tensor, elevation: Tensor) -> Tensor:
    """Features (..., DIRECTION) of directions in radians, which tell neighbouring headings apart linearly.

    Sines and cosines of the heading's first three multiples and of the elevation.
    """
    parts = [function(heading * k) for k in (1, 2, 3) for function in (torch.sin, torch.cos)]
    return torch.stack([*parts, elevation.sin(), elevation.cos()], -1)


def facing(observation: Observation) -> Tensor:
    """(B,) the views whose centres are nearest to where the bodies look."""
    column = torch.round(observation["heading"] / VIEW_STEP).long() % 12
    return 12 * (1 + torch.round(observation["elevation"] / VIEW_STEP).long().clamp(-1, 1)) + column


def view_centres() -> Tensor:
    """(36, 2) headings and elevations of the view centres in radians."""
    views = torch.arange(VIEWS)
    return torch.stack([(views % 12) * VIEW_STEP, (views // 12 - 1) * VIEW_STEP], 1).float()


def as_tensors(observation: dict[str, Any], device: torch.device) -> Observation:
    """An environment's observation, on the agent's device."""
    return {name: torch.as_tensor(value, device=device) for name, value in observation.items()}
