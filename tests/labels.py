"""A small house whose labels a small navigator learns."""

from types import SimpleNamespace

import torch
from small_house import small_episodes

from agents.config import CameraConfig, LanguageConfig, NavigatorConfig, TrainConfig
from agents.learners.label_pretraining import LabelPretrainingConfig
from agents.policies.navigator import build_navigator
from envs.continuous import ACTIONS
from envs.continuous.scenes import COLOUR_NAMES
from envs.houses.categories import CATEGORIES
from vln.language import Vocabulary

EPISODES = small_episodes("one", 8)
VOCABULARY = Vocabulary.build(["go to the red sofa near the wall on the floor"], 1)
LABELS = {"category": len(CATEGORIES), "colour": len(COLOUR_NAMES)}
PHASE = LabelPretrainingConfig(iterations=1, learning_rate=5e-3)
CONFIG = TrainConfig(
    language=LanguageConfig(min_count=1, word_vectors=False, embedding=16, hidden=8),
    policy=NavigatorConfig(
        hidden=16, view=16, dropout=0.0, feature_dropout=0.0, camera=CameraConfig(size=32, cells=4, channels=16)
    ),
)


def labelled_navigator():
    torch.manual_seed(0)
    source = SimpleNamespace(table=None, labels=LABELS, word_vectors=None, actions=len(ACTIONS))
    return build_navigator(CONFIG, SimpleNamespace(source=source, vocabulary=VOCABULARY))
