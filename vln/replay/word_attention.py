"""The words to display for an episode, and the attention of agents over them."""

from collections.abc import Sequence

import numpy as np

from vln.trajectory import Step, Trajectory


def shown_words(trajectories: Sequence[Trajectory]) -> tuple[str, ...]:
    """Return the words under the recorded attention; the words of the instruction if no agent recorded any."""
    for trajectory in trajectories:
        if any(step.word_attention for step in trajectory.steps):
            return _words(trajectory.words)
    return tuple(trajectories[0].instruction.split())


def with_word_attention(trajectories: Sequence[Trajectory]) -> list[int]:
    """Return the indices of the trajectories that recorded attention over the shown words."""
    words = shown_words(trajectories) if trajectories else ()
    return [
        number
        for number, trajectory in enumerate(trajectories)
        if any(word_weights(trajectory, step, words) is not None for step in trajectory.steps)
    ]


def word_weights(trajectory: Trajectory, step: Step, words: Sequence[str]) -> np.ndarray | None:
    """Return the attention of a step over the words shown, (W,) of sum 1; None if it recorded none over these words."""
    if not step.word_attention or _words(trajectory.words) != tuple(words):
        return None
    if not _spelled(trajectory.words):
        return np.array(step.word_attention)
    word_of = np.cumsum([symbol == " " for symbol in trajectory.words])
    letters = np.array([symbol != " " for symbol in trajectory.words])
    return np.bincount(word_of[letters], np.array(step.word_attention)[letters], minlength=len(words))


def _words(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("".join(symbols).split(" ")) if _spelled(symbols) else symbols


def _spelled(symbols: tuple[str, ...]) -> bool:
    """Whether the symbols are characters."""
    return " " in symbols
