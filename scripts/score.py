"""Score predictions: all metrics of each file, intervals, and whether the agents differ.

    python scripts/score.py ../shared/data/predictions/seq2seq_student_forcing_val_unseen.json --split val_unseen
    python scripts/score.py predictions/*_val_seen.json --data ../shared/data --split val_seen --json
    python scripts/score.py runs/r2r/trajectories_val_seen.jsonl runs/r2r/submission_val_seen.json --split val_seen
    python scripts/score.py runs/ce/eval/val_unseen.json --task r2r-ce --split val_unseen
    python scripts/score.py loops.json --task r4r --split val_seen --spl official
    python scripts/score.py runs/houses/eval/val_seen.jsonl --split val_seen

A prediction file holds trajectories (.jsonl), which tell their task, or is a submission: of the R2R evaluator (.json),
or with `--task r2r-ce` or `rxr-ce` to the leaderboard of VLN-CE. TL and NE are in metres, the
other metrics in [0, 1]. Intervals are 95 % bootstrap intervals over paths, since the instructions of a path share its
start and goal; they and the comparisons are left out of the JSON.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.table import Table
from tyro.conf import Positional

from vln.cli import command, show
from vln.data import find_data
from vln.errors import InputError
from vln.metrics import METRICS, mean_scores
from vln.score_files import PredictionFile, load_graph_split, load_trajectories, score_continuous, score_on_graphs
from vln.score_tables import comparison_table, metrics_table
from vln.tasks import R2R, Task, find_task
from vln.tasks.scoring import Sources
from vln.vlnce import ContinuousSplit
from vln.vlnce_scores import CONTINUOUS, is_trajectories

Language = Literal["en-US", "en-IN", "hi-IN", "te-IN"]


def main(
    predictions: Positional[tuple[Path, ...]],
    split: str,
    data: Path | None = None,
    task: str | None = None,
    role: Literal["guide", "follower"] | None = None,
    languages: tuple[Language, ...] = (),
    scenes: int | None = None,
    allow_missing: bool = False,
    spl: Literal["ours", "official"] = "ours",
    json: bool = False,
) -> None:
    """Score prediction files against a split.

    Args:
        predictions: Submission files (.json) or trajectories (.jsonl); each is compared with the first.
        split: Split the predictions are for, e.g. val_unseen.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        task: Task of submissions; that of trajectories beside them, or r2r, if absent. Trajectories tell theirs.
        role: Whose paths of rxr-ce submissions are of, the guide's if absent.
        languages: Languages of rxr-ce that submissions are of, all if absent.
        scenes: Houses of training of the run, in the first 40 of which val_seen is.
        allow_missing: Score the predictions that are there.
        spl: Whoever stays at a start that is the goal, as R4R has some, gets 1 (ours), or 0 as from R2R's evaluators.
        json: Print JSON instead of tables.
    """
    if not predictions:
        raise InputError("score.py", "no prediction file was given", "name one or more after the script")
    asked = None if task is None else find_task(task)
    recorded = {path: load_trajectories(path, asked) for path in predictions if is_trajectories(path)}
    like = asked or next((each.task for each in recorded.values()), R2R)
    like = replace(like, role=role or like.role, languages=languages or like.languages)
    files = [recorded.get(path, PredictionFile(path, like)) for path in predictions]
    of = files[0].task
    for file in files[1:]:
        if file.task.dataset != of.dataset:
            problem = f"is of '{file.task.dataset}', {files[0].path} of '{of.dataset}'"
            raise InputError(file.path, problem, "score files of one data set")
    if spl == "official":
        if of.metrics != "graph":
            raise InputError("--spl", f"official is of R2R's evaluators, which know no '{of.name}'", "leave it out")
        files = [replace(file, task=replace(file.task, metrics="graph-official")) for file in files]
    whole = load_continuous(of, split, data, scenes) if of.continuous else None
    if whole is None:
        episodes, sources = load_graph_split(find_data(data, of.dataset), of.dataset, split)
        scored = {str(file.path): score_on_graphs(file, episodes, sources, allow_missing) for file in files}
    else:
        scored = {str(file.path): score_continuous(file, whole, Sources(data), allow_missing) for file in files}
    rows = {
        name: {**mean_scores(file.scores), "n": len(file.episodes), "missing": file.missing}
        for name, file in scored.items()
    }
    if json:
        show(Table(), rows, as_json=True)
        return
    names = CONTINUOUS if of.continuous else METRICS
    show(metrics_table(scored, f"{of.title} {split}", names), rows, as_json=False)
    if len(scored) > 1:
        show(comparison_table(scored), rows, as_json=False)


def load_continuous(task: Task, split: str, data: Path | None, scenes: int | None) -> ContinuousSplit:
    """Load a split of a task in a continuous world."""
    if task.scenes == "scans":
        return Sources(data).split(task, split)
    # Compiled code takes seconds to load, which others do without.
    from envs.source import SCENES, Options, load_split

    source = SCENES.find(task.scenes)(replace(task, simulator=""), Options(data=data, scenes=scenes))
    return ContinuousSplit(Path(f"{task.dataset}-{split}"), load_split(source, split), {}, {})


if __name__ == "__main__":
    command(main)
