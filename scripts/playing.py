"""Episodes that a person lives, or watches an agent live, in a terminal."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agents.agent import Agent, Decision
from envs.continuous import ACTIONS
from envs.continuous.scenes import LoadedScene
from envs.continuous.settings import FORWARD, LEFT, RIGHT, STOP, Sensors
from envs.render import Camera, Renderer
from vln.console import Console
from vln.episodes import Episode
from vln.keyboard import END, ENTER, Keys
from vln.language import Vocabulary
from vln.replay.halfblocks import picture_text
from vln.replay.minimap import Mark, mini_map
from vln.replay.plan import FloorPlan, pose_on_map
from vln.replay.style import AGENTS, distance_text
from vln.replay.terminal import attention_text
from vln.trajectory import Pose

MOVES = {"w": FORWARD, "a": LEFT, "d": RIGHT, " ": STOP, ENTER: STOP}
HELP = (
    "w or up: forward   a, d or left, right: turn   space or enter: stop here   h: how far   m: map   n: next   q: quit"
)
SHORT_HELP = "? for help"
PACE = 0.12  # seconds an agent's step is shown
AROUND = 9  # lines that are not the view
LEAST, MOST = 16, 160  # pixels across
MAP = 48  # columns of the map


class Left(Exception):  # noqa: N818 - leaving an episode is no error
    """The person left an episode before its end.

    Attributes:
        key: With which: "q" to quit, "n" for the next.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def view_camera(console: Console, size: int | None, eye: Sensors) -> Camera:
    """A camera whose picture fits a terminal, or is as wide as asked for.

    Raises:
        InputError: If no picture can be that wide.
    """
    if size is not None:
        return Camera(size, max(2, size * 3 // 4), eye.hfov)
    height = 2 * max(8, console.height - AROUND)
    width = min(MOST, max(LEAST, console.width - MAP - 4), height * 4 // 3)
    return Camera(width, min(height, width), eye.hfov)


@dataclass
class Screen:
    """What a terminal shows of an episode; nothing where it is none.

    Attributes:
        console: The terminal.
        episode: What is lived.
        plan: The place from above.
        scene: The place.
        camera: Of the view.
        map: Whether the map is shown.
    """

    console: Console
    episode: Episode
    plan: FloorPlan
    scene: LoadedScene
    camera: Camera
    map: bool = True
    _places: list[tuple[float, float, float]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Take the terminal over."""
        self._renderer = Renderer(self.camera, 1)
        self._live = Live(console=self.console, screen=True, auto_refresh=False)
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back."""
        self._live.stop()

    def show(self, pose: Pose, status: str, reading: Text | None = None, keys: str = "") -> None:
        """Show where a body is and what it sees.

        Args:
            pose: In the frame of the simulator.
            status: A line about it.
            reading: The instruction as an agent reads it; as it is written if absent.
            keys: A line of help.
        """
        if self.console.is_terminal:
            self._live.update(self._page(pose, status, reading, keys), refresh=True)

    def _page(self, pose: Pose, status: str, reading: Text | None, keys: str) -> RenderableType:
        pictures = Table.grid(padding=(0, 2))
        pictures.add_row(picture_text(self._view(pose)), *([picture_text(self._map(pose))] if self.map else []))
        title = Text(f"{self.plan.name}, episode {self.episode.episode_id}", style="dim")
        instruction = reading or Text(self.episode.instruction, style="bold")
        return Group(title, instruction, Text(), pictures, Text(status), Text(keys, style="dim"))

    def _view(self, pose: Pose) -> np.ndarray:
        eye = np.array([pose.position]) + np.array([0, Sensors().eye, 0])
        self._renderer.render([self.scene.mesh], eye, np.array([pose.heading]))
        return self._renderer.rgb[0]

    def _map(self, pose: Pose) -> np.ndarray:
        here = pose_on_map(pose)
        self._places.append(here.position)
        way = Mark(np.array(self._places), AGENTS[0], here)
        storey = int(self.plan.floors.of(here.position[2]))
        return mini_map(self.plan, storey, MAP, self.camera.height, [way])


class Player:
    """A person at the keyboard, as an agent."""

    name = "person"
    vocabulary: Vocabulary | None = None

    def __init__(self, keys: Keys, screen: Screen) -> None:
        """Reads keys, and shows the episode on a screen."""
        self._keys, self._screen = keys, screen
        self._hint, self._help, self._steps = False, False, 0

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Nothing to prepare."""

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Wait for a key that is a move.

        Raises:
            Left: If the person quits or wants another episode.
        """
        while True:
            status = tell(infos, self._steps, self._hint)
            self._screen.show(infos["poses"][0], status, keys=HELP if self._help else SHORT_HELP)
            key = self._keys.read()
            if key in MOVES:
                self._steps += 1
                return Decision(np.array([MOVES[key]]))
            self._other(key)

    def _other(self, key: str) -> None:
        if key in (END, "q", "n"):
            raise Left(key or "q")
        self._hint ^= key == "h"
        self._help ^= key == "?"
        self._screen.map ^= key == "m"


class Watched:
    """An agent whose steps are shown as it takes them."""

    def __init__(self, agent: Agent, name: str, screen: Screen, pace: float = PACE) -> None:
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
        status = f"{tell(infos, self._steps, hint=True)}   next: {ACTIONS[action]}{chance}"
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


def tell(infos: dict[str, Any], steps: int, hint: bool) -> str:
    """A line about where a body is."""
    parts = [f"step {steps}"]
    distance = float(infos["distance"][0])
    if hint:
        parts.append("the goal is unknown" if np.isnan(distance) else distance_text(distance, " to the goal"))
    if infos["collided"][0]:
        parts.append("something is in the way")
    return "   ".join(parts)


def ask(keys: Keys, console: Console, choices: Sequence[str]) -> str:
    """Wait for one of some keys; the last one where no more come."""
    if console.is_terminal:
        console.print("n: next episode   q: quit", style="dim")
    while True:
        key = keys.read()
        if key == END:
            return choices[-1]
        if key in choices:
            return key
