"""Clamping cells at values: the effect on success and actions of a navigator, and on the words of a speaker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from agents.data import TaskData
from agents.evaluation import EVALUATION_BATCH, rollout_with_progress, score
from agents.policies.acting import PolicyAgent
from agents.probing.activations import ReplayingAgent, clamped, layers_of
from agents.speaking.captions import captions, references
from agents.speaking.decoding import Decoding
from agents.speaking.demonstrations import BATCH, in_batches
from agents.speaking.runs import TrainedSpeaker
from vln.captions import caption_scores
from vln.episodes import Episode
from vln.language import PAD
from vln.probing.predicates import KINDS, action_probabilities
from vln.probing.probes import Moments
from vln.probing.report import Cell
from vln.probing.surroundings import Surroundings
from vln.statistics import compare_paired
from vln.trajectory import Trajectory


@dataclass(frozen=True)
class Clamp:
    """An intervention: cells whose outputs are replaced by constants, and the predicate that explains them, if any."""

    label: str
    values: Mapping[Cell, float]
    predicate: str = ""


# --- navigators ---


@dataclass(frozen=True, eq=False)
class NavigatorBaseline:
    """What a navigator does without an intervention, in the episodes of a split of `data`.

    `predicates` of the steps are (N,) by name; `surroundings` gives the viewpoints around an agent.
    """

    agent: PolicyAgent
    data: TaskData
    split: str
    trajectories: Sequence[Trajectory]
    predicates: Mapping[str, np.ndarray]
    surroundings: Surroundings
    seed: int


def navigator_effect(baseline: NavigatorBaseline, clamp: Clamp) -> dict[str, Any]:
    """Return the effect of clamping cells: where the agent gets, and what it prefers in the states it was in before.

    These are `SR` and `SPL` before and after with their difference; `decisions`, the share of steps with another
    likeliest action; and by kind of action its mean probability before and after, where the predicate is above its
    mean, or everywhere if it is not a predicate of steps.
    """
    navigator, vocabulary = baseline.agent.policy, baseline.agent.vocabulary
    before, data = baseline.trajectories, baseline.data
    env = data.make_env(baseline.split, min(EVALUATION_BATCH, len(before)), record=True)
    free = PolicyAgent(navigator, vocabulary)
    replaying = ReplayingAgent(navigator, vocabulary, [[step.action for step in each.steps] for each in before])
    with clamped(layers_of(navigator), clamp.values):
        after, replayed = (rollout_with_progress(agent, env, baseline.seed) for agent in (free, replaying))
    scores = [score(list(each), data) for each in (before, after)]
    paths = [(each.scan, each.path, each.positions) for each in data.splits[baseline.split]]
    found: dict[str, Any] = {"held": clamp.label, "predicate": clamp.predicate}
    found |= {name: compared(scores[0][name], scores[1][name], paths) for name in ("SR", "SPL")}
    return found | _preferences(baseline, replayed, clamp.predicate)


def _preferences(baseline: NavigatorBaseline, replayed: Sequence[Trajectory], predicate: str) -> dict[str, Any]:
    """Return how the preferred actions change, step by step."""
    viewpoints = baseline.surroundings.viewpoints
    before, after = (
        np.concatenate([action_probabilities(each, viewpoints(each.scan)) for each in trajectories])
        for trajectories in (baseline.trajectories, replayed)
    )
    where = _above_mean(baseline.predicates.get(predicate), len(before))
    episode = np.repeat(np.arange(len(replayed)), [len(each.steps) for each in replayed])
    other = _likeliest(baseline.trajectories) != _likeliest(replayed)
    actions = {
        kind: compared(before[where, number], after[where, number], episode[where].tolist())
        for number, kind in enumerate(KINDS)
        if before[:, number].any()
    }
    shares = {"there": float(other[where].mean()), "elsewhere": float(other[~where].mean()) if (~where).any() else None}
    return {"steps": int(where.sum()), "decisions": shares, "actions": actions}


def _above_mean(values: np.ndarray | None, count: int) -> np.ndarray:
    """Return (N,) where a predicate is above its mean; everywhere if there is none."""
    return np.ones(count, bool) if values is None else values > values.mean()


def _likeliest(trajectories: Sequence[Trajectory]) -> np.ndarray:
    """Return (N,) the likeliest choice of each step."""
    return np.array([int(np.argmax(step.probabilities)) for each in trajectories for step in each.steps])


def compared(before: np.ndarray, after: np.ndarray, groups: Sequence[Any]) -> dict[str, Any]:
    """Return the means of (N,) values before and after, with the interval of the difference; `groups` are resampled."""
    found = compare_paired(before, after, groups)
    return {
        "before": float(np.mean(before)),
        "after": float(np.mean(after)),
        "difference": found.difference.mean,
        "interval": [found.difference.low, found.difference.high],
        "p": found.p_value,
    }


# --- speakers ---


@dataclass(frozen=True, eq=False)
class SpeakerBaseline:
    """A speaker, episodes in which its cells are clamped, and predicates of the words of their instructions."""

    trained: TrainedSpeaker
    split: str
    episodes: Sequence[Episode]
    moments: Moments


def speaker_effect(baseline: SpeakerBaseline, clamp: Clamp) -> dict[str, Any]:
    """Return the effect of clamping cells on the instructions' `loss`, in nats a word, and the `BLEU` of own captions.

    `actions` are the loss of the words for which the predicate is above its mean, and of all others.
    """
    before, after = _losses(baseline, {}), _losses(baseline, clamp.values)
    predicates = dict(zip(baseline.moments.names, baseline.moments.predicates.T, strict=True))
    where = _above_mean(predicates.get(clamp.predicate), len(before))
    episode = np.repeat(np.arange(len(baseline.episodes)), baseline.moments.lengths)
    parts = {"loss of these words": where, "loss of others": ~where}
    return {
        "held": clamp.label,
        "predicate": clamp.predicate,
        "loss": compared(before, after, episode.tolist()),
        "BLEU": {"before": _bleu(baseline, {}), "after": _bleu(baseline, clamp.values)},
        "steps": int(where.sum()),
        "decisions": {},
        "actions": {
            name: compared(before[mask], after[mask], episode[mask].tolist())
            for name, mask in parts.items()
            if mask.any()
        },
    }


@torch.no_grad()
def _losses(baseline: SpeakerBaseline, values: Mapping[Cell, float]) -> np.ndarray:
    """Return (N,) nats of each word that follows another in the instructions."""
    data, speaker = baseline.trained.data, baseline.trained.speaker
    captioned = replace(data, data=data.data.only(baseline.split, baseline.episodes)).captioned(baseline.split)
    found = []
    with clamped(layers_of(speaker), values):
        for chosen in torch.split(torch.arange(len(baseline.episodes)), BATCH):
            tokens = captioned.tokens[chosen]
            memory = speaker.read(captioned.demonstrations.routes(chosen.numpy()))
            log_probs = speaker.token_log_probs(memory, tokens)
            ends = (tokens != PAD).sum(1).tolist()
            found += [-row[1:end].numpy() for row, end in zip(log_probs, ends, strict=True)]
    return np.concatenate(found)


def _bleu(baseline: SpeakerBaseline, values: Mapping[Cell, float]) -> float:
    """Return the BLEU of greedy captions."""
    data, speaker = baseline.trained.data, baseline.trained.speaker
    known = references(baseline.episodes)
    routes = in_batches(data.demonstrations(baseline.split, episodes=known.episodes), len(known.episodes))
    with clamped(layers_of(speaker), values):
        texts = [each.text for each in captions(speaker, routes, data.data, Decoding())]
    return float(caption_scores(texts, known.sentences)["BLEU"])
