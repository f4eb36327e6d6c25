"""What an agent attends to: which attention a run has, and whether trajectories have it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from agents.config import TrainConfig
from vln.errors import InputError
from vln.files import read_text
from vln.language import Vocabulary
from vln.trajectory import Trajectory

Over = Literal["words", "views"]


def check_over(source: object, config: TrainConfig, over: Sequence[Over]) -> tuple[Over, ...]:
    """Return what the agent has attention over: what is asked for, or everything."""
    blind, deaf = config.ablate == "vision", config.ablate == "language"
    lacking: dict[Over, str] = {
        "words": "reads nothing, so that it attends to no words" if deaf else "",
        "views": "sees nothing, so that it attends to no views" if blind else "",
    }
    if not config.navigator.panorama and not blind:
        lacking["views"] = "has no attention over views (policy.panorama is false)"
    kinds = tuple(dict.fromkeys(over)) or tuple(kind for kind in lacking if not lacking[kind])
    for kind in kinds or tuple(lacking):
        if lacking[kind]:
            raise InputError(source, f"the agent {lacking[kind]}", "leave it out of --over, or give another run")
    return kinds


def check_vocabulary_of(source: Path, run: Path, config: TrainConfig, trajectories: Sequence[Trajectory]) -> None:
    """Raise an InputError unless the instructions of trajectories were read with the vocabulary of a run."""
    vocabulary = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    for each in trajectories:
        words = vocabulary.words("" if config.ablate == "language" else each.instruction, config.language.max_length)
        if each.words != words:
            problem = f"field 'words' of episode '{each.episode_id}' is not what the vocabulary of {run} makes of it"
            raise InputError(source, problem, "give trajectories of this run with its instructions")
