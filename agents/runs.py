"""Runs of training from Python: what a run learnt, by which task and configuration, ready to act in an environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.config import TrainConfig, data_options
from agents.policies.acting import PolicyAgent
from agents.policies.navigator import Navigator
from agents.policies.policy import Policy
from agents.policies.views import BlindViews
from agents.policies.vision import BlindImages
from agents.training.checkpoint import (
    Checkpoint,
    Fingerprint,
    check_fingerprint,
    first_difference,
    load_checkpoint,
    load_model,
    run_checkpoint,
)
from agents.training.devices import usable_device
from vln.configuration import as_json, from_json
from vln.errors import InputError
from vln.files import read_text
from vln.language import Vocabulary
from vln.tasks import Task

FREE = ("name", "simulator", "expert", "reward")  # what an agent may meet otherwise than it learnt


@dataclass(frozen=True)
class Run:
    """A run of training.

    Attributes:
        folder: The folder.
        config: The configuration.
        vocabulary: Of the instructions.
        checkpoint: The weights, and where they are from.
    """

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
        """Build the policy with its averaged weights.

        Args:
            env: An environment of `envs.make.make_env`, or the data it shares with others.

        Raises:
            InputError: If it is of another task or of other data, or the weights are of another architecture.
        """
        check_task(self.folder, self.task, env.task)
        check_fingerprint(self.checkpoint, fingerprint(env))
        policy = self.config.policy.build(self.config, env)
        load_model(policy, self.checkpoint.part("average"), self.checkpoint.source)
        return policy

    def agent(
        self, env: Any, *, decoding: Literal["greedy", "sample"] = "greedy", blind: bool = False, device: str = "cpu"
    ) -> PolicyAgent:
        """Build the agent; arguments and errors as of `policy`.

        Args:
            env: As of `policy`.
            decoding: Take the most probable action, or sample.
            blind: Hide the content of views from it.
            device: Where it computes.
        """
        policy = self.policy(env)
        if blind:
            settings = self.config.navigator
            assert isinstance(policy, Navigator), "of a navigator's settings"
            policy.views = BlindImages(settings.camera, settings.view) if policy.camera else BlindViews(settings.view)
        return PolicyAgent(policy.to(usable_device(device)), self.vocabulary, decoding=decoding)


def load_run(folder: Path | str, checkpoint: str = "best") -> Run:
    """Load a run of a navigator.

    Args:
        folder: The folder of the run.
        checkpoint: "best" on the selecting split, or "latest"; the latest where there is no best yet.

    Raises:
        InputError: If there is no such run, or it is damaged.
    """
    folder = Path(folder)
    found = load_checkpoint(run_checkpoint(folder, checkpoint))
    config = from_json(TrainConfig, found.state["config"], found.source)
    vocabulary = Vocabulary.from_json(read_text(folder / "vocabulary.json"), folder / "vocabulary.json")
    return Run(folder, config, vocabulary, found)


def check_task(source: object, learnt: Task, met: Task) -> None:
    """Check that an environment is of the task that an agent learnt, but for what it may meet otherwise.

    Raises:
        InputError: If it is not.
    """
    here, there = ({key: each for key, each in as_json(task).items() if key not in FREE} for task in (learnt, met))
    difference = first_difference(here, there)
    if difference:
        problem = f"learnt task '{learnt.name}', the environment is of '{met.name}': {difference}"
        raise InputError(source, problem, "make the environment of the run's own task")


def fingerprint(data: Any) -> Fingerprint:
    """Return what a checkpoint remembers of an environment's data."""
    return Fingerprint(data.vocabulary.digest, data.source.content)
