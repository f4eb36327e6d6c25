"""Make a data set of generated houses and show what it asks for.

    python scripts/make_episodes.py --dataset houses-short --houses 100
    python scripts/make_episodes.py --dataset houses-long --splits val_unseen --examples 20

Training and evaluation make what they lack themselves, in `cache/houses`; this makes it beforehand.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import random
from pathlib import Path
from typing import Any

from rich.table import Table

from envs.houses.dataset import houses_folder, houses_for, houses_split
from vln.cli import command, show
from vln.episodes import Episode
from vln.language import split_words


def main(
    dataset: str = "houses-short",
    splits: tuple[str, ...] = ("train", "val_seen", "val_unseen"),
    houses: int | None = None,
    folder: Path | None = None,
    examples: int = 5,
    json: bool = False,
) -> None:
    """Make a data set of generated houses and show some of its instructions.

    Args:
        dataset: houses-short, houses or houses-long.
        splits: Splits to make.
        houses: Houses of the training split, from the first; the data set's own number if not given.
        folder: Folder of the data set; `houses/` of `vln.data.cache_folder` if not given.
        examples: Instructions of each split to show.
        json: Print JSON.
    """
    rows, table = [], Table("split", "houses", "episodes", "words", "instructions", title=dataset)
    folder = folder or houses_folder()
    for split in splits:
        row = describe(houses_split(split, dataset, folder, houses_for(split, houses)), split, examples)
        rows.append(row)
        sentences = "\n".join(row["instructions"])
        table.add_row(split, str(row["houses"]), str(row["episodes"]), f"{row['words']:.1f}", sentences)
    show(table, rows, json)


def describe(episodes: list[Episode], split: str, examples: int) -> dict[str, Any]:
    """Return counts and some instructions."""
    drawn = random.Random(0).sample(episodes, min(examples, len(episodes)))
    return {
        "split": split,
        "houses": len({episode.scan for episode in episodes}),
        "episodes": len(episodes),
        "words": sum(len(split_words(episode.instruction)) for episode in episodes) / len(episodes),
        "instructions": [episode.instruction for episode in drawn],
    }


if __name__ == "__main__":
    command(main)
