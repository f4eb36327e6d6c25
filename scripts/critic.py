"""The speaker as matching critic: opening one to learn by, and how well it tells true sentences from others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from agents.config import TrainConfig
from agents.speaker import Speaker
from scripts.speaker_world import SpeakerWorld, open_speaker
from scripts.world import World
from vln.episodes import Episode
from vln.errors import InputError

BATCH = 32  # episodes whose sentences are compared at a time


def open_critic(run: Path | None, world: World, data: Path | None, device: str) -> Speaker | None:
    """The speaker that the phases of a configuration want as their critic, if they want one.

    Args:
        run: Folder of the speaker's run.
        world: Of the navigator.
        data: Data folder; the usual ones if absent.
        device: Where the speaker is to be.

    Raises:
        InputError: If one is wanted and none is given, or the other way round, or the speaker is of another
            vocabulary, or has learnt from the very episodes that are to be explored.
    """
    wants = wanted_by(world.config)
    if run is None and not wants:
        return None
    if run is None:
        raise InputError(wants[0], "a matching critic is needed", "pass --critic with the run of a speaker")
    if not wants:
        fix = "leave it out, or set --reinforcement.loss.intrinsic or --exploration.iterations"
        raise InputError("--critic", "no phase asks anything of it", fix)
    found = open_speaker(run, tuple(world.splits), data, device=device, vocabulary=world.vocabulary)
    if world.config.exploration.iterations:
        check_unheard(run, found.world.world.splits["train"], world.splits[world.config.sil.split])
    return found.speaker


def wanted_by(config: TrainConfig) -> list[str]:
    """The flags that ask for a critic."""
    phases = [name for name in ("imitation", "reinforcement") if getattr(config, name).loss.intrinsic]
    explores = ["--exploration.iterations"] if config.exploration.iterations else []
    return [f"--{name}.loss.intrinsic" for name in phases] + explores


def check_unheard(run: Path, learnt: Sequence[Episode], explored: Sequence[Episode]) -> None:
    """See that a critic has not learnt from what is to be explored: it would know the goals.

    Raises:
        InputError: If it has, naming some.
    """
    heard = {each.episode_id for each in learnt} & {each.episode_id for each in explored}
    if heard:
        some = ", ".join(sorted(heard)[:3])
        problem = f"has learnt from {len(heard)} of the episodes that are to be explored, among them {some}"
        raise InputError(run, problem, "explore a split that it was not trained on, see --sil.split")


@torch.no_grad()
def critic_accuracy(
    speaker: Speaker, world: SpeakerWorld, split: str, distractors: int, seed: int = 0
) -> dict[str, float]:
    """How often the true sentence has the highest score (ties are lost), and how often it would by chance, in percent.

    Args:
        speaker: The critic.
        world: Its world.
        split: The split; episodes without any distractor are left out.
        distractors: Sentences to tell the true one from, as far as the building has so many other ways.
        seed: Of the choice of distractors.

    Returns:
        `critic` and `critic chance`.
    """
    speaker.eval()
    device = next(speaker.parameters()).device
    episodes = world.world.splits[split]
    choices = lineups(episodes, distractors, seed)
    told = world.told(split)
    right: list[bool] = []
    for first in range(0, len(choices), BATCH):
        lines = choices[first : first + BATCH]
        memory = speaker.read(told.demonstrations.routes(np.array([line[0] for line in lines])).to(device))
        sizes = torch.tensor([len(line) for line in lines], device=device)
        rows = torch.arange(len(lines), device=device).repeat_interleave(sizes)
        tokens = told.tokens[np.concatenate(lines)].to(device)
        scores = torch.split(speaker.fit(memory.rows(rows), tokens), sizes.tolist())
        right += [bool(line[0] > line[1:].max()) for line in scores]
    chance = np.mean([1 / len(line) for line in choices])
    return {"critic": 100 * float(np.mean(right)), "critic chance": 100 * float(chance)}


def lineups(episodes: Sequence[Episode], distractors: int, seed: int) -> list[np.ndarray]:
    """For each episode that has distractors, its number and theirs: other sentences on other ways in its building."""
    random = np.random.default_rng(seed)
    by_scan: dict[str, list[int]] = {}
    for number, each in enumerate(episodes):
        by_scan.setdefault(each.scan, []).append(number)
    found = []
    for number, each in enumerate(episodes):
        others = [
            other
            for other in by_scan[each.scan]
            if _place(episodes[other]) != _place(each) and episodes[other].instruction != each.instruction
        ]
        if others:
            drawn = random.choice(others, min(distractors, len(others)), replace=False)
            found.append(np.array([number, *drawn]))
    return found


def _place(episode: Episode) -> tuple[object, ...]:
    """Where an episode's demonstration goes, however the body stands at its start."""
    return episode.path, episode.positions
