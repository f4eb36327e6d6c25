"""Assembling a trainer from a configuration, a policy and environments."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from gymnasium.vector import VectorEnv

from agents.config import TrainConfig
from agents.learners.learner import Learner, Setup, make_learner
from agents.learners.sampler import EpisodeSampler
from agents.policies.policy import Policy
from agents.speaking.critic import MatchingCritic
from agents.training.checkpoint import Fingerprint
from agents.training.distributed import SINGLE, Workers
from agents.training.log import Log, Scores
from agents.training.optimization import OptimizerStep
from agents.training.trainer import Trainer


def build_trainer(
    config: TrainConfig,
    policy: Policy,
    make_env: Callable[[str, int, bool], tuple[VectorEnv, np.ndarray]],
    evaluate: Callable[[], Scores],
    log: Log,
    folder: Path,
    fingerprint: Fingerprint,
    critic: MatchingCritic | None = None,
    workers: Workers = SINGLE,
) -> Trainer:
    """Build a trainer at iteration 0.

    Args:
        config: What to do.
        policy: The policy, on the device to learn on.
        make_env: Makes an environment of a split, with so many episodes at a time, and whether all but instructions and
            starts is withheld, autoreset DISABLED; returns it and the lengths (N,) of the instructions.
        evaluate: Scores the policy as it is, by split and metric; only the main worker is asked.
        log: Where numbers go.
        folder: Where checkpoints go.
        fingerprint: Of the data.
        critic: The matching critic, for intrinsic rewards and self-imitation.
        workers: The processes that learn together.
    """
    rows = config.batch_size // workers.count
    rate = next((phase.learning_rate for phase in config.phases.values()), 0.0)
    optimizer = OptimizerStep(policy, rate, config.gradient_clip, config.optimizer == "muon", workers)
    workers.reseed_per_rank(config.seed)
    env, lengths = make_env("train", rows, False)

    def make_episodes(split: str, *, withheld: bool, batch_size: int) -> tuple[VectorEnv, EpisodeSampler]:
        other, tokens = make_env(split, rows, withheld)
        return other, EpisodeSampler(tokens, batch_size, config.seed, workers.rows)

    setup = Setup(
        policy,
        env,
        EpisodeSampler(lengths, config.batch_size, config.seed, workers.rows),
        optimizer,
        config.batch_size,
        config.seed,
        folder,
        critic=critic,
        make_episodes=make_episodes,
        workers=workers,
    )

    def start_phase(name: str, first_iteration: int) -> Learner:
        return make_learner(name, config.phases[name], replace(setup, first_iteration=first_iteration))

    return Trainer(config, policy, optimizer, start_phase, evaluate, log, folder, fingerprint)
