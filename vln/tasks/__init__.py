"""Tasks: what is to be done, how it is judged, and the registry of named ones."""

from vln.tasks.builtin import CUSTOM, HOUSE_DATASETS, R2R
from vln.tasks.mixture import mixed_tasks
from vln.tasks.rewards import REWARDS, ProgressReward, Reward
from vln.tasks.success import SUCCESS_RULES, SuccessRule, WithinRadius
from vln.tasks.task import TASKS, Body, Camera, Motion, Task, find_task, register_task, with_data_folder

__all__ = [
    "CUSTOM",
    "HOUSE_DATASETS",
    "R2R",
    "REWARDS",
    "SUCCESS_RULES",
    "TASKS",
    "Body",
    "Camera",
    "Motion",
    "ProgressReward",
    "Reward",
    "SuccessRule",
    "Task",
    "WithinRadius",
    "find_task",
    "mixed_tasks",
    "register_task",
    "with_data_folder",
]
