"""How well a speaker tells the true sentence of a demonstration from those of other ways through the same building."""

from collections.abc import Sequence

import numpy as np
import torch

from agents.speaker import Speaker
from scripts.speaker_world import SpeakerWorld
from vln.episodes import Episode

BATCH = 32  # episodes whose sentences are compared at a time


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
