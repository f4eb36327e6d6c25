"""Agents that differ in their recurrent cells, and what is measured of them: success, and how far gradients reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from agents.config import Cell, TrainConfig
from agents.evaluation import EVALUATION_BATCH, evaluate
from agents.learners.episode_learning import SequenceConfig
from agents.learners.recording import Expert, Recording, record
from agents.learners.sampler import EpisodeSampler
from agents.policies.acting import PolicyAgent
from agents.policies.factory import navigator_for
from agents.policies.navigator import Navigator
from agents.probing.finetune_probe import demonstrations
from agents.probing.gradients import agreement, core_inputs, core_reach, encoder_reach, gradient_of, loss_after, norm_of
from agents.training.checkpoint import Checkpoint
from envs.environment import NavigationVectorEnv
from envs.make import TaskData, make_env

Place = Literal["encoder", "core"]
CELLS: tuple[tuple[Cell, int], ...] = (("rnn", 1), ("rnn", 2), ("gru", 1), ("lstm", 1), ("lstm", 2))
TRUNCATIONS = (4, 8, 16)
NO_CLIP = 1e9  # a norm that no gradient has
PARTS = {"encoder": ("encoder.forwards", "encoder.backwards"), "core": ("core",)}
MEASURED = 64  # episodes in which gradients are measured
PLAIN_RATE = 0.02  # of plain gradient optimizer


@dataclass(frozen=True)
class Variant:
    """An agent with other recurrent cells, or one that learns otherwise.

    Attributes:
        place: Where the cells are.
        cell: Their kind.
        layers: Layers of them.
        clip: Whether its gradients are clipped.
        truncate: Steps after which gradients stop flowing back through time; 0 is never.
    """

    place: Place
    cell: Cell
    layers: int = 1
    clip: bool = True
    truncate: int = 0

    @property
    def name(self) -> str:
        """Its row."""
        layers = f", {self.layers} layers" if self.layers > 1 else ""
        clip = "" if self.clip else ", not clipped"
        truncate = f", truncated at {self.truncate}" if self.truncate else ""
        return f"{self.place}: {self.cell.upper()}{layers}{clip}{truncate}"

    @property
    def plain(self) -> bool:
        """Whether it learns as usual."""
        return self.clip and not self.truncate

    def config(self, base: TrainConfig) -> TrainConfig:
        """The configuration of an agent with these cells."""
        if self.truncate:
            base = base.with_phase("imitation", truncate=self.truncate)
        base = replace(base, gradient_clip=base.gradient_clip if self.clip else NO_CLIP)
        if self.place == "encoder":
            return replace(base, language=replace(base.language, cell=self.cell, layers=self.layers))
        return replace(base, policy=replace(base.navigator, cell=self.cell, layers=self.layers))


LOOKED_INTO = (Variant("core", "rnn"), Variant("core", "lstm"))
"""Those whose gradients are taken apart."""


def variants(max_steps: int) -> list[Variant]:
    """All cells in both places; and in the core, learning without clipping, and through fewer steps."""
    places: tuple[Place, ...] = ("encoder", "core")
    plain = [Variant(place, cell, layers) for place in places for cell, layers in CELLS]
    cells: tuple[Cell, ...] = ("rnn", "lstm")
    unclipped = [Variant("core", cell, clip=False) for cell in cells]
    truncated = [Variant("core", "lstm", truncate=steps) for steps in TRUNCATIONS if steps < max_steps]
    return [*plain, *unclipped, *truncated]


@dataclass(frozen=True)
class Finding:
    """What was found of a variant that learnt from one seed.

    Attributes:
        scores: SR and SPL (N,) of the episodes.
        reach: (M, K) norms of how the state depends on the input k steps back, NaN before the start.
        updates: The loss, the norm of the gradient and more, by update or by a few of them.
        minutes: That it learnt for.
        truncated: By the steps after which it stops flowing back, the cosine of the gradient of the core's weights
            with the whole one, and how many times as long it is.
        step: What a step of plain gradient optimizer does: the norm of the gradient, the loss before, and after a step
            that is clipped, and one that is not.
    """

    scores: Mapping[str, np.ndarray]
    reach: np.ndarray
    updates: Sequence[Mapping[str, float]]
    minutes: float
    truncated: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    step: Mapping[str, float] = field(default_factory=dict)


Findings = Mapping[Variant, Sequence[Finding]]
"""By variant, of each seed."""


@dataclass(frozen=True)
class Study:
    """What variants are tried on.

    Attributes:
        config: The configuration of the run.
        data: Episodes of training and of the split.
        split: Where success is measured.
        given: Checkpoint of the run, whose eyes all variants have.
    """

    config: TrainConfig
    data: TaskData
    split: str
    given: Checkpoint

    def navigator(self, config: TrainConfig) -> Navigator:
        """A fresh agent of a configuration."""
        return navigator_for(config, self.data)

    @property
    def steps(self) -> int:
        """Actions of an episode of training."""
        return self.config.max_steps or self.config.task.max_steps

    def _environment(self, split: str, num_envs: int) -> NavigationVectorEnv:
        return make_env(self.data, split, num_envs, tensors=True, max_steps=self.config.max_steps)

    @cached_property
    def own(self) -> Navigator:
        """The agent of the run, with its averaged weights."""
        agent = self.navigator(self.config)
        agent.load_state_dict(self.given.part("average"))
        return agent

    def lessons(self, batches: int, seed: int) -> list[Recording]:
        """Demonstrations of training, as the agent of the run sees them."""
        size = self.config.batch_size
        sampler = EpisodeSampler(self.data.lengths("train"), size, seed)
        return demonstrations(self.own, self._environment("train", size), sampler, batches)

    @cached_property
    def measured(self) -> Recording:
        """Demonstrations of the split, in which gradients are measured."""
        episodes = np.arange(min(MEASURED, len(self.data.splits[self.split])))
        return record(self._environment(self.split, len(episodes)), episodes, Expert(), torch.ones(len(episodes)))

    def finding(
        self, variant: Variant, navigator: Navigator, updates: Sequence[Mapping[str, float]], minutes: float
    ) -> Finding:
        """Measure a variant that has learnt."""
        found = Finding(
            self.scores(PolicyAgent(navigator, self.data.vocabulary)),
            self.reach(variant, navigator),
            updates,
            minutes,
        )
        return replace(found, **self.flow(navigator)) if variant in LOOKED_INTO else found

    def flow(self, navigator: Navigator) -> dict[str, Any]:
        """What is left of the gradient where it stops flowing back, and what a step along it does, see `Finding`."""
        imitation = self.config.phases["imitation"]
        assert isinstance(imitation, SequenceConfig), "imitation learns from episodes"
        phase = replace(imitation, truncate=0)
        whole = gradient_of(navigator, self.measured, phase)
        lengths = [steps for steps in TRUNCATIONS if steps < len(self.measured.frames)]
        parts = {steps: gradient_of(navigator, self.measured, replace(phase, truncate=steps)) for steps in lengths}
        after = partial(loss_after, navigator, self.measured, phase, whole)
        step = {
            "norm": norm_of(whole),
            "before": after(rate=0.0),
            "clipped": after(rate=PLAIN_RATE, clip=self.config.gradient_clip),
            "not clipped": after(rate=PLAIN_RATE),
        }
        return {"truncated": {steps: agreement(part, whole, "core") for steps, part in parts.items()}, "step": step}

    def reach(self, variant: Variant, navigator: Navigator) -> np.ndarray:
        """How the last state of a variant's cells depends on their inputs, see `Finding`."""
        if variant.place == "core":
            return core_reach(navigator.core, core_inputs(navigator, self.measured)).numpy()
        return encoder_reach(navigator.encoder, self.tokens).numpy()

    @property
    def tokens(self) -> Tensor:
        """(M, L) the instructions of the episodes in which gradients are measured."""
        return self.measured.frames[0]["instruction"]

    def scores(self, agent: PolicyAgent) -> dict[str, np.ndarray]:
        """Metrics (N,) of what an agent does in the split."""
        episodes = self.data.splits[self.split]
        env = make_env(self.data, self.split, min(EVALUATION_BATCH, len(episodes)), record=True)
        found = evaluate(agent, env).columns
        return {name: found[name] for name in ("SR", "SPL")}
