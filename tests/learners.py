"""Agents small enough to learn in seconds, in the made data folder."""

from pathlib import Path
from typing import Any

import torch

from agents.config import (
    CameraConfig,
    CaptionConfig,
    HousesConfig,
    LanguageConfig,
    LossConfig,
    NavigatorConfig,
    PhaseConfig,
    SpeakerConfig,
    TextConfig,
    TrainConfig,
)
from agents.learners.dagger import DaggerConfig
from agents.learners.episode_learning import A2CConfig, EpisodeConfig
from agents.learners.ppo import PpoConfig
from agents.learners.self_imitation import SelfImitationConfig
from agents.policies.navigator import Navigator
from scripts.graph_world import GraphWorld
from scripts.speaker_world import SpeakerWorld
from scripts.worlds import open_world
from vln.rewards import RewardConfig

SPLITS = ("train", "val_seen", "val_unseen")
SMALL_LANGUAGE = LanguageConfig(min_count=1, hidden=8, max_length=40)
SMALL_NAVIGATOR = NavigatorConfig(hidden=16, view=12, words=6, dropout=0.0, feature_dropout=0.0)

SMALL_HOUSES = TrainConfig(
    dataset="houses-short",
    max_steps=60,
    world=HousesConfig(houses=2),
    language=LanguageConfig(min_count=1, word_vectors=False, embedding=16, hidden=8),
    navigator=NavigatorConfig(hidden=16, view=16, camera=CameraConfig(size=32, cells=4, channels=8)),
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
    """A configuration of a small agent without dropout, with some of its fields or phases changed."""
    changed = {name: changes.pop(name) for name in (*PHASES, "self_imitation") if name in changes}
    fields = {
        "phases": {**PHASES, **changed},
        "language": SMALL_LANGUAGE,
        "navigator": SMALL_NAVIGATOR,
        "max_steps": 8,
        "batch_size": 8,
        "average": 0.9,
        "reward": RewardConfig("metres", progress_weight=1.0, success=2.0, failure=-2.0),
    }
    return TrainConfig(**{**fields, **changes})


def small_world(data: Path, config: TrainConfig | None = None, splits: tuple[str, ...] = SPLITS) -> GraphWorld:
    """The made data folder as a configuration sees it; features are kept beside the data."""
    return open_world(config or small_config(), data, splits, cache=data / "cache")


def fresh_navigator(world: GraphWorld, seed: int = 0) -> Navigator:
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
    fields = {"dataset": "houses-short", "text": wordless(), "speaker": speaker, "world": HousesConfig(houses=2)}
    return small_caption_config(**{**fields, **changes})


def small_speaker_world(data: Path, config: CaptionConfig | None = None, cache: Path | None = None) -> SpeakerWorld:
    """The made data folder, or houses in a cache, as a speaker's configuration sees them."""
    config = config or small_caption_config()
    if config.dataset == "r2r":
        return SpeakerWorld(config, open_world(config.task, data, SPLITS, cache=data / "cache"))
    return SpeakerWorld(config, open_world(config.task, None, ("train",), cache=cache))
