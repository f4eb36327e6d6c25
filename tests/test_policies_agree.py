"""Learners train on the activations that the agent acted with: the same memory, the same dropout."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from learners import (
    SMALL_NAVIGATOR,
    dagger,
    episodes,
    exploring,
    ppo,
    small_caption_config,
    small_config,
    small_speaker_world,
    small_world,
)
from torch import Tensor

from agents.config import LossConfig, PhaseConfig, TrainConfig
from agents.learners import dagger as dagger_module
from agents.learners import ppo as ppo_module
from agents.learners import recording
from agents.policies.policy import PolicyOutput
from agents.training.build import build_trainer
from agents.training.trainer import Trainer

IMITATION, POLICY = LossConfig(), LossConfig(teacher=0.0, student=0.5, policy=1.0)
LEARNERS: dict[str, dict[str, PhaseConfig]] = {
    "student forcing": {"imitation": episodes(4, 1e-3, 0.25, IMITATION)},
    "student forcing, truncated": {"imitation": episodes(4, 1e-3, 0.25, IMITATION, truncate=3)},
    "A2C": {"reinforcement": episodes(4, 1e-3, 0.25, POLICY)},
    "A2C, truncated": {"reinforcement": episodes(4, 1e-3, 0.25, POLICY, truncate=3)},
    "PPO": {"reinforcement": ppo(4, 1e-3, POLICY, steps=7, epochs=1, minibatches=2)},
}
"""Those that learn from what they do, while they do it."""
COLLECTORS = {
    "DAgger": {"imitation": dagger(4, 1e-3, IMITATION, truncate=3, rounds=2, episodes=8, expert_decay=0.0)},
    "self-imitation": {
        "self_imitation": exploring(
            4, 1e-3, loss=POLICY, truncate=3, rounds=1, episodes=2, samples=4, rehearsal_fraction=0.0
        )
    },
}
"""Those that learn from a data set: they live it as they are evaluated, without dropout."""


@dataclass
class Policies:
    """Distributions (n, A) that an agent acted by, and those that gradients went through."""

    acted: list[Tensor] = field(default_factory=list)
    learnt: list[Tensor] = field(default_factory=list)

    def difference(self) -> float:
        """How far one that was learnt from is from the nearest that was acted by, at most."""
        acted, learnt = torch.cat(self.acted).double(), torch.cat(self.learnt).double()
        return float((learnt[:, None] - acted).abs().amax(2).amin(1).max())


@pytest.fixture
def policies(monkeypatch) -> Iterator[Policies]:
    found, sample, judged = Policies(), recording.sample, recording.evaluate_actions

    def noted(logits: Tensor, random: torch.Generator | None = None) -> Tensor:
        found.acted.append(logits.detach().softmax(1))
        return sample(logits, random)

    def noted_too(output: PolicyOutput, *rest: Tensor) -> object:
        if output.logits.requires_grad:
            found.learnt.append(output.logits.detach().softmax(1))
        return judged(output, *rest)

    for module in (ppo_module, recording, dagger_module):
        monkeypatch.setattr(module, "sample", noted)
    for module in (ppo_module, recording):
        monkeypatch.setattr(module, "evaluate_actions", noted_too)
    return found


def trainer(small_data: Path, folder: Path, phases: dict[str, PhaseConfig], dropout: float) -> Trainer:
    """A trainer whose weights stay as they are."""
    config: TrainConfig = small_config(
        actions="panoramic" if "self_imitation" in phases else "low-level",  # as the speaker wants it
        max_steps=12,
        policy=replace(SMALL_NAVIGATOR, dropout=dropout, feature_dropout=dropout),
        phases=phases,
    )
    torch.manual_seed(1)
    explores = "self_imitation" in phases
    speaker = small_speaker_world(small_data, small_caption_config()).speaker() if explores else None
    torch.manual_seed(0)
    made = build_trainer(config, small_world(small_data, config).data, folder, "cpu", (), speaker)
    for optimizer in made.optimizer.optimizers.values():
        optimizer.step = lambda: None
    return made


@pytest.mark.parametrize("name", LEARNERS)
def test_an_agent_learns_from_the_policy_it_acted_by(policies, small_data, tmp_path, name):
    made = trainer(small_data, tmp_path, LEARNERS[name], dropout=0.4)
    for _ in range(2):
        made.update()
        assert policies.difference() < 1e-6
        policies.acted.clear()
        policies.learnt.clear()
    assert made.policy.training == (name != "PPO")


@pytest.mark.parametrize("name", COLLECTORS)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_a_data_set_is_lived_without_dropout_and_learnt_from_with_it(policies, small_data, tmp_path, name, dropout):
    made = trainer(small_data, tmp_path, COLLECTORS[name], dropout)
    made.iteration = 3  # of DAgger's rounds the last, in which the agent acts alone
    while made.learner.missing():
        made.collect()
    acted = list(policies.acted)
    if name == "DAgger":
        del made.learner.data.shards[:-1]  # the first round is the expert's
    made.update()
    assert (policies.difference() < 1e-6) == (dropout == 0)
    (tmp_path / "again").mkdir()
    again = trainer(small_data, tmp_path / "again", COLLECTORS[name], dropout=0.0)
    again.policy.load_state_dict(made.policy.state_dict())
    again.iteration, policies.acted[:] = 3, []
    while again.learner.missing():
        again.collect()
    assert len(acted) == len(policies.acted) > 0
    assert all(torch.equal(one, other) for one, other in zip(acted, policies.acted, strict=True))


@pytest.mark.parametrize(("phase", "weights"), [("imitation", IMITATION), ("reinforcement", POLICY)])
def test_truncation_changes_gradients_alone(small_data, tmp_path, phase, weights):
    """Episodes are lived and judged alike, by the same dropout; the loss is the same number, its gradient is not."""
    numbers, states = {}, {}
    for truncate in (0, 3, 100):
        made = trainer(small_data, tmp_path, {phase: episodes(4, 1e-3, 0.25, weights, truncate=truncate)}, 0.4)
        numbers[truncate] = made.update()
        states[truncate] = torch.get_rng_state()
    for truncate in (3, 100):
        assert torch.equal(states[truncate], states[0])
        for name, value in numbers[0].items():
            same = name != "gradient_norm" or truncate == 100
            assert (numbers[truncate][name] == pytest.approx(value, rel=1e-4, nan_ok=True)) == same, name


def test_what_is_hidden_for_an_episode_stays_hidden_over_cuts(small_data, tmp_path):
    """Data sets are gone through in pieces: instructions are read, and features hidden, as in the first."""
    made = trainer(small_data, tmp_path, COLLECTORS["DAgger"], dropout=0.4)
    made.collect()
    recorded = made.learner.replay()
    begin, seen = made.policy.initial_state, []

    def noted(observation: dict[str, Tensor]):
        state = begin(observation)
        seen.append((state.instruction.context, state.cache.scales))
        return state

    made.policy.initial_state = noted
    made.policy.train()
    parts = list(recording.truncated_chunks(made.policy, recorded, torch.zeros_like(recorded.reward), 3))
    assert len(parts) == len(seen) > 1
    assert all(torch.equal(one, two) for each in seen[1:] for one, two in zip(seen[0], each, strict=True))
