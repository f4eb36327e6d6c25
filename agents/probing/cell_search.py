"""Searching a trained network for cells that a predicate explains, and clamping cells of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from agents.data import TaskData
from agents.evaluation import EVALUATION_BATCH
from agents.policies.acting import PolicyAgent
from agents.probing.activations import Observe, layers_of, parse_cell
from agents.probing.interventions import (
    Clamp,
    NavigatorBaseline,
    SpeakerBaseline,
    navigator_effect,
    speaker_effect,
)
from agents.probing.recording import record_navigator, record_speaker, spread_over
from agents.speaking.runs import TrainedSpeaker
from vln.console import track
from vln.errors import InputError
from vln.probing.probes import Finding, explain, halves
from vln.probing.report import Cell, PartActivations, cell_name
from vln.probing.surroundings import Surroundings

# Predicates that lead to actions, so that clamping a cell of them should change the actions.
LEADING = ("about to", "next:", "landmark", "object", "room", "colour", "turn", "direction")
TOGETHER = 10  # cells that are clamped together
HIGH = 95  # percentile of a cell's activations that it is clamped at

Parts = list[tuple[PartActivations, list[Finding]]]
Effects = list[dict[str, Any]]


@dataclass(frozen=True)
class CellSearch:
    """How cells are searched, and clamped: those of `zero` at 0, those of `clamp` (`core.1:17=0.9`) at a value.

    `permutations` estimate chance.
    """

    split: str
    episodes: int
    permutations: int
    zero: tuple[str, ...]
    clamp: tuple[str, ...]
    seed: int

    def navigator(
        self, agent: PolicyAgent, data: TaskData, surroundings: Surroundings, observe: Observe | None, **options: Any
    ) -> tuple[Parts, Effects]:
        """Search a navigator.

        `surroundings` gives predicates of the places, `observe` of observations; options are those of the environment.
        """
        asked = parse_clamp(agent.policy, self.zero, self.clamp)
        episodes = spread_over(data.splits[self.split], self.episodes)
        if any(each.withheld for each in episodes):
            problem = "goals are withheld, so that success is unknown"
            raise InputError(f"split '{self.split}'", problem, "choose another split")
        scored = ~halves([each.scan for each in episodes], self.seed)
        batch = min(EVALUATION_BATCH, len(episodes))
        env = data.only(self.split, episodes).make_env(self.split, batch, record=True, **options)
        recorded, trajectories = record_navigator(agent, env, surroundings, observe, self.seed)
        parts = [(each, self._explain(each)) for each in recorded]
        kept, steps = np.flatnonzero(scored).tolist(), recorded[-1].moments.keep(scored)
        baseline = NavigatorBaseline(
            agent,
            data.only(self.split, [episodes[each] for each in kept]),
            self.split,
            [trajectories[each] for each in kept],
            dict(zip(steps.names, steps.predicates.T, strict=True)),
            surroundings,
            self.seed,
        )
        return parts, [navigator_effect(baseline, each) for each in self._clamps(asked, parts)]

    def speaker(self, trained: TrainedSpeaker) -> tuple[Parts, Effects]:
        """Search the decoder of a speaker."""
        asked = parse_clamp(trained.speaker, self.zero, self.clamp)
        data = trained.data.data
        episodes = spread_over(data.splits[self.split], self.episodes)
        scored = ~halves([each.scan for each in episodes], self.seed)
        trained = replace(trained, data=replace(trained.data, data=data.only(self.split, episodes)))
        recorded = record_speaker(trained, self.split)
        parts = [(recorded, self._explain(recorded))]
        kept = [episodes[each] for each in np.flatnonzero(scored)]
        baseline = SpeakerBaseline(trained, self.split, kept, recorded.moments.keep(scored))
        return parts, [speaker_effect(baseline, each) for each in self._clamps(asked, parts)]

    def _explain(self, recorded: PartActivations) -> list[Finding]:
        return explain(recorded.moments, self.permutations, self.seed, progress(f"chance, {recorded.part}"))

    def _clamps(self, asked: Clamp | None, parts: Parts) -> Any:
        clamps = [asked] if asked else [clamp for part in parts for clamp in best_clamps(*part, self.seed)]
        return progress("clamping cells")(clamps)


def parse_clamp(network: nn.Module, zero: Sequence[str], clamp: Sequence[str]) -> Clamp | None:
    """Read what `--zero` and `--clamp` ask for; None if nothing."""
    layers = layers_of(network)
    values: dict[Cell, float] = {parse_cell(text, layers, "--zero"): 0.0 for text in zero}
    for text in clamp:
        cell, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise InputError("--clamp", f"'{text}' gives no number", "write CELL=VALUE, such as core.1:17=0.9")
        values[parse_cell(cell, layers, "--clamp")] = value
    label = ", ".join(f"{cell_name(cell)} = {value:g}" for cell, value in values.items())
    return Clamp(label, values) if values else None


def best_clamps(recorded: PartActivations, found: Sequence[Finding], seed: int) -> list[Clamp]:
    """Return clamps of the best explained cell, of all cells with its predicate, and of as many unrelated cells.

    The best cell is taken among those whose predicates lead to actions, if there are any.
    """
    better = [each for each in found if each.found]
    leading = [each for each in better if each.predicate.startswith(LEADING)]
    if not better:
        return []
    best = (leading or better)[0]
    alike = [each.cell for each in better if each.predicate == best.predicate][:TOGETHER]
    unrelated = np.random.default_rng(seed).permutation(_unrelated(recorded, best.predicate))[: len(alike)].tolist()
    values = recorded.moments.cells[:, best.cell]
    high = float(np.percentile(values, HIGH if best.chosen > 0 else 100 - HIGH))
    cell = recorded.cells[best.cell]
    clamps = [
        Clamp(f"{cell_name(cell)} = 0", {cell: 0.0}, best.predicate),
        Clamp(f"{cell_name(cell)} = {high:.2f}", {cell: high}, best.predicate),
    ]
    for label, chosen in ((f"{len(alike)} cells of it = 0", alike), (f"{len(unrelated)} unrelated = 0", unrelated)):
        if len(chosen) > 1:
            clamps.append(Clamp(label, {recorded.cells[each]: 0.0 for each in chosen}, best.predicate))
    return clamps


def _unrelated(recorded: PartActivations, predicate: str) -> np.ndarray:
    """Return the half of the cells that correlate least with a predicate."""
    cells = recorded.moments.cells - recorded.moments.cells.mean(0)
    column = recorded.moments.predicates[:, recorded.moments.names.index(predicate)]
    related = np.abs((column - column.mean()) @ cells) / np.maximum(np.linalg.norm(cells, axis=0), 1e-9)
    return np.argsort(related)[: len(related) // 2]


def progress(what: str) -> Callable[[Any], Any]:
    """Return a function that iterates with a progress bar."""
    return lambda items: track(items, what)
