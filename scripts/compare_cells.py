"""Recurrent cells compared as instruction encoder and as policy core; see `compare.py cells`."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.progress import Progress
from tyro.conf import Positional

from agents.config import LossConfig, TrainConfig, data_options
from agents.learners.recording import Recording
from agents.probing.finetune_probe import copy_matching_weights, finetune
from agents.registry import LEARNERS
from agents.runs import fingerprint
from agents.training.checkpoint import check_fingerprint, load_checkpoint, load_model
from agents.training.devices import use_threads
from agents.training.log import read_metrics
from agents.training.trainer import LATEST
from envs.make import open_task
from scripts.cell_study import PARTS, Finding, Findings, Study, Variant, variants
from scripts.compare_cells_report import report
from scripts.studies import check_scale, config_of, learn, minutes, shorter
from vln.audit import subset
from vln.console import Console
from vln.errors import InputError
from vln.files import read_text, writable_folder
from vln.language import Vocabulary

QUICK_HOUSES = 24  # of training, whose making takes its time
SEEDS = (0, 1, 2)


def cells(
    run: Positional[Path],
    full: bool = False,
    seeds: tuple[int, ...] = (),
    updates: int = 16,
    episodes: int = 120,
    scale: float = 1.0,
    split: str = "val_unseen",
    data: Path | None = None,
    out: Path | None = None,
    threads: int = 1,
    json: bool = False,
) -> None:
    """Recurrent cells as instruction encoder and as policy core: success, gradients through time, clipping, truncation.

    In the quick look each variant takes over the weights of the run, but for fresh cells of its own, and imitates
    the expert for a few updates. In full each is trained from scratch as the run was, in a folder of its own; the
    same command goes on where it was interrupted and trains nothing twice.

    Args:
        run: Folder of a training run, whose configuration the variants have.
        full: Train each variant as long as the run was.
        seeds: Seeds; 0 alone if absent, 0 1 2 in full.
        updates: Updates of each variant in the quick look.
        episodes: About how many episodes success is measured in, unless in full; 0 takes all of the split.
        scale: Share of the updates in full, to try things out.
        split: Split to measure success and gradients in.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        out: Folder of tables, figures and runs; `cells` in the run's own folder if absent.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of tables.
    """
    seeds = seeds or (SEEDS if full else SEEDS[:1])
    check_scale(scale, seeds)
    for flag, value, least in (("--updates", updates, 1), ("--episodes", episodes, 0)):
        if value < least:
            raise InputError(flag, f"{value} is out of range", f"give a whole number of at least {least}")
    use_threads(threads)
    study = open_study(run, split, 0 if full else episodes, data, with_training=not full)
    folder = writable_folder(out or run / "cells")
    found = trained(study, seeds, scale, folder, data, threads) if full else practised(study, seeds, updates)
    report(study, found, folder, json)


def open_study(run: Path, split: str, episodes: int, data: Path | None, with_training: bool) -> Study:
    """What the variants of a run are tried on.

    Raises:
        InputError: If the run or its data are missing or do not fit, or its agent does not read, or did not imitate.
    """
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
    """A configuration that wants no labels of images, which nobody here learns from."""
    config = config.without_learning(*(name for name, each in config.phases.items() if not hasattr(each, "loss")))
    for name, phase in config.phases.items():
        if isinstance(loss := getattr(phase, "loss", None), LossConfig):
            config = config.with_phase(name, loss=replace(loss, auxiliary={**loss.auxiliary, "labels": 0.0}))
    return config


def practised(study: Study, seeds: Sequence[int], updates: int) -> Findings:
    """What is found of all variants after a few updates from what the agent of the run has learnt."""
    found: dict[Variant, list[Finding]] = {}
    chosen = variants(study.steps)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("learning", total=len(chosen) * len(seeds))
        for seed in seeds:
            lessons = study.lessons(updates, seed)
            for variant in chosen:
                progress.update(task, description=variant.name)
                found.setdefault(variant, []).append(practise_variant(study, variant, seed, lessons))
                progress.advance(task)
    return found


def practise_variant(study: Study, variant: Variant, seed: int, lessons: Sequence[Recording]) -> Finding:
    """Let fresh cells learn within what the agent of the run has learnt."""
    torch.manual_seed(seed)
    config = variant.config(study.config)
    navigator = study.navigator(config)
    copy_matching_weights(navigator, study.given.part("average"), PARTS[variant.place])
    started = time.monotonic()
    updates = list(finetune(navigator, lessons, config, PARTS[variant.place]))
    return study.finding(variant, navigator, updates, (time.monotonic() - started) / 60)


def trained(
    study: Study, seeds: Sequence[int], scale: float, folder: Path, data: Path | None, threads: int
) -> Findings:
    """What is found of all variants after trainings of their own, which are not repeated."""
    base = config_of(study.given)
    explores = [name for name, phase in base.phases.items() if LEARNERS.find(phase.learner).needs_critic]
    base = base.without_learning(*explores) if explores else base
    found: dict[Variant, list[Finding]] = {}
    for seed in seeds:
        for variant in variants(study.steps):
            config = shorter(replace(variant.config(base), seed=seed), scale)
            run = folder / f"seed-{seed}" / run_name(config, variant)
            learn(run, f"{variant.name}, seed {seed}", config, data, threads)
            navigator = study.navigator(config)
            load_model(navigator, load_checkpoint(run / LATEST).part("average"), run / LATEST)
            log = read_metrics(run / "metrics.jsonl")
            updates = [row for row in log if row["group"] == "train" and "gradient_norm" in row]
            found.setdefault(variant, []).append(study.finding(variant, navigator, updates, minutes(run)))
    return found


def run_name(config: TrainConfig, variant: Variant) -> str:
    """The folder of a training; variants that are the same agent share it."""
    read, act = config.language, config.navigator
    clip, truncate = "" if variant.clip else "-not-clipped", f"-truncated-{variant.truncate}" * bool(variant.truncate)
    return f"encoder-{read.cell}-{read.layers}-core-{act.cell}-{act.layers}{clip}{truncate}"
