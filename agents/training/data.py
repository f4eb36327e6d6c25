"""The data of a training run: its splits, what is checked before training, episodes that are added."""

from collections.abc import Sequence
from pathlib import Path

from agents.config import CaptionConfig, TrainConfig
from agents.data import TaskData
from agents.evaluation import warn_unreadable
from vln.data_folder import find_data_folder
from vln.episodes import check_episodes, load_episodes
from vln.errors import InputError

SPLITS = ("val_seen", "val_unseen")


def run_splits(config: TrainConfig | CaptionConfig, data: Path | None = None) -> tuple[str, ...]:
    """Return the splits that a run needs, training first; a folder of one's own may lack some."""
    folder = find_data_folder(config.task.dataset, data)
    if folder and config.select != "latest" and not folder.has(config.select):
        fix = "add it, or choose the newest checkpoint of a navigator with --select latest"
        raise InputError(folder.path, f"split '{config.select}', which chooses the best checkpoint, is missing", fix)
    evaluated = [split for split in SPLITS if folder is None or folder.has(split)]
    explored = config.explored_splits if isinstance(config, TrainConfig) else ()
    return tuple(dict.fromkeys(["train", *evaluated, *(["dev"] if config.select == "dev" else []), *explored]))


def check_splits(config: TrainConfig, data: TaskData, is_main: bool = True) -> None:
    """Raise an InputError for what evaluation or the choice of the best checkpoint would fail on later.

    The main worker checks the scenes, and names instructions without a known word.
    """
    selecting = [] if config.select == "latest" else [("--select", str(config.select))]
    needed = [("'train'", "train"), *selecting]
    for source, split in needed:
        if data.splits[split][0].withheld:
            raise InputError(source, f"the goals of split '{split}' are withheld", "use a split whose goals are public")
    if is_main:
        data.check()
        for split, episodes in data.splits.items():
            if split != "train":
                warn_unreadable(episodes, data.vocabulary)


def add_episodes(data: TaskData, files: Sequence[Path]) -> TaskData:
    """Return the data with the episodes of some files added to split "train"."""
    graphs = {each.scan: each for each in data.source.graphs}
    for file in files:
        if not graphs:
            raise InputError(file, f"task '{data.task.name}' has no paths of viewpoints", "leave --augment out")
        episodes = load_episodes(file, "train")
        check_episodes(file, episodes, graphs)
        if any(each.withheld for each in episodes):
            raise InputError(file, "the goals of its episodes are withheld", "give whole paths to learn from")
        known = {each.episode_id for each in data.splits["train"]}
        for each in episodes:
            if each.episode_id in known:
                raise InputError(
                    file, f"instr_id '{each.episode_id}' is there already", "give every path its own path_id"
                )
        data = data.only("train", [*data.splits["train"], *episodes])
    return data
