"""Learning on Room-to-Room itself: slow, and skipped without the data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from learners import open_world

from agents.presets import r2r_demo
from agents.training.build import build_trainer

RANDOM_SUCCESS = 0.16  # of the random agent of Anderson et al. 2018 in new buildings
UPDATES = 250


def success_after_imitation(data: Path, folder: Path, **changes: str) -> float:
    """Success rate on val_unseen after a minute of imitation with the settings of the demo."""
    preset = r2r_demo()
    config = replace(preset.with_phase("imitation", iterations=UPDATES), evaluate_every=UPDATES, **changes)
    torch.manual_seed(config.seed)
    world = open_world(config, data, ("train", "val_unseen"))
    trainer = build_trainer(world.config, world.data, folder, "cpu", ("val_unseen",))
    trainer.log.rewind(0)
    for _ in range(UPDATES):
        trainer.update()
    return trainer.evaluate()["val_unseen"]["SR"]


@pytest.mark.slow
def test_a_minute_of_imitation_beats_the_random_and_the_deaf_agent(data, tmp_path):
    full = success_after_imitation(data, tmp_path / "full")
    deaf = success_after_imitation(data, tmp_path / "deaf", ablate="language")
    assert full > RANDOM_SUCCESS + 0.05
    assert full > deaf + 0.03
