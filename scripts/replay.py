"""Show what agents did: top-down maps, animations, and the steps in the terminal.

    python scripts/replay.py runs/navigator/eval/val_unseen.jsonl --worst 5
    python scripts/replay.py runs/*/eval/val_unseen.jsonl --episode 4332_1 --out figures --format png gif mp4
    python scripts/replay.py submission.json --split val_unseen --random 3 --floor all --out figures

    python scripts/replay.py runs/houses/eval/val_unseen.jsonl --best 1 --out figures --format png gif html

A file holds the trajectories of one agent (.jsonl), or is a submission of the R2R evaluator (.json, with --split).
Path A is the demonstration; B, C, ... are the agents in the order of their files. Without a choice of episodes, five at
random.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.table import Table

from vln.cli import command, say, show
from vln.console import Console, track
from vln.data import find_data
from vln.errors import InputError
from vln.files import writable_folder
from vln.metrics import METRICS
from vln.replay.animation import frames, pace, save_gif, save_mp4
from vln.replay.episode import Replay
from vln.replay.figure import View, floors_shown, save_png
from vln.replay.fonts import missing_font
from vln.replay.moves import describe_step
from vln.replay.page import save_html
from vln.replay.select import Run, Selection, make_runs, replay_episodes
from vln.replay.submitted import load_walks
from vln.replay.terminal import render_episode
from vln.rooms import Room, load_rooms
from vln.tasks.scoring import Sources

Format = Literal["png", "gif", "mp4", "html"]
DEFAULT = 5  # episodes


def main(
    files: tyro.conf.Positional[tuple[Path, ...]],
    data: Path | None = None,
    episode: tuple[str, ...] = (),
    worst: int | None = None,
    best: int | None = None,
    random: int | None = None,
    seed: int = 0,
    floor: str = "touched",
    out: Path | None = None,
    format: tuple[Format, ...] = (),
    split: str | None = None,
    task: str = "r2r",
    scene: Path | None = None,
    up: str | None = None,
    scale: float | None = None,
    json: bool = False,
) -> None:
    """Replay episodes.

    Args:
        files: Trajectories (.jsonl) or submissions (.json), one an agent.
        data: Data folder; $VLN_DATA or ../shared/data if absent.
        episode: Ids of episodes.
        worst: Number of episodes to show in which the first agent does worst: SPL, then nDTW, then navigation error.
        best: Number of episodes to show in which it does best.
        random: So many episodes at random.
        seed: Seed of the random choice.
        floor: "touched" for the floors the paths touch, "all" for the whole building, or a number, 1 the lowest.
        out: Folder for one figure for each episode; without it nothing is written.
        format: Any of png, gif, mp4 and html, a page to step through; png if absent.
        split: Split of the submissions.
        task: Task of the submissions; trajectories tell theirs.
        scene: New path of the GLB scene of the trajectories, if it has moved.
        up: Axis of that file that points up, as in the recording.
        scale: Metres per unit of that file, as it was recorded.
        json: Print one JSON row for each episode and agent instead of the steps.
    """
    selection = choose(episode, worst, best, random, seed)
    if format and out is None:
        raise InputError("--format", "there is no folder to write to", "add --out FOLDER")
    runs = make_runs([(file, load_walks(file, data, split, task)) for file in files])
    replays, rooms = replay_runs(runs, data, selection, scene, up, scale)
    view = View(rooms, floor)
    for replay in replays:
        floors_shown(replay, view)
    if out is not None:
        writable_folder(out)
    if not json:
        for replay in replays:
            Console().print(render_episode(replay))
    written = [] if out is None else write_figures(replays, view, out, format or ("png",))
    if out is not None:
        warn_of_fonts(replays)
    if json:
        show(Table(), rows(replays, written), as_json=True)
    else:
        for path in (path for paths in written for path in paths):
            say(str(path))


def choose(episodes: tuple[str, ...], worst: int | None, best: int | None, random: int | None, seed: int) -> Selection:
    """The selection the flags ask for; an InputError if that is more than one, or less than one episode."""
    for flag, count in (("--worst", worst), ("--best", best), ("--random", random)):
        if count is not None and count < 1:
            raise InputError(flag, f"{count} episodes asked for", "give a number above 0")
    if not episodes and worst is None and best is None and random is None:
        return Selection(random=DEFAULT, seed=seed)
    return Selection(episodes, worst or 0, best or 0, random or 0, seed)


def replay_runs(
    runs: Sequence[Run],
    data: Path | None,
    selection: Selection,
    scene: Path | None = None,
    up: str | None = None,
    scale: float | None = None,
) -> tuple[Sequence[Replay], dict[str, dict[str, Room]]]:
    """The selected episodes of runs on graphs or in continuous worlds, and the rooms of Matterport's buildings."""
    if any(trajectory.task.continuous for run in runs for trajectory in run.trajectories.values()):
        # Compiled code and torch take seconds to load, which graphs do without.
        from envs.replay import SceneFile, house_replays

        return house_replays(runs, selection, SceneFile(scene, up, scale), data), {}
    folder = find_data(data, next(iter(runs[0].trajectories.values())).task.dataset)
    return replay_episodes(runs, selection, Sources(folder)), load_rooms(folder)


def write_figures(replays: Sequence[Replay], view: View, out: Path, formats: Sequence[Format]) -> list[list[Path]]:
    """Write the figures of each episode; returns their paths, a list an episode."""
    return [list(_write(replay, view, out, formats)) for replay in track(replays, "drawing")]


def warn_of_fonts(replays: Sequence[Replay]) -> None:
    """Say which fonts the figures lacked, each once."""
    for sentence in dict.fromkeys(missing_font(replay.trajectories[0].instruction) for replay in replays):
        if sentence:
            print(f"replay: {sentence}", file=sys.stderr)


def _write(replay: Replay, view: View, out: Path, formats: Sequence[Format]) -> Iterator[Path]:
    stem = re.sub(r"[^\w-]", "_", replay.episode_id)
    pictures = frames(replay, view) if {"gif", "mp4"} & set(formats) else []
    for kind in dict.fromkeys(formats):
        path = out / f"{stem}.{kind}"
        if kind == "png":
            save_png(replay, view, path)
        elif kind == "html":
            save_html(replay, view, path)
        elif kind == "gif":
            save_gif(pictures, path, pace(replay))
        else:
            save_mp4(pictures, path, pace(replay))
        yield path


def rows(replays: Sequence[Replay], written: Sequence[Sequence[Path]]) -> list[dict[str, Any]]:
    """A row an episode and agent: what it did and how well; scores are null where the goal is withheld."""
    paths = written or [[] for _ in replays]
    return [
        {
            "episode": trajectory.episode_id,
            "scan": trajectory.scan,
            "agent": agent,
            "instruction": trajectory.instruction,
            "actions": [describe_step(*each) for each in zip(trajectory.poses, trajectory.steps, strict=False)],
            **dict.fromkeys(METRICS),
            **(scores or {}),
            "files": [str(path) for path in files],
        }
        for replay, files in zip(replays, paths, strict=True)
        for agent, trajectory, scores in zip(replay.agents, replay.trajectories, replay.scores, strict=True)
    ]


if __name__ == "__main__":
    command(main)
