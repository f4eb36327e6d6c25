"""Animations of an episode: one frame per step, all agents at once."""

import errno
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.spatial import cKDTree

from vln.files import replacing
from vln.replay import column, style
from vln.replay.episode import HouseReplay, Replay
from vln.replay.figure import Scene, View, draw_episode
from vln.replay.map import pointer
from vln.replay.moves import chosen_probability, describe_step
from vln.replay.outcome import COLOURS, ending, outcome_colour
from vln.replay.word_attention import shown_words, word_weights
from vln.trajectory import Step

DPI = 120
SECONDS = 0.7  # seconds per frame
BRISK = 0.2  # seconds per frame in continuous worlds, where steps are short and many
PAUSE = 2.1  # seconds of the first and the last frame
STRONGEST = 0.55  # opacity of the most attended word
MP4_RATE = 5  # frames per second; some players cannot play fewer
COMMON = 120  # of the 256 colours of a GIF, those reserved for the commonest


def frames(replay: Replay, view: View) -> list[np.ndarray]:
    """Draw the start and one picture per step until every agent has ended, each (H, W, 3) uint8 with even H and W."""
    film = _Film(replay, draw_episode(replay, view, animated=True, dpi=DPI))
    steps = max(len(trajectory.steps) for trajectory in replay.trajectories)
    return [film.picture(moment) for moment in range(steps + 1)]


def pace(replay: Replay) -> float:
    """Return the seconds per frame of an episode."""
    return BRISK if isinstance(replay, HouseReplay) else SECONDS


def save_gif(pictures: Sequence[np.ndarray], path: Path, pace: float = SECONDS) -> None:
    """Write pictures as a looping animated GIF, atomically, with `pace` seconds per picture."""
    images = indexed(pictures)
    durations = [int(1000 * seconds) for seconds in _seconds(len(images), pace)]
    with replacing(path) as temporary:
        images[0].save(temporary, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)


def save_mp4(pictures: Sequence[np.ndarray], path: Path, pace: float = SECONDS) -> None:
    """Write pictures as H.264 video, atomically, with `pace` seconds per picture."""
    height, width, _ = pictures[0].shape
    with replacing(path) as temporary:
        command = _encoder(temporary, width, height)
        with Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, start_new_session=True) as encoder:
            assert encoder.stdin is not None  # for the type checker
            assert encoder.stderr is not None
            with suppress(BrokenPipeError):  # the reason is on its stderr
                for picture, seconds in zip(pictures, _seconds(len(pictures), pace), strict=True):
                    for _ in range(round(MP4_RATE * seconds)):
                        encoder.stdin.write(np.ascontiguousarray(picture).data)
                encoder.stdin.close()
            message = encoder.stderr.read().decode(errors="replace").strip()
        if encoder.returncode:
            raise OSError(errno.EIO, message.splitlines()[-1] if message else f"ffmpeg ended with {encoder.returncode}")


def _encoder(path: Path, width: int, height: int) -> list[str]:
    """Return the ffmpeg command that reads raw pictures and writes H.264, whose sides must be even."""
    read = f"-f rawvideo -vcodec rawvideo -s {width}x{height} -pix_fmt rgb24 -r {MP4_RATE} -i -"
    size = f"-vf scale={width + width % 2}:{height + height % 2}"
    write = f"-an -vcodec libx264 -pix_fmt yuv420p -crf 25 {size} -v error"
    return [imageio_ffmpeg.get_ffmpeg_exe(), "-y", *read.split(), *write.split(), str(path)]


def _seconds(count: int, pace: float) -> list[float]:
    """Return the seconds of each picture."""
    return [PAUSE if number in (0, count - 1) else pace for number in range(count)]


def indexed(pictures: Sequence[np.ndarray]) -> list[Image.Image]:
    """Reduce pictures to 256 colours: symbol colours and the commonest ones exactly, the rest approximately.

    One palette serves all pictures, so that colours do not flicker.
    """
    coded = [_codes(picture) for picture in pictures]
    values, counts = np.unique(np.stack([codes[::2, ::2] for codes in coded]), return_counts=True)
    symbols = (
        (255 * np.array([to_rgb(colour) for colour in (*style.AGENTS, style.GOAL, *COLOURS.values())]))
        .round()
        .astype(np.uint8)
    )
    common = np.concatenate([symbols, _colours(values[np.argsort(-counts)[:COMMON]])])
    condensed = Image.fromarray(_colours(values)[None]).quantize(256 - len(common)).getpalette() or []
    palette = np.concatenate([common, np.array(condensed, dtype=np.uint8).reshape(-1, 3)])[:256]
    nearest = cKDTree(palette)
    images = []
    for codes in coded:
        values, places = np.unique(codes, return_inverse=True)
        indices = nearest.query(_colours(values))[1].astype(np.uint8)
        images.append(Image.fromarray(indices[places].reshape(codes.shape)))
        images[-1].putpalette(palette.ravel().tolist())
    return images


def _codes(picture: np.ndarray) -> np.ndarray:
    """Encode each colour as a number, (H, W) uint32."""
    red, green, blue = np.moveaxis(picture.astype(np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


def _colours(codes: np.ndarray) -> np.ndarray:
    """Decode N numbers to colours, (N, 3) uint8."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8)


class _Film:
    """Draws the pictures of a scene in order; parts that do not change are drawn once."""

    def __init__(self, replay: Replay, scene: Scene) -> None:
        self._replay, self._scene = replay, scene
        self._words = shown_words(replay.trajectories)
        canvas: Any = FigureCanvasAgg(scene.figure)  # matplotlib leaves its canvases untyped
        self._canvas = canvas
        for artist in self._moving():
            artist.set_animated(True)
        self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(scene.figure.bbox)

    def _moving(self) -> list[Artist]:
        trails = (artist for agent in self._scene.trails for panel in agent for step in panel for artist in step)
        moving = self._scene.moving
        return [*trails, *(text for pair in moving.status for text in pair), *moving.views]

    def picture(self, moment: int) -> np.ndarray:
        """Draw the state after `moment` steps; call with 0, 1, 2, ... in order."""
        self._canvas.restore_region(self._still)
        taken = self._taken(moment)
        for agent, trajectory in enumerate(self._replay.trajectories):
            if moment <= len(trajectory.steps):
                _draw(artist for panel in self._scene.trails[agent] for artist in panel[moment])
        self._still = self._canvas.copy_from_bbox(self._scene.figure.bbox)
        self._show_choices(taken)
        self._show_agents(moment)
        self._show_status(moment)
        picture = np.array(self._canvas.buffer_rgba())[..., :3]
        for agent, step in taken.items():
            self._light_words(picture, agent, step)
        height, width, _ = picture.shape
        return picture[: height - height % 2, : width - width % 2].copy()  # the video codec needs even sides

    def _taken(self, moment: int) -> dict[int, Step]:
        """Return the step that each agent has just taken; agents that have ended are left out."""
        agents = enumerate(self._replay.trajectories)
        return {agent: each.steps[moment - 1] for agent, each in agents if 0 < moment <= len(each.steps)}

    def _show_choices(self, taken: dict[int, Step]) -> None:
        for panel in self._scene.panels:
            _draw_once(disc for agent, step in taken.items() for disc in panel.site.choices(panel, step, agent))

    def _show_agents(self, moment: int) -> None:
        """Draw the agents that have not ended; the others are letters."""
        count = len(self._replay.trajectories)
        for agent, trajectory in enumerate(self._replay.trajectories):
            if moment < len(trajectory.steps):
                for panel in self._scene.panels:
                    _draw_once(pointer(panel, trajectory.poses[moment], agent, count))

    def _show_status(self, moment: int) -> None:
        """Draw the status text and the view of each agent."""
        for agent, texts in enumerate(self._scene.moving.status):
            for text, line in zip(texts, status(self._replay, agent, moment), strict=True):
                text.set_text(
                    style.shorten(line, float(text.get_fontsize()), column.WIDTH - column.STATUS_TEXT, weight="bold")
                )
            if moment >= len(self._replay.trajectories[agent].steps):
                texts[0].set(color=outcome_colour(self._replay, agent), weight="bold")
            _draw(texts)
        if isinstance(self._replay, HouseReplay):
            column.show_views(self._replay, self._scene.moving, moment)
            _draw(self._scene.moving.views)

    def _light_words(self, picture: np.ndarray, agent: int, step: Step) -> None:
        weights = word_weights(self._replay.trajectories[agent], step, self._words)
        if weights is None or agent not in self._scene.bands:
            return
        strengths = STRONGEST * weights / max(float(weights.max()), np.finfo(np.float64).tiny)
        for band, strength in zip(self._scene.bands[agent], strengths, strict=True):
            box = band.transformed(self._scene.text.transData)
            rows = slice(round(len(picture) - box.ymax), round(len(picture) - box.ymin))
            columns = slice(round(box.x0), round(box.x1))
            # Multiply instead of painting over, so that the letters stay sharp.
            shade = 1 - strength * (1 - np.array(to_rgb(style.ATTENTION)))
            picture[rows, columns] = (picture[rows, columns] * shade).astype(np.uint8)


def status(replay: Replay, agent: int, moment: int) -> tuple[str, str]:
    """Describe an agent after so many steps of the episode: the step just taken, and the distance to the goal."""
    trajectory = replay.trajectories[agent]
    reached = min(moment, len(trajectory.steps))
    distance = replay.to_goal(agent, reached)
    left = style.distance_text(distance)
    if moment == 0:
        return "at the start", left
    if moment > len(trajectory.steps):
        return ending(replay, agent), left
    step = trajectory.steps[moment - 1]
    chance = chosen_probability(step)
    text = f"step {moment} of {len(trajectory.steps)}: {describe_step(trajectory.poses[moment - 1], step)}"
    if moment == len(trajectory.steps):
        text = ending(replay, agent)
    return text, " · ".join(part for part in ("" if chance is None else f"probability {chance:.2f}", left) if part)


def _draw(artists: Iterable[Artist]) -> None:
    for artist in artists:
        if artist.axes is not None:
            artist.axes.draw_artist(artist)


def _draw_once(artists: Iterable[Artist]) -> None:
    drawn = list(artists)
    _draw(drawn)
    for artist in drawn:
        artist.remove()
