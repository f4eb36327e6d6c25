"""Evaluate trained agents: their scores beside simple agents and published ones, trajectories, a submission file.

python scripts/evaluate.py runs/navigator --split val_unseen
python scripts/evaluate.py runs/full runs/blind runs/deaf                       # one table
python scripts/evaluate.py runs/navigator --split val_seen --ablate language    # with the instructions hidden
python scripts/evaluate.py runs/navigator --split test                          # no goals: trajectories and submission
python scripts/evaluate.py runs/navigator --checkpoint latest --json
python scripts/evaluate.py runs/houses --simulator habitat                     # the same houses in habitat-sim
python scripts/evaluate.py runs/navigator --search 8 --critic runs/speaker      # the best of eight, says a speaker

Writes `eval/<split>.jsonl` (trajectories, for replay.py and score.py), `eval/<split>.json` (R2R submission) and
`eval/<split>.scores.json` into each run's folder; with `--ablate` the names end in `.blind` or `.deaf`, with
`--search` in `.search`, with `--simulator` in its name.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.progress import Progress
from rich.table import Table
from tyro.conf import Positional

from agents.agent import BASELINE_STEPS, Agent, RandomAgent, SamplingAgent, ShortestPathAgent
from agents.config import TrainConfig
from agents.evaluation import EVALUATION_BATCH, Evaluation, rollout, score, tell_unreadable
from agents.policies.acting import PolicyAgent
from agents.runs import Run, check_task, load_run
from envs.environment import NavigationVectorEnv
from envs.graph import LOW_LEVEL_ACTIONS
from envs.habitat.settings import use_interpreter
from envs.make import TaskData, make_env, open_task
from scripts.search import best_of
from scripts.speaker_world import TrainedSpeaker, check_vocabulary, open_speaker
from vln.cli import command, for_json, show
from vln.console import Console
from vln.errors import InputError
from vln.files import writable_folder, write_json
from vln.language import Vocabulary
from vln.metrics import METRICS
from vln.published import R2R
from vln.submission import write_submission
from vln.tasks import Task
from vln.trajectory import Trajectory, write_trajectories
from vln.vlnce_datasets import VLNCE
from vln.vlnce_submission import predictions, write_continuous_submission

SUFFIX = {"nothing": "", "vision": ".blind", "language": ".deaf"}
TRIES = 1000  # how far apart the seeds of tries are: each batch of one has its own
PERCENT = tuple(name for name in METRICS if name not in ("TL", "NE"))
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Trained:
    """A trained agent and the data of its task.

    Attributes:
        run: The run.
        agent: The agent.
        data: Episodes and scenes, as the run's configuration wants them.
    """

    run: Run
    agent: PolicyAgent
    data: TaskData

    @property
    def config(self) -> TrainConfig:
        """The configuration of the run."""
        return self.run.config

    def environment(self, split: str, num_envs: int = EVALUATION_BATCH, **options: Any) -> NavigationVectorEnv:
        """Make an environment for `agents.evaluation.rollout`; options as of `envs.make.make_env`."""
        return make_env(self.data, split, num_envs, record=True, **options)


def main(
    runs: Positional[tuple[Path, ...]],
    split: str = "val_unseen",
    data: Path | None = None,
    checkpoint: Literal["best", "latest"] = "best",
    ablate: Literal["nothing", "vision", "language"] = "nothing",
    decoding: Literal["greedy", "sample"] = "greedy",
    search: int = 0,
    critic: Path | None = None,
    confidence: float = 0.01,
    seed: int = 0,
    device: str = "cpu",
    simulator: Literal["embedded", "habitat"] | None = None,
    habitat_python: Path | None = None,
    skip_bad: bool = False,
    json: bool = False,
) -> None:
    """Evaluate trained agents.

    Args:
        runs: Folders of training runs on one data set.
        split: Split to evaluate on.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The best one by SPL on the selecting split, or the latest.
        ablate: Hide the content of views (the blind agent) or the instructions (the deaf one) from the agent.
        decoding: Take the most probable action, or sample.
        search: Trajectories sampled for each instruction besides, the best of which counts; no single run any more.
        critic: Run of the speaker that says which is the best.
        confidence: What the agent's own log-probability counts in that, beside the speaker's of a word.
        seed: Of sampling, and of the random agent.
        device: Device of the agent.
        simulator: Simulate generated houses by another simulator than in training.
        habitat_python: Interpreter that has habitat-sim; $VLN_HABITAT_PYTHON, or this one.
        skip_bad: Leave episodes out that do not fit their scenes in a continuous world, and say which.
        json: Print JSON instead of a table.
    """
    check_search(search, critic)
    use_interpreter(habitat_python)
    how = (split, data, checkpoint, ablate == "vision", decoding, device, simulator, skip_bad)
    trained = [open_run(run, *how) for run in check_runs(runs)]
    suffix = SUFFIX[ablate] + (".search" if search else "") + (f".{simulator}" if simulator else "")
    first = trained[0].data
    for each in trained[1:]:
        check_task(each.run.folder, each.data.task, first.task)
    judge = open_judge(critic, [each.data.vocabulary for each in trained], split, data, device)
    rows: Rows = {}
    for each in trained:
        tries = lives(each, split, ablate, seed, search)
        lived = best_of(tries, judge, confidence) if judge else tries[0]
        write(writable_folder(each.run.folder / "eval") / f"{split}{suffix}", lived, first.task)
        found = Evaluation(lived, score(lived, each.data))
        if found.scores:
            rows[f"{each.run.folder.name}{suffix}"] = found.scores
    if not rows:
        Console(stderr=True).print(f"the goals of split '{split}' are withheld: no scores", highlight=False)
        if json:
            print("{}")
        return
    rows |= simple_rows(first, split, seed)
    for each in trained:
        write_json(each.run.folder / "eval" / f"{split}{suffix}.scores.json", for_json(rows))
    show(table(rows, first.task, split), rows, json)


def check_runs(runs: Sequence[Path]) -> Sequence[Path]:
    """The runs, which must have different names to be told apart in a table.

    Raises:
        InputError: If two share one, or there is none.
    """
    names = [run.resolve().name for run in runs]
    if not runs or len(set(names)) < len(names):
        raise InputError("runs", f"{', '.join(names) or 'none'} given", "give run folders of different names")
    return runs


def check_search(search: int, critic: Path | None) -> None:
    """See that a search has somebody to say what is best.

    Raises:
        InputError: If it has not, or nothing is searched.
    """
    if search < 0:
        raise InputError("--search", f"{search} is out of range", "give a whole number of at least 0")
    if bool(search) != bool(critic):
        given, missing = ("--search", "--critic RUN") if search else ("--critic", "--search N")
        raise InputError(given, f"it goes with {missing}", "give both, or neither")


def open_judge(
    critic: Path | None, vocabularies: Sequence[Vocabulary], split: str, data: Path | None, device: str
) -> TrainedSpeaker | None:
    """The speaker of a run that says which of several trajectories is the best; None if there is no such run.

    Raises:
        InputError: If the run or its data are missing or do not fit, or agents read by another vocabulary.
    """
    if critic is None:
        return None
    found = open_speaker(critic, [split], data, device=device, vocabulary=vocabularies[0])
    for vocabulary in vocabularies[1:]:
        check_vocabulary(critic / "vocabulary.json", found.world.data.vocabulary, vocabulary)
    return found


def open_run(
    run: Path,
    split: str,
    data: Path | None,
    checkpoint: str,
    blind: bool,
    decoding: Literal["greedy", "sample"],
    device: str,
    simulator: Literal["embedded", "habitat"] | None = None,
    skip_bad: bool = False,
) -> Trained:
    """The agent of a run's checkpoint and its world, in another simulator if one is given.

    Raises:
        InputError: If the run or its data are missing or do not fit, or the world has but one simulator.
    """
    found = load_run(run, checkpoint)
    if found.checkpoint.source.stem != checkpoint:
        note = f"{run}: there is no {checkpoint} checkpoint yet; its {found.checkpoint.source.stem} one is used"
        Console(stderr=True).print(note, highlight=False, soft_wrap=True)
    if simulator is not None and not found.task.continuous:
        raise InputError("--simulator", f"'{found.task.name}' is no task of a continuous world", "leave it out")
    opened = open_task(found.task, [split], simulator, data=data, **found.options)
    opened = opened.without_bad_episodes() if skip_bad else opened
    tell_unreadable(opened.splits[split], found.vocabulary)
    return Trained(found, found.agent(opened, decoding=decoding, blind=blind, device=device), opened)


def lives(trained: Trained, split: str, ablate: str, seed: int, samples: int) -> list[list[Trajectory]]:
    """What an agent does in a split, and what it does by chance when it tries again so many times."""
    env = trained.environment(split, silent=ablate == "language", blind=ablate == "vision")
    sampling = trained.agent.sampling()
    again = (live(sampling, env, seed + TRIES * number) for number in range(1, samples + 1))
    return [live(trained.agent, env, seed), *again]


def write(name: Path, trajectories: Sequence[Trajectory], task: Task) -> None:
    """Write trajectories and, where there is a format for it, a submission beside them."""
    written = [f"{name}.jsonl"]
    write_trajectories(name.with_name(f"{name.name}.jsonl"), trajectories)
    if task.dataset in VLNCE:
        ending = ".submission.jsonl" if task.dataset == "rxr-ce" else ".json"
        write_continuous_submission(name.with_name(f"{name.name}{ending}"), task.dataset, predictions(trajectories))
        written.append(f"{name}{ending}")
    elif not task.continuous:
        write_submission(name.with_name(f"{name.name}.json"), trajectories)
        written.append(f"{name}.json")
    Console(stderr=True).print(f"wrote {' and '.join(written)}", highlight=False, soft_wrap=True)


def live(agent: Agent, env: NavigationVectorEnv, seed: int) -> list[Trajectory]:
    """Trajectories of an agent on all episodes of an environment, with a progress bar."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(agent.name, total=len(env.episodes))
        return rollout(
            agent,
            env,
            seed=seed,
            attention=True,
            advance=lambda episodes: progress.advance(task, episodes),
        )


def simple_rows(data: TaskData, split: str, seed: int) -> Rows:
    """Metrics of the agents that need no learning."""
    limit = None if data.task.continuous else BASELINE_STEPS
    env = make_env(data, split, EVALUATION_BATCH, record=True, blind=True, max_steps=limit)
    expert = live(ShortestPathAgent(), env, seed)
    agent, env = random_baseline(data, split, EVALUATION_BATCH, expert)
    lived = {"shortest path": expert, "random": live(agent, env, seed)}
    return {name: Evaluation(each, score(each, data)).scores for name, each in lived.items()}


def random_baseline(
    data: TaskData, split: str, num_envs: int, expert: Sequence[Trajectory]
) -> tuple[Agent, NavigationVectorEnv]:
    """The random agent and its environment; `expert` is what the expert did on the split.

    On graphs it is that of Anderson et al. 2018, on low-level actions; elsewhere it draws actions as often as the
    expert takes them.
    """
    if data.task.continuous:
        env = make_env(data, split, num_envs, record=True, blind=True)
        return SamplingAgent.like([step.action for each in expert for step in each.steps], data.source.actions), env
    low_level = data.of(replace(data.task, actions="low-level"))
    env = make_env(low_level, split, num_envs, record=True, max_steps=BASELINE_STEPS)
    return RandomAgent.of(LOW_LEVEL_ACTIONS), env


def table(rows: Rows, task: Task, split: str) -> Table:
    """Measured rows first, with the half widths of 95 % intervals; published ones below."""
    names = [*METRICS, *(name for name in found_metrics(rows) if name not in METRICS)]
    drawn = Table(title=f"{task.name} {split}", caption=_apart(rows), box=SIMPLE_HEAD, padding=0)
    drawn.add_column("agent", min_width=24)
    for name in names:
        drawn.add_column(f"{name} %" if name in PERCENT else name, justify="right", no_wrap=True)
    for label, row in rows.items():
        drawn.add_row(label, *(_cell(row, name) if name in row else "" for name in names))
    drawn.add_section()
    for paper in R2R if task.dataset == "r2r" else ():
        if split in paper.success:
            known = {"SR": paper.success[split], "SPL": paper.spl.get(split)}
            drawn.add_row(f"{paper.method} ({paper.source})", *(_percent(known.get(name)) for name in names))
    return drawn


def found_metrics(rows: Rows) -> list[str]:
    """Names of all metrics of rows, without what describes those."""
    found = dict.fromkeys(name for row in rows.values() for name in row)
    return [name for name in found if name not in ("n", "unreachable") and not name.endswith(" interval")]


def _apart(rows: Rows) -> str | None:
    """What NE leaves out, if it does."""
    told = [f"{label}: {row['unreachable']:.0f} of {row['n']}" for label, row in rows.items() if "unreachable" in row]
    return f"NE is without episodes that ended where no way leads to the goal ({', '.join(told)})" if told else None


def _cell(row: Mapping[str, Any], name: str) -> str:
    if name not in PERCENT:
        return f"{row[name]:.2f}"
    interval = row.get(f"{name} interval")
    return _percent(row[name]) + (f"\n±{50 * (interval[1] - interval[0]):.1f}" if interval else "")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    command(main)
