"""Hearing what the cells of a trained network say, beside what could explain them, in whatever world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from agents.evaluation import EVALUATION_BATCH
from agents.probing.activations import Cell, ListeningAgent, layers_of, said, width_of
from envs.make import TaskData
from scripts.evaluate import Trained, live
from scripts.speaker_world import BATCH, TrainedSpeaker
from vln.data import find_data
from vln.episodes import Episode
from vln.observation import PRIVILEGED
from vln.probing.predicates import (
    Predicates,
    action_kind,
    frequent_words,
    next_word_predicates,
    stack,
    step_predicates,
    word_predicates,
)
from vln.probing.probes import Moments
from vln.replay.plan import trajectory_on_map
from vln.rooms import Room, load_rooms
from vln.trajectory import Pose, Trajectory

SINGLE = 40  # words that are asked for by themselves, the most frequent ones
VISIBLE = 0.02  # share of an image that a thing takes up when it counts as seen
ASIDE = 1 / 3  # of half the image, from its middle, where something is to the side
SIGNS = {"stop": "■", "ahead": "↑", "left": "←", "right": "→", "back": "↓", "": "·"}


@dataclass(frozen=True, eq=False)
class Heard:
    """What the cells of a part of a network said.

    Attributes:
        part: What the part is called.
        cells: Of the columns of `moments.cells`.
        moments: Cells and predicates.
        signs: For each episode what there is to show at each moment: words, or an arrow an action.
        episodes: Ids.
    """

    part: str
    cells: tuple[Cell, ...]
    moments: Moments
    signs: tuple[tuple[str, ...], ...]
    episodes: tuple[str, ...]

    def of(self, cell: int) -> list[np.ndarray]:
        """What a cell said, (T,) an episode."""
        return np.split(self.moments.cells[:, cell], np.cumsum(self.moments.lengths)[:-1])


def spread_over(episodes: Sequence[Episode], count: int) -> list[Episode]:
    """So many of the episodes, evenly spaced among them; all if there are fewer."""
    places = np.linspace(0, len(episodes) - 1, min(count, len(episodes))).round().astype(int)
    return [episodes[place] for place in places]


def hear_navigator(trained: Trained, split: str, seed: int) -> tuple[list[Heard], list[Trajectory]]:
    """What the instruction encoder and the core of a navigator say in a split, and what it does there."""
    data, navigator = trained.data, trained.agent.policy
    sees = notice if data.task.continuous and not data.options.blind else None
    agent = ListeningAgent(navigator, data.vocabulary, sees)
    labelled = sees is not None and trained.config.learns_labels
    env = trained.environment(split, min(EVALUATION_BATCH, len(data.splits[split])), labelled=labelled)
    lived = live(agent, env, seed)
    return [_over_words(agent, navigator, data, lived), _over_steps(agent, navigator, data, lived)], lived


def _over_words(agent: ListeningAgent, navigator: nn.Module, data: TaskData, lived: Sequence[Trajectory]) -> Heard:
    spelled = data.vocabulary.unit == "character"
    single = () if spelled else frequent_words([each.words for each in lived], SINGLE)
    rows = [word_predicates(each.words, spelled, single) for each in lived]
    words = tuple(each.words for each in lived)
    return _heard("instruction encoder", navigator, agent.over_words(), rows, words, lived)


def _over_steps(agent: ListeningAgent, navigator: nn.Module, data: TaskData, lived: Sequence[Trajectory]) -> Heard:
    said_by = agent.over_steps([len(each.steps) for each in lived])
    noticed = {name: values for name, values in said_by.items() if name not in layers_of(navigator)}
    places = Surroundings(data)
    rows = [places.predicates(each) for each in lived]
    for number, row in enumerate(rows):
        row |= {name: values[number] for name, values in noticed.items()}
    layers = {name: values for name, values in said_by.items() if name not in noticed}
    return _heard("core", navigator, layers, rows, tuple(map(signs, lived)), lived)


def _heard(
    part: str,
    network: nn.Module,
    said_by: Mapping[str, Sequence[np.ndarray]],
    rows: Sequence[Predicates],
    shown: tuple[tuple[str, ...], ...],
    episodes: Sequence[Trajectory] | Sequence[Episode],
) -> Heard:
    """Cells by layer, one array an episode, beside predicates."""
    layers = layers_of(network)
    cells = tuple((name, number) for name in said_by for number in range(width_of(layers[name])))
    values = np.concatenate([np.concatenate(each) for each in said_by.values()], 1)
    names, predicates = stack(rows)
    lengths = np.array([len(each) for each in shown])
    buildings = tuple(each.scan for each in episodes)
    moments = Moments(values.astype(np.float32), predicates, names, lengths, buildings)
    return Heard(part, cells, moments, shown, tuple(each.episode_id for each in episodes))


def hear_speaker(trained: TrainedSpeaker, split: str) -> Heard:
    """What the decoder of a speaker says after each word of what people said of the demonstrations of a split."""
    data, speaker = trained.world.data, trained.speaker
    told, episodes = trained.world.told(split), data.splits[split]
    device = next(speaker.parameters()).device
    found: list[np.ndarray] = []
    with torch.no_grad():
        for chosen in torch.split(torch.arange(len(episodes)), BATCH):
            memory = speaker.read(told.demonstrations.routes(chosen.numpy()).to(device))
            found += said(speaker, memory, told.tokens[chosen].to(device))
    length = data.options.max_length
    words = tuple(data.vocabulary.words(each.instruction, length)[:-1] for each in episodes)
    spelled = data.vocabulary.unit == "character"
    single = () if spelled else frequent_words(words, SINGLE)
    rows = [next_word_predicates(each, spelled, single) for each in words]
    return _heard("speaker's decoder", speaker, {"decoder.1": found}, rows, words, episodes)


def signs(lived: Trajectory) -> tuple[str, ...]:
    """An arrow for each step of a trajectory in its own frame."""
    mapped = on_map(lived)
    pairs = zip(mapped.poses, mapped.steps, strict=False)
    return tuple(SIGNS[action_kind(before, step, step.choice, step.pose)] for before, step in pairs)


def on_map(lived: Trajectory) -> Trajectory:
    """A trajectory in the frame of maps."""
    return lived if lived.start.viewpoint else trajectory_on_map(lived)


class Surroundings:
    """What there is around agents."""

    def __init__(self, data: TaskData) -> None:
        """On graphs or in a continuous world."""
        self._source = data.source
        self._graphs = {each.scan: each for each in data.source.graphs}
        self._rooms: dict[str, dict[str, Room]] = load_rooms(find_data(data.options.data)) if self._graphs else {}

    def predicates(self, lived: Trajectory) -> Predicates:
        """Predicates of the steps of an episode."""
        radius = self._source.task.success.metres
        return step_predicates(on_map(lived), self._metres(lived), radius, self._names(lived))

    def places(self, lived: Trajectory) -> dict[str, Pose]:
        """Poses of the viewpoints of a graph, in which only the position counts; empty elsewhere."""
        if not self._graphs:
            return {}
        graph = self._graphs[lived.scan]
        pairs = zip(graph.viewpoints, graph.positions.tolist(), strict=True)
        return {viewpoint: Pose(viewpoint, tuple(place), 0.0, 0.0) for viewpoint, place in pairs}

    def _metres(self, lived: Trajectory) -> Sequence[float]:
        """T + 1 metres to the goal; empty where it is withheld."""
        if not self._graphs:
            return lived.distances
        if len(lived.reference) < 2:
            return ()
        graph = self._graphs[lived.scan]
        here = [graph.index[pose.viewpoint] for pose in lived.poses]
        return graph.distances[here, graph.index[lived.reference[-1]]].tolist()

    def _names(self, lived: Trajectory) -> list[str]:
        """T + 1 names of rooms; empty in doorways and where rooms are unknown."""
        if self._graphs:
            known = self._rooms.get(lived.scan, {})
            return [known[pose.viewpoint].name if pose.viewpoint in known else "" for pose in lived.poses]
        layout = getattr(self._source, "cache").get(lived.scan).layout  # noqa: B009 (of houses, whose compiled code graphs do without)
        if layout is None:
            return [""] * len(lived.poses)
        rooms = layout.rooms_at(np.array([pose.position for pose in lived.poses]))
        return ["" if room < 0 else layout.scene.rooms[room].category for room in rooms.tolist()]


def notice(observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Predicates (B,) of what is seen in images with labels: the goal, things, what is ahead."""
    from envs.houses.categories import CATEGORIES

    depth = np.asarray(observation["depth"])[..., 0]
    middle = slice(depth.shape[1] * 3 // 8, depth.shape[1] * 5 // 8)
    found = {"metres to what is ahead": np.median(depth[:, middle, middle], (1, 2))}
    labels = observation.get(PRIVILEGED, {})
    if "target" in labels:
        found |= _goal_seen(np.asarray(labels["target"]) > 0)
        category = np.asarray(labels["category"])
        shown = {name: (category == number).mean((1, 2)) for number, name in enumerate(CATEGORIES) if number}
        found |= {f"a {name} in sight": share > VISIBLE for name, share in shown.items()}
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


def only(trained: Trained, split: str, episodes: Sequence[Episode]) -> Trained:
    """The same agent in some of the episodes of a split."""
    return replace(trained, data=trained.data.only(split, episodes))


def _goal_seen(goal: np.ndarray) -> dict[str, np.ndarray]:
    """Where the goal is seen, from (B, H, W) bool, the pixels that show it."""
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
