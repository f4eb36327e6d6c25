"""Environments of tasks: the one place that puts episodes, scenes, vocabulary and simulator together."""

import sys
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from gymnasium.vector import AutoresetMode

from envs.environment import NavigationVectorEnv
from envs.mixture import mixed_episodes, mixed_rules
from envs.processes import check_fork_safety
from envs.single import NavigationEnv
from envs.source import SCENES, Options, Source
from vln.episodes import Episode
from vln.errors import InputError
from vln.language import Vocabulary
from vln.tasks import Task, find_task, mixed_tasks, with_data_folder
from vln.tasks.scoring import METRIC_SETS


@dataclass(frozen=True)
class TaskData:
    """What environments of a task share."""

    source: Source  # where episodes and scenes come from
    splits: Mapping[str, Sequence[Episode]]  # episodes by name of the split
    vocabulary: Vocabulary  # of the instructions
    shares: Mapping[str, float] = field(default_factory=dict)  # of what is learnt from in a mixture, by `Episode.task`
    rules: Mapping[str, Task] = field(default_factory=dict)  # by which splits go, where that is not the task

    @property
    def task(self) -> Task:
        """The task."""
        return self.source.task

    @property
    def options(self) -> Options:
        """How the data were opened."""
        return self.source.options

    def lengths(self, split: str) -> np.ndarray:
        """Return the (N,) tokens of the instructions of a split."""
        instructions = [each.instruction for each in self.splits[split]]
        return self.vocabulary.encode_batch(instructions, self.options.max_length)[1]

    def parts(self, split: str) -> list[tuple[np.ndarray, float]]:
        """Return the numbers of the episodes of each task, and its share of what is learnt from; none in others."""
        names = np.array([each.task for each in self.splits[split]])
        parts = [(name, np.flatnonzero(names == name), share) for name, share in self.shares.items()]
        for name, numbers, _ in parts if split == "train" else ():
            if not len(numbers):
                problem = f"there are no training episodes of '{name or self.task.name}' in these scenes"
                raise InputError("--mixture", problem, "leave it out, or take more scenes")
        return [(numbers, share) for _, numbers, share in parts if split == "train"]

    def path_lengths(self, split: str) -> np.ndarray:
        """Return the (N,) metres of the demonstrations of a split."""
        return np.array([self.source.path_length(each) for each in self.splits[split]])

    def only(self, split: str, episodes: Sequence[Episode]) -> Self:
        """Return the same with other episodes in a split, and the other splits as they are."""
        return replace(self, splits={**self.splits, split: list(episodes)})

    def of(self, task: Task) -> Self:
        """Return the same data for another task on them, such as one with other actions."""
        source = copy(self.source)
        source.task = task
        return replace(self, source=source, rules={})

    def sharing(self, other: "TaskData") -> Self:
        """Return the same with the scenes that other data have loaded and can show."""
        return replace(self, source=self.source.sharing(other.source))

    def make_env(self, split: str, num_envs: int = 1, **options: Any) -> NavigationVectorEnv:
        """Make an environment of a split; options as of `make_env`."""
        return make_env(self, split, num_envs, **options)

    def without_bad_episodes(self) -> Self:
        """Return the same without episodes that do not fit their scenes, and say on stderr which those are."""
        kept = {}
        for split, episodes in self.splits.items():
            bad = dict(self.source.bad_episodes(episodes))
            for error in bad.values():
                print(f"left out: {error}", file=sys.stderr)
            kept[split] = [each for number, each in enumerate(episodes) if number not in bad]
        return replace(self, splits=kept)

    def check(self) -> None:
        """Check what would show no sooner than an episode is begun."""
        self.source.check([each for episodes in self.splits.values() for each in episodes])


def open_task(
    task: Task | str,
    splits: Sequence[str],
    simulator: str | None = None,
    mixture: Mapping[str, float] | None = None,
    **options: Any,
) -> TaskData:
    """Open the data of a task, or of the path of a data set, for several environments to share.

    `simulator` is another one than the task's. `mixture` are the weights of tasks to learn at once, by name, the task
    among them (`envs.mixture`): all episodes give rewards and end as in the task, but the step limit of training is the
    largest of all tasks. Options are those of `envs.source.Options`.
    """
    check_fork_safety()
    task = find_task(task) if isinstance(task, str) else task
    task = task if simulator is None else replace(task, simulator=simulator)
    task = with_data_folder(task, options.get("data"))
    task.check()
    METRIC_SETS.find(task.metrics)  # now, and not after an hour of training
    mixed = mixed_tasks(task, mixture or {})
    sources = [SCENES.find(each.scenes)(each, Options(**options)) for each, _ in mixed]
    source, (opened, episodes) = sources[0], mixed_episodes(sources, splits)
    vocabulary = source.options.vocabulary
    if vocabulary is None:
        training = (episodes if "train" in episodes else mixed_episodes(sources, ["train"])[0])["train"]
        sentences = (each.instruction for each in training)
        vocabulary = Vocabulary.build(sentences, source.options.min_count, source.options.unit)
    source.open(opened)
    shares = {each.name if each is not task else "": share for each, share in mixed if len(mixed) > 1}
    return TaskData(source, episodes, vocabulary, shares, mixed_rules([each for each, _ in mixed], splits))


def make_single_env(task: Task | str | TaskData, split: str = "train", **options: Any) -> NavigationEnv:
    """Make a single environment; options as of `make_env`. An ended episode stays where it is until `reset`."""
    fixed = {"autoreset_mode": AutoresetMode.DISABLED, "tensors": False}
    return NavigationEnv(make_env(task, split, 1, **{**options, **fixed}))


def make_env(
    task: Task | str | TaskData,
    split: str = "train",
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str | None = None,
    record: bool = False,
    tensors: bool = False,
    blind: bool = False,
    silent: bool = False,
    labelled: bool = False,
    withheld: bool = False,
    max_steps: int | None = None,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    device: str = "cpu",
    simulator: str | None = None,
    **options: Any,
) -> NavigationVectorEnv:
    """Make a vector environment of a split of a task.

    Args:
        task: The task, its name, the path of a data set, or data that are open already.
        split: Name of the split.
        num_envs: Episodes at a time.
        autoreset_mode: What happens after an episode ended; see `NavigationVectorEnv`. NEXT_STEP if None, but DISABLED
            where `record` or `tensors` is set, as `agents.evaluation.rollout` and learners want it.
        record: Put poses and choices into the infos, as `agents.evaluation.rollout` wants them.
        tensors: Give torch tensors on the simulator's device instead of numpy arrays.
        blind: Show nothing.
        silent: Hide the instructions.
        labelled: Show the privileged labels of pixels, if the task has them.
        withheld: Tell nothing of the episodes but the instructions and where they start.
        max_steps: Actions of an episode; those of the task if None.
        max_episode_steps: Another limit on `max_steps`, by the name that `gymnasium.make_vec` has for it.
        render_mode: "rgb_array" for pictures; None for none.
        device: Where the simulator lives, if it can live elsewhere than on the CPU.
        simulator: Another simulator than the task's, for data that are not open yet.
        **options: How data are opened that are not open yet (`envs.source.Options`).
    """
    if options and isinstance(task, TaskData):
        problem = f"{', '.join(options)} given for data that are open already"
        raise InputError("make_env", problem, "give what data are opened with to open_task")
    opened = {"views": "features" in options, **options, "blind": blind, "silent": silent}
    data = task if isinstance(task, TaskData) else open_task(task, [split], simulator, **opened)
    episodes = data.splits[split]
    unset = AutoresetMode.DISABLED if record or tensors else AutoresetMode.NEXT_STEP
    return NavigationVectorEnv(
        data.source.simulator(blind=blind, labelled=labelled, device=device),
        [each.without_goal() for each in episodes] if withheld else episodes,
        data.vocabulary,
        num_envs,
        task=data.rules.get(split, data.task),
        split=split,
        source=data.source,
        max_steps=max_steps,
        max_length=data.options.max_length,
        autoreset_mode=unset if autoreset_mode is None else autoreset_mode,
        max_episode_steps=max_episode_steps,
        render_mode=render_mode,
        silent=silent or data.options.silent,
        record=record,
        tensors=tensors,
    )
