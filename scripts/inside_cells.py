"""`probe.py cells`: which cells of a trained agent are explained by what, and what happens when they are held."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.progress import track
from rich.table import Table
from torch import nn
from tyro.conf import Positional

from agents.probing.activations import Cell, layers_of, parse_cell
from agents.training.checkpoint import load_checkpoint, run_checkpoint
from agents.training.devices import use_threads
from scripts.evaluate import open_run
from scripts.inside_held import Ground, Hold, effect
from scripts.inside_listen import Heard, hear_navigator, hear_speaker, only, spread_over
from scripts.inside_report import SHOWN, distinct, name_of, part_row, pictures, report, write
from scripts.inside_told import Told, told_effect
from scripts.speaker_world import open_speaker
from vln.cli import say, show
from vln.console import Console
from vln.errors import InputError
from vln.files import writable_folder
from vln.probing.probes import Finding, explain, halves

QUICK, FULL = (120, 200), (1_000_000, 2000)  # episodes and permutations
# What leads to actions, so that holding a cell of it should change them.
LEADING = ("about to", "next:", "landmark", "object", "room", "colour", "turn", "direction")
TOGETHER = 10  # cells that are held together
HIGH = 95  # percent of a cell's values are below the one that it is held at


def cells(
    run: Positional[Path],
    zero: tuple[str, ...] = (),
    clamp: tuple[str, ...] = (),
    split: str = "val_unseen",
    episodes: int | None = None,
    permutations: int | None = None,
    top: int = 10,
    speaker: Path | None = None,
    full: bool = False,
    data: Path | None = None,
    checkpoint: Literal["best", "latest"] = "best",
    out: Path | None = None,
    seed: int = 0,
    threads: int = 0,
    json: bool = False,
) -> None:
    """Search a trained agent for cells that a simple predicate explains, and hold some at a value.

    Predicates are chosen in one half of the buildings and scored in the other; chance is what permutations give. Writes
    cells.png, cells.html and cells.json.

    Args:
        run: Folder of the training run of a navigator or of a speaker.
        zero: Cells to hold at 0, all together, such as core.1:17; the best of those found if no cell is given.
        clamp: Cells to hold at a value, all together, such as core.1:17=0.9.
        split: Episodes to listen in.
        episodes: How many of them; 120 if not given, all with --full.
        permutations: How many tell what chance gives; 200 if not given, 2,000 with --full.
        top: Predicates of each part of the network that are listed, each with its best cell.
        speaker: Run of a speaker to look at as well.
        full: Look at the whole split.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The best one by SPL or, of a speaker, by loss on the selecting split, or the latest.
        out: Folder to write to; inside/SPLIT of the run if not given.
        seed: Of the halves and of the permutations.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of tables.
    """
    usual = FULL if full else QUICK
    count, tries = _at_least("--episodes", episodes, usual[0]), _at_least("--permutations", permutations, usual[1])
    _at_least("--top", top, top)
    use_threads(threads)
    study = Study(split, count, tries, tuple(zero), tuple(clamp), data, checkpoint, seed)
    parts, effects = study.of(run)
    if speaker:
        more = replace(study, zero=(), clamp=()).of(speaker)
        parts, effects = parts + more[0], effects + more[1]
    shown = [(heard.part, pictures(heard, distinct(found)[: max(top, 2 * SHOWN)], seed)) for heard, found in parts]
    written = write(writable_folder(out or run / "inside" / split), run, parts, effects, shown)
    if json:
        show(Table(), {"parts": [part_row(*each, top) for each in parts], "held": effects}, as_json=True)
        return
    Console().print(report(parts, effects, shown, top))
    for path in written:
        say(str(path))


def _at_least(flag: str, value: int | None, usual: int) -> int:
    if value is not None and value < 1:
        raise InputError(flag, f"{value} is out of range", "give a whole number of at least 1")
    return usual if value is None else value


Parts = list[tuple[Heard, list[Finding]]]
Effects = list[dict[str, Any]]


@dataclass(frozen=True)
class Study:
    """How cells are searched and held.

    Attributes:
        split: Episodes to listen in.
        episodes: How many of them.
        permutations: How many tell what chance gives.
        zero: Cells to hold at 0.
        clamp: Cells to hold at a value.
        data: Data folder; the usual ones if absent.
        checkpoint: "best" or "latest".
        seed: Of everything random.
    """

    split: str
    episodes: int
    permutations: int
    zero: tuple[str, ...]
    clamp: tuple[str, ...]
    data: Path | None
    checkpoint: str
    seed: int

    def of(self, run: Path) -> tuple[Parts, Effects]:
        """What the parts of the network of a run say and what explains it, and what holding cells changes.

        Raises:
            InputError: If the run or its data are missing or do not fit, a cell is not there, or nothing can be scored.
        """
        found = load_checkpoint(run_checkpoint(run, self.checkpoint))
        return self._of_speaker(run) if "speaker" in found.state["config"] else self._of_navigator(run)

    def _of_navigator(self, run: Path) -> tuple[Parts, Effects]:
        trained = open_run(run, self.split, self.data, self.checkpoint, False, "greedy", "cpu")
        asked = asked_for(trained.agent.policy, self.zero, self.clamp)
        episodes = spread_over(trained.data.splits[self.split], self.episodes)
        if any(each.withheld for each in episodes):
            problem = "goals are withheld, so that success is unknown"
            raise InputError(f"split '{self.split}'", problem, "choose another split")
        scored = ~halves([each.scan for each in episodes], self.seed)
        heard, lived = hear_navigator(only(trained, self.split, episodes), self.split, self.seed)
        parts = [(each, self._explain(each)) for each in heard]
        kept, steps = np.flatnonzero(scored).tolist(), heard[-1].moments.keep(scored)
        there = only(trained, self.split, [episodes[each] for each in kept])
        predicates = dict(zip(steps.names, steps.predicates.T, strict=True))
        ground = Ground(there, self.split, [lived[each] for each in kept], predicates, self.seed)
        return parts, [effect(ground, hold) for hold in _counted("holding cells")(self._holds(asked, parts))]

    def _of_speaker(self, run: Path) -> tuple[Parts, Effects]:
        trained = open_speaker(run, [self.split], self.data, self.checkpoint)
        asked = asked_for(trained.speaker, self.zero, self.clamp)
        data = trained.world.data
        episodes = spread_over(data.splits[self.split], self.episodes)
        scored = ~halves([each.scan for each in episodes], self.seed)
        there = data.only(self.split, episodes)
        trained = replace(trained, world=replace(trained.world, data=there))
        heard = hear_speaker(trained, self.split)
        parts = [(heard, self._explain(heard))]
        kept = [episodes[each] for each in np.flatnonzero(scored)]
        told = Told(trained, self.split, kept, heard.moments.keep(scored))
        return parts, [told_effect(told, hold) for hold in _counted("holding cells")(self._holds(asked, parts))]

    def _explain(self, heard: Heard) -> list[Finding]:
        return explain(heard.moments, self.permutations, self.seed, _counted(f"chance, {heard.part}"))

    def _holds(self, asked: Hold | None, parts: Parts) -> list[Hold]:
        return [asked] if asked else [hold for part in parts for hold in automatic(*part, self.seed)]


def asked_for(network: nn.Module, zero: Sequence[str], clamp: Sequence[str]) -> Hold | None:
    """What `--zero` and `--clamp` ask for; None if they ask for nothing.

    Raises:
        InputError: If the network has no such cell, or a value is no number.
    """
    layers = layers_of(network)
    values: dict[Cell, float] = {parse_cell(text, layers, "--zero"): 0.0 for text in zero}
    for text in clamp:
        cell, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise InputError("--clamp", f"'{text}' gives no number", "write CELL=VALUE, such as core.1:17=0.9")
        values[parse_cell(cell, layers, "--clamp")] = value
    label = ", ".join(f"{name}:{number} = {value:g}" for (name, number), value in values.items())
    return Hold(label, values) if values else None


def automatic(heard: Heard, found: Sequence[Finding], seed: int) -> list[Hold]:
    """Holds of the cell best explained by what leads to actions, of all explained alike, of as many unrelated ones."""
    better = [each for each in found if each.found]
    leading = [each for each in better if each.predicate.startswith(LEADING)]
    if not better:
        return []
    best = (leading or better)[0]
    alike = [each.cell for each in better if each.predicate == best.predicate][:TOGETHER]
    unrelated = np.random.default_rng(seed).permutation(_unrelated(heard, best.predicate))[: len(alike)].tolist()
    values = heard.moments.cells[:, best.cell]
    high = float(np.percentile(values, HIGH if best.chosen > 0 else 100 - HIGH))
    name = name_of(heard.cells[best.cell])
    holds = [
        Hold(f"{name} = 0", {heard.cells[best.cell]: 0.0}, best.predicate),
        Hold(f"{name} = {high:.2f}", {heard.cells[best.cell]: high}, best.predicate),
    ]
    for label, chosen in ((f"{len(alike)} cells of it = 0", alike), (f"{len(unrelated)} unrelated = 0", unrelated)):
        if len(chosen) > 1:
            holds.append(Hold(label, {heard.cells[cell]: 0.0 for cell in chosen}, best.predicate))
    return holds


def _unrelated(heard: Heard, predicate: str) -> np.ndarray:
    """The half of the cells that have least to do with a predicate."""
    cells = heard.moments.cells - heard.moments.cells.mean(0)
    column = heard.moments.predicates[:, heard.moments.names.index(predicate)]
    related = np.abs((column - column.mean()) @ cells) / np.maximum(np.linalg.norm(cells, axis=0), 1e-9)
    return np.argsort(related)[: len(related) // 2]


def _counted(what: str) -> Any:
    """Goes through something with a progress bar."""
    console = Console(stderr=True)
    return lambda items: track(items, what, console=console, transient=True, disable=not console.is_terminal)
