"""Recurrent cells compared as instruction encoder and as policy core: success, and how far gradients reach."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from agents.config import Cell, TrainConfig, data_options, loss_of
from agents.data import OpenTask, TaskData
from agents.evaluation import EVALUATION_BATCH, evaluate
from agents.learners.episode_learning import SequenceConfig
from agents.learners.recording import ExpertActor, Recording, record
from agents.learners.sampler import EpisodeSampler
from agents.policies.acting import PolicyAgent
from agents.policies.language import InstructionEncoder
from agents.policies.navigator import Navigator, build_navigator
from agents.probing.finetune_probe import copy_matching_weights, demonstrations, finetune
from agents.probing.gradients import agreement, core_inputs, core_reach, encoder_reach, gradient_of, loss_after, norm_of
from agents.registry import LEARNERS
from agents.runs import fingerprint
from agents.studies.trainings import config_of, minutes, shorter
from agents.training.checkpoint import LATEST, Checkpoint, check_fingerprint, load_checkpoint, load_model
from agents.training.sinks import read_metrics
from vln.audit import subset
from vln.console import Console
from vln.errors import InputError
from vln.files import read_text
from vln.language import Vocabulary

Place = Literal["encoder", "core"]
TrainRun = Callable[[Path, str, TrainConfig], Path]
"""Trains a run with a title and a configuration, unless it is finished."""
CELLS: tuple[tuple[Cell, int], ...] = (("rnn", 1), ("rnn", 2), ("gru", 1), ("lstm", 1), ("lstm", 2))
TRUNCATIONS = (4, 8, 16)
NO_CLIP = 1e9  # a norm that no gradient has
PARTS = {"encoder": ("encoder.forwards", "encoder.backwards"), "core": ("core",)}
MEASURED = 64  # episodes in which gradients are measured
QUICK_HOUSES = 24  # of training, whose making takes its time
PLAIN_RATE = 0.02  # of plain gradient descent


@dataclass(frozen=True)
class Variant:
    """An agent with other cells in a place, learning without clipping, or truncated after some steps (0: never)."""

    place: Place
    cell: Cell
    layers: int = 1
    clip: bool = True
    truncate: int = 0

    @property
    def name(self) -> str:
        """Name of its row."""
        layers = f", {self.layers} layers" if self.layers > 1 else ""
        clip = "" if self.clip else ", not clipped"
        truncate = f", truncated at {self.truncate}" if self.truncate else ""
        return f"{self.place}: {self.cell.upper()}{layers}{clip}{truncate}"

    @property
    def plain(self) -> bool:
        """Whether only its cells differ."""
        return self.clip and not self.truncate

    def config(self, base: TrainConfig) -> TrainConfig:
        """Return the configuration of the run with these cells."""
        if self.truncate:
            base = base.with_phase("imitation", truncate=self.truncate)
        base = replace(base, gradient_clip=base.gradient_clip if self.clip else NO_CLIP)
        if self.place == "encoder":
            return replace(base, language=replace(base.language, cell=self.cell, layers=self.layers))
        return replace(base, policy=replace(base.navigator, cell=self.cell, layers=self.layers))


EXAMINED = (Variant("core", "rnn"), Variant("core", "lstm"))
"""Variants whose gradients are examined further."""


def variants(max_steps: int) -> list[Variant]:
    """Return all cells in both places; and in the core, learning without clipping, and through fewer steps."""
    places: tuple[Place, ...] = ("encoder", "core")
    plain = [Variant(place, cell, layers) for place in places for cell, layers in CELLS]
    cells: tuple[Cell, ...] = ("rnn", "lstm")
    unclipped = [Variant("core", cell, clip=False) for cell in cells]
    truncated = [Variant("core", "lstm", truncate=steps) for steps in TRUNCATIONS if steps < max_steps]
    return [*plain, *unclipped, *truncated]


@dataclass(frozen=True)
class Finding:
    """Measurements of a variant trained with one seed."""

    scores: Mapping[str, np.ndarray]  # SR and SPL (N,) of the episodes
    reach: np.ndarray  # (M, K) norms of how the state depends on the input k steps back, NaN before the start
    updates: Sequence[Mapping[str, float]]  # The loss, the norm of the gradient and more, by update or by a few of them
    minutes: float  # Minutes of training
    # By the steps after which it stops flowing back, the cosine of the gradient of the core's weights with the whole
    # one, and how many times as long it is
    truncated: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    # What a step of plain gradient descent does: the norm of the gradient, the loss before, and after a step that is
    # clipped, and one that is not
    step: Mapping[str, float] = field(default_factory=dict)


Findings = Mapping[Variant, Sequence[Finding]]
"""Measurements by variant, one for each seed."""


@dataclass(frozen=True)
class Study:
    """What variants are compared on: success in a split. All have the image encoder of the checkpoint `given`."""

    config: TrainConfig
    data: TaskData
    split: str
    given: Checkpoint

    def navigator(self, config: TrainConfig) -> Navigator:
        """Make a navigator with fresh weights."""
        return build_navigator(config, self.data)

    @property
    def steps(self) -> int:
        """Actions of an episode of training."""
        return self.config.max_steps or self.config.task.max_steps

    def _environment(self, split: str, num_envs: int) -> Any:
        return self.data.make_env(split, num_envs, tensors=True, max_steps=self.config.max_steps)

    @cached_property
    def own(self) -> Navigator:
        """The navigator of the run, with its averaged weights."""
        agent = self.navigator(self.config)
        agent.load_state_dict(self.given.part("average"))
        return agent

    def training_batches(self, batches: int, seed: int) -> list[Recording]:
        """Record demonstrations of training, with images encoded by the navigator of the run."""
        size = self.config.batch_size
        sampler = EpisodeSampler(self.data.lengths("train"), size, seed)
        return demonstrations(self.own, self._environment("train", size), sampler, batches)

    @cached_property
    def measured(self) -> Recording:
        """Demonstrations of the split, in which gradients are measured."""
        episodes = np.arange(min(MEASURED, len(self.data.splits[self.split])))
        return record(self._environment(self.split, len(episodes)), episodes, ExpertActor(), torch.ones(len(episodes)))

    def finding(
        self, variant: Variant, navigator: Navigator, updates: Sequence[Mapping[str, float]], minutes: float
    ) -> Finding:
        """Measure a trained variant."""
        found = Finding(
            self.scores(PolicyAgent(navigator, self.data.vocabulary)),
            self.reach(variant, navigator),
            updates,
            minutes,
        )
        return replace(found, **self.flow(navigator)) if variant in EXAMINED else found

    def flow(self, navigator: Navigator) -> dict[str, Any]:
        """Return how truncated gradients compare with the whole one, and what a step along it does; see `Finding`."""
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
        """Return how the last state of a variant's cells depends on their inputs; see `Finding`."""
        if variant.place == "core":
            return core_reach(navigator.core, core_inputs(navigator, self.measured)).numpy()
        return encoder_reach(cast(InstructionEncoder, navigator.encoder), self.tokens).numpy()

    @property
    def tokens(self) -> Tensor:
        """(M, L) the instructions of the episodes in which gradients are measured."""
        return self.measured.frames[0]["instruction"]

    def scores(self, agent: PolicyAgent) -> dict[str, np.ndarray]:
        """Return SR and SPL (N,) of an agent in the split."""
        episodes = self.data.splits[self.split]
        env = self.data.make_env(self.split, min(EVALUATION_BATCH, len(episodes)), record=True)
        found = evaluate(agent, env).columns
        return {name: found[name] for name in ("SR", "SPL")}


def open_study(
    run: Path, split: str, episodes: int, data: Path | None, with_training: bool, open_task: OpenTask
) -> Study:
    """Open what the variants of a run are compared on; the run's agent must read, and must have imitated."""
    given = load_checkpoint(run / LATEST)
    config = config_of(given)
    if config.ablate == "language":
        raise InputError(run, "was trained without language, so that it has nothing to encode", "give a run that reads")
    if "imitation" not in config.phases or not config.phases["imitation"].iterations:
        raise InputError(run, "has not imitated, which the variants are to do", "give the run that it started from")
    if with_training and config.task.continuous:
        config = replace(config, scenes=min(QUICK_HOUSES, config.scenes or QUICK_HOUSES))
    vocabulary = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    options = {**data_options(config), "vocabulary": vocabulary}
    opened = open_task(config.task, (["train"] if with_training else []) + [split], data=data, **options)
    check_fingerprint(given, fingerprint(opened))
    if opened.splits[split][0].withheld:
        raise InputError("--split", f"the goals of '{split}' are withheld", "use a validation split")
    chosen = [opened.splits[split][number] for number in subset(opened.splits[split], episodes)]
    return Study(unlabelled(config), opened.only(split, chosen), split, given)


def unlabelled(config: TrainConfig) -> TrainConfig:
    """Return a configuration that uses no labels of images."""
    config = config.without_learning(*(name for name, each in config.phases.items() if loss_of(each) is None))
    for name, phase in config.phases.items():
        if loss := loss_of(phase):
            config = config.with_phase(name, loss=replace(loss, auxiliary={**loss.auxiliary, "labels": 0.0}))
    return config


def finetuned(study: Study, seeds: Sequence[int], updates: int) -> Findings:
    """Measure all variants after a few updates that start from the weights of the run."""
    found: dict[Variant, list[Finding]] = {}
    chosen = variants(study.steps)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("learning", total=len(chosen) * len(seeds))
        for seed in seeds:
            batches = study.training_batches(updates, seed)
            for variant in chosen:
                progress.update(task, description=variant.name)
                found.setdefault(variant, []).append(finetune_variant(study, variant, seed, batches))
                progress.advance(task)
    return found


def finetune_variant(study: Study, variant: Variant, seed: int, batches: Sequence[Recording]) -> Finding:
    """Train fresh cells within the weights of the run."""
    torch.manual_seed(seed)
    config = variant.config(study.config)
    navigator = study.navigator(config)
    copy_matching_weights(navigator, study.given.part("average"), PARTS[variant.place])
    started = time.monotonic()
    updates = list(finetune(navigator, batches, config, PARTS[variant.place]))
    return study.finding(variant, navigator, updates, (time.monotonic() - started) / 60)


def trained(study: Study, seeds: Sequence[int], scale: float, folder: Path, train_run: TrainRun) -> Findings:
    """Measure all variants after a training run each; `train_run` trains one unless it is finished."""
    base = config_of(study.given)
    explores = [name for name, phase in base.phases.items() if LEARNERS.find(phase.learner).needs_critic]
    base = base.without_learning(*explores)
    found: dict[Variant, list[Finding]] = {}
    for seed in seeds:
        for variant in variants(study.steps):
            config = shorter(replace(variant.config(base), seed=seed), scale)
            run = folder / f"seed-{seed}" / run_name(config, variant)
            train_run(run, f"{variant.name}, seed {seed}", config)
            navigator = study.navigator(config)
            load_model(navigator, load_checkpoint(run / LATEST).part("average"), run / LATEST)
            log = read_metrics(run / "metrics.jsonl")
            updates = [row for row in log if row["group"] == "train" and "gradient_norm" in row]
            found.setdefault(variant, []).append(study.finding(variant, navigator, updates, minutes(run)))
    return found


def run_name(config: TrainConfig, variant: Variant) -> str:
    """Return the folder of a training run; variants that are the same agent share it."""
    read, act = config.language, config.navigator
    clip, truncate = "" if variant.clip else "-not-clipped", f"-truncated-{variant.truncate}" * bool(variant.truncate)
    return f"encoder-{read.cell}-{read.layers}-core-{act.cell}-{act.layers}{clip}{truncate}"
