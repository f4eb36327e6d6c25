"""Predicates: simple facts about a moment that could explain a cell, for words and for steps of an episode."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from vln.language import is_spelled
from vln.replay.moves import bearing, moved, turn_between
from vln.trajectory import Pose, Step, Trajectory
from vln.word_classes import word_classes

Predicates = dict[str, np.ndarray]  # map from the name of a predicate to its value at each moment

SIDE = math.radians(30)  # a move within this turn counts as ahead
BEHIND = math.radians(135)
CLIMB = 0.3  # metres
TURNS = ("left", "right")
PAUSES = frozenset(",.;:!?")
KINDS = ("stop", "ahead", "left", "right", "back")  # of actions, in any world
_LOW_LEVEL = {"stop": "stop", "forward": "ahead", "left": "left", "right": "right"}
_DOING = {"stop": "stop", "ahead": "go ahead", "left": "turn left", "right": "turn right", "back": "turn back"}
_DONE = {"ahead": "gone ahead", "left": "turned left", "right": "turned right", "back": "turned back"}


def word_predicates(symbols: Sequence[str], spelled: bool, single: Collection[str]) -> Predicates:
    """Compute predicates of the L symbols of one sentence, with its end, as an agent read it: words or characters.

    For each class of words and each of the `single` words they say whether the symbol belongs to it, whether one has
    been read so far, and whether one is still to come; besides, the position of the symbol in the sentence and in its
    clause. If symbols are characters, a predicate of a word holds for its characters and the blank after it.
    """
    words, owner = _words(symbols, spelled)
    found: Predicates = {}
    for name, mask in _marks(words, single).items():
        here = mask[owner].astype(np.float32)
        found[name] = here
        found[f"{name}, read so far"] = np.maximum.accumulate(here)
        found[f"{name}, still to come"] = _to_come(here)
    place, unit = np.arange(len(symbols), dtype=np.float32), "characters" if spelled else "words"
    pause = np.array([symbol in PAUSES for symbol in symbols])
    return found | {
        f"{unit} read": place,
        f"{unit} left": place[::-1].copy(),
        "share of the sentence read": place / max(len(symbols) - 1, 1),
        f"{unit} since a pause": since(pause),
        f"{unit} since a turn word": since(found["turn"] > 0),
        "a pause": pause.astype(np.float32),
        "end of the sentence": (place == len(symbols) - 1).astype(np.float32),
    }


def next_word_predicates(symbols: Sequence[str], spelled: bool, single: Collection[str]) -> Predicates:
    """Compute predicates of a speaker after each of L generated symbols: of the symbol and of the next one."""
    words, owner = _words(symbols, spelled)
    coming = {f"next: {name}": _shifted(mask[owner]) for name, mask in _marks(words, single).items()}
    return word_predicates(symbols, spelled, single) | coming


def frequent_words(sentences: Iterable[Sequence[str]], count: int) -> tuple[str, ...]:
    """Return the words that occur in most sentences, without marks and the end of the sentence."""
    rows: dict[str, int] = {}
    for sentence in sentences:
        for word in set(sentence):
            rows[word] = rows.get(word, 0) + is_spelled(word)
    ranked = sorted((word for word, times in rows.items() if times), key=lambda word: (-rows[word], word))
    return tuple(ranked[:count])


def _words(symbols: Sequence[str], spelled: bool) -> tuple[list[str], np.ndarray]:
    """Return the words of a sentence, and for each symbol the index of its word, (L,)."""
    if not spelled:
        return list(symbols), np.arange(len(symbols))
    blank = np.array([symbol == " " for symbol in symbols], dtype=np.int64)
    return "".join(symbols).split(" "), np.cumsum(blank) - blank


def _marks(words: Sequence[str], single: Collection[str]) -> dict[str, np.ndarray]:
    alone = {f"'{word}'": np.array([each == word for each in words]) for word in single}
    return word_classes(words) | alone


def _to_come(here: np.ndarray) -> np.ndarray:
    return np.append(np.maximum.accumulate(here[::-1])[::-1][1:], np.float32(0))


def _shifted(mask: np.ndarray) -> np.ndarray:
    return np.append(mask[1:], False).astype(np.float32)


def step_predicates(
    trajectory: Trajectory, metres: Sequence[float], radius: float, rooms: Sequence[str] = ()
) -> Predicates:
    """Compute predicates of the T steps of an episode: of what an agent knows, or could know, when it decides.

    The trajectory is in the frame of maps. `metres` to the goal (T + 1) are empty if it is withheld, the names of the
    rooms (T + 1) if they are unknown.
    """
    steps, poses = trajectory.steps, trajectory.poses
    count = len(steps)
    kinds = [action_kind(before, step, step.choice, step.pose) for before, step in zip(poses, steps, strict=False)]
    before = ["", *kinds[:-1]]
    place = np.arange(count, dtype=np.float32)
    found: Predicates = {f"about to {words}": _is(kinds, kind) for kind, words in _DOING.items()}
    found |= {f"has just {words}": _is(before, kind) for kind, words in _DONE.items()}
    found |= {
        "steps so far": place,
        "steps left": place[::-1].copy(),
        "last three steps": (place >= count - 3).astype(np.float32),
        "steps since a turn": since(np.array([kind in TURNS for kind in before])),
        "has just bumped": np.array([False, *(step.collided for step in steps[:-1])], np.float32),
    }
    if trajectory.start.viewpoint:
        found |= _on_graphs(poses[:count], [step.pose for step in steps])
    if len(metres):
        found |= _of_goal(np.asarray(metres[:count], np.float32), radius)
    return found | {f"place: {name}": _is(rooms[:count], name) for name in set(rooms[:count]) if name}


def _of_goal(metres: np.ndarray, radius: float) -> Predicates:
    return {
        "metres to the goal": metres,
        "share of the way left": metres / max(float(metres[0]), radius),
        "near enough to stop": (metres < radius).astype(np.float32),
    }


def _on_graphs(poses: Sequence[Pose], after: Sequence[Pose]) -> Predicates:
    """Compute the predicates of graphs: revisited viewpoints, and stairs."""
    seen: set[str] = set()
    known = []
    for pose in poses:
        known.append(pose.viewpoint in seen)
        seen.add(pose.viewpoint)
    climb = np.array([end.position[2] - start.position[2] for start, end in zip(poses, after, strict=True)])
    return {
        "has been here before": np.array(known, np.float32),
        "about to climb": (climb > CLIMB).astype(np.float32),
        "about to descend": (climb < -CLIMB).astype(np.float32),
    }


def action_kind(before: Pose, step: Step, choice: str, there: Pose) -> str:
    """Classify a choice of a step as one of `KINDS`; empty for looking up and down.

    `before` is the agent's pose, `there` that of the viewpoint that the choice leads to.
    """
    if not step.pose.viewpoint or choice in _LOW_LEVEL:
        return _LOW_LEVEL.get(choice, "")
    if not moved(before, there):
        return ""
    turn = turn_between(before.heading, bearing(before, there))
    if abs(turn) > BEHIND:
        return "back"
    return "ahead" if abs(turn) <= SIDE else TURNS[turn > 0]


def action_probabilities(trajectory: Trajectory, places: Mapping[str, Pose] | None = None) -> np.ndarray:
    """Return the probability that an agent gave to each of `KINDS` at each step, (T, K).

    On a graph `places` has the poses of its viewpoints by their ids.
    """
    chances = np.zeros((len(trajectory.steps), len(KINDS)), np.float32)
    for row, before, step in zip(chances, trajectory.poses, trajectory.steps, strict=False):
        for choice, chance in zip(step.choices, step.probabilities, strict=True):
            kind = action_kind(before, step, choice, (places or {}).get(choice, before))
            if kind:
                row[KINDS.index(kind)] += chance
    return chances


def since(happened: np.ndarray) -> np.ndarray:
    """Return the moments since an event (T,) last happened, or since the start if it has not yet; (T,) float32."""
    place = np.arange(len(happened))
    return (place - np.maximum.accumulate(np.where(happened, place, 0))).astype(np.float32)


def stack(rows: Sequence[Predicates]) -> tuple[tuple[str, ...], np.ndarray]:
    """Stack the predicates of E episodes as names and values (N, P), in episode order; missing predicates are 0."""
    names = tuple(sorted({name for row in rows for name in row}))
    parts = []
    for row in rows:
        nothing = np.zeros(len(next(iter(row.values()))), np.float32)
        parts.append(np.stack([row.get(name, nothing) for name in names], 1))
    return names, np.concatenate(parts).astype(np.float32)


def _is(values: Sequence[str], wanted: str) -> np.ndarray:
    return np.array([value == wanted for value in values], np.float32)
