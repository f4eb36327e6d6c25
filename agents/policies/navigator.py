"""The navigator: reads an instruction, looks around, remembers, and scores its next moves.

The parts follow the cross-modal reasoning navigator (Wang et al. 2019, section 3.2); switched off one by one they leave
the sequence-to-sequence agent of Anderson et al. 2018. The views are those of a panorama, or the cells of an image.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from agents.config import LanguageConfig, NavigatorConfig
from agents.policies.attention import attend, compare, masked_softmax
from agents.policies.geometry import DIRECTION, cell_directions, directions, directions_around, facing, view_centres
from agents.policies.language import Instruction, InstructionEncoder
from agents.policies.recognition import cells_shown, label_weights, labels_shown, naming_loss, pointing_loss
from agents.policies.recurrent import RecurrentCore
from agents.policies.views import Glance, Panorama, ViewContent, directions_of, weigh
from agents.policies.vision import BlindImages, ImageContent, ImageViews
from vln.graph import VIEWS
from vln.language import EOS

GEOMETRY = DIRECTION + 3  # a candidate: direction, metres, whether it is the stop slot, whether it was visited
KEY = 64
REFLEX = 128  # width of the layer before low-level actions
POINTED = 3  # numbers per row or column of cells that tell where something is seen, see `Navigator._where`
ASKED = 4  # one in so many cells is asked what it shows
UNLIKELY = -3.0  # logit of a cell showing what a word is for, before anything is learnt
Observation = dict[str, Tensor]


@dataclass(frozen=True)
class State:
    """What the agent carries from step to step, for B episodes.

    Attributes:
        core: (layers, parts, B, hidden), the recurrent state.
        hidden: (B, hidden), its top layer after dropout.
        last_action: (B, GEOMETRY or actions), features of the action taken last, zeros at the start.
        visited: (B, T) int64, viewpoint rows visited, -1 where there is none.
        read: (B, C), context read last, zeros at the start; for agents with a camera, else (B, 0).
        glance: What the views share between steps.
    """

    core: Tensor
    hidden: Tensor
    last_action: Tensor
    visited: Tensor
    read: Tensor
    glance: Glance

    def rows(self, keep: Tensor) -> "State":
        """The state of the batch rows `keep` (n,)."""
        return State(
            self.core[:, :, keep],
            self.hidden[keep],
            self.last_action[keep],
            self.visited[keep],
            self.read[keep],
            self.glance.rows(keep),
        )


@dataclass(frozen=True)
class Thought:
    """What B episodes have looked at, remembered and read at a step, and what there is to say of it.

    Attributes:
        features: (B, F), what decisions are made from.
        logits: (B, A), -inf where an action is not offered; None if `Navigator.heads` has yet to score the actions.
        action_features: (B, A, GEOMETRY or actions), what `Navigator.chose` remembers of the action taken.
        word_attention: (B, L).
        view_attention: (B, 36 or cells), what the history looked at.
        state: The state after this step, but for the action.
        auxiliary: (B,), loss of pointing at where the way goes on; None unless that was observed.
    """

    features: Tensor
    logits: Tensor | None
    action_features: Tensor
    word_attention: Tensor
    view_attention: Tensor
    state: State
    auxiliary: Tensor | None


@dataclass(frozen=True)
class Output:
    """One decision of B episodes.

    Attributes:
        logits: (B, A), -inf where an action is not offered.
        value: (B,), expected return.
        progress: (B,), estimated share of the way that is done.
        action_features: (B, A, GEOMETRY or actions), what `Navigator.chose` remembers of the action taken.
        word_attention: (B, L).
        view_attention: (B, 36 or cells), what the history looked at.
        state: The state after this step, but for the action.
        auxiliary: (B,), loss of naming what the cells of images show; None unless labels were observed.
    """

    logits: Tensor
    value: Tensor
    progress: Tensor
    action_features: Tensor
    word_attention: Tensor
    view_attention: Tensor
    state: State
    auxiliary: Tensor | None = None


class Navigator(nn.Module):
    """An LSTM (or RNN, or GRU) policy over panoramas of navigation graphs, or over images of a camera."""

    views: ViewContent | ImageContent
    view_centres: Tensor
    label_weights: Tensor

    def __init__(
        self,
        config: NavigatorConfig,
        language: LanguageConfig,
        embedding: Tensor,
        views: ViewContent | ImageContent,
        low_level_actions: int = 0,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        """A navigator.

        Args:
            config: The policy.
            language: The instruction encoder.
            embedding: (V, E), where word vectors start.
            views: The views of the world.
            low_level_actions: Number of low-level actions; 0 scores panoramic candidates instead.
            labels: How many labels an image may have, by the observation that has them, e.g. "category"; 0 is none.
        """
        super().__init__()
        self.config, self.views, self.low_level_actions = config, views, low_level_actions
        self.camera = isinstance(views, (ImageViews, BlindImages))
        self.labels = dict(labels or {}) if config.alignment else {}
        self.encoder = InstructionEncoder(language, embedding, config.dropout)
        words, hidden = self.encoder.width, config.hidden
        seen = config.view + DIRECTION
        contexts = hidden + words + (seen if config.cross_modal else 0)
        actions = low_level_actions or GEOMETRY
        self.start = nn.Linear(words, hidden)
        self.last_action = nn.Linear(actions, KEY)
        noticed = KEY if self.camera else 0
        self.core = RecurrentCore(config.cell, seen + KEY + noticed, hidden, config.layers, config.dropout)
        self.look_content, self.look_direction = nn.Linear(hidden, config.view), nn.Linear(hidden, DIRECTION)
        self.read = nn.Linear(hidden, words, bias=False)
        if config.cross_modal:
            self.ground_content, self.ground_direction = nn.Linear(words, config.view), nn.Linear(words, DIRECTION)
        if config.alignment and not self.camera:
            self.align = nn.Linear(self.encoder.word_width, config.view, bias=False)
        if isinstance(views, (ImageViews, BlindImages)):
            pointed, labelled = 0, sum(self.labels.values())
            self._side = views.side
            if labelled:
                self.recognise = nn.Linear(config.view, labelled)
                nn.init.constant_(self.recognise.bias, UNLIKELY)
                self.register_buffer("label_weights", label_weights(self.labels), persistent=False)
                self.goal, self.seek = nn.Linear(words, 1), nn.Linear(words, labelled)
                self.likely = nn.Parameter(torch.tensor(UNLIKELY))
                self.onward = nn.Linear(hidden + words, config.view)
                pointed = 2 * POINTED * views.side
            contexts += pointed
            self.notice = nn.Linear(views.side**2 + words + pointed + labelled, KEY)
            reflex = nn.Sequential(nn.Linear(contexts, REFLEX), nn.ReLU(), nn.Linear(REFLEX, low_level_actions))
            self.act: nn.Module = reflex
        elif low_level_actions:
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
        centres = cell_directions(views.side) if isinstance(views, (ImageViews, BlindImages)) else view_centres()
        self.register_buffer("view_centres", centres, persistent=False)

    def begin(self, tokens: Tensor, environment: Tensor | None = None) -> tuple[Instruction, State]:
        """Read the instructions (B, L) and start, in altered environments if there are numbers of such (B,)."""
        instruction = self.encoder(tokens)
        if self.labels:
            instruction = self._seek(instruction, tokens)
        hidden = torch.tanh(self.start(instruction.summary))
        last_action = hidden.new_zeros(len(tokens), self.last_action.in_features)
        nowhere = torch.full((len(tokens), 0), -1, dtype=torch.int64, device=tokens.device)
        read = instruction.context.shape[2] if self.camera else 0
        unread = hidden.new_zeros(len(tokens), read)
        glance = self.views.begin(len(tokens), environment)
        return instruction, State(self.core.initial(hidden), hidden, last_action, nowhere, unread, glance)

    def begin_episodes(self, observation: Observation) -> tuple[Instruction, State]:
        """Read the instructions of an observation of B episodes and start, in their environments."""
        return self.begin(observation["instruction"], observation.get("environment"))

    def _seek(self, instruction: Instruction, tokens: Tensor) -> Instruction:
        """Find the words that name the goal; the end of a sentence, which knows all of it, would shine too bright."""
        mask = instruction.mask & (tokens[:, : instruction.mask.shape[1]] != EOS)
        mask[:, 0] = True
        goal = attend(masked_softmax(self.goal(instruction.context)[:, :, 0], mask), instruction.context)
        return replace(instruction, mask=mask, goal=goal)

    def see(self, observation: Observation) -> Observation:
        """What is seen in images, of any number of bodies and steps; `forward` takes it in place of the images.

        An observation of a graph, or one that has been seen, is returned as it is.
        """
        if not self.camera or "cells" in observation:
            return observation
        views = cast(ImageContent, self.views)
        kept = {name: value for name, value in observation.items() if name not in ("rgb", "depth")}
        seen = views.see(observation)
        if self.labels:
            with torch.no_grad():  # it is naming that teaches what things look like
                seen["evidence"] = self.recognise(seen["cells"])
                seen["shown"] = seen["evidence"].amax(1).sigmoid()
        return {**kept, **seen}

    def aim(self, goal: Tensor | None, observation: Observation) -> Observation:
        """Where the goal is seen in what has been seen, for any number of bodies and steps with goals (N, C).

        Adds `ahead` (N, POINTED * side), and what there is to learn from: `astray` (N,), a loss, where there is a
        `target`, and `led` (N, cells), the cells that show where the way goes on, where there is a `way`.
        """
        if goal is None or "ahead" in observation:
            return observation
        likely = self._likely(goal, observation)
        found = {"ahead": self._where(likely, observation)}
        if "target" in observation:
            found["astray"] = pointing_loss(likely, cells_shown(observation["target"], self._side))
        if "way" in observation:
            found["led"] = cells_shown(observation["way"], self._side)
        return {**observation, **found}

    def forward(self, instruction: Instruction, observation: Observation, state: State) -> Output:
        """Look, remember, read, ground, and score the actions."""
        observation = self.aim(instruction.goal, self.see(observation))
        thought = self.think(instruction, observation, state)
        return Output(
            *self.heads(thought.features, thought.logits, observation),
            thought.action_features,
            thought.word_attention,
            thought.view_attention,
            thought.state,
            total(thought.auxiliary, self.recognised(observation)),
        )

    def heads(self, features: Tensor, logits: Tensor | None, observation: Observation) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, A), expected returns (N,) and shares of the way (N,), of any number of bodies and steps."""
        if logits is None:
            logits = self.act(features)
            if "candidate_mask" in observation:
                logits = logits.masked_fill(observation["candidate_mask"] <= 0, -torch.inf)
        # The critic watches the policy, it does not shape it.
        return logits, self.value(features.detach())[:, 0], self.progress(features)[:, 0]

    def think(self, instruction: Instruction, observation: Observation, state: State) -> Thought:
        """All of a step that the next one needs, from what has been seen and aimed at."""
        here = observation["cells" if self.camera else "viewpoint"]
        panorama, around = self.views.around(here, state.glance), self._around(observation)
        looked, seen = self._look(state.hidden, observation, panorama, around)
        noticed = self._notice(state.read, observation)
        top, core = self.core(torch.cat([seen, self.last_action(state.last_action), *noticed], 1), state.core)
        hidden = self.dropout(top)
        reading = masked_softmax(compare(self.read(hidden), instruction.context), instruction.mask)
        context = attend(reading, instruction.context)
        features = torch.cat([hidden, context, *self._ground(context, panorama, around)], 1)
        features, lost = self.dropout(features), None
        if self.labels:
            onward = self._onward(hidden, context, observation)
            features = torch.cat([features, observation["ahead"], self._where(onward, observation)], 1)
            lost = pointing_loss(onward, observation["led"]) if "led" in observation else None
        visited, read = state.visited, state.read
        if self.camera:
            read = context
        else:
            visited = torch.cat([visited, here[:, None]], 1)
        logits, action_features = self._score(features, instruction, reading, observation, visited, panorama)
        after = State(core, hidden, state.last_action, visited, read, state.glance)
        return Thought(features, logits, action_features, reading, looked, after, lost)

    def _around(self, observation: Observation) -> Tensor:
        """Features of directions from the body: of its views (B, 36, DIRECTION), or of cells (N, DIRECTION)."""
        return self.view_centres if self.camera else directions_around(self.view_centres, observation["heading"])

    def _notice(self, read: Tensor, observation: Observation) -> list[Tensor]:
        """What a camera tells the memory besides: what is near, what is in sight, and where (B, KEY)."""
        if not self.camera:
            return []
        shown = [observation["shown"]] if self.labels else []
        return [self.notice(torch.cat([observation["near"], read, *shown, *self._point(read, observation)], 1))]

    def _point(self, context: Tensor, observation: Observation) -> list[Tensor]:
        """Where in an image the goal is seen, and what `context` (B, C) is about (B, POINTED * side)."""
        if not self.labels:
            return []
        return [observation["ahead"], self._where(self._likely(context, observation), observation)]

    def _onward(self, hidden: Tensor, context: Tensor, observation: Observation) -> Tensor:
        """(B, cells) logits of showing where the way goes on: as the words read say, and by what cells look like."""
        query = self.onward(torch.cat([hidden, context], 1)) / math.sqrt(self.config.view)
        return self._likely(context, observation) + compare(query, observation["cells"])

    def _likely(self, context: Tensor, observation: Observation) -> Tensor:
        """(B, cells) logits of seeing what `context` (B, C) is about.

        Evidence of labels adds up: what looks red and looks like a sofa is a red sofa.
        """
        return compare(self.seek(context), observation["evidence"]) + self.likely

    def _where(self, logits: Tensor, observation: Observation) -> Tensor:
        """Where in an image something with `logits` (B, cells) is seen (B, POINTED * side).

        By column, which tells where to turn; by column and nearness, which tells when it is reached; and by row.
        """
        side = math.isqrt(logits.shape[1])
        grid, near = logits.sigmoid().view(-1, side, side), observation["near"].view(-1, side, side)
        return torch.cat([grid.amax(1), (grid * near).amax(1), grid.amax(2)], 1)

    def recognised(self, observation: Observation) -> Tensor | None:
        """(B,) losses of naming what is seen and of pointing at the goal, if there are labels to learn them from."""
        return total(self.naming(observation), observation.get("astray"))

    def naming(self, observation: Observation) -> Tensor | None:
        """(B,) loss of naming what some of the cells show, if there are labels to learn it from."""
        if not self.labels or not all(kind in observation for kind in self.labels):
            return None
        cells = observation["cells"]
        side = math.isqrt(cells.shape[1])
        asked = torch.randperm(cells.shape[1], device=cells.device)[: max(1, cells.shape[1] // ASKED)]
        shown = [labels_shown(observation[kind], count, side, asked) for kind, count in self.labels.items()]
        return naming_loss(self.recognise(cells[:, asked]), torch.cat(shown, 2), self.label_weights)

    def _look(
        self, hidden: Tensor, observation: Observation, panorama: Panorama, around: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attention over the views with the history in mind (B, N), and what was seen (B, view + DIRECTION)."""
        if self.config.panorama:
            looked = weigh(panorama, around, self.look_content(hidden), self.look_direction(hidden))
        elif self.camera:
            looked = around.new_full((len(hidden), len(around)), 1 / len(around))
        else:
            view = facing(observation["heading"], observation["elevation"])[:, 0]
            looked = nn.functional.one_hot(view, VIEWS).to(hidden.dtype)
        return looked, self._pool(looked, panorama, around)

    def _ground(self, context: Tensor, panorama: Panorama, around: Tensor) -> list[Tensor]:
        """What the views have to say about the words read (B, view + DIRECTION)."""
        if not self.config.cross_modal:
            return []
        grounded = weigh(panorama, around, self.ground_content(context), self.ground_direction(context))
        return [self._pool(grounded, panorama, around)]

    def _pool(self, weights: Tensor, panorama: Panorama, around: Tensor) -> Tensor:
        return torch.cat([self.dropout(panorama.pool(weights)), directions_of(weights, around)], 1)

    def _score(
        self,
        features: Tensor,
        instruction: Instruction,
        reading: Tensor,
        observation: Observation,
        visited: Tensor,
        panorama: Panorama,
    ) -> tuple[Tensor | None, Tensor]:
        """Logits (B, A) of candidates, None of low-level actions, and what to remember of each action (B, A, ...)."""
        if self.low_level_actions:
            return None, torch.eye(self.low_level_actions, device=features.device).expand(len(features), -1, -1)
        mask = observation["candidate_mask"] > 0
        geometry = self._geometry(observation, visited)
        query = self.choose_content(features)
        if self.config.alignment:
            query = query + self.align(attend(reading, instruction.words))
        views = self._blur(panorama.match(query))
        content = views.gather(1, observation["candidate_view"])
        spatial = compare(self.choose_key(features), self.candidate(geometry))
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

    def chose(self, output: Output | Thought, actions: Tensor) -> State:
        """The state after taking `actions` (B,)."""
        rows = torch.arange(len(actions), device=actions.device)
        return replace(output.state, last_action=output.action_features[rows, actions])


def total(*losses: Tensor | None) -> Tensor | None:
    """The sum of those losses that there are."""
    found = [loss for loss in losses if loss is not None]
    return torch.stack(found).sum(0) if found else None


def as_tensors(observation: dict[str, Any], device: torch.device) -> Observation:
    """An environment's observation, on the agent's device."""
    return {name: torch.as_tensor(value, device=device) for name, value in observation.items()}
