"""Probe a trained agent: interpretable cells, and attention.

python scripts/probe.py cells runs/navigator                                # which cells are explained by what
python scripts/probe.py cells runs/navigator --full                         # the whole split, more permutations
python scripts/probe.py cells runs/navigator --zero core.1:17 --clamp core.1:4=0.9
python scripts/probe.py cells runs/speaker                                  # of a speaker's decoder
python scripts/probe.py attention runs/navigator --episode 4332_1           # words and views attended to
python scripts/probe.py attention runs/navigator --episode 4332_1 --trajectories runs/navigator/eval/val_unseen.jsonl
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Group
from rich.table import Table
from tyro.conf import Positional

from agents.box import output_folder
from agents.config import TrainConfig
from agents.data import TaskData
from agents.evaluation import rollout_with_progress
from agents.probing.attention import Over, check_over, check_vocabulary_of
from agents.probing.cell_search import CellSearch, Effects, Parts
from agents.probing.recording import observed_labels
from agents.runs import open_run
from agents.speaking.runs import open_speaker
from agents.training.checkpoint import open_checkpoint
from agents.training.devices import use_threads
from envs.make import open_task
from scripts.replay import replay_runs
from vln.cli import commands, say, show
from vln.configuration import from_json
from vln.console import Console
from vln.data import find_data
from vln.episodes import select_ids
from vln.errors import InputError
from vln.figures import save_figure
from vln.files import writable_folder
from vln.probing.attention import attention_strip, check_attention
from vln.probing.attention_figure import draw_attention
from vln.probing.report import SHOWN, distinct, part_row, report, shown_cells, write
from vln.probing.surroundings import GraphSurroundings, SceneSurroundings, Surroundings
from vln.replay.episode import Replay
from vln.replay.figure import View
from vln.replay.page import save_html
from vln.replay.select import Selection, make_runs
from vln.rooms import load_rooms
from vln.trajectory import Trajectory, read_trajectories

QUICK, FULL = (120, 200), (1_000_000, 2000)  # episodes and permutations


def cells(
    run: Positional[Path],
    zero: tuple[str, ...] = (),
    clamp: tuple[str, ...] = (),
    split: str = "val_unseen",
    episodes: int | None = None,
    permutations: int | None = None,
    top: int = 10,
    speaker: Path | None = None,
    full: bool = False,
    data: Path | None = None,
    checkpoint: Literal["best", "latest"] = "best",
    out: Path | None = None,
    seed: int = 0,
    threads: int = 0,
    json: bool = False,
) -> None:
    """Search a trained agent for cells that a simple predicate explains, and clamp some at a value.

    Predicates are chosen in one half of the buildings and scored in the other; chance is what permutations give. Writes
    cells.png, cells.html and cells.json.

    Args:
        run: Folder of the training run of a navigator or of a speaker.
        zero: Cells to clamp at 0, all together, such as core.1:17; the best of those found if no cell is given.
        clamp: Cells to clamp at a value, all together, such as core.1:17=0.9.
        split: Episodes to record activations in.
        episodes: Number of episodes; 120 if not given, all with --full.
        permutations: Permutations that estimate chance; 200 if not given, 2,000 with --full.
        top: Predicates of each part of the network that are listed, each with its best cell.
        speaker: Run of a speaker to search as well.
        full: Use the whole split.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The best one by SPL or, of a speaker, by loss on the selecting split, or the latest.
        out: Folder to write to; inside/SPLIT of the run if not given.
        seed: Seed of the halves and of the permutations.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of tables.
    """
    usual = FULL if full else QUICK
    count, tries = _at_least("--episodes", episodes, usual[0]), _at_least("--permutations", permutations, usual[1])
    _at_least("--top", top, top)
    use_threads(threads)
    search = CellSearch(split, count, tries, tuple(zero), tuple(clamp), seed)
    parts, effects = search_run(search, run, data, checkpoint)
    if speaker:
        more = search_run(replace(search, zero=(), clamp=()), speaker, data, checkpoint)
        parts, effects = parts + more[0], effects + more[1]
    wanted = max(top, 2 * SHOWN)
    shown = [(part.part, shown_cells(part, distinct(found)[:wanted], seed)) for part, found in parts]
    written = write(writable_folder(out or output_folder(run) / "inside" / split), run, parts, effects, shown)
    if json:
        show(Table(), {"parts": [part_row(*each, top) for each in parts], "held": effects}, as_json=True)
        return
    Console().print(report(parts, effects, shown, top))
    for path in written:
        say(str(path))


def search_run(search: CellSearch, run: Path, data: Path | None, checkpoint: str) -> tuple[Parts, Effects]:
    """Search the navigator or the speaker of a run."""
    if "speaker" in open_checkpoint(run, checkpoint).state["config"]:
        return search.speaker(open_speaker(run, [search.split], open_task, data, checkpoint))
    trained = open_run(run, search.split, open_task, data, checkpoint)
    sees = trained.data.task.continuous and not trained.data.options.blind
    labelled = sees and trained.config.learns_labels
    surroundings = surroundings_of(trained.data)
    return search.navigator(trained.agent, trained.data, surroundings, observe if sees else None, labelled=labelled)


def observe(observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return predicates of images with the labels of generated houses."""
    from envs.houses.categories import CATEGORIES  # compiled code, which graphs do without

    return observed_labels(observation, CATEGORIES)


def surroundings_of(data: TaskData) -> Surroundings:
    """Return what surrounds agents in a task."""
    radius, source = data.task.success.metres, data.source
    if source.graphs:
        rooms = load_rooms(find_data(data.options.data, data.task.dataset))
        return GraphSurroundings({each.scan: each for each in source.graphs}, rooms, radius)
    return SceneSurroundings(getattr(source, "room_names"), radius)  # noqa: B009 (of continuous worlds alone)


def _at_least(flag: str, value: int | None, usual: int) -> int:
    if value is not None and value < 1:
        raise InputError(flag, f"{value} is out of range", "give a whole number of at least 1")
    return usual if value is None else value


def attention(
    run: Positional[Path],
    episode: tuple[str, ...],
    over: tuple[Over, ...] = (),
    trajectories: Path | None = None,
    split: str = "val_unseen",
    data: Path | None = None,
    checkpoint: Literal["best", "latest"] = "best",
    out: Path | None = None,
    threads: int = 0,
    json: bool = False,
) -> None:
    """Show what an agent attends to: a strip in the terminal, a figure (.png) and a page with the replay (.html).

    Args:
        run: Folder of a navigator's training run.
        episode: Ids of episodes.
        over: Words, views or both; what the agent has if not given.
        trajectories: File written by evaluate.py to read the attention from; otherwise the agent acts in the episodes.
        split: Split of the episodes.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The one with the best SPL on the split of `train.py --select`, or the latest.
        out: Folder to write to; inside/SPLIT of the run if not given.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of strips.
    """
    if not episode:
        raise InputError("--episode", "none is given", "give the ids of episodes")
    use_threads(threads)
    opened = open_checkpoint(run, checkpoint)
    source, config = opened.source, from_json(TrainConfig, opened.state["config"], opened.source)
    kinds = check_over(source, config, over)
    if trajectories is None:
        trained = open_run(run, split, open_task, data, checkpoint)
        episodes = select_ids(f"split '{split}'", trained.data.splits[split], episode)
        env = trained.only(split, episodes).environment(split, len(episode))
        found = rollout_with_progress(trained.agent, env, 0)
    else:
        found = select_ids(trajectories, read_trajectories(trajectories), episode)
        check_vocabulary_of(trajectories, run, config, found)
    for each in found:
        for kind in kinds:
            check_attention(trajectories or source, each, kind)
    runs = make_runs([(trajectories or source, found)])
    replays, rooms = replay_runs(runs, data, Selection(tuple(episode)))
    folder = writable_folder(out or output_folder(run) / "inside" / split)
    written = [path for replay in replays for path in write_attention(replay, View(rooms), kinds, folder)]
    if json:
        show(Group(), [attention_row(each) for each in found], as_json=True)
        return
    for replay in replays:
        Console().print(attention_strip(replay, kinds), soft_wrap=True)
    for path in written:
        say(str(path))


def write_attention(replay: Replay, view: View, kinds: tuple[str, ...], folder: Path) -> list[Path]:
    """Write the figure and the page of an episode, and return their paths."""
    stem = re.sub(r"[^\w-]", "_", replay.episode_id)
    paths = [folder / f"attention-{stem}.{kind}" for kind in ("png", "html")]
    save_figure(draw_attention(replay, kinds), paths[0])
    save_html(replay, view, paths[1])
    return paths


def attention_row(trajectory: Trajectory) -> dict[str, Any]:
    """Return the attention in an episode for JSON."""
    taken = trajectory.steps
    steps = [{"choice": step.choice, "words": step.word_attention, "views": step.view_attention} for step in taken]
    return {"episode": trajectory.episode_id, "words": trajectory.words, "steps": steps}


if __name__ == "__main__":
    commands({"cells": cells, "attention": attention})
