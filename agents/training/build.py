"""Assembling a trainer from a configuration, a policy and environments."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from agents.config import TrainConfig
from agents.data import TaskData
from agents.evaluation import EVALUATION_BATCH, evaluate
from agents.learners.learner import Learner, Setup, make_learner
from agents.learners.sampler import EpisodeSampler
from agents.policies.acting import PolicyAgent
from agents.policies.policy import Policy
from agents.runs import fingerprint
from agents.speaking.critic import MatchingCritic
from agents.speaking.speaker import Speaker
from agents.training.checkpoint import Fingerprint
from agents.training.distributed import SINGLE, Workers
from agents.training.log import Log, Scores, Silence
from agents.training.optimization import OptimizerStep
from agents.training.trainer import Trainer
from vln.metrics import mean_scores


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


def trainer_of(
    config: TrainConfig,
    data: TaskData,
    folder: Path,
    device: str,
    evaluated: Sequence[str],
    critic: Speaker | None = None,
    workers: Workers = SINGLE,
) -> Trainer:
    """Build a trainer at iteration 0 from a configuration and the data of its task.

    Args:
        config: What to do.
        data: The data, with the splits of the run.
        folder: Folder of the run.
        device: Device to learn on.
        evaluated: Splits to evaluate on, of which those with withheld goals are left out.
        critic: The speaker of the matching critic.
        workers: The processes that learn together.
    """
    evaluated = [split for split in evaluated if workers.is_main and not data.splits[split][0].withheld]
    policy = config.policy.build(config, data).to(device)
    agent = PolicyAgent(policy, data.vocabulary)
    environments = {split: data.make_env(split, EVALUATION_BATCH, record=True) for split in evaluated}
    log = Log(folder) if workers.is_main else Silence()
    labelled = config.learns_labels

    def evaluate_all() -> Scores:
        return {split: score_split(split, agent, env, log) for split, env in environments.items()}

    def training_env(split: str, num_envs: int, withheld: bool) -> tuple[VectorEnv, np.ndarray]:
        shown: dict[str, Any] = {"tensors": True, "labelled": labelled, "withheld": withheld, "device": device}
        return data.make_env(split, num_envs, max_steps=config.max_steps, **shown), data.lengths(split)

    matching = MatchingCritic(critic) if critic else None
    return build_trainer(config, policy, training_env, evaluate_all, log, folder, fingerprint(data), matching, workers)


def score_split(split: str, agent: PolicyAgent, env: Any, log: Log) -> dict[str, float]:
    """Return the mean metrics of an agent on a split."""
    with log.evaluating(split, len(env.episodes)) as advance:
        return mean_scores(evaluate(agent, env, advance=advance).columns)
