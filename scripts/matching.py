"""Opening a speaker to learn from, as the matching critic."""

from collections.abc import Sequence
from pathlib import Path

from agents.config import LossConfig, TrainConfig
from agents.registry import LEARNERS
from agents.speaking.speaker import Speaker
from envs.make import TaskData
from scripts.speaker_world import open_speaker
from vln.episodes import Episode
from vln.errors import InputError


def open_critic(
    run: Path | None, config: TrainConfig, data: TaskData, folder: Path | None, device: str
) -> Speaker | None:
    """The speaker that the phases of a configuration want as their critic, if they want one.

    Args:
        run: Folder of the speaker's run.
        config: The navigator's configuration.
        data: What it learns from.
        folder: Data folder; the usual ones if absent.
        device: Where the speaker is to be.

    Raises:
        InputError: If one is wanted and none is given, or the other way round, or the speaker is of another
            vocabulary, or has learnt from the very episodes that are to be explored.
    """
    wants = wanted_by(config)
    if run is None and not wants:
        return None
    if run is None:
        raise InputError(wants[0], "a matching critic is needed", "pass --critic with the run of a speaker")
    if not wants:
        fix = "leave it out, or set --reinforcement.loss.intrinsic, or add a phase of self_imitation"
        raise InputError("--critic", "no phase asks anything of it", fix)
    found = open_speaker(run, tuple(data.splits), folder, device=device, vocabulary=data.vocabulary)
    for split in config.explored_splits:
        check_unheard(run, found.world.data.splits["train"], data.splits[split])
    return found.speaker


def wanted_by(config: TrainConfig) -> list[str]:
    """The flags that ask for a critic."""
    wants = []
    for name, phase in config.phases.items():
        flag = f"--{name.replace('_', '-')}"
        if phase.iterations and LEARNERS.find(phase.learner).needs_critic:
            wants.append(f"{flag}.iterations")
        elif isinstance(loss := getattr(phase, "loss", None), LossConfig) and loss.intrinsic:
            wants.append(f"{flag}.loss.intrinsic")
    return wants


def check_unheard(run: Path, learnt: Sequence[Episode], explored: Sequence[Episode]) -> None:
    """See that a critic has not learnt from what is to be explored: it would know the goals.

    Raises:
        InputError: If it has, naming some.
    """
    heard = {each.episode_id for each in learnt} & {each.episode_id for each in explored}
    if heard:
        some = ", ".join(sorted(heard)[:3])
        problem = f"has learnt from {len(heard)} of the episodes that are to be explored, among them {some}"
        raise InputError(run, problem, "explore a split that it was not trained on, see --self-imitation.split")
