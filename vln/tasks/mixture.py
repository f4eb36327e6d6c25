"""Mixtures of tasks that are learnt at once."""

import math
from collections.abc import Mapping

from vln.errors import InputError
from vln.tasks.task import Task, find_task

SHARED = ("scenes", "simulator", "actions")
SHARED_BODY = ("body", "motion", "camera", "privileged")  # in continuous worlds


def mixed_tasks(main: Task, weights: Mapping[str, float]) -> list[tuple[Task, float]]:
    """Return the tasks of a mixture and their shares, which sum to 1, `main` first; `main` alone if it has no weights.

    `weights` are by name, or `module:attribute`. All tasks must take place in the same scenes, with the same actions.
    """
    if not weights:
        return [(main, 1.0)]
    found: dict[str, tuple[Task, float]] = {}
    for name, weight in weights.items():
        task = main if name == main.name else find_task(name)
        task = main if task.name == main.name else task
        if not 0 < weight < math.inf:
            raise InputError("--mixture", f"{weight:g} is no weight of '{name}'", "give a finite number above 0")
        if task.name in found:
            raise InputError("--mixture", f"names '{task.name}' twice", "give each task one weight")
        for field in (*SHARED, *(SHARED_BODY if main.continuous else ())):
            if getattr(task, field) != getattr(main, field):
                problem = f"'{task.name}' differs from '{main.name}' in its {field}"
                raise InputError("--mixture", problem, "mix tasks in the same scenes, with the same actions")
        found[task.name] = task, weight
    if main.name not in found:
        fix = f"add {main.name}=WEIGHT, or choose another --task"
        raise InputError("--mixture", f"lacks '{main.name}', on which the run is evaluated", fix)
    total = sum(weight for _, weight in found.values())
    names = [main.name, *(name for name in found if name != main.name)]
    return [(found[name][0], found[name][1] / total) for name in names]
