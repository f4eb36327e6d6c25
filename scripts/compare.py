"""Compare agents: recurrent cells, input ablation, typing mistakes.

python scripts/compare.py cells runs/demo/full                                # vanilla RNN, GRU, LSTM: a quick look
python scripts/compare.py cells runs/demo/full --full --seeds 0 1 2           # each trained as long as the run was
python scripts/compare.py bias runs/demo/full                                 # what it uses of what it sees and reads
python scripts/compare.py bias runs/demo/full runs/demo/blind runs/demo/deaf  # beside agents trained without
python scripts/compare.py bias runs/navigator --full                          # all episodes of both validation splits
python scripts/compare.py typos runs/navigator runs/letters                   # success while typing mistakes get more
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from agents.box import output_folder
from agents.runs import check_runs, open_run
from agents.studies import cell_report, inputs
from agents.studies import typos as typo_study
from agents.studies.cells import finetuned, open_study, trained
from agents.studies.trainings import check_scale
from agents.training.devices import use_threads
from envs.make import open_task
from scripts.train import train_run
from vln.cli import commands, show
from vln.errors import InputError
from vln.files import writable_folder
from vln.typos import TYPOS, Noise, Typo

SEEDS = (0, 1, 2)
SPLITS = ("val_seen", "val_unseen")
QUICK_HOUSES, QUICK_TYPOS = 240, 480  # episodes
QUICK_RATES, FULL_RATES = (0.1, 0.2, 0.4), (0.05, 0.1, 0.2, 0.4, 0.8)


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
    study = open_study(run, split, 0 if full else episodes, data, not full, open_task)
    folder = writable_folder(out or output_folder(run) / "cells")
    if full:
        found = trained(study, seeds, scale, folder, partial(train_run, data=data, threads=threads))
    else:
        found = finetuned(study, seeds, updates)
    cell_report.report(study, found, folder, json)


def bias(
    runs: Positional[tuple[Path, ...]],
    full: bool = False,
    split: str = "val_unseen",
    episodes: int | None = None,
    checkpoint: Literal["best", "latest"] = "best",
    data: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    threads: int = 1,
    json: bool = False,
) -> None:
    """What agents use of what they see and read, by taking it away (single-modality audit, Thomason et al. 2019).

    Runs trained with `--ablate` become rows beside the others of their data set.

    Args:
        runs: Folders of training runs.
        full: All episodes of val_seen and val_unseen, however long it takes; interrupted, it goes on where it was.
        split: Split to look at, unless in full.
        episodes: About how many of its episodes, unless in full, whole paths drawn by chance; 0 takes all. If absent
            240 in houses, and all on graphs.
        checkpoint: The one with the best SPL on the split of `train.py --select`, or the latest.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        out: Folder of tables and figures; `bias` in each run's own folder if absent.
        seed: Of the choice of episodes and of shuffling.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of tables.
    """
    if episodes is not None and episodes < 0:
        raise InputError("--episodes", f"{episodes} is out of range", "give a whole number, 0 for all")
    use_threads(threads)
    audits: dict[str, Any] = {}
    for run, others in inputs.grouped(runs, checkpoint).items():
        folder = out / run.resolve().name if out else output_folder(run) / "bias"
        for each in SPLITS if full else (split,):
            first, *rest = (open_run(one, each, open_task, data, checkpoint) for one in (run, *others))
            opened = [first, *(replace(one, data=one.data.sharing(first.data)) for one in rest)]
            task = first.run.task
            usual = QUICK_HOUSES if task.continuous else 0
            count = 0 if full else usual if episodes is None else episodes
            rows = inputs.audit(opened, each, count, seed, folder)
            title = f"{run.resolve().name}: {task.name} {each}"
            audits[title] = {"rows": rows, "says": inputs.conclusions(rows)}
            inputs.report(title, audits[title], folder / each, json)
    if json:
        show("", audits, json)


def typos(
    runs: Positional[tuple[Path, ...]],
    full: bool = False,
    rates: tuple[float, ...] = (),
    per: Literal["word", "letter"] = "word",
    kinds: tuple[Typo, ...] = TYPOS,
    split: str = "val_unseen",
    episodes: int = QUICK_TYPOS,
    checkpoint: Literal["best", "latest"] = "best",
    data: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    threads: int = 0,
    json: bool = False,
) -> None:
    """How success falls as instructions get more typing mistakes, on the same episodes and mistakes for all agents.

    Args:
        runs: Folders of training runs on one data set, e.g. one that reads words and one that reads characters.
        full: All episodes of the split and more rates; interrupted, it goes on where it was.
        rates: Shares of the words (or letters) with a mistake; 0.1, 0.2 and 0.4, in full 0.05 to 0.8, if absent.
        per: What the rates are shares of.
        kinds: The mistakes: letters swapped, dropped, doubled, or hit beside on the keyboard.
        split: Split.
        episodes: About how many of its episodes, unless in full; whole paths drawn by chance; 0 takes all.
        checkpoint: The one with the best SPL on the split of `train.py --select`, or the latest.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        out: Folder of the table and the figure; `typos` in the first run's folder if absent.
        seed: Of the choice of episodes and of the mistakes.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of a table.
    """
    if episodes < 0:
        raise InputError("--episodes", f"{episodes} is out of range", "give a whole number, 0 for all")
    noises = [Noise(rate, per, kinds) for rate in rates or (FULL_RATES if full else QUICK_RATES)]
    for noise in noises:
        noise.check()
    use_threads(threads)
    opened = [open_run(run, split, open_task, data, checkpoint) for run in check_runs(runs)]
    chosen = inputs.shared_episodes(opened, split, 0 if full else episodes, seed)
    opened = [replace(each, data=each.data.sharing(opened[0].data)) for each in opened]
    folder = writable_folder(out or output_folder(runs[0]) / "typos")
    rows = typo_study.curves(opened, split, chosen, noises, seed, folder)
    typo_study.report(f"typing mistakes: {opened[0].run.task.name} {split}", rows, folder / split, json)


if __name__ == "__main__":
    commands({"cells": cells, "bias": bias, "typos": typos})
