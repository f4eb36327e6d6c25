"""How well a speaker tells which sentence and which way belong together from others in the same building."""

from collections.abc import Sequence

import numpy as np
import torch

from agents.speaking.captioning import Told
from agents.speaking.speaker import Speaker
from scripts.speaker_world import SpeakerWorld
from vln.episodes import Episode

BATCH = 32  # line-ups at a time
WAYS = 64  # ways that are looked at at a time


@torch.no_grad()
def critic_accuracy(
    speaker: Speaker, world: SpeakerWorld, split: str, distractors: int, seed: int = 0
) -> dict[str, float]:
    """How often what belongs together has the highest score (ties are lost), and how often by chance, in percent.

    Args:
        speaker: The critic.
        world: Its world.
        split: The split; episodes without any distractor are left out.
        distractors: Other episodes to tell the true one from, as far as the building has so many other ways.
        seed: Of the choice of distractors.

    Returns:
        `critic`: of the sentences, the true one of a way is found; some sentences are likely whatever the way.
        `critic of ways`: of the ways, that of a sentence is found, as in rewards and self-supervised imitation.
        `critic chance`: of either.
    """
    speaker.eval()
    choices, told = lineups(world.data.splits[split], distractors, seed), world.told(split)
    right = np.concatenate([_found(speaker, told, choices[at : at + BATCH]) for at in range(0, len(choices), BATCH)])
    sentences, ways = (100 * right.mean(0)).tolist()
    chance = 100 * float(np.mean([1 / len(line) for line in choices]))
    return {"critic": sentences, "critic of ways": ways, "critic chance": chance}


def _found(speaker: Speaker, told: Told, lines: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 2) whether the true sentence and the true way are found in each of n line-ups, whose first is true."""
    device = next(speaker.parameters()).device
    sizes = [len(line) for line in lines]
    members = np.concatenate(lines)
    parts = torch.split(torch.arange(len(members)), WAYS)
    first = torch.repeat_interleave(torch.tensor(np.cumsum([0, *sizes[:-1]])), torch.tensor(sizes))
    tokens = told.tokens[members].to(device)
    true = speaker.read(told.demonstrations.routes(np.array([line[0] for line in lines])).to(device))
    line = torch.repeat_interleave(torch.arange(len(lines)), torch.tensor(sizes)).to(device)
    of_sentences = speaker.fit(true.rows(line), tokens)
    of_ways = torch.cat(
        [
            speaker.log_prob(told.demonstrations.routes(members[part.numpy()]).to(device), tokens[first[part]])
            for part in parts
        ]
    )
    pairs = (torch.split(scores, sizes) for scores in (of_sentences, of_ways))
    return np.array([[bool(each[0] > each[1:].max()) for each in pair] for pair in zip(*pairs, strict=True)])


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
