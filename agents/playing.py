"""A person at the keyboard as an agent, and an agent whose steps are watched."""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from rich.text import Text

from agents.agent import Agent, Decision
from vln.console import Console
from vln.episodes import Episode
from vln.keyboard import END, ENTER, Keys
from vln.language import Vocabulary
from vln.replay.style import distance_text
from vln.replay.terminal import attention_text
from vln.trajectory import Pose

MOVES = {"w": "forward", "a": "left", "d": "right", " ": "stop", ENTER: "stop"}
HELP = (
    "w or up: forward   a, d or left, right: turn   space or enter: stop here   h: how far   m: map   n: next   q: quit"
)
SHORT_HELP = "? for help"
PACE = 0.12  # seconds an agent's step is shown


class EpisodeScreen(Protocol):
    """What shows an episode, such as `envs.playing.screen.Screen`."""

    console: Console
    episode: Episode
    map: bool

    def show(self, pose: Pose, status: str, reading: Text | None = None, keys: str = "") -> None:
        """Show where a body is and what it sees, with a line about it."""


class EpisodeLeft(Exception):  # noqa: N818 (leaving an episode is no error)
    """The person left an episode before its end, with the key "q" to quit or "n" for the next."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Player:
    """A person at the keyboard, as an agent."""

    name = "person"
    vocabulary: Vocabulary | None = None

    def __init__(self, keys: Keys, screen: EpisodeScreen) -> None:
        self._keys, self._screen = keys, screen
        self._hint, self._help, self._steps = False, False, 0

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Nothing to prepare."""

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Wait for a key that is a move; EpisodeLeft if the person quits or wants another episode."""
        while True:
            status = status_line(infos, self._steps, self._hint)
            self._screen.show(infos["poses"][0], status, keys=HELP if self._help else SHORT_HELP)
            key = self._keys.read()
            if key in MOVES:
                self._steps += 1
                return Decision(np.array([infos["choices"][0].index(MOVES[key])]))
            self._other(key)

    def _other(self, key: str) -> None:
        if key in (END, "q", "n"):
            raise EpisodeLeft(key or "q")
        self._hint ^= key == "h"
        self._help ^= key == "?"
        self._screen.map ^= key == "m"


class WatchedAgent:
    """An agent whose steps are shown as it takes them."""

    def __init__(self, agent: Agent, name: str, screen: EpisodeScreen, pace: float = PACE) -> None:
        """An agent of a name; `pace` in seconds a step."""
        self.name, self.vocabulary = name, agent.vocabulary
        self._agent, self._screen, self._pace, self._steps = agent, screen, pace, 0

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """As the agent does."""
        self._agent.begin(observation, seed)

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """As the agent does, shown."""
        decision = self._agent.act(observation, infos)
        action, chances = int(decision.actions[0]), decision.probabilities
        chance = "" if chances is None else f" (probability {chances[0][action]:.2f})"
        status = f"{status_line(infos, self._steps, hint=True)}   next: {infos['choices'][0][action]}{chance}"
        self._screen.show(infos["poses"][0], status, self._reading(decision))
        self._steps += 1
        if self._screen.console.is_terminal:
            time.sleep(self._pace)
        return decision

    def _reading(self, decision: Decision) -> Text | None:
        """The words the agent reads, lit up by its attention."""
        if self.vocabulary is None or decision.word_attention is None:
            return None
        weights = decision.word_attention[0]
        words = self.vocabulary.words(self._screen.episode.instruction, len(weights))
        return attention_text(words, weights[: len(words)]) if self.vocabulary.unit == "word" else None


def status_line(infos: dict[str, Any], steps: int, hint: bool) -> str:
    """A line about where a body is."""
    parts = [f"step {steps}"]
    distance = float(infos["distance"][0])
    if hint:
        parts.append("the goal is unknown" if np.isnan(distance) else distance_text(distance, " to the goal"))
    if infos["collided"][0]:
        parts.append("something is in the way")
    return "   ".join(parts)


def wait_for_key(keys: Keys, console: Console, choices: Sequence[str]) -> str:
    """Wait for one of some keys; the last one where no more come."""
    if console.is_terminal:
        console.print("n: next episode   q: quit", style="dim")
    while True:
        key = keys.read()
        if key == END:
            return choices[-1]
        if key in choices:
            return key
