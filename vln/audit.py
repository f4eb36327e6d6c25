"""What an agent makes of each of its inputs, found by taking them away.

The single-modality audit of Thomason et al. 2019 ("Shifting the Baseline: Single Modality Performance on Visual
Navigation and QA"), and the masking of kinds of words of Zhu et al. 2022 ("Diagnosing Vision-and-Language Navigation:
What Really Matters"): here are the instructions with something taken away, and what the numbers say in a sentence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vln.episodes import Episode
from vln.errors import InputError
from vln.language import Vocabulary
from vln.statistics import Interval
from vln.word_classes import masked

BLANKS = "_~^¤"  # one of them is in no vocabulary


def shuffled(episodes: Sequence[Episode], seed: int = 0) -> list[Episode]:
    """The episodes, each with an instruction of another way: the ways in a random order, each takes those of the next.

    Raises:
        InputError: If all of them are of one way.
    """
    told: dict[object, list[str]] = {}
    for episode in episodes:
        told.setdefault(episode.path_key, []).append(episode.instruction)
    if len(told) < 2:
        raise InputError("episodes", "all are of one path, so that no other instruction is there", "take more of them")
    ways = list(told)
    order = np.random.default_rng(seed).permutation(len(ways)).tolist()
    following = {ways[one]: told[ways[other]] for one, other in zip(order, order[1:] + order[:1], strict=True)}
    numbers = dict.fromkeys(ways, 0)
    found = []
    for episode in episodes:
        others = following[episode.path_key]
        found.append(replace(episode, instruction=others[numbers[episode.path_key] % len(others)]))
        numbers[episode.path_key] += 1
    return found


def without_words(episodes: Sequence[Episode], kind: str, vocabulary: Vocabulary) -> list[Episode]:
    """The episodes with the words of a class (see `vln.word_classes`) replaced by ones that the agent does not know."""
    blank = blank_of(vocabulary)
    return [replace(episode, instruction=masked(episode.instruction, kind, blank)) for episode in episodes]


def blank_of(vocabulary: Vocabulary) -> Callable[[str], str]:
    """What turns a word into something unknown: one mark, or as many as it has characters where these are read."""
    mark = next(mark for mark in BLANKS if mark not in vocabulary.lookup)
    return (lambda word: mark * len(word)) if vocabulary.unit == "character" else (lambda _: mark)


def subset(episodes: Sequence[Episode], count: int, seed: int = 0) -> list[int]:
    """Numbers of about `count` episodes, at least, in order: all those of ways drawn at random; 0 takes them all."""
    ways = list(dict.fromkeys(episode.path_key for episode in episodes))
    numbers: dict[object, list[int]] = {way: [] for way in ways}
    for number, episode in enumerate(episodes):
        numbers[episode.path_key].append(number)
    chosen: list[int] = []
    for place in np.random.default_rng(seed).permutation(len(ways)).tolist():
        if count and len(chosen) >= count:
            break
        chosen += numbers[ways[place]]
    return sorted(chosen)


# --- what the numbers say ---


@dataclass(frozen=True)
class Loss:
    """How success changes where something is taken away.

    Attributes:
        what: What is taken away, in words that follow "it uses".
        change: Success without it minus success with it, on the same episodes.
    """

    what: str
    change: Interval

    def __str__(self) -> str:
        """What, and the change in points with its 95 % interval."""
        return f"{self.what} ({points(self.change)})"


def points(change: Interval) -> str:
    """A change of a share in points, with its interval."""
    return f"{100 * change.mean:+.1f} points, {100 * change.low:+.1f} to {100 * change.high:+.1f}"


def verdict(losses: Sequence[Loss], who: str = "It") -> str:
    """What an agent uses, in plain sentences: that alone without which it fails more often, beyond doubt (95 %).

    Args:
        losses: One for each of its inputs.
        who: The subject of the first sentence, e.g. "Of the words it".
    """
    used = sorted((loss for loss in losses if loss.change.high < 0), key=lambda loss: loss.change.mean)
    hindered = [loss for loss in losses if loss.change.low > 0]
    open_ = [loss for loss in losses if loss.change.low <= 0 <= loss.change.high]
    sentences = [f"{who} uses {_listed(used)}."] if used else []
    if open_:
        sentences.append(f"Nothing shows that it uses {_listed(open_, 'or')}.")
    if hindered:
        sentences.append(f"It does better without {_listed(hindered)}.")
    return " ".join(sentences)


def _listed(losses: Sequence[Loss], last: str = "and") -> str:
    """One, two and three."""
    *most, end = map(str, losses)
    return f"{', '.join(most)} {last} {end}" if most else end
