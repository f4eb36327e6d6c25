"""Recording the activations of a trained network, beside predicates that could explain them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.evaluation import rollout_with_progress
from agents.policies.acting import PolicyAgent
from agents.probing.activations import Observe, RecordingAgent, decoder_activations, layers_of, width_of
from agents.speaking.demonstrations import BATCH
from agents.speaking.runs import TrainedSpeaker
from vln.episodes import Episode
from vln.language import Vocabulary
from vln.observation import PRIVILEGED
from vln.probing.predicates import (
    Predicates,
    action_kind,
    frequent_words,
    next_word_predicates,
    stack,
    word_predicates,
)
from vln.probing.probes import Moments
from vln.probing.report import PartActivations
from vln.probing.surroundings import Surroundings
from vln.replay.plan import trajectory_on_map
from vln.trajectory import Trajectory

SINGLE = 40  # most frequent words, each of which is a predicate by itself
VISIBLE = 0.02  # share of an image that an object fills when it counts as seen
ASIDE = 1 / 3  # of half the image, from its middle, where an object is to the side
SIGNS = {"stop": "■", "ahead": "↑", "left": "←", "right": "→", "back": "↓", "": "·"}


def spread_over(episodes: Sequence[Episode], count: int) -> list[Episode]:
    """Return `count` evenly spaced episodes; all if there are fewer."""
    places = np.linspace(0, len(episodes) - 1, min(count, len(episodes))).round().astype(int)
    return [episodes[place] for place in places]


def record_navigator(
    agent: PolicyAgent, env: Any, surroundings: Surroundings, observe: Observe | None, seed: int
) -> tuple[list[PartActivations], list[Trajectory]]:
    """Record the instruction encoder and the core of a navigator in an environment; return also the trajectories.

    The environment has `record=True`, and labels if `observe`, which gives predicates of observations, needs them.
    """
    navigator, vocabulary = agent.policy, agent.vocabulary
    recorder = RecordingAgent(navigator, vocabulary, observe)
    trajectories = rollout_with_progress(recorder, env, seed)
    encoder = _over_words(recorder, navigator, vocabulary, trajectories)
    return [encoder, _over_steps(recorder, navigator, surroundings, trajectories)], trajectories


def _over_words(
    agent: RecordingAgent, navigator: nn.Module, vocabulary: Vocabulary, trajectories: Sequence[Trajectory]
) -> PartActivations:
    words = tuple(each.words for each in trajectories)
    spelled, single = _single_words(vocabulary, words)
    rows = [word_predicates(each, spelled, single) for each in words]
    return _joined("instruction encoder", navigator, agent.over_words(), rows, words, trajectories)


def _single_words(vocabulary: Vocabulary, sentences: Sequence[Sequence[str]]) -> tuple[bool, tuple[str, ...]]:
    """Return whether tokens are characters, and the words that are predicates by themselves."""
    spelled = vocabulary.unit == "character"
    return spelled, () if spelled else frequent_words(sentences, SINGLE)


def _over_steps(
    agent: RecordingAgent, navigator: nn.Module, surroundings: Surroundings, trajectories: Sequence[Trajectory]
) -> PartActivations:
    recorded = agent.over_steps([len(each.steps) for each in trajectories])
    layers = {name: values for name, values in recorded.items() if name in layers_of(navigator)}
    rows = [surroundings.predicates(each) for each in trajectories]
    for number, row in enumerate(rows):
        row |= {name: values[number] for name, values in recorded.items() if name not in layers}
    return _joined("core", navigator, layers, rows, tuple(map(signs, trajectories)), trajectories)


def _joined(
    part: str,
    network: nn.Module,
    activations: Mapping[str, Sequence[np.ndarray]],
    rows: Sequence[Predicates],
    shown: tuple[tuple[str, ...], ...],
    episodes: Sequence[Trajectory] | Sequence[Episode],
) -> PartActivations:
    """Join activations by layer, one array for each episode, with predicates."""
    layers = layers_of(network)
    cells = tuple((name, number) for name in activations for number in range(width_of(layers[name])))
    values = np.concatenate([np.concatenate(each) for each in activations.values()], 1)
    names, predicates = stack(rows)
    lengths = np.array([len(each) for each in shown])
    buildings = tuple(each.scan for each in episodes)
    moments = Moments(values.astype(np.float32), predicates, names, lengths, buildings)
    return PartActivations(part, cells, moments, shown, tuple(each.episode_id for each in episodes))


def record_speaker(trained: TrainedSpeaker, split: str) -> PartActivations:
    """Record the decoder of a speaker after each word of the instructions of a split."""
    data, speaker = trained.data.data, trained.speaker
    captioned, episodes = trained.data.captioned(split), data.splits[split]
    device = next(speaker.parameters()).device
    found: list[np.ndarray] = []
    with torch.no_grad():
        for chosen in torch.split(torch.arange(len(episodes)), BATCH):
            memory = speaker.read(captioned.demonstrations.routes(chosen.numpy()).to(device))
            found += decoder_activations(speaker, memory, captioned.tokens[chosen].to(device))
    words = tuple(data.vocabulary.words(each.instruction, data.options.max_length)[:-1] for each in episodes)
    spelled, single = _single_words(data.vocabulary, words)
    rows = [next_word_predicates(each, spelled, single) for each in words]
    return _joined("speaker's decoder", speaker, {"decoder.1": found}, rows, words, episodes)


def signs(trajectory: Trajectory) -> tuple[str, ...]:
    """Return an arrow for each step of a trajectory."""
    mapped = trajectory if trajectory.start.viewpoint else trajectory_on_map(trajectory)
    pairs = zip(mapped.poses, mapped.steps, strict=False)
    return tuple(SIGNS[action_kind(before, step, step.choice, step.pose)] for before, step in pairs)


def observed_labels(observation: Mapping[str, Any], categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Return predicates (B,) of images with labels: the goal, objects, the distance ahead.

    There is depth (B, H, W, 1) and, with privileged labels, `target` and `category` (B, H, W); category 0 is none.
    """
    depth = np.asarray(observation["depth"])[..., 0]
    middle = slice(depth.shape[1] * 3 // 8, depth.shape[1] * 5 // 8)
    found = {"metres to what is ahead": np.median(depth[:, middle, middle], (1, 2))}
    labels = observation.get(PRIVILEGED, {})
    if "target" in labels:
        found |= _goal_seen(np.asarray(labels["target"]) > 0)
        category = np.asarray(labels["category"])
        shown = {name: (category == number).mean((1, 2)) for number, name in enumerate(categories) if number}
        found |= {f"a {name} in sight": share > VISIBLE for name, share in shown.items()}
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


def _goal_seen(goal: np.ndarray) -> dict[str, np.ndarray]:
    """Return predicates of where the goal is in an image, from (B, H, W) bool, the pixels that show it."""
    shown = goal.mean((1, 2))
    across = np.linspace(-1, 1, goal.shape[2])
    side = (goal * across).sum((1, 2)) / np.maximum(goal.sum((1, 2)), 1)
    seen = shown > 0
    return {
        "the goal in sight": seen,
        "share of the image that is the goal": shown,
        "the goal to the left": seen & (side < -ASIDE),
        "the goal ahead": seen & (np.abs(side) <= ASIDE),
        "the goal to the right": seen & (side > ASIDE),
    }
