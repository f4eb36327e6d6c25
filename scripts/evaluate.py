"""Evaluate trained agents beside baselines and published results; write trajectories and submissions.

python scripts/evaluate.py runs/navigator --split val_unseen
python scripts/evaluate.py runs/full runs/blind runs/deaf                       # one table
python scripts/evaluate.py runs/navigator --split val_seen --ablate language    # with the instructions hidden
python scripts/evaluate.py runs/navigator --split test                          # no goals: trajectories and submission
python scripts/evaluate.py runs/navigator --checkpoint latest --json
python scripts/evaluate.py runs/houses --simulator habitat                     # the same houses in habitat-sim
python scripts/evaluate.py runs/navigator --search 8 --critic runs/speaker      # the best of eight, says a speaker
python scripts/evaluate.py runs/houses --agent my_agents:Explorer              # an agent of your own beside a run
python scripts/evaluate.py --task houses-short --agent chat --agent-options url=http://localhost:8000/v1 model=m

Writes `eval/<split>.jsonl` (trajectories, for replay.py and score.py), `eval/<split>.json` (R2R submission) and
`eval/<split>.scores.json` into each run's folder; with `--ablate` the names end in `.blind` or `.deaf`, with
`--search` in `.search`, with `--simulator` in its name. Agents of your own have the same files in `--out`.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

from tyro.conf import Positional, UseAppendAction

from agents.baselines import baseline_scores
from agents.data import TaskData
from agents.evaluation import Evaluation, resumable_rollout, rollout_with_progress, score
from agents.own import data_options_of, find_agent, make_agent, read_options
from agents.runs import Trained, check_runs, check_task, open_run
from agents.speaking.reranking import best_of, check_search
from agents.speaking.runs import TrainedSpeaker, check_vocabulary, open_speaker
from envs.graph import LOW_LEVEL_ACTIONS
from envs.habitat.settings import use_interpreter
from envs.make import open_task
from vln.cli import command, for_json, show
from vln.console import tell
from vln.errors import InputError
from vln.files import writable_folder, write_json
from vln.language import Vocabulary
from vln.score_tables import evaluation_table
from vln.submission import write_submission
from vln.tasks import Task, find_task
from vln.trajectory import Trajectory, write_trajectories
from vln.vlnce_datasets import VLNCE
from vln.vlnce_submission import predictions, write_continuous_submission

SUFFIX = {"nothing": "", "vision": ".blind", "language": ".deaf"}
TRIES = 1000  # how far apart the seeds of tries are: each batch of one has its own
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Entrant:
    """An agent that is evaluated."""

    name: str
    folder: Path  # where its files go
    data: TaskData
    # Its trajectories of all episodes; and more of them, where a speaker chooses the best
    tries: Sequence[Sequence[Trajectory]]
    notes: Sequence[str] = ()  # what there is to say about it
    partial: Path | None = None  # file of the episodes that were done while the evaluation went on, if there is one


def main(
    runs: Positional[tuple[Path, ...]] = (),
    agent: UseAppendAction[tuple[str, ...]] = (),
    agent_options: tuple[str, ...] = (),
    task: str | None = None,
    out: Path = Path("runs/agents"),
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
    simulator: str | None = None,
    habitat_python: Path | None = None,
    skip_bad: bool = False,
    json: bool = False,
) -> None:
    """Evaluate trained agents.

    Args:
        runs: Folders of training runs on one data set.
        agent: An agent that was not trained here: a registered name, or `module:Class`; repeatable.
        agent_options: Constructor arguments of these agents, as key=value.
        task: Name of the task; needed where no run folder is given.
        out: Where folders of agents without runs go.
        split: Split to evaluate on.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The one with the best SPL on the split of `train.py --select`, or the latest.
        ablate: Hide the content of views (the blind agent) or the instructions (the deaf one) from the agent.
        decoding: Take the most probable action, or sample.
        search: Trajectories to sample for each instruction, of which a speaker picks one; not a single-run result.
        critic: Run of the speaker that picks.
        confidence: Weight of the agent's log-probability when picking; that of the speaker, a word, is 1.
        seed: Seed of sampling and of the random agent.
        device: Device of the agent.
        simulator: Another simulator of the same scenes than in training: embedded, habitat, or a registered one.
        habitat_python: Python that has habitat-sim; default $VLN_HABITAT_PYTHON, then this Python.
        skip_bad: Leave episodes out that do not fit their scenes in a continuous world, and say which.
        json: Print JSON instead of a table.
    """
    check_search(search, critic)
    options = read_options(agent_options)
    use_interpreter(habitat_python)
    blind = ablate == "vision"
    how: dict[str, Any] = {"blind": blind, "decoding": decoding, "device": device}
    how |= {"simulator": simulator, "skip_bad": skip_bad}
    check_entrants(runs, agent, task)
    for name in agent:
        find_agent(name, options)
    trained = [open_run(run, split, open_task, data, checkpoint, **how) for run in (check_runs(runs) if runs else ())]
    suffix = SUFFIX[ablate] + (".search" if search else "") + (f".{simulator}" if simulator else "")
    first = trained[0].data if trained else open_task(find_task(str(task)), [split], simulator, data=data)
    for each in trained[1:]:
        check_task(each.run.folder, each.data.task, first.task)
    judge = open_judge(critic, [each.data.vocabulary for each in trained], split, data, device)
    entrants = (run_entrant(each, split, ablate, seed, search) for each in trained)
    hidden = {"blind": blind, "silent": ablate == "language"}
    others = (own_entrant(name, first, split, options, out, suffix, seed, hidden) for name in agent)
    rows: Rows = {}
    folders = []
    for entrant in itertools.chain(entrants, others):
        tries = entrant.tries
        trajectories = best_of(tries, judge, confidence) if judge and len(tries) > 1 else tries[0]
        file = writable_folder(entrant.folder / "eval") / f"{split}{suffix}"
        write(file, trajectories, first.task)
        if entrant.partial:
            entrant.partial.unlink(missing_ok=True)
        for note in entrant.notes:
            tell(f"{entrant.name}: {note}")
        found = Evaluation(list(trajectories), score(trajectories, entrant.data))
        folders.append(entrant.folder)
        if found.scores:
            rows[f"{entrant.name}{suffix}"] = found.scores
    if not rows:
        tell(f"the goals of split '{split}' are withheld: no scores")
        if json:
            print("{}")
        return
    rows |= baseline_scores(first, split, seed, LOW_LEVEL_ACTIONS)
    for folder in folders:
        write_json(folder / "eval" / f"{split}{suffix}.scores.json", for_json(rows))
    show(evaluation_table(rows, first.task, split), rows, json)


def open_judge(
    critic: Path | None, vocabularies: Sequence[Vocabulary], split: str, data: Path | None, device: str
) -> TrainedSpeaker | None:
    """The speaker of a run that says which of several trajectories is the best; None if there is no such run."""
    if critic is None:
        return None
    found = open_speaker(critic, [split], open_task, data, device=device, vocabulary=vocabularies[0])
    for vocabulary in vocabularies[1:]:
        check_vocabulary(critic / "vocabulary.json", found.data.data.vocabulary, vocabulary)
    return found


def check_entrants(runs: Sequence[Path], agents: Sequence[str], task: str | None) -> None:
    """Check that there is something to evaluate, and one task."""
    if not runs and not agents:
        raise InputError("runs", "none is given", "give run folders, or --agent module:Class with --task NAME")
    if not runs and task is None:
        raise InputError("--task", "no task is given", "name the task that the agents are evaluated on")
    if runs and task is not None:
        raise InputError("--task", "the runs have a task of their own", "leave it out")
    names = [each.rpartition(":")[2] for each in agents]
    if len({*names, *(run.resolve().name for run in runs)}) < len(names) + len(runs):
        raise InputError("--agent", f"{', '.join(names)} given", "give agents and run folders of different names")


def run_entrant(trained: Trained, split: str, ablate: str, seed: int, search: int) -> Entrant:
    """Roll out the agent of a run."""
    folder = trained.run.folder
    return Entrant(folder.name, folder, trained.data, rollouts(trained, split, ablate, seed, search))


def own_entrant(
    name: str,
    data: TaskData,
    split: str,
    options: Mapping[str, Any],
    out: Path,
    suffix: str,
    seed: int,
    hidden: Mapping[str, bool],
) -> Entrant:
    """Roll out an agent that needs no run; it goes on where a killed evaluation left off."""
    wanted = data_options_of(name)
    if wanted:
        data = open_task(data.task, [split], **{**vars(data.options), **wanted})
    found, env = make_agent(name, data, split, options, **hidden)
    folder = out / found.name
    # Episodes that another agent has done, or this one with other settings, are not taken for its own.
    settings = crc32(repr([name, sorted(options.items()), seed]).encode())
    done = writable_folder(folder / "eval") / f"{split}{suffix}.{settings:08x}.partial.jsonl"
    trajectories = resumable_rollout(found, env, seed, done)
    return Entrant(found.name, folder, data, [trajectories], getattr(found, "notes", ()), done)


def rollouts(trained: Trained, split: str, ablate: str, seed: int, samples: int) -> list[list[Trajectory]]:
    """Roll out an agent in a split: as it decodes, and `samples` times with sampled actions."""
    env = trained.environment(split, silent=ablate == "language", blind=ablate == "vision")
    sampling = trained.agent.sampling()
    again = (rollout_with_progress(sampling, env, seed + TRIES * number) for number in range(1, samples + 1))
    return [rollout_with_progress(trained.agent, env, seed), *again]


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
    tell(f"wrote {' and '.join(written)}")


if __name__ == "__main__":
    command(main)
