"""The scores of single episodes, as maps and terminals show them."""

from collections.abc import Sequence

from vln.tasks.scoring import Sources, score_task
from vln.trajectory import Trajectory

Scores = dict[str, float]


def episode_scores(trajectories: Sequence[Trajectory], sources: Sources | None = None) -> list[Scores | None]:
    """Score each trajectory by the metrics of its task; None where the goal is withheld."""
    sources = sources or Sources()
    found: list[Scores | None] = [None] * len(trajectories)
    for task in dict.fromkeys(each.task for each in trajectories):
        rows = [row for row, each in enumerate(trajectories) if each.task == task and is_scored(each)]
        columns = score_task(task, [trajectories[row] for row in rows], sources) if rows else {}
        for place, row in enumerate(rows):
            found[row] = {name: float(values[place]) for name, values in columns.items()}
    return found


def is_scored(trajectory: Trajectory) -> bool:
    """Whether a trajectory tells how far its goal was."""
    return not trajectory.withheld and (not trajectory.task.continuous or bool(trajectory.distances))
