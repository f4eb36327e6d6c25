"""Make a data set: of generated houses, or in a scene of your own.

    python scripts/make_episodes.py --dataset houses-short --houses 100
    python scripts/make_episodes.py --dataset houses-long --splits val_unseen --examples 20
    python scripts/make_episodes.py --scene my.glb --out my-data                          # 80, 10 and 10 episodes
    python scripts/make_episodes.py --scene my.glb --out my-data --speaker runs/speaker   # it says the instructions
    python scripts/make_episodes.py --scene b.glb --splits test_b --count 20 --instructions b.txt --out my-data

Of houses, training and evaluation make what they lack themselves, in `cache/houses`; this makes it beforehand. A folder
of scenes is a data set by its path: `python scripts/train.py houses-demo --task.dataset my-data`.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from envs.houses.dataset import houses_folder, houses_for, houses_split
from envs.scene_episodes import (
    SHARES,
    Draw,
    check_new,
    divide,
    draw_episodes,
    load_scenes,
    read_instructions,
    read_shares,
    write_dataset,
)
from vln.cli import command, show
from vln.console import tell
from vln.episodes import Episode
from vln.errors import InputError
from vln.language import split_words
from vln.tasks import Task
from vln.vlnce_datasets import VLNCE

if TYPE_CHECKING:
    from envs.continuous import SceneCache

SPLITS = ("train", "val_seen", "val_unseen")  # of houses


def main(
    dataset: str = "houses-short",
    splits: Annotated[tuple[str, ...], tyro.conf.arg(aliases=("--split",))] = (),
    houses: int | None = None,
    folder: Path | None = None,
    scene: tuple[Path, ...] = (),
    up: str | None = None,
    scale: float | None = None,
    draw: Draw = Draw(),  # noqa: B008 (frozen)
    instructions: Path | None = None,
    speaker: Path | None = None,
    out: Path = Path("my-data"),
    examples: int = 5,
    json: bool = False,
) -> None:
    """Make a data set and show some of its instructions.

    Args:
        dataset: houses-short, houses or houses-long.
        splits: Splits to make; train, val_seen and val_unseen if absent. In scenes each may have a share, by default
            train=0.8 val_seen=0.1 val_unseen=0.1.
        houses: Houses of the training split, from the first; the data set's own number if not given.
        folder: Folder of the data set of houses; `houses/` of `vln.data.cache_folder` if not given.
        scene: GLB or glTF files to make episodes in, instead of houses.
        up: Axis of these files that points up; as their stage_config says if absent, else y.
        scale: Metres per unit of these files; as their stage_config says if absent, else 1.
        draw: How episodes in scenes are drawn.
        instructions: File of instructions, one a line or a JSON list, for the episodes in their order.
        speaker: Run of a speaker that learnt in houses and says the instructions.
        out: Folder of the data set in scenes, to which splits can be added.
        examples: Instructions of each split to show.
        json: Print JSON.
    """
    if scene:
        given = make_in_scenes(scene, up, scale, draw, read_shares(splits or SHARES), instructions, speaker, out)
    else:
        place = folder or houses_folder()
        wanted = splits or SPLITS
        given = {split: houses_split(split, dataset, place, houses_for(split, houses)) for split in wanted}
    kind = "scenes" if scene else "houses"
    table = Table("split", kind, "episodes", "words", "instructions", title=str(out) if scene else dataset)
    rows = [describe(episodes, split, kind, examples) for split, episodes in given.items()]
    for row in rows:
        sentences = "\n".join(row["instructions"])
        table.add_row(row["split"], str(row[kind]), str(row["episodes"]), f"{row['words']:.1f}", sentences)
    show(table, rows, json)


def describe(episodes: Sequence[Episode], split: str, kind: str, examples: int) -> dict[str, Any]:
    """Return counts, that of scenes by their kind, and some instructions."""
    drawn = random.Random(0).sample(episodes, min(examples, len(episodes)))
    return {
        "split": split,
        kind: len({episode.scan for episode in episodes}),
        "episodes": len(episodes),
        "words": sum(len(split_words(episode.instruction)) for episode in episodes) / len(episodes),
        "instructions": [episode.instruction for episode in drawn],
    }


def make_in_scenes(
    paths: Sequence[Path],
    up: str | None,
    scale: float | None,
    draw: Draw,
    shares: dict[str, float],
    instructions: Path | None,
    speaker: Path | None,
    out: Path,
) -> dict[str, list[Episode]]:
    """Make a data set in scenes, and return its episodes by split; arguments as of `main`."""
    from envs.continuous import SceneCache  # with torch, which takes seconds to load and houses do without

    draw.check()
    if instructions and speaker:
        raise InputError("--instructions and --speaker", "both say the instructions", "give one of them")
    scenes = load_scenes(paths, up, scale)
    check_new(out, scenes, [*shares])
    cache = SceneCache(scenes.__getitem__, drawn=speaker is not None)
    parts = [divide(draw_episodes(cache.get(name).ground, draw), shares) for name in scenes]
    episodes = [each for part in parts for split in part.values() for each in split]
    if speaker:
        sentences = spoken(speaker, episodes, cache)
    elif instructions:
        sentences = read_instructions(instructions, len(episodes))
        if more := len(sentences) - len(episodes):
            tell(f"{instructions}: the last {more} of {len(sentences)} instructions are not used")
    else:
        sentences = [each.instruction for each in episodes]
        tell("the instructions are placeholders, which tell where the goal is; give --instructions or --speaker")
    told = [replace(each, instruction=text) for each, text in zip(episodes, sentences, strict=False)]
    splits = {split: [each for each in told if each.split == split] for split in shares}
    write_dataset(out, scenes, splits)
    tell(f"wrote {out}; train on it with --task.dataset {out}")
    return splits


def spoken(run: Path, episodes: Sequence[Episode], cache: "SceneCache") -> list[str]:
    """Return what a speaker says of the paths of episodes."""
    # Networks take seconds to load, which other instructions do without.
    from agents.speaking.captions import captions
    from agents.speaking.decoding import Decoding
    from agents.speaking.demonstrations import in_batches
    from agents.speaking.runs import open_speaker
    from envs.make import TaskData, open_task

    def open_here(task: Task, splits: Sequence[str], **options: Any) -> TaskData:
        if not task.continuous or task.dataset in VLNCE:
            problem = f"its speaker learnt '{task.name}', which is not in houses"
            raise InputError(run, problem, "give a run of the preset houses-speaker")
        return open_task(task, splits, "embedded", scene_cache=cache, **options)

    trained = open_speaker(run, (), open_here)
    routes = in_batches(trained.data.demonstrations("", episodes=episodes), len(episodes))
    return [each.text for each in captions(trained.speaker, routes, trained.data.data, Decoding())]


if __name__ == "__main__":
    command(main)
