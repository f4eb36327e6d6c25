"""Input ablation: the success of an agent with each of its inputs taken away at test time."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.progress import Progress

from agents.evaluation import EVALUATION_BATCH, evaluate
from agents.policies.acting import PolicyAgent
from agents.runs import Trained, check_runs
from agents.studies.trainings import config_of, slug
from agents.training.checkpoint import open_checkpoint
from vln.audit import Ablation, describe_ablations, format_points, mask_word_class, shuffle_instructions, subset
from vln.cli import show
from vln.console import Console, tell
from vln.episodes import Episode
from vln.errors import InputError
from vln.figures import save_figure
from vln.files import read_json, sha256, writable_folder, write_json, write_text
from vln.language import Vocabulary
from vln.statistics import Interval, compare_paired, mean_interval
from vln.tables import change_in_points, markdown_table, number_table, percent

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
    """A change of the inputs at test time."""

    name: str  # Name of its row
    what: str = ""  # What the agent uses if it fails without; empty if that is no single thing
    blind: bool = False  # Whether images are hidden
    silent: bool = False  # Whether instructions are hidden
    rewrite: Callable[[Sequence[Episode]], list[Episode]] = list  # Changes instructions


def conditions(vocabulary: Vocabulary, seed: int) -> list[Condition]:
    """Return all conditions, the one that changes nothing first."""
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
class CachedEvaluator:
    """Evaluates an agent under conditions, and keeps the results in a folder.

    `advance` is called with a number of episodes when they are done.
    """

    trained: Trained
    split: str
    episodes: Sequence[Episode]
    folder: Path
    seed: int
    advance: Callable[[int], object] = field(repr=False)

    @cached_property
    def blind(self) -> PolicyAgent:
        """The same agent without the content of views."""
        return self.trained.run.agent(self.trained.data, blind=True)

    def evaluate(self, case: Condition, full: Columns | None = None) -> Columns:
        """Return metrics (N,) of the episodes, and whether the condition changed each (`touched`).

        Episodes that it did not change are not evaluated again: `full` has their metrics.
        """
        changed = case.rewrite(self.episodes)
        pairs = zip(changed, self.episodes, strict=True)
        touched = np.array([case.blind or case.silent or new != old for new, old in pairs]) | (full is None)
        columns = {name: np.array(full[name]) if full else np.zeros(len(changed)) for name in METRICS}
        if touched.any():
            again = self._cached(case, [changed[number] for number in np.flatnonzero(touched)])
            for name in METRICS:
                columns[name][touched] = again[name]
        self.advance(int((~touched).sum()))
        return {**columns, "touched": touched}

    def _cached(self, case: Condition, episodes: list[Episode]) -> Columns:
        """Return metrics of episodes, from the folder if they are there."""
        facts = [sha256(self.trained.run.checkpoint.source), case.blind, case.silent, self.seed]
        read = [[each.episode_id, each.instruction] for each in episodes]
        key = hashlib.sha256(json.dumps([facts, read]).encode()).hexdigest()
        kept = self.folder / "measured" / f"{slug(case.name)}-{key[:12]}.json"
        if kept.is_file():
            self.advance(len(episodes))
            return {name: np.array(values) for name, values in read_json(kept).items()}
        found = self._rollout(case, episodes)
        write_json(kept, {name: found[name].tolist() for name in METRICS}, indent=None)
        return found

    def _rollout(self, case: Condition, episodes: list[Episode]) -> Columns:
        batch, data = min(EVALUATION_BATCH, len(episodes)), self.trained.data.only(self.split, episodes)
        env = data.make_env(self.split, batch, record=True, silent=case.silent, blind=case.blind)
        agent = self.blind if case.blind else self.trained.agent
        return dict(evaluate(agent, env, seed=self.seed, advance=self.advance).columns)


def grouped(runs: Sequence[Path], checkpoint: str) -> dict[Path, list[Path]]:
    """Return the runs trained with all inputs, each with those of its task that were trained without one."""
    configs = {run: config_of(open_checkpoint(run, checkpoint)) for run in check_runs(runs)}
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


def shared_episodes(opened: Sequence[Trained], split: str, count: int, seed: int) -> list[Episode]:
    """About `count` episodes of a split that all runs share, or all if it is 0; goals must be public."""
    every = list(opened[0].data.splits[split])
    if every[0].withheld:
        raise InputError("--split", f"the goals of '{split}' are withheld", "use a validation split")
    for other in opened[1:]:
        if list(other.data.splits[split]) != every:
            fix = "compare runs on one data set, with the same settings"
            raise InputError(other.run.folder, f"its '{split}' has other episodes", fix)
    return [every[number] for number in subset(every, count, seed)]


def audit(opened: Sequence[Trained], split: str, count: int, seed: int, folder: Path) -> Rows:
    """Return the rows of an agent, and of those trained without one of its inputs, on the same episodes.

    The agent is the first of `opened`. About `count` episodes are drawn; 0 takes all. `folder` keeps what was measured.
    """
    episodes = shared_episodes(opened, split, count, seed)
    writable_folder(folder)
    cases = conditions(opened[0].data.vocabulary, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = len(episodes) * (len(cases) + len(opened) - 1)
        advance = partial(progress.advance, progress.add_task(split, total=total))
        agent, *others = (CachedEvaluator(each, split, episodes, folder, seed, advance) for each in opened)
        found = {FULL: agent.evaluate(cases[0])}
        found |= {case.name: agent.evaluate(case, found[FULL]) for case in cases[1:]}
        for each in others:
            name = f"{TRAINED[each.trained.config.ablate]} ({each.trained.run.folder.resolve().name})"
            found[name] = each.evaluate(Condition(name))
    whats = {case.name: case.what for case in cases}
    ways = [episode.path_key for episode in episodes]
    return {name: summary(columns, found[FULL], ways, whats.get(name, "")) for name, columns in found.items()}


def summary(columns: Columns, full: Columns, ways: Sequence[Any], what: str) -> dict[str, Any]:
    """Return a row: means with intervals, and the change of success on the same episodes, over whole paths."""
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


def conclusions(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return sentences that say what the rows show."""
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
    """Print a table and its conclusions, and write both and a figure beside the numbers."""
    rows = [cells(label, row) for label, row in found["rows"].items()]
    write_json(name.with_suffix(".json"), found)
    write_text(name.with_suffix(".md"), f"{markdown_table(HEADS, rows)}\n{found['says']}\n")
    save_figure(figure(title, found["rows"]), name.with_suffix(".png"))
    if not as_json:
        show(number_table(HEADS, rows, title), None, False)
        Console().print(found["says"], highlight=False)
    tell(f"wrote {name}.json, .md and .png")


def cells(label: str, row: Mapping[str, Any]) -> list[str]:
    """Return a row as text; half widths of 95 % intervals behind ±."""
    shown = [percent(row[name], *row[f"{name} interval"]) for name in METRICS]
    if label == FULL:
        return [label, "", *shown, ""]
    return [label, f"{100 * row['touched']:.0f} %", *shown, change_in_points(*row["change"])]


def figure(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw success of each row, and its change on the same episodes, with their intervals."""
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
