"""Runs of training from Python: what a run learnt, by which task and configuration, ready to act in an environment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from agents.box import is_boxed, output_folder
from agents.config import TrainConfig, data_options
from agents.data import OpenTask, TaskData
from agents.evaluation import EVALUATION_BATCH, warn_unreadable
from agents.policies.acting import PolicyAgent
from agents.policies.encoders import blind_views, encoder_settings
from agents.policies.policy import Policy
from agents.training.checkpoint import (
    LATEST,
    Checkpoint,
    Fingerprint,
    check_fingerprint,
    load_model,
    open_checkpoint,
)
from agents.training.devices import usable_device
from vln.configuration import as_json, first_difference, from_json
from vln.console import tell
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_text
from vln.language import Vocabulary
from vln.tasks import Task

FREE = ("name", "simulator", "expert", "reward")  # what an agent may meet otherwise than it learnt


@dataclass(frozen=True)
class Run:
    """A run of training: its folder, configuration, vocabulary and weights."""

    folder: Path
    config: TrainConfig
    vocabulary: Vocabulary
    checkpoint: Checkpoint

    @property
    def task(self) -> Task:
        """What the agent learnt."""
        return self.config.task

    @property
    def options(self) -> dict[str, Any]:
        """Options of `envs.make.make_env` with which an environment shows what the agent saw when it learnt."""
        return {**data_options(self.config), "vocabulary": self.vocabulary}

    def policy(self, env: Any) -> Policy:
        """Build the policy with its averaged weights, for an environment of `envs.make.make_env` or the data it shares.

        An InputError if it is of another task or of other data, or the weights are of another architecture.
        """
        check_task(self.folder, self.task, env.task)
        check_fingerprint(self.checkpoint, fingerprint(env))
        policy = self.config.policy.build(self.config, env)
        load_model(policy, self.checkpoint.part("average"), self.checkpoint.source)
        return policy

    def agent(
        self, env: Any, *, decoding: Literal["greedy", "sample"] = "greedy", blind: bool = False, device: str = "cpu"
    ) -> PolicyAgent:
        """Build the agent; `env` and errors as of `policy`, `blind` hides the content of views from it."""
        policy = self.policy(env)
        if blind:
            policy.views = blind_views(policy.get_submodule("views"), encoder_settings(self.config))
        return PolicyAgent(policy.to(usable_device(device)), self.vocabulary, decoding=decoding)


def load_run(folder: Path | str, checkpoint: str = "best") -> Run:
    """Load a run of a navigator; of its checkpoints the "latest" where there is no "best" yet.

    `box:NAME` is an agent that comes with the package (`agents.box`); the folder is then where its files go.
    """
    folder = Path(folder)
    found = open_checkpoint(folder, checkpoint)
    config = from_json(TrainConfig, found.state["config"], found.source)
    if is_boxed(folder):
        vocabulary = Vocabulary.from_json(found.state["vocabulary"], found.source)
    else:
        vocabulary = Vocabulary.from_json(read_text(folder / "vocabulary.json"), folder / "vocabulary.json")
    return Run(output_folder(folder), config, vocabulary, found)


@dataclass(frozen=True)
class Trained:
    """A trained agent and the data of its task, opened as the run's configuration says."""

    run: Run
    agent: PolicyAgent
    data: TaskData

    @property
    def config(self) -> TrainConfig:
        """The configuration of the run."""
        return self.run.config

    def environment(self, split: str, num_envs: int = EVALUATION_BATCH, **options: Any) -> Any:
        """Make an environment for `agents.evaluation.rollout`; options as of `envs.make.make_env`."""
        return self.data.make_env(split, num_envs, record=True, **options)

    def only(self, split: str, episodes: Sequence[Episode]) -> "Trained":
        """Return the same agent with other episodes in a split."""
        return replace(self, data=self.data.only(split, episodes))


def open_run(
    folder: Path,
    split: str,
    open_task: OpenTask,
    data: Path | None = None,
    checkpoint: str = "best",
    *,
    blind: bool = False,
    decoding: Literal["greedy", "sample"] = "greedy",
    device: str = "cpu",
    simulator: str | None = None,
    skip_bad: bool = False,
) -> Trained:
    """Load the agent of a run, and open a split of its task with `open_task`, which is `envs.make.open_task`.

    Options: the data folder (the usual ones if None), a "best" or "latest" checkpoint, hidden views (`blind`), another
    simulator than in training, leaving out episodes that do not fit their scenes (`skip_bad`).
    """
    found = load_run(folder, checkpoint)
    if found.checkpoint.source.name == LATEST and checkpoint != "latest":
        note = f"{folder}: there is no {checkpoint} checkpoint yet; its {found.checkpoint.source.stem} one is used"
        tell(note)
    if simulator is not None and not found.task.continuous:
        raise InputError("--simulator", f"'{found.task.name}' is no task of a continuous world", "leave it out")
    opened = open_task(found.task, [split], simulator, data=data, **found.options)
    opened = opened.without_bad_episodes() if skip_bad else opened
    warn_unreadable(opened.splits[split], found.vocabulary)
    return Trained(found, found.agent(opened, decoding=decoding, blind=blind, device=device), opened)


def check_runs(runs: Sequence[Path]) -> Sequence[Path]:
    """Return run folders; raise an InputError if there are none, or two share a name."""
    names = [run.resolve().name for run in runs]
    if not runs or len(set(names)) < len(names):
        raise InputError("runs", f"{', '.join(names) or 'none'} given", "give run folders of different names")
    return runs


def check_task(source: object, learnt: Task, met: Task) -> None:
    """Raise an InputError unless an environment is of the task that an agent learnt, but for the fields `FREE`."""
    here, there = ({key: each for key, each in as_json(task).items() if key not in FREE} for task in (learnt, met))
    difference = first_difference(here, there)
    if difference:
        problem = f"learnt task '{learnt.name}', the environment is of '{met.name}': {difference}"
        raise InputError(source, problem, "make the environment of the run's own task")


def fingerprint(data: Any) -> Fingerprint:
    """Return what a checkpoint remembers of an environment's data."""
    return Fingerprint(data.vocabulary.digest, data.source.content)
