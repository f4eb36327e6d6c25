"""Captions: what a speaker says of routes, and how good that is beside what people said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from agents.data import TaskData
from agents.speaking.captioning import CaptionData
from agents.speaking.decoding import Decoding, speak
from agents.speaking.demonstrations import BATCH, SpeakerData, in_batches
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import Routes
from vln.captions import caption_scores, readable
from vln.episodes import Episode
from vln.language import PAD


@dataclass(frozen=True)
class Caption:
    """What a speaker says of a route, as a person would write it, and its mean log-probability per token."""

    text: str
    log_prob: float


@torch.no_grad()
def captions(
    speaker: Speaker,
    routes: Iterable[Routes],
    data: TaskData,
    decoding: Decoding,
    random: torch.Generator | None = None,
) -> list[Caption]:
    """Describe routes, batch by batch; puts the speaker into evaluation mode."""
    speaker.eval()
    device = next(speaker.parameters()).device
    found: list[Caption] = []
    for batch in routes:
        memory = speaker.read(batch.to(device))
        spoken = speak(speaker, memory, decoding, data.options.max_length, random)
        texts = [readable(data.vocabulary.decode(row)) for row in spoken.tokens.tolist()]
        found += map(Caption, texts, spoken.log_prob.tolist())
    return found


@torch.no_grad()
def mean_loss(speaker: Speaker, captioned: CaptionData) -> float:
    """Return the mean negative log-probability of a token in nats; puts the speaker into evaluation mode."""
    speaker.eval()
    device = next(speaker.parameters()).device
    order = (captioned.tokens != PAD).sum(1).argsort(stable=True)
    total = 0.0
    for chosen in torch.split(order, BATCH):
        routes = captioned.demonstrations.routes(chosen.numpy()).to(device)
        total -= float(speaker.token_log_probs(speaker.read(routes), captioned.tokens[chosen].to(device)).sum())
    return total / int((captioned.tokens != PAD).sum())


@dataclass(frozen=True)
class References:
    """The distinct demonstrations among episodes, the first episode of each, with all that people said of it."""

    episodes: list[Episode]
    sentences: list[list[str]]


def demonstration_key(episode: Episode) -> tuple[Any, ...]:
    """Return what is equal for two episodes that have the same demonstration."""
    return episode.scan, episode.path, episode.positions, episode.heading


def references(episodes: Sequence[Episode]) -> References:
    """Group episodes by their demonstrations."""
    groups: dict[Any, list[Episode]] = {}
    for each in episodes:
        groups.setdefault(demonstration_key(each), []).append(each)
    return References(
        [group[0] for group in groups.values()],
        [[each.instruction for each in group] for group in groups.values()],
    )


class CaptionEvaluator:
    """Scores a speaker on the demonstrations of a split: loss, BLEU, chrF."""

    def __init__(self, data: SpeakerData, split: str) -> None:
        self._data, self._captioned = data, data.captioned(split)
        self._references = references(data.data.splits[split])
        self._demonstrations = data.demonstrations(split, BATCH, self._references.episodes)

    def __call__(self, speaker: Speaker) -> dict[str, float]:
        """Return the scores of greedy captions."""
        routes = in_batches(self._demonstrations, len(self._references.episodes))
        texts = [each.text for each in captions(speaker, routes, self._data.data, Decoding())]
        loss = mean_loss(speaker, self._captioned)
        return {"loss": loss, **caption_scores(texts, self._references.sentences)}
