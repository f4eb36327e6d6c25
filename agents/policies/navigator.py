"""The navigator: reads an instruction, looks around, remembers, and scores its next moves.

The parts follow the cross-modal reasoning navigator (Wang et al. 2019, section 3.2); switched off one by one they leave
the sequence-to-sequence agent of Anderson et al. 2018. The views are those of a panorama, or the cells of an image.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from agents.config import NavigatorConfig, TrainConfig
from agents.policies.attention import attend, compare, masked_softmax
from agents.policies.encoders import LookingPolicy, TextEncoder, text_encoder, view_encoder
from agents.policies.geometry import (
    DIRECTION,
    GEOMETRY,
    candidate_features,
    cell_directions,
    facing,
    view_centres,
)
from agents.policies.language import Instruction
from agents.policies.policy import PolicyOutput, first_rows, split
from agents.policies.recognition import cells_shown, label_loss, label_weights, labels_shown, pointing_loss
from agents.policies.recurrent import RecurrentCore
from agents.policies.state import Observation, detach, privileged, with_privileged
from agents.policies.views import Panorama, ViewCache, ViewContent, weigh
from agents.policies.vision import ImageContent
from vln.graph import VIEWS
from vln.language import EOS

KEY = 64
REFLEX = 128  # width of the layer before low-level actions
POINTED = 3  # numbers per row or column of cells that tell where something is seen, see `Navigator._where`
ASKED = 4  # one in so many cells is asked what it shows
UNLIKELY = -3.0  # logit of a cell showing what a word is for, before anything is learnt


class NavigatorState(NamedTuple):
    """What the navigator remembers of B episodes."""

    instruction: Instruction  # The encoded instructions
    cache: ViewCache  # What of the views is computed once for an episode
    core: Tensor  # (B, layers, parts, hidden), the recurrent state
    hidden: Tensor  # (B, hidden), its top layer after dropout
    last_action: Tensor  # (B, GEOMETRY or actions), features of the action taken last, zeros at the start
    visited: Tensor  # (B, T) int64, viewpoint rows visited plus 1, and 0 where there is none
    read: Tensor  # (B, C), context read last, zeros at the start; for agents with a camera, else (B, 0)
    # (B, A, GEOMETRY or actions), features of the actions offered at the step just made; None after the action is known
    candidates: Tensor | None = None


@dataclass(frozen=True)
class StepFeatures:
    """What B episodes have seen, remembered and read at a step, from which all heads decide."""

    features: Tensor  # (B, F)
    # (B, A), -inf where an action is not offered; None if `Navigator.heads` has yet to score the actions
    logits: Tensor | None
    state: NavigatorState  # The state after this step, but for the action
    attention: dict[str, Tensor]  # Attention over `words` (B, L) and over `views` (B, 36 or cells)
    direction_loss: Tensor | None  # (B,), loss of pointing at where the way goes on; None unless that was observed


class Navigator(LookingPolicy):
    """An LSTM (or RNN, or GRU) policy over panoramas of navigation graphs, or over images of a camera."""

    config: NavigatorConfig
    label_weights: Tensor

    def __init__(
        self,
        config: NavigatorConfig,
        encoder: TextEncoder,
        views: ViewContent,
        low_level_actions: int = 0,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        """Build a navigator of given encoders.

        It scores panoramic candidates if `low_level_actions` is 0. `labels` are how many labels an image may have, by
        the observation that has them, e.g. "category"; 0 is none.
        """
        super().__init__()
        self.config, self.views, self.low_level_actions = config, views, low_level_actions
        self.camera = hasattr(views, "encode")
        self.labels = dict(labels or {}) if config.alignment else {}
        self.encoder = encoder
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
        if self.camera:
            views = cast(ImageContent, views)
            pointed, labelled = 0, sum(self.labels.values())
            self.label_grid = views.side
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
        centres = cell_directions(cast(ImageContent, views).side) if self.camera else view_centres()
        self.register_buffer("view_centres", centres, persistent=False)

    def initial_state(self, observation: Observation) -> NavigatorState:
        """Read the instructions of B episodes, in altered environments if `environment` (B,) numbers such."""
        tokens = observation["instruction"]
        instruction = self.encoder(tokens)
        if self.labels:
            instruction = self._find_goal_words(instruction, tokens)
        hidden = torch.tanh(self.start(instruction.summary))
        last_action = hidden.new_zeros(len(tokens), self.last_action.in_features)
        nowhere = torch.zeros((len(tokens), 0), dtype=torch.int64, device=tokens.device)
        read = hidden.new_zeros(len(tokens), instruction.context.shape[2] if self.camera else 0)
        cache = self.views.make_cache(len(tokens), observation.get("environment"))
        return NavigatorState(instruction, cache, self.core.initial(hidden), hidden, last_action, nowhere, read)

    def carry(self, initial: NavigatorState, previous: NavigatorState) -> NavigatorState:
        """What was remembered, without gradients; instructions and views are those of `initial`."""
        kept = detach(previous)
        # Leading columns in which all of the batch have started a new episode are not needed any more.
        unused = int((kept.visited > 0).any(0).long().cumsum(0).eq(0).sum())
        return kept._replace(instruction=initial.instruction, cache=initial.cache, visited=kept.visited[:, unused:])

    def _find_goal_words(self, instruction: Instruction, tokens: Tensor) -> Instruction:
        """Attend to the words that name the goal, never to the end of the sentence, which sums up all of it."""
        mask = instruction.mask & (tokens[:, : instruction.mask.shape[1]] != EOS)
        mask[:, 0] = True
        goal = attend(masked_softmax(self.goal(instruction.context)[:, :, 0], mask), instruction.context)
        return instruction._replace(mask=mask, goal=goal)

    def encode(self, observation: Observation) -> Observation:
        """Encode images as cells, and what these show; an observation without new images is returned as it is."""
        seen = super().encode(observation)
        if self.labels and seen is not observation:
            with torch.no_grad():  # the loss of labels alone teaches what things look like
                seen["evidence"] = self.recognise(seen["cells"])
                seen["shown"] = seen["evidence"].amax(1).sigmoid()
        return seen

    def locate_goal(self, goal: Tensor | None, observation: Observation) -> Observation:
        """Find where the goal is seen in encoded images, for any number of episodes and steps with goals (N, C).

        Adds `ahead` (N, POINTED * side). To the privileged part it adds `goal_loss` (N,) where there is a `target`, and
        `next_room_cells` (N, cells), the cells that show where the way goes on, where there is a `way`.
        """
        if goal is None or "ahead" in observation:
            return observation
        labels, learnt = privileged(observation), {}
        likely = self._likely(goal, observation)
        found = {**observation, "ahead": self._where(likely, observation)}
        if "target" in labels:
            learnt["goal_loss"] = pointing_loss(likely, cells_shown(labels["target"], self.label_grid))
        if "way" in labels:
            learnt["next_room_cells"] = cells_shown(labels["way"], self.label_grid)
        return with_privileged(found, **learnt) if learnt else found

    def step(self, observation: Observation, state: NavigatorState) -> PolicyOutput:
        """Look, remember, read, ground, and score the actions."""
        observation = self.locate_goal(state.instruction.goal, self.encode(observation))
        step = self.step_features(observation, state)
        losses = step.direction_loss, self.label_loss(observation)
        return self._output(step.features, step.logits, observation, losses, step.state, step.attention)

    def unroll(
        self, observations: Observation, actions: Tensor, sizes: Sequence[int], state: NavigatorState
    ) -> tuple[PolicyOutput, NavigatorState]:
        """Go through packed sequences; what no later step waits for is computed for all steps at once."""
        goal = state.instruction.goal
        goals = None if goal is None else torch.cat([goal[:size] for size in sizes])
        observations = self.locate_goal(goals, self.encode(observations))
        labels = self.label_loss(observations)
        steps: list[StepFeatures] = []
        taken = torch.split(actions, list(sizes))
        for before, here, action in zip([sizes[0], *sizes], split(observations, sizes), taken, strict=False):
            steps.append(self.step_features(here, first_rows(state, len(action), before)))
            state = self.after(steps[-1].state, action)
        features = torch.cat([each.features for each in steps])
        logits, lost = (
            torch.cat(cast(list[Tensor], parts)) if parts[0] is not None else None
            for parts in ([each.logits for each in steps], [each.direction_loss for each in steps])
        )
        return self._output(features, logits, observations, (lost, labels), steps[-1].state, {}), state

    def _output(
        self,
        features: Tensor,
        logits: Tensor | None,
        observation: Observation,
        losses: tuple[Tensor | None, Tensor | None],
        state: NavigatorState,
        attention: Mapping[str, Tensor],
    ) -> PolicyOutput:
        """Decide from features (N, F) of any number of episodes and steps; `losses` are of direction and labels."""
        logits, value, progress = self.heads(features, logits, observation)
        known, auxiliary = privileged(observation), {}
        if "progress" in known:
            auxiliary["progress"] = (progress - known["progress"]).square()
        direction, label = losses
        learnt = total(direction, total(label, known.get("goal_loss")))
        if learnt is not None:
            auxiliary["labels"] = learnt
        return PolicyOutput(logits, value, state, auxiliary, attention)

    def heads(self, features: Tensor, logits: Tensor | None, observation: Observation) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, A), expected returns (N,) and progress (N,), of any number of episodes and steps."""
        if logits is None:
            logits = self._offered(self.act(features), observation)
        # The value head reads the policy's features without training them.
        return logits, self.value(features.detach())[:, 0], self.progress(features)[:, 0]

    def step_features(self, observation: Observation, state: NavigatorState) -> StepFeatures:
        """Compute all of a step that the next one needs, from encoded observations."""
        instruction = state.instruction
        here = observation["cells" if self.camera else "viewpoint"]
        panorama, around = self.views.around(here, state.cache), self._around(observation)
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
            cells = privileged(observation).get("next_room_cells")
            lost = None if cells is None else pointing_loss(onward, cells)
        visited, read = state.visited, state.read
        if self.camera:
            read = context
        else:
            visited = torch.cat([visited, here[:, None] + 1], 1)
        logits, candidates = self._score(features, instruction, reading, observation, visited, panorama)
        after = NavigatorState(instruction, state.cache, core, hidden, state.last_action, visited, read, candidates)
        return StepFeatures(features, logits, after, {"words": reading, "views": looked}, lost)

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

    def label_loss(self, observation: Observation) -> Tensor | None:
        """(B,) loss of naming what some of the cells show, if there are labels to learn it from."""
        known = privileged(observation)
        if not self.labels or not all(kind in known for kind in self.labels):
            return None
        cells = observation["cells"]
        if torch.is_grad_enabled() and not cells.requires_grad:
            return None  # of a frozen encoder
        side = math.isqrt(cells.shape[1])
        asked = torch.randperm(cells.shape[1], device=cells.device)[: max(1, cells.shape[1] // ASKED)]
        shown = [labels_shown(known[kind], count, side, asked) for kind, count in self.labels.items()]
        return label_loss(self.recognise(cells[:, asked]), torch.cat(shown, 2), self.label_weights)

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
        geometry = candidate_features(observation, visited if self.config.visited else visited[:, :0])
        query = self.choose_content(features)
        if self.config.alignment:
            query = query + self.align(attend(reading, instruction.words))
        views = self._blur(panorama.match(query))
        content = views.gather(1, observation["candidate_view"])
        spatial = compare(self.choose_key(features), self.candidate(geometry))
        stop = self.stop(features) + self.arrived(torch.stack([views.amax(1), views.mean(1)], 1))
        stop = torch.cat([stop, content[:, 1:]], 1)
        return self._offered(spatial + stop, observation), geometry

    def _blur(self, scores: Tensor) -> Tensor:
        """Scores (B, 36) of views with some of what the views beside, and those above and below, scored.

        A candidate is seldom in the middle of its view, and what marks it often just outside.
        """
        grid = scores.view(len(scores), 3, 12)
        beside, above_or_below = grid.roll(1, 2) + grid.roll(-1, 2), grid.sum(1, keepdim=True) - grid
        return (grid + self.blur[0] * beside + self.blur[1] * above_or_below).flatten(1)


def build_navigator(config: TrainConfig, data: Any) -> Navigator:
    """Build a navigator with fresh weights from torch's global random generator; `data` as for `view_encoder`."""
    views, source = view_encoder(config, data), data.source
    actions = source.actions if source.table is None or data.task.actions == "low-level" else 0
    return Navigator(config.navigator, text_encoder(config, data), views, actions, source.labels)


def total(*losses: Tensor | None) -> Tensor | None:
    """The sum of those losses that there are."""
    found = [loss for loss in losses if loss is not None]
    return torch.stack(found).sum(0) if found else None
