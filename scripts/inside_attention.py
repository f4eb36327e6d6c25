"""`probe.py attention`: the words and views that an agent attended to at each step."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Group
from tyro.conf import Positional

from agents.config import TrainConfig
from agents.training.checkpoint import load_checkpoint, run_checkpoint
from agents.training.devices import use_threads
from scripts.evaluate import live, open_run
from scripts.inside_listen import only
from scripts.replay import replay_runs
from scripts.speak import pick
from vln.cli import say, show
from vln.configuration import from_json
from vln.console import Console
from vln.errors import InputError
from vln.files import read_text, writable_folder
from vln.language import Vocabulary
from vln.probing.attention import attention_strip, check_attention
from vln.probing.attention_figure import save_attention
from vln.replay.episode import Replay
from vln.replay.figure import View
from vln.replay.page import save_html
from vln.replay.select import Selection, make_runs
from vln.trajectory import Trajectory, read_trajectories

Over = Literal["words", "views"]


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
        trajectories: File written by evaluate.py to read the attention from; otherwise the agent lives the episodes.
        split: Split of the episodes.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The best one by SPL on the selecting split, or the latest.
        out: Folder to write to; inside/SPLIT of the run if not given.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of strips.
    """
    if not episode:
        raise InputError("--episode", "none is given", "give the ids of episodes")
    use_threads(threads)
    source = run_checkpoint(run, checkpoint)
    config = from_json(TrainConfig, load_checkpoint(source).state["config"], source)
    kinds = check_over(source, config, over)
    if trajectories is None:
        lived = live_again(run, split, episode, data, checkpoint)
    else:
        lived = pick(trajectories, {each.episode_id: each for each in read_trajectories(trajectories)}, episode)
        check_read(trajectories, run, config, lived)
    for each in lived:
        for kind in kinds:
            check_attention(trajectories or source, each, kind)
    runs = make_runs([(trajectories or source, lived)])
    replays, rooms = replay_runs(runs, data, Selection(tuple(episode)), None, None, None)
    folder = writable_folder(out or run / "inside" / split)
    written = [path for replay in replays for path in write(replay, View(rooms), kinds, folder)]
    if json:
        show(Group(), [row(each) for each in lived], as_json=True)
        return
    for replay in replays:
        Console().print(attention_strip(replay, kinds), soft_wrap=True)
    for path in written:
        say(str(path))


def check_over(source: object, config: TrainConfig, over: Sequence[Over]) -> tuple[Over, ...]:
    """What there is attention over among what is asked for, or at all.

    Raises:
        InputError: If the agent has no attention that is asked for, or none.
    """
    blind, deaf = config.ablate == "vision", config.ablate == "language"
    lacking: dict[Over, str] = {
        "words": "reads nothing, so that it attends to no words" if deaf else "",
        "views": "sees nothing, so that it attends to no views" if blind else "",
    }
    if not config.navigator.panorama and not blind:
        lacking["views"] = "has no attention over views (navigator.panorama is false)"
    kinds = tuple(dict.fromkeys(over)) or tuple(kind for kind in lacking if not lacking[kind])
    for kind in kinds or tuple(lacking):
        if lacking[kind]:
            raise InputError(source, f"the agent {lacking[kind]}", "leave it out of --over, or give another run")
    return kinds


def live_again(run: Path, split: str, episode: Sequence[str], data: Path | None, checkpoint: str) -> list[Trajectory]:
    """What the agent of a run does in some episodes of a split, with its attention.

    Raises:
        InputError: If the run or its data are missing or do not fit, or an episode is unknown.
    """
    trained = open_run(run, split, data, checkpoint, False, "greedy", "cpu")
    every = {each.episode_id: each for each in trained.data.splits[split]}
    trained = only(trained, split, pick(f"split '{split}'", every, episode))
    return live(trained.agent, trained.environment(split, len(episode)), 0)


def check_read(source: Path, run: Path, config: TrainConfig, lived: Sequence[Trajectory]) -> None:
    """Check that trajectories were read with the vocabulary of a run.

    Raises:
        InputError: If one was not.
    """
    vocabulary = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    for each in lived:
        words = vocabulary.words("" if config.ablate == "language" else each.instruction, config.language.max_length)
        if each.words != words:
            problem = f"field 'words' of episode '{each.episode_id}' is not what the vocabulary of {run} makes of it"
            raise InputError(source, problem, "give trajectories of this run that it lived with its instructions")


def write(replay: Replay, view: View, kinds: tuple[str, ...], folder: Path) -> list[Path]:
    """Write figure and page of an episode; returns their paths."""
    stem = re.sub(r"[^\w-]", "_", replay.episode_id)
    paths = [folder / f"attention-{stem}.{kind}" for kind in ("png", "html")]
    save_attention(replay, paths[0], kinds)
    save_html(replay, view, paths[1])
    return paths


def row(lived: Trajectory) -> dict[str, Any]:
    """What was attended to in an episode, as JSON."""
    steps = [
        {"choice": step.choice, "words": step.word_attention, "views": step.view_attention} for step in lived.steps
    ]
    return {"episode": lived.episode_id, "words": lived.words, "steps": steps}
