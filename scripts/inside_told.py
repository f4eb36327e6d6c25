"""Holding cells of a speaker: what becomes of its sentences, and of the words that the cells were said to explain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from agents.probing.activations import held, layers_of
from agents.speaking.decoding import Decoding
from scripts.inside_held import Hold, compared
from scripts.speaker_world import BATCH, TrainedSpeaker, captions, described, in_batches
from vln.captions import caption_scores
from vln.episodes import Episode
from vln.language import PAD
from vln.probing.probes import Moments


@dataclass(frozen=True, eq=False)
class Told:
    """A speaker and the episodes in which its cells are held.

    Attributes:
        trained: The speaker.
        split: The split of the episodes.
        episodes: They.
        moments: Predicates of the words of what people said of them.
    """

    trained: TrainedSpeaker
    split: str
    episodes: Sequence[Episode]
    moments: Moments


def told_effect(told: Told, hold: Hold) -> dict[str, Any]:
    """What holding cells changes.

    Returns:
        `loss` of what people said, in nats a word, `BLEU` of the speaker's own captions, and as `actions` the loss of
        the words for which the predicate is above its mean, and of all others, before and after.
    """
    before, after = _losses(told, None), _losses(told, hold)
    values = dict(zip(told.moments.names, told.moments.predicates.T, strict=True)).get(hold.predicate)
    where = np.ones(len(before), bool) if values is None else values > values.mean()
    episode = np.repeat(np.arange(len(told.episodes)), told.moments.lengths)
    parts = {"loss of these words": where, "loss of others": ~where}
    return {
        "held": hold.label,
        "predicate": hold.predicate,
        "loss": compared(before, after, episode.tolist()),
        "BLEU": {"before": _bleu(told, None), "after": _bleu(told, hold)},
        "steps": int(where.sum()),
        "decisions": {},
        "actions": {
            name: compared(before[mask], after[mask], episode[mask].tolist())
            for name, mask in parts.items()
            if mask.any()
        },
    }


@torch.no_grad()
def _losses(told: Told, hold: Hold | None) -> np.ndarray:
    """(N,) nats of each word that follows another in what people said."""
    world, speaker = told.trained.world, told.trained.speaker
    there = replace(world, data=world.data.only(told.split, told.episodes))
    asked = there.told(told.split)
    found = []
    with held(layers_of(speaker), hold.values if hold else {}):
        for chosen in torch.split(torch.arange(len(told.episodes)), BATCH):
            tokens = asked.tokens[chosen]
            memory = speaker.read(asked.demonstrations.routes(chosen.numpy()))
            found_now = speaker.token_log_probs(memory, tokens)
            ends = (tokens != PAD).sum(1).tolist()
            found += [-row[1:end].numpy() for row, end in zip(found_now, ends, strict=True)]
    return np.concatenate(found)


def _bleu(told: Told, hold: Hold | None) -> float:
    """BLEU of greedy captions."""
    world, speaker = told.trained.world, told.trained.speaker
    ways = described(told.episodes)
    routes = in_batches(world.demonstrations(told.split, episodes=ways.episodes), len(ways.episodes))
    with held(layers_of(speaker), hold.values if hold else {}):
        said = [each.text for each in captions(speaker, routes, world.data, Decoding())]
    return float(caption_scores(said, ways.references)["BLEU"])
