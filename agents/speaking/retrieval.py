"""Retrieval accuracy: how well a speaker picks the matching sentence or path among others in the same building."""

from collections.abc import Sequence

import numpy as np
import torch

from agents.speaking.captioning import CaptionData
from agents.speaking.demonstrations import SpeakerData
from agents.speaking.speaker import Speaker
from vln.episodes import Episode

BATCH = 32  # queries at a time
PATHS = 64  # paths at a time


@torch.no_grad()
def retrieval_accuracy(
    speaker: Speaker, data: SpeakerData, split: str, distractors: int, seed: int = 0
) -> dict[str, float]:
    """Return how often the match has the highest score (ties count as misses), and how often by chance, in percent.

    The match is told from up to `distractors` other episodes in its building; episodes without any are left out.
    `critic`: given a path, its sentence is picked; some sentences are likely whatever the path. `critic of ways`: given
    a sentence, its path is picked, as in rewards and self-supervised imitation. `critic chance`: of either.
    """
    speaker.eval()
    queries, captioned = make_queries(data.data.splits[split], distractors, seed), data.captioned(split)
    batches = [queries[at : at + BATCH] for at in range(0, len(queries), BATCH)]
    right = np.concatenate([_picked(speaker, captioned, batch) for batch in batches])
    sentences, paths = (100 * right.mean(0)).tolist()
    chance = 100 * float(np.mean([1 / len(query) for query in queries]))
    return {"critic": sentences, "critic of ways": paths, "critic chance": chance}


def _picked(speaker: Speaker, captioned: CaptionData, queries: Sequence[np.ndarray]) -> np.ndarray:
    """Return (n, 2) whether the right sentence and the right path are picked for n queries, whose first is right."""
    device = next(speaker.parameters()).device
    sizes = [len(query) for query in queries]
    members = np.concatenate(queries)
    parts = torch.split(torch.arange(len(members)), PATHS)
    first = torch.repeat_interleave(torch.tensor(np.cumsum([0, *sizes[:-1]])), torch.tensor(sizes))
    tokens = captioned.tokens[members].to(device)
    right = speaker.read(captioned.demonstrations.routes(np.array([query[0] for query in queries])).to(device))
    query = torch.repeat_interleave(torch.arange(len(queries)), torch.tensor(sizes)).to(device)
    of_sentences = speaker.fit(right.rows(query), tokens)
    of_paths = torch.cat(
        [
            speaker.log_prob(captioned.demonstrations.routes(members[part.numpy()]).to(device), tokens[first[part]])
            for part in parts
        ]
    )
    pairs = (torch.split(scores, sizes) for scores in (of_sentences, of_paths))
    return np.array([[bool(each[0] > each[1:].max()) for each in pair] for pair in zip(*pairs, strict=True)])


def make_queries(episodes: Sequence[Episode], distractors: int, seed: int) -> list[np.ndarray]:
    """Return the number of each episode followed by those of distractors: other sentences on other paths in its scene.

    Episodes without distractors are left out.
    """
    random = np.random.default_rng(seed)
    by_scan: dict[str, list[int]] = {}
    for number, each in enumerate(episodes):
        by_scan.setdefault(each.scan, []).append(number)
    found = []
    for number, each in enumerate(episodes):
        others = [
            other
            for other in by_scan[each.scan]
            if _path(episodes[other]) != _path(each) and episodes[other].instruction != each.instruction
        ]
        if others:
            drawn = random.choice(others, min(distractors, len(others)), replace=False)
            found.append(np.array([number, *drawn]))
    return found


def _path(episode: Episode) -> tuple[object, ...]:
    """Return the path of an episode's demonstration, whatever the heading at its start."""
    return episode.path, episode.positions
