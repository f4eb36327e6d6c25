"""What simple words for a moment could explain a cell: of the words of a sentence, of the steps of an episode."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from vln.language import is_spelled
from vln.replay.moves import bearing, moved, turn_between
from vln.trajectory import Pose, Step, Trajectory
from vln.word_classes import word_classes

Named = dict[str, np.ndarray]  # predicate to its value at each moment

SIDE = math.radians(30)  # a smaller turn is ahead
BEHIND = math.radians(135)
CLIMB = 0.3  # metres
TURNS = ("left", "right")
PAUSES = frozenset(",.;:!?")
KINDS = ("stop", "ahead", "left", "right", "back")  # of actions, in any world
_LOW_LEVEL = {"stop": "stop", "forward": "ahead", "left": "left", "right": "right"}
_DOING = {"stop": "stop", "ahead": "go ahead", "left": "turn left", "right": "turn right", "back": "turn back"}
_DONE = {"ahead": "gone ahead", "left": "turned left", "right": "turned right", "back": "turned back"}


def word_predicates(symbols: Sequence[str], spelled: bool, single: Collection[str]) -> Named:
    """Predicates of the L symbols of one sentence, as an agent read it.

    Args:
        symbols: Words, or characters, with the end of the sentence.
        spelled: Whether they are characters; what is said of a word then holds for all of its characters and the blank
            behind it.
        single: Words that are asked for by themselves.

    Returns:
        Of each class of words, and of each single word, whether the symbol belongs to it, whether one has been read so
        far, and whether one is still to come; and where in the sentence, and in its clause, the symbol is.
    """
    words, owner = _words(symbols, spelled)
    found: Named = {}
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


def next_word_predicates(symbols: Sequence[str], spelled: bool, single: Collection[str]) -> Named:
    """Predicates of a speaker that has said each of L symbols: those of the symbol, and what its next one is to be."""
    words, owner = _words(symbols, spelled)
    coming = {f"next: {name}": _shifted(mask[owner]) for name, mask in _marks(words, single).items()}
    return word_predicates(symbols, spelled, single) | coming


def frequent_words(sentences: Iterable[Sequence[str]], count: int) -> tuple[str, ...]:
    """The words that are in most sentences, without marks and the end of the sentence."""
    rows: dict[str, int] = {}
    for sentence in sentences:
        for word in set(sentence):
            rows[word] = rows.get(word, 0) + is_spelled(word)
    ranked = sorted((word for word, times in rows.items() if times), key=lambda word: (-rows[word], word))
    return tuple(ranked[:count])


def _words(symbols: Sequence[str], spelled: bool) -> tuple[list[str], np.ndarray]:
    """The words of a sentence, and the place (L,) among them of the one that each symbol belongs to."""
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


def step_predicates(lived: Trajectory, metres: Sequence[float], radius: float, rooms: Sequence[str] = ()) -> Named:
    """Predicates of the T steps of an episode: of what an agent knows, or could know, when it decides.

    Args:
        lived: The episode, in the frame of maps.
        metres: T + 1 metres to the goal; empty where it is withheld.
        radius: Metres to the goal at which a stop succeeds.
        rooms: T + 1 names of the rooms that the agent was in, empty where they are unknown.
    """
    steps, poses = lived.steps, lived.poses
    count = len(steps)
    kinds = [action_kind(before, step, step.choice, step.pose) for before, step in zip(poses, steps, strict=False)]
    before = ["", *kinds[:-1]]
    place = np.arange(count, dtype=np.float32)
    found: Named = {f"about to {words}": _is(kinds, kind) for kind, words in _DOING.items()}
    found |= {f"has just {words}": _is(before, kind) for kind, words in _DONE.items()}
    found |= {
        "steps so far": place,
        "steps left": place[::-1].copy(),
        "last three steps": (place >= count - 3).astype(np.float32),
        "steps since a turn": since(np.array([kind in TURNS for kind in before])),
        "has just bumped": np.array([False, *(step.collided for step in steps[:-1])], np.float32),
    }
    if lived.start.viewpoint:
        found |= _on_graphs(poses[:count], [step.pose for step in steps])
    if len(metres):
        found |= _of_goal(np.asarray(metres[:count], np.float32), radius)
    return found | {f"place: {name}": _is(rooms[:count], name) for name in set(rooms[:count]) if name}


def _of_goal(metres: np.ndarray, radius: float) -> Named:
    return {
        "metres to the goal": metres,
        "share of the way left": metres / max(float(metres[0]), radius),
        "near enough to stop": (metres < radius).astype(np.float32),
    }


def _on_graphs(poses: Sequence[Pose], after: Sequence[Pose]) -> Named:
    """Predicates of places that have names, and of stairs."""
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
    """What a choice comes to, one of `KINDS`; empty for looking up and down.

    Args:
        before: Where the agent is.
        step: A step from there, which tells the world.
        choice: One of the step's choices.
        there: Where a move to another viewpoint leads.
    """
    if not step.pose.viewpoint or choice in _LOW_LEVEL:
        return _LOW_LEVEL.get(choice, "")
    if not moved(before, there):
        return ""
    turn = turn_between(before.heading, bearing(before, there))
    if abs(turn) > BEHIND:
        return "back"
    return "ahead" if abs(turn) <= SIDE else TURNS[turn > 0]


def action_probabilities(lived: Trajectory, places: Mapping[str, Pose] | None = None) -> np.ndarray:
    """(T, K) probability that an agent gave to each of `KINDS` at each step.

    Args:
        lived: The episode, with the agent's probabilities.
        places: Poses of the viewpoints of a graph by their ids; absent elsewhere.
    """
    chances = np.zeros((len(lived.steps), len(KINDS)), np.float32)
    for row, before, step in zip(chances, lived.poses, lived.steps, strict=False):
        for choice, chance in zip(step.choices, step.probabilities, strict=True):
            kind = action_kind(before, step, choice, (places or {}).get(choice, before))
            if kind:
                row[KINDS.index(kind)] += chance
    return chances


def since(happened: np.ndarray) -> np.ndarray:
    """(T,) float32, moments since something happened (T,) last, or since the start if it has not yet."""
    place = np.arange(len(happened))
    return (place - np.maximum.accumulate(np.where(happened, place, 0))).astype(np.float32)


def stack(rows: Sequence[Named]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of all predicates of E episodes, and their values (N, P), episode after episode; what one lacks is 0."""
    names = tuple(sorted({name for row in rows for name in row}))
    parts = []
    for row in rows:
        nothing = np.zeros(len(next(iter(row.values()))), np.float32)
        parts.append(np.stack([row.get(name, nothing) for name in names], 1))
    return names, np.concatenate(parts).astype(np.float32)


def _is(values: Sequence[str], wanted: str) -> np.ndarray:
    return np.array([value == wanted for value in values], np.float32)
