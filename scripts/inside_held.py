"""Holding cells at a value: what becomes of success, and of the actions that the cells were said to explain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation import EVALUATION_BATCH, score
from agents.policies.acting import PolicyAgent
from agents.probing.activations import Cell, RetracingAgent, held, layers_of
from scripts.evaluate import Trained, live
from scripts.inside_listen import Surroundings
from vln.probing.predicates import KINDS, action_probabilities
from vln.statistics import Comparison, compare_paired
from vln.trajectory import Trajectory


@dataclass(frozen=True)
class Hold:
    """What is done to an agent.

    Attributes:
        label: What it is called.
        values: What the cells say instead, whatever they read.
        predicate: What was said to explain them; empty if nothing was.
    """

    label: str
    values: Mapping[Cell, float]
    predicate: str = ""


@dataclass(frozen=True, eq=False)
class Ground:
    """What an agent did with all its cells, to compare with.

    Attributes:
        trained: The agent, in the episodes in which cells are held.
        split: Their split.
        lived: What it did there.
        predicates: Predicates of its steps, (N,) by name.
        seed: Of the rollouts.
    """

    trained: Trained
    split: str
    lived: Sequence[Trajectory]
    predicates: Mapping[str, np.ndarray]
    seed: int


def effect(ground: Ground, hold: Hold) -> dict[str, Any]:
    """What holding cells changes: where the agent gets, and what it would do in the states in which it was before.

    Returns:
        `SR` and `SPL` before and after with their difference; `decisions`, the share of steps at which another action
        is the likeliest; and by kind of action its mean probability before and after, where the predicate is above its
        mean, or everywhere if it is not of steps.
    """
    trained, data = ground.trained, ground.trained.data
    env = trained.environment(ground.split, min(EVALUATION_BATCH, len(ground.lived)))
    navigator = trained.agent.policy
    free = PolicyAgent(navigator, data.vocabulary)
    again = RetracingAgent(navigator, data.vocabulary, [[step.action for step in each.steps] for each in ground.lived])
    with held(layers_of(navigator), hold.values):
        gone, retraced = (live(agent, env, ground.seed) for agent in (free, again))
    scores = [score(each, data) for each in (ground.lived, gone)]
    paths = [(each.scan, each.path, each.positions) for each in data.splits[ground.split]]
    found: dict[str, Any] = {"held": hold.label, "predicate": hold.predicate}
    found |= {name: compared(scores[0][name], scores[1][name], paths) for name in ("SR", "SPL")}
    return found | _preferred(ground, retraced, hold.predicate)


def _preferred(ground: Ground, retraced: Sequence[Trajectory], predicate: str) -> dict[str, Any]:
    """How what an agent prefers to do has changed, step by step."""
    places = Surroundings(ground.trained.data).places
    before, after = (
        np.concatenate([action_probabilities(each, places(each)) for each in lived])
        for lived in (ground.lived, retraced)
    )
    values = ground.predicates.get(predicate)
    where = np.ones(len(before), bool) if values is None else values > values.mean()
    episode = np.repeat(np.arange(len(retraced)), [len(each.steps) for each in retraced])
    other = _likeliest(ground.lived) != _likeliest(retraced)
    actions = {
        kind: compared(before[where, number], after[where, number], episode[where].tolist())
        for number, kind in enumerate(KINDS)
        if before[:, number].any()
    }
    shares = {"there": float(other[where].mean()), "elsewhere": float(other[~where].mean()) if (~where).any() else None}
    return {"steps": int(where.sum()), "decisions": shares, "actions": actions}


def _likeliest(lived: Sequence[Trajectory]) -> np.ndarray:
    """(N,) which of the choices of each step was the likeliest."""
    return np.array([int(np.argmax(step.probabilities)) for each in lived for step in each.steps])


def compared(before: np.ndarray, after: np.ndarray, groups: Sequence[Any]) -> dict[str, Any]:
    """Means (N,) before and after with the interval of their difference; `groups` are drawn together."""
    compared: Comparison = compare_paired(before, after, groups)
    difference = compared.difference
    return {
        "before": float(np.mean(before)),
        "after": float(np.mean(after)),
        "difference": difference.mean,
        "interval": [difference.low, difference.high],
        "p": compared.p_value,
    }
