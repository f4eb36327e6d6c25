"""Agents small enough to learn in seconds, in the made data folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.config import (
    CameraConfig,
    CaptionConfig,
    LanguageConfig,
    LossConfig,
    NavigatorConfig,
    PhaseConfig,
    SpeakerConfig,
    TextConfig,
    TrainConfig,
    data_options,
)
from agents.evaluation import score
from agents.learners.dagger import DaggerConfig
from agents.learners.episode_learning import A2CConfig, EpisodeConfig
from agents.learners.ppo import PpoConfig
from agents.learners.self_imitation import SelfImitationConfig
from agents.policies.navigator import Navigator, build_navigator
from agents.runs import fingerprint
from agents.speaking.demonstrations import SpeakerData
from agents.speaking.runs import open_speaker_data
from agents.training.checkpoint import Fingerprint
from envs.environment import NavigationVectorEnv
from envs.make import TaskData, make_env, open_task
from vln.episodes import Episode
from vln.features import ViewTable
from vln.graph import NavigationGraph
from vln.language import Vocabulary
from vln.tasks import R2R, find_task
from vln.tasks.rewards import ProgressReward
from vln.trajectory import Trajectory

SPLITS = ("train", "val_seen", "val_unseen")
SMALL_LANGUAGE = LanguageConfig(min_count=1, hidden=8, max_length=40)
SMALL_NAVIGATOR = NavigatorConfig(hidden=16, view=12, words=6, dropout=0.0, feature_dropout=0.0)

SMALL_HOUSES = TrainConfig(
    task=find_task("houses-short-fine"),
    scenes=2,
    language=LanguageConfig(min_count=1, word_vectors=False, embedding=16, hidden=8),
    policy=NavigatorConfig(hidden=16, view=16, camera=CameraConfig(size=32, cells=4, channels=8)),
)


def episodes(iterations: int, rate: float, expert_fraction: float, loss: LossConfig | None = None, **settings: Any):
    """Student forcing, or with a policy term A2C."""
    kind = A2CConfig if loss and loss.policy else EpisodeConfig
    given = {"iterations": iterations, "learning_rate": rate, "expert_fraction": expert_fraction, **settings}
    return kind(**given, loss=loss or LossConfig())


def dagger(iterations: int, rate: float, loss: LossConfig | None = None, **settings: Any) -> DaggerConfig:
    """DAgger."""
    return DaggerConfig(iterations=iterations, learning_rate=rate, loss=loss or LossConfig(), **settings)


def ppo(iterations: int, rate: float, loss: LossConfig, **settings: Any) -> PpoConfig:
    """PPO."""
    return PpoConfig(iterations=iterations, learning_rate=rate, loss=loss, **settings)


def exploring(iterations: int, rate: float, **settings: Any) -> SelfImitationConfig:
    """Self-imitation."""
    return SelfImitationConfig(iterations=iterations, learning_rate=rate, **settings)


PHASES: dict[str, PhaseConfig] = {"imitation": episodes(6, 1e-2, 0.5), "reinforcement": A2CConfig()}


def small_config(**changes: Any) -> TrainConfig:
    """A configuration of a small agent without dropout, with some fields, phases or fields of its task changed."""
    of_task = {name: changes.pop(name) for name in ("actions", "max_steps", "reward", "expert") if name in changes}
    changed = {name: changes.pop(name) for name in (*PHASES, "self_imitation") if name in changes}
    fields = {
        "phases": {**PHASES, **changed},
        "language": SMALL_LANGUAGE,
        "policy": SMALL_NAVIGATOR,
        "task": replace(R2R, **{"max_steps": 8, "reward": ProgressReward("metres"), **of_task}),
        "batch_size": 8,
        "average": 0.9,
    }
    return TrainConfig(**{**fields, **changes})


@dataclass(frozen=True)
class World:
    """A configuration, and the data that it asks for."""

    config: TrainConfig
    data: TaskData

    @property
    def splits(self) -> Mapping[str, Sequence[Episode]]:
        return self.data.splits

    @property
    def vocabulary(self) -> Vocabulary:
        return self.data.vocabulary

    @property
    def graphs(self) -> dict[str, NavigationGraph]:
        return {each.scan: each for each in self.data.source.graphs}

    @property
    def table(self) -> ViewTable:
        return self.data.source.table

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(self.data)

    def only(self, split: str, episodes: Sequence[Episode]) -> "World":
        return replace(self, data=self.data.only(split, episodes))

    def navigator(self) -> Navigator:
        return build_navigator(self.config, self.data)

    def lengths(self, split: str) -> np.ndarray:
        return self.data.lengths(split)

    def scores(self, split: str, trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
        return score(trajectories, self.data)

    def environment(
        self, split: str, num_envs: int, *, record: bool = False, max_steps: int | None = None, **options: Any
    ) -> NavigationVectorEnv:
        """An environment to learn in, or with `record` one to be evaluated in."""
        config = self.config
        learning = {} if record else {"tensors": True, "labelled": config.learns_labels}
        limit = max_steps or (None if record else config.max_steps)
        return make_env(self.data, split, num_envs, record=record, max_steps=limit, **{**learning, **options})


def open_world(
    config: TrainConfig,
    data: Path | None,
    splits: Sequence[str],
    vocabulary: Vocabulary | None = None,
    cache: Path | None = None,
) -> World:
    """What a configuration asks for."""
    given = {"data": data, "cache": cache, "vocabulary": vocabulary}
    return World(config, open_task(config.task, splits, **data_options(config), **given))


def small_world(data: Path, config: TrainConfig | None = None, splits: tuple[str, ...] = SPLITS) -> World:
    """The made data folder as a configuration sees it; features are kept beside the data."""
    return open_world(config or small_config(), data, splits, cache=data / "cache")


def low_level(config: TrainConfig) -> TrainConfig:
    """The same configuration on low-level actions."""
    return replace(config, task=replace(config.task, actions="low-level"))


def fresh_navigator(world: World, seed: int = 0) -> Navigator:
    """A navigator with the weights of a seed."""
    torch.manual_seed(seed)
    return world.navigator()


def small_caption_config(**changes: Any) -> CaptionConfig:
    """A configuration of a small speaker without dropout, with some of its fields changed."""
    fields = {
        "text": TextConfig(min_count=1, max_length=40),
        "speaker": SpeakerConfig(hidden=32, view=16, words=6, dropout=0.0, feature_dropout=0.0),
        "batch_size": 8,
        "iterations": 8,
        "evaluate_every": 4,
        "learning_rate": 1e-2,
        "average": 0.9,
    }
    return CaptionConfig(**{**fields, **changes})


def wordless(**changes: Any) -> TextConfig:
    """Sentences whose words start without vectors."""
    return TextConfig(**{"min_count": 1, "word_vectors": False, "embedding": 12, "max_length": 40, **changes})


def small_houses_config(**changes: Any) -> CaptionConfig:
    """The same for houses."""
    camera = CameraConfig(size=16, cells=4, channels=8, layers=1)
    speaker = SpeakerConfig(hidden=32, view=12, dropout=0.0, feature_dropout=0.0, camera=camera)
    fields = {"task": SMALL_HOUSES.task, "max_steps": 10, "text": wordless(), "speaker": speaker, "scenes": 2}
    return small_caption_config(**{**fields, **changes})


def small_speaker_world(data: Path, config: CaptionConfig | None = None, cache: Path | None = None) -> SpeakerData:
    """The made data folder, or houses in a cache, as a speaker's configuration sees them."""
    config = config or small_caption_config()
    if not config.task.continuous:
        return open_speaker_data(config, SPLITS, open_task, data=data, cache=data / "cache")
    return open_speaker_data(config, ("train",), open_task, cache=cache)
