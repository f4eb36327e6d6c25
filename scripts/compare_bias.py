"""What an agent uses of what it sees and reads: success with each of its inputs taken away; see `compare.py bias`."""

import hashlib
import json as json_format
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from rich.progress import Progress
from tyro.conf import Positional

from agents.evaluation import EVALUATION_BATCH, evaluate
from agents.policies.acting import PolicyAgent
from agents.training.checkpoint import load_checkpoint, run_checkpoint
from agents.training.devices import use_threads
from envs.make import make_env
from scripts.evaluate import Trained, check_runs, open_run
from scripts.studies import config_of, slug
from vln.audit import Ablation, describe_ablations, format_points, mask_word_class, shuffle_instructions, subset
from vln.cli import show
from vln.console import Console
from vln.episodes import Episode
from vln.errors import InputError
from vln.figures import save_figure
from vln.files import read_json, sha256, writable_folder, write_json, write_text
from vln.language import Vocabulary
from vln.statistics import Interval, compare_paired, mean_interval
from vln.tables import markdown_table, number_table

FULL = "full"
MASKS = {"landmark": "landmark words", "direction": "direction words", "number": "numbers", "colour": "colours"}
TRAINED = {"vision": "trained without vision", "language": "trained without language"}
METRICS = ("SR", "SPL")
SPLITS = ("val_seen", "val_unseen")
QUICK = 240  # episodes in houses, which are to be drawn
HEADS = ("input", "touched", "SR %", "SPL %", "change of SR in points")
Columns = dict[str, np.ndarray]
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Condition:
    """A way of taking something away at test time.

    Attributes:
        name: Its row.
        what: What the agent uses if it cannot do without; empty where that is no single thing.
        blind: Whether nothing is seen.
        silent: Whether nothing is read.
        rewrite: What becomes of the instructions.
    """

    name: str
    what: str = ""
    blind: bool = False
    silent: bool = False
    rewrite: Callable[[Sequence[Episode]], list[Episode]] = list


def conditions(vocabulary: Vocabulary, seed: int) -> list[Condition]:
    """All of them, the one that takes nothing away first."""
    masks = [
        Condition(f"no {what}", what, rewrite=partial(mask_word_class, kind=kind, vocabulary=vocabulary))
        for kind, what in MASKS.items()
    ]
    return [
        Condition(FULL),
        Condition("no vision", "what it sees", blind=True),
        Condition("no language", "what it reads", silent=True),
        Condition("neither", blind=True, silent=True),
        Condition("shuffled instructions", rewrite=partial(shuffle_instructions, seed=seed)),
        *masks,
    ]


@dataclass(frozen=True)
class Subject:
    """An agent and the episodes it is looked at in.

    Attributes:
        trained: The agent and its data.
        checkpoint: Its file.
        split: Name of the split.
        episodes: The episodes.
        folder: Keeps what has been measured, so that it is not measured again.
        seed: Of the rollouts.
        advance: Called with a number of episodes when they are done.
    """

    trained: Trained
    checkpoint: Path
    split: str
    episodes: Sequence[Episode]
    folder: Path
    seed: int
    advance: Callable[[int], object] = field(repr=False)

    @cached_property
    def blind(self) -> PolicyAgent:
        """The same agent with its eyes shut."""
        return self.trained.run.agent(self.trained.data, blind=True)

    def row(self, case: Condition, full: Columns | None = None) -> Columns:
        """Metrics (N,) of the episodes, and whether each was touched.

        Episodes whose instruction is left as it was are not lived again: `full` has what the agent did in them.
        """
        told = case.rewrite(self.episodes)
        pairs = zip(told, self.episodes, strict=True)
        touched = np.array([case.blind or case.silent or new != old for new, old in pairs]) | (full is None)
        columns = {name: np.array(full[name]) if full else np.zeros(len(told)) for name in METRICS}
        if touched.any():
            again = self._lived(case, [told[number] for number in np.flatnonzero(touched)])
            for name in METRICS:
                columns[name][touched] = again[name]
        self.advance(int((~touched).sum()))
        return {**columns, "touched": touched}

    def _lived(self, case: Condition, episodes: list[Episode]) -> Columns:
        """Metrics of episodes, read from the folder where they have been measured."""
        facts = [sha256(self.checkpoint), case.blind, case.silent, self.seed]
        told = [[each.episode_id, each.instruction] for each in episodes]
        key = hashlib.sha256(json_format.dumps([facts, told]).encode()).hexdigest()
        kept = self.folder / "measured" / f"{slug(case.name)}-{key[:12]}.json"
        if kept.is_file():
            self.advance(len(episodes))
            return {name: np.array(values) for name, values in read_json(kept).items()}
        found = self._live(case, episodes)
        write_json(kept, {name: found[name].tolist() for name in METRICS}, indent=None)
        return found

    def _live(self, case: Condition, episodes: list[Episode]) -> Columns:
        batch, data = min(EVALUATION_BATCH, len(episodes)), self.trained.data.only(self.split, episodes)
        env = make_env(data, self.split, batch, record=True, silent=case.silent, blind=case.blind)
        agent = self.blind if case.blind else self.trained.agent
        return dict(evaluate(agent, env, seed=self.seed, advance=self.advance).columns)


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
        checkpoint: The best one by SPL on the selecting split, or the latest.
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
    for run, others in grouped(runs, checkpoint).items():
        folder = out / run.resolve().name if out else run / "bias"
        for each in SPLITS if full else (split,):
            first, *rest = (open_run(one, each, data, checkpoint, False, "greedy", "cpu") for one in (run, *others))
            opened = [first, *(replace(one, data=one.data.sharing(first.data)) for one in rest)]
            task = first.run.task
            usual = QUICK if task.continuous else 0
            rows = audit(opened, checkpoint, each, 0 if full else usual if episodes is None else episodes, seed, folder)
            title = f"{run.resolve().name}: {task.name} {each}"
            audits[title] = {"rows": rows, "says": says(rows)}
            report(title, audits[title], folder / each, json)
    if json:
        show("", audits, json)


def grouped(runs: Sequence[Path], checkpoint: str) -> dict[Path, list[Path]]:
    """The runs trained with all inputs, each with those of its data set that were trained without one.

    Raises:
        InputError: If a run is missing, or there is none that such a one could be compared with.
    """
    configs = {run: config_of(load_checkpoint(run_checkpoint(run, checkpoint))) for run in check_runs(runs)}
    found: dict[Path, list[Path]] = {run: [] for run, config in configs.items() if config.ablate == "nothing"}
    for run, config in configs.items():
        partners = [full for full in found if configs[full].task.name == config.task.name]
        if not partners:
            problem = f"was {TRAINED[config.ablate]}, and no other run of '{config.task.name}' is given"
            raise InputError(run, problem, "give the run of the full agent too")
        if config.ablate != "nothing":
            for full in partners:
                found[full].append(run)
    return found


def audit(opened: Sequence[Trained], checkpoint: str, split: str, count: int, seed: int, folder: Path) -> Rows:
    """The rows of an agent, and of those trained without one of its inputs, on the same episodes.

    Args:
        opened: The agent, then the others.
        checkpoint: Which of each run's.
        split: Split.
        count: About how many episodes; 0 takes all.
        seed: Of their choice, of shuffling and of rollouts.
        folder: Keeps what has been measured.

    Raises:
        InputError: If the goals are withheld, or another run met other episodes.
    """
    every = opened[0].data.splits[split]
    if every[0].withheld:
        raise InputError("--split", f"the goals of '{split}' are withheld", "use a validation split")
    for other in opened[1:]:
        if list(other.data.splits[split]) != list(every):
            raise InputError(
                other.run.folder, f"its '{split}' has other episodes", "compare runs with the same settings"
            )
    writable_folder(folder)
    episodes = [every[number] for number in subset(every, count, seed)]
    cases = conditions(opened[0].data.vocabulary, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        advance = partial(
            progress.advance, progress.add_task(split, total=len(episodes) * (len(cases) + len(opened) - 1))
        )
        files = [run_checkpoint(each.run.folder, checkpoint) for each in opened]
        agent, *others = (
            Subject(each, file, split, episodes, folder, seed, advance)
            for each, file in zip(opened, files, strict=True)
        )
        found = {FULL: agent.row(cases[0])}
        found |= {case.name: agent.row(case, found[FULL]) for case in cases[1:]}
        for each in others:
            name = f"{TRAINED[each.trained.config.ablate]} ({each.trained.run.folder.resolve().name})"
            found[name] = each.row(Condition(name))
    whats = {case.name: case.what for case in cases}
    ways = [episode.path_key for episode in episodes]
    return {name: summary(columns, found[FULL], ways, whats.get(name, "")) for name, columns in found.items()}


def summary(columns: Columns, full: Columns, ways: Sequence[Any], what: str) -> dict[str, Any]:
    """A row: means with intervals, and how success changes on the same episodes, over whole paths."""
    intervals = {name: mean_interval(columns[name], ways) for name in METRICS}
    change = compare_paired(full["SR"], columns["SR"], ways)
    return {
        **{name: each.mean for name, each in intervals.items()},
        **{f"{name} interval": [each.low, each.high] for name, each in intervals.items()},
        "n": len(ways),
        "touched": float(columns["touched"].mean()),
        "what": what,
        "change": [change.difference.mean, change.difference.low, change.difference.high],
        "p": change.p_value,
    }


def says(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """What the rows tell, in plain sentences."""
    losses = {name: Ablation(row["what"], Interval(*row["change"])) for name, row in rows.items() if row["what"]}
    senses = [losses.pop(name) for name in ("no vision", "no language")]
    words = [loss for name, loss in losses.items() if rows[name]["touched"]]
    wrong = format_points(Interval(*rows["shuffled instructions"]["change"]))
    left = ", ".join(f"{name} in {100 * row['SR']:.1f} %" for name, row in rows.items() if name.startswith("trained"))
    sentences = (
        describe_ablations(senses),
        f"An instruction of another path instead of its own changes its success by {wrong}.",
        describe_ablations(words, "Of the words it"),
        f"With neither sight nor words it arrives in {100 * rows['neither']['SR']:.1f} %{left and f', {left}'}.",
    )
    return " ".join(filter(None, sentences))


def report(title: str, found: Mapping[str, Any], name: Path, as_json: bool) -> None:
    """Show a table and what it says, and write both and a figure beside the numbers."""
    rows = [cells(label, row) for label, row in found["rows"].items()]
    write_json(name.with_suffix(".json"), found)
    write_text(name.with_suffix(".md"), f"{markdown_table(HEADS, rows)}\n{found['says']}\n")
    save_figure(figure(title, found["rows"]), name.with_suffix(".png"))
    if not as_json:
        show(number_table(HEADS, rows, title), None, False)
        Console().print(found["says"], highlight=False)
    Console(stderr=True).print(f"wrote {name}.json, .md and .png", highlight=False, soft_wrap=True)


def cells(label: str, row: Mapping[str, Any]) -> list[str]:
    """A row as text; half widths of 95 % intervals behind ±."""
    shown = [f"{100 * row[name]:.1f} ± {50 * (high - low):.1f}" for name, (low, high) in ends(row)]
    if label == FULL:
        return [label, "", *shown, ""]
    mean, low, high = (100 * each for each in row["change"])
    return [label, f"{100 * row['touched']:.0f} %", *shown, f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"]


def ends(row: Mapping[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    """The metrics of a row with the ends of their intervals."""
    return [(name, row[f"{name} interval"]) for name in METRICS]


def figure(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Success of each row, and how it changes on the same episodes, with their intervals."""
    drawing = Figure(figsize=(9, 0.36 * len(rows) + 1.2), layout="constrained")
    success, change = drawing.subplots(1, 2, sharey=True)
    for place, row in enumerate(rows.values()):
        for axes, (mean, low, high) in ((success, (row["SR"], *row["SR interval"])), (change, row["change"])):
            axes.plot([100 * low, 100 * high], [place, place], "C0", linewidth=5, alpha=0.4, solid_capstyle="butt")
            axes.plot(100 * mean, place, "C0o")
    success.set(xlabel="SR, % (95 % intervals over paths)", yticks=range(len(rows)), yticklabels=list(rows))
    success.set_xlim(left=0)
    success.invert_yaxis()
    change.axvline(0, color="grey", linestyle=":")
    change.set(xlabel="change of SR on the same episodes, points")
    drawing.suptitle(title)
    return drawing
