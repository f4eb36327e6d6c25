"""The episodes of tasks that are learnt at once, in the scenes of one source."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from envs.source import Source, load_split
from vln.episodes import Episode
from vln.errors import InputError
from vln.tasks import Task

Splits = dict[str, list[Episode]]


def mixed_episodes(sources: Sequence[Source], splits: Sequence[str]) -> tuple[Splits, Splits]:
    """Load splits of tasks from their sources, the main one first, which may be the only one.

    Returns the episodes of all tasks by split, whose scenes the main source is to open; and the splits that there are:
    "train" of all tasks, the others of the main one, and those of another one by `mixed_split`. Episodes of the others
    have `task` set, and its name in their ids. Those in scenes that the main task holds out for split "dev" are not
    trained on.
    """
    main, *others = sources
    if others and not main.mixes:
        raise InputError("--mixture", f"tasks with scenes '{main.task.scenes}' cannot be mixed", "learn one at a time")
    opened = {split: load_split(main, split) for split in splits}
    found, held_out = dict(opened), {each.scan for each in opened.get("dev", ())}
    for source in others:
        name = source.task.name
        for split in splits:
            own = [
                replace(each, episode_id=f"{name}/{each.episode_id}", task=name) for each in load_split(source, split)
            ]
            if split == "train":
                own = [each for each in own if each.scan not in held_out]
                found[split] = [*found[split], *own]
            else:
                found[mixed_split(name, split)] = own
            opened[split] = [*opened[split], *own]
    return opened, found


def mixed_split(task: str, split: str) -> str:
    """Return the name under which a split of another task than the main one is evaluated."""
    return f"{task}-{split}"


def mixed_rules(tasks: Sequence[Task], splits: Sequence[str]) -> Mapping[str, Task]:
    """Return the tasks by whose rules splits go that do not go by those of the main task, which is the first.

    Training goes by the main task's, with the largest step limit of all.
    """
    main, *others = tasks
    if not others:
        return {}
    learnt = replace(main, max_steps=max(each.max_steps for each in tasks))
    return {"train": learnt, **{mixed_split(each.name, split): each for each in others for split in splits}}
