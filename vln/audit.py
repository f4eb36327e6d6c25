"""Ablations of an agent's inputs, to find out which ones it uses.

These are the single-modality audit of Thomason et al. 2019 ("Shifting the Baseline: Single Modality Performance on
Visual Navigation and QA") and the masking of word classes of Zhu et al. 2022 ("Diagnosing Vision-and-Language
Navigation: What Really Matters"). This module ablates instructions and describes the results in sentences.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vln.episodes import Episode
from vln.errors import InputError
from vln.language import Vocabulary
from vln.statistics import Interval
from vln.word_classes import masked

BLANKS = "_~^¤"  # at least one of them is in no vocabulary


def shuffle_instructions(episodes: Sequence[Episode], seed: int = 0) -> list[Episode]:
    """Put the paths, at least two, in random order, and give each the instructions of the next."""
    instructions: dict[object, list[str]] = {}
    for episode in episodes:
        instructions.setdefault(episode.path_key, []).append(episode.instruction)
    if len(instructions) < 2:
        raise InputError("episodes", "all are of one path, so that no other instruction is there", "take more of them")
    paths = list(instructions)
    order = np.random.default_rng(seed).permutation(len(paths)).tolist()
    pairs = zip(order, order[1:] + order[:1], strict=True)
    following = {paths[one]: instructions[paths[other]] for one, other in pairs}
    numbers = dict.fromkeys(paths, 0)
    found = []
    for episode in episodes:
        others = following[episode.path_key]
        found.append(replace(episode, instruction=others[numbers[episode.path_key] % len(others)]))
        numbers[episode.path_key] += 1
    return found


def mask_word_class(episodes: Sequence[Episode], kind: str, vocabulary: Vocabulary) -> list[Episode]:
    """Replace the words of a class (see `vln.word_classes`) by words that the agent does not know."""
    blank = unknown_word_maker(vocabulary)
    return [replace(episode, instruction=masked(episode.instruction, kind, blank)) for episode in episodes]


def unknown_word_maker(vocabulary: Vocabulary) -> Callable[[str], str]:
    """Return a function that maps a word to an unknown one of the same length, or of one mark if units are words."""
    mark = next(mark for mark in BLANKS if mark not in vocabulary.lookup)
    return (lambda word: mark * len(word)) if vocabulary.unit == "character" else (lambda _: mark)


def subset(episodes: Sequence[Episode], count: int, seed: int = 0) -> list[int]:
    """Return the indices of all episodes of randomly drawn paths, in order: at least `count` episodes, or all for 0."""
    paths = list(dict.fromkeys(episode.path_key for episode in episodes))
    numbers: dict[object, list[int]] = {path: [] for path in paths}
    for number, episode in enumerate(episodes):
        numbers[episode.path_key].append(number)
    chosen: list[int] = []
    for place in np.random.default_rng(seed).permutation(len(paths)).tolist():
        if count and len(chosen) >= count:
            break
        chosen += numbers[paths[place]]
    return sorted(chosen)


# --- results in words ---


@dataclass(frozen=True)
class Ablation:
    """The change of success if an input is removed."""

    what: str  # the input, as a phrase that follows "it uses"
    change: Interval  # success without the input minus success with it, on the same episodes

    def __str__(self) -> str:
        """Return the input and the change in points with its 95 % interval."""
        return f"{self.what} ({format_points(self.change)})"


def format_points(change: Interval) -> str:
    """Format a change of a fraction in points, with its interval."""
    return f"{100 * change.mean:+.1f} points, {100 * change.low:+.1f} to {100 * change.high:+.1f}"


def describe_ablations(ablations: Sequence[Ablation], who: str = "It") -> str:
    """Describe which inputs `who` ("Of the words it") uses: those without which it fails more often (95 %)."""
    used = sorted((each for each in ablations if each.change.high < 0), key=lambda each: each.change.mean)
    hindered = [each for each in ablations if each.change.low > 0]
    open_ = [each for each in ablations if each.change.low <= 0 <= each.change.high]
    sentences = [f"{who} uses {_listed(used)}."] if used else []
    if open_:
        sentences.append(f"Nothing shows that it uses {_listed(open_, 'or')}.")
    if hindered:
        sentences.append(f"It does better without {_listed(hindered)}.")
    return " ".join(sentences)


def _listed(ablations: Sequence[Ablation], last: str = "and") -> str:
    """Join the descriptions as "one, two and three"."""
    *most, end = map(str, ablations)
    return f"{', '.join(most)} {last} {end}" if most else end
