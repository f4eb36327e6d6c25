"""A terminal view of an episode, played by a person or by an agent that a person watches."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from envs.continuous.scenes import LoadedScene
from envs.continuous.settings import Sensors
from envs.render import Camera, Renderer
from vln.console import Console
from vln.episodes import Episode
from vln.replay.halfblocks import picture_text
from vln.replay.minimap import Mark, mini_map
from vln.replay.plan import FloorPlan, pose_on_map
from vln.replay.style import AGENTS
from vln.trajectory import Pose

AROUND = 9  # lines that are not the view
LEAST, MOST = 16, 160  # pixels across
MAP = 48  # columns of the map


def view_camera(console: Console, size: int | None, eye: Sensors) -> Camera:
    """A camera whose picture fits a terminal, or is as wide as asked for."""
    if size is not None:
        return Camera(size, max(2, size * 3 // 4), eye.hfov)
    height = 2 * max(8, console.height - AROUND)
    width = min(MOST, max(LEAST, console.width - MAP - 4), height * 4 // 3)
    return Camera(width, min(height, width), eye.hfov)


@dataclass
class Screen:
    """What a terminal shows of an episode, with a map or without; nothing where it is no terminal."""

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
        """Show where a body is and what it sees, with a line of status, and one of help.

        The instruction is shown as an agent reads it, or as it is written.
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
