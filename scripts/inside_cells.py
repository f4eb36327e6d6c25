"""`inspect.py cells`: which cells of a trained agent are explained by what, and what happens when they are held."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress import track
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.activations import Cell, layers_of, parse_cell
from agents.checkpoint import load_checkpoint
from agents.navigator import Navigator
from agents.speaker import Speaker
from scripts.common import show
from scripts.evaluate import open_run
from scripts.inside_held import Ground, Hold, effect
from scripts.inside_listen import Heard, hear_navigator, hear_speaker, only, spread_over
from scripts.inside_told import Told, told_effect
from scripts.speaker_world import open_speaker
from scripts.train import use_threads
from vln.errors import InputError
from vln.files import writable_folder, write_json, write_text
from vln.inside.figure import save_cells
from vln.inside.probes import Finding, explain, halves
from vln.inside.shown import ShownCell, line_text, page, show_cell

QUICK, FULL = (120, 200), (1_000_000, 2000)  # episodes and permutations
SHOWN = 3  # cells of a part in the terminal, twice as many in the figure
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
        checkpoint: The best one by SPL or BLEU on the selecting split, or the latest.
        out: Folder to write to; inside/SPLIT of the run if not given.
        seed: Of the halves and of the permutations.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of tables.
    """
    usual = FULL if full else QUICK
    count, tries = _at_least("--episodes", episodes, usual[0]), _at_least("--permutations", permutations, usual[1])
    _at_least("--top", top, top)
    use_threads(threads)
    runs = [run, *([speaker] if speaker else [])]
    parts: list[tuple[Heard, list[Finding]]] = []
    effects: list[dict[str, Any]] = []
    for each in runs:
        look = _look_at_speaker if is_speaker(each, checkpoint) else _look_at_navigator
        wanted = (zero, clamp) if each == run else ((), ())
        heard, changed = look(each, split, count, tries, wanted, data, checkpoint, seed)
        parts += heard
        effects += changed
    shown = [(heard.part, pictures(heard, distinct(found)[: max(top, 2 * SHOWN)], seed)) for heard, found in parts]
    folder = writable_folder(out or run / "inside" / split)
    written = write(folder, run, parts, effects, shown)
    if json:
        show(Table(), {"parts": [part_row(*each, top) for each in parts], "held": effects}, as_json=True)
        return
    Console().print(report(parts, effects, shown, top))
    print(*written, sep="\n")


def _at_least(flag: str, value: int | None, usual: int) -> int:
    if value is not None and value < 1:
        raise InputError(flag, f"{value} is out of range", "give a whole number of at least 1")
    return usual if value is None else value


def is_speaker(run: Path, checkpoint: str) -> bool:
    """Whether a run is of a speaker.

    Raises:
        InputError: If it has no checkpoint.
    """
    return "speaker" in load_checkpoint(run / f"{checkpoint}.safetensors").state["config"]


Look = tuple[list[tuple[Heard, list[Finding]]], list[dict[str, Any]]]


def _look_at_navigator(
    run: Path,
    split: str,
    count: int,
    permutations: int,
    wanted: tuple[Sequence[str], Sequence[str]],
    data: Path | None,
    checkpoint: str,
    seed: int,
) -> Look:
    """What the parts of a navigator say and what explains it, and what holding cells changes."""
    trained = open_run(run, split, data, checkpoint, False, "greedy", "cpu")
    navigator = trained.agent.navigator
    asked = asked_for(navigator, *wanted)
    episodes = spread_over(trained.world.splits[split], count)
    if any(each.withheld for each in episodes):
        raise InputError(f"split '{split}'", "goals are withheld, so that success is unknown", "choose another split")
    scored = ~halves([each.scan for each in episodes], seed)
    heard, lived = hear_navigator(only(trained, split, episodes), split, seed)
    parts = [(each, explain(each.moments, permutations, seed, _counted(f"chance, {each.part}"))) for each in heard]
    kept = [number for number, other in enumerate(scored.tolist()) if other]
    steps = heard[-1].moments.keep(scored)
    predicates = dict(zip(steps.names, steps.predicates.T, strict=True))
    where = only(trained, split, [episodes[each] for each in kept])
    ground = Ground(where, split, [lived[each] for each in kept], predicates, seed)
    holds = [asked] if asked else [hold for part in parts for hold in automatic(*part, seed)]
    return parts, [effect(ground, hold) for hold in _counted("holding cells")(holds)]


def _look_at_speaker(
    run: Path,
    split: str,
    count: int,
    permutations: int,
    wanted: tuple[Sequence[str], Sequence[str]],
    data: Path | None,
    checkpoint: str,
    seed: int,
) -> Look:
    """The same for the decoder of a speaker."""
    trained = open_speaker(run, [split], data, checkpoint)
    asked = asked_for(trained.speaker, *wanted)
    world = trained.world.world
    episodes = spread_over(world.splits[split], count)
    trained = replace(trained, world=replace(trained.world, world=replace(world, splits={split: episodes})))
    heard = hear_speaker(trained, split)
    found = explain(heard.moments, permutations, seed, _counted(f"chance, {heard.part}"))
    scored = ~halves(heard.moments.buildings, seed)
    told = Told(trained, split, [episodes[each] for each in np.flatnonzero(scored)], heard.moments.keep(scored))
    holds = [asked] if asked else automatic(heard, found, seed)
    return [(heard, found)], [told_effect(told, hold) for hold in _counted("holding cells")(holds)]


def asked_for(network: Navigator | Speaker, zero: Sequence[str], clamp: Sequence[str]) -> Hold | None:
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
    """Holds of the cell best explained by what leads to actions, of all explained alike, and of as many others."""
    better = [each for each in found if each.found]
    leading = [each for each in better if each.predicate.startswith(LEADING)]
    if not better:
        return []
    best = (leading or better)[0]
    alike = [each.cell for each in better if each.predicate == best.predicate][:TOGETHER]
    others = [each.cell for each in found if each.predicate != best.predicate]
    random = np.random.default_rng(seed).permutation(others)[: len(alike)].tolist()
    values = heard.moments.cells[:, best.cell]
    high = float(np.percentile(values, HIGH if best.chosen > 0 else 100 - HIGH))
    name = _name(heard.cells[best.cell])
    holds = [
        Hold(f"{name} = 0", {heard.cells[best.cell]: 0.0}, best.predicate),
        Hold(f"{name} = {high:.2f}", {heard.cells[best.cell]: high}, best.predicate),
    ]
    for label, chosen in ((f"{len(alike)} cells of it = 0", alike), (f"{len(random)} others = 0", random)):
        if len(chosen) > 1:
            holds.append(Hold(label, {heard.cells[cell]: 0.0 for cell in chosen}, best.predicate))
    return holds


def distinct(found: Sequence[Finding]) -> list[Finding]:
    """What is more than chance, of each predicate the cell that it explains best."""
    best: dict[str, Finding] = {}
    for each in found:
        if each.found:
            best.setdefault(each.predicate, each)
    return list(best.values())


def _name(cell: Cell) -> str:
    return f"{cell[0]}:{cell[1]}"


def _counted(what: str) -> Any:
    """Goes through something with a progress bar."""
    console = Console(stderr=True)
    return lambda items: track(items, what, console=console, transient=True, disable=not console.is_terminal)


def pictures(heard: Heard, found: Sequence[Finding], seed: int) -> list[ShownCell]:
    """The findings as coloured text, in episodes of the half that scores."""
    kept = np.flatnonzero(~halves(heard.moments.buildings, seed))
    ends = np.cumsum(heard.moments.lengths)[:-1]
    shown = []
    for each in found:
        column = heard.moments.predicates[:, heard.moments.names.index(each.predicate)]
        values, truth = heard.of(each.cell), np.split(column, ends)
        said = [(values[n], truth[n], heard.signs[n], heard.episodes[n]) for n in kept]
        shown.append(show_cell(_name(heard.cells[each.cell]), each, said))
    return shown


def write(
    folder: Path,
    run: Path,
    parts: Sequence[tuple[Heard, Sequence[Finding]]],
    effects: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[str, Sequence[ShownCell]]],
) -> list[Path]:
    """Write figure, page and numbers; returns their paths."""
    paths = [folder / f"cells.{kind}" for kind in ("png", "html", "json")]
    title = f"Cells of {run.resolve().name}"
    save_cells(title, [cell for _, every in shown for cell in every[: 2 * SHOWN]], paths[0])
    write_text(paths[1], page(title, shown))
    write_json(paths[2], {"parts": [part_row(heard, found, len(found)) for heard, found in parts], "held": effects})
    return paths


def part_row(heard: Heard, found: Sequence[Finding], top: int) -> dict[str, Any]:
    """The findings of a part as JSON."""
    better = [each for each in found if each.found]
    return {
        "part": heard.part,
        "episodes": len(heard.episodes),
        "moments": len(heard.moments.cells),
        "cells": len(found),
        "predicates": len(heard.moments.names),
        "found": len(better),
        "findings": [{**asdict(each), "cell": _name(heard.cells[each.cell])} for each in better[:top]],
    }


def report(
    parts: Sequence[tuple[Heard, Sequence[Finding]]],
    effects: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[str, Sequence[ShownCell]]],
    top: int,
) -> RenderableType:
    """Everything for a terminal."""
    drawn: list[RenderableType] = []
    for (heard, found), (_, cells_shown) in zip(parts, shown, strict=True):
        drawn.append(findings_table(heard, found, top))
        for cell in cells_shown[:SHOWN]:
            drawn += [Text(cell.title, style="bold"), *(line_text(line, cell.scale) for line in cell.lines), ""]
    return Group(*drawn, *([effects_table(effects)] if effects else []))


def findings_table(heard: Heard, found: Sequence[Finding], top: int) -> Table:
    """A row a predicate: the cell that it explains best, and how many cells it explains."""
    better = [each.predicate for each in found if each.found]
    title = f"{heard.part}: {len(better)} of {len(found)} cells are more than chance, {len(heard.episodes)} episodes"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("cell", no_wrap=True)
    table.add_column("explained by")
    for name in ("r chosen", "r scored", "by chance", "p", "cells"):
        table.add_column(name, justify="right")
    for each in distinct(found)[:top]:
        numbers = (f"{each.chosen:.2f}", f"{each.score:.2f}", f"{each.chance:.2f}", f"{each.p_value:.4f}")
        table.add_row(_name(heard.cells[each.cell]), each.predicate, *numbers, str(better.count(each.predicate)))
    return table


def effects_table(effects: Sequence[Mapping[str, Any]]) -> Table:
    """A row for everything that was held."""
    kinds = list(dict.fromkeys(kind for each in effects for kind in each["actions"]))
    table = Table(
        title="held cells: differences in percent points (speakers: nats a word), ± half of 95 % intervals",
        box=SIMPLE_HEAD,
        padding=0,
    )
    for name in ("held", "explained by"):
        table.add_column(name)
    for name in ("success", "other choice", *kinds):
        table.add_column(name, justify="right", no_wrap=True)
    for each in effects:
        scale = (100, 1) if "SR" in each else (1, 3)
        changes = [_change(each["actions"][kind], *scale) if kind in each["actions"] else "" for kind in kinds]
        table.add_row(
            each["held"], each["predicate"], _change(each.get("SR", each.get("loss")), *scale), _others(each), *changes
        )
    return table


def _change(found: Mapping[str, Any], scale: int, digits: int) -> str:
    low, high = found["interval"]
    return f"{scale * found['difference']:+.{digits}f} ±{scale * (high - low) / 2:.{digits}f}"


def _others(row: Mapping[str, Any]) -> str:
    """Shares of steps at which another action is preferred, where the predicate holds and elsewhere."""
    return " / ".join(f"{100 * share:.1f} %" for share in row["decisions"].values() if share is not None)
