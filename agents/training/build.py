"""Assembling a trainer: policy, optimiser, environments and learners from a configuration and the data of its task."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from agents.training.base import RunRecord
from agents.training.distributed import SINGLE, Workers
from agents.training.log import SINKS, Log, Scores, Silence
from agents.training.optimization import OptimizerStep
from agents.training.trainer import Trainer
from vln.configuration import as_json
from vln.metrics import mean_scores


def build_trainer(
    config: TrainConfig,
    data: TaskData,
    folder: Path,
    device: str,
    evaluated: Sequence[str],
    critic: Speaker | None = None,
    workers: Workers = SINGLE,
    sinks: Sequence[str] = SINKS,
) -> Trainer:
    """Build a trainer at iteration 0 from a configuration and the data of its task.

    Of the splits `evaluated` those with withheld goals are left out. `critic` is the speaker of the matching critic.
    `sinks` are names in `LOG_SINKS`.
    """
    policy = config.policy.build(config, data).to(device)
    log = Log(folder, sinks, as_json(config)) if workers.is_main else Silence()
    evaluate_all = evaluator(data, policy, evaluated if workers.is_main else (), log)
    rate = next((phase.learning_rate for phase in config.phases.values()), 0.0)
    optimizer = OptimizerStep(policy, rate, config.gradient_clip, config.optimizer == "muon", workers)
    workers.reseed_per_rank(config.seed)

    def make_episodes(split: str, *, withheld: bool, batch_size: int) -> tuple[VectorEnv, EpisodeSampler]:
        shown: dict[str, Any] = {"tensors": True, "labelled": config.learns_labels, "withheld": withheld}
        rows = config.batch_size // workers.count
        env = data.make_env(split, rows, max_steps=config.max_steps, device=device, **shown)
        return env, EpisodeSampler(data.lengths(split), batch_size, config.seed, workers.rows, data.parts(split))

    env, sampler = make_episodes("train", withheld=False, batch_size=config.batch_size)
    setup = Setup(
        policy,
        env,
        sampler,
        optimizer,
        config.batch_size,
        config.seed,
        folder,
        critic=MatchingCritic(critic) if critic else None,
        make_episodes=make_episodes,
        workers=workers,
    )

    def start_phase(name: str, first_iteration: int) -> Learner:
        return make_learner(name, config.phases[name], replace(setup, first_iteration=first_iteration))

    record = RunRecord(log, folder, fingerprint(data))
    return Trainer(config, policy, optimizer, start_phase, evaluate_all, record)


def evaluator(data: TaskData, policy: Policy, splits: Sequence[str], log: Log) -> Callable[[], Scores]:
    """Return what scores a policy on splits, but for those with withheld goals."""
    agent = PolicyAgent(policy, data.vocabulary)
    scored = [split for split in splits if not data.splits[split][0].withheld]
    environments = {split: data.make_env(split, EVALUATION_BATCH, record=True) for split in scored}
    return lambda: {split: score_split(split, agent, env, log) for split, env in environments.items()}


def score_split(split: str, agent: PolicyAgent, env: Any, log: Log) -> dict[str, float]:
    """Return the mean metrics of an agent on a split."""
    with log.evaluating(split, len(env.episodes)) as advance:
        return mean_scores(evaluate(agent, env, advance=advance).columns)
