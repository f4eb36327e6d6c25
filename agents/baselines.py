"""Baselines beside which agents are evaluated: the expert, and a random agent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agents.agent import BASELINE_STEPS, Agent, RandomAgent, SamplingAgent, ShortestPathAgent
from agents.data import TaskData
from agents.evaluation import EVALUATION_BATCH, Evaluation, rollout_with_progress, score
from vln.trajectory import Trajectory


def baseline_scores(
    data: TaskData, split: str, seed: int, low_level_actions: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Evaluate the expert and a random agent; return scores by name of the agent.

    `low_level_actions` are the names of the low-level actions on graphs, which the random agent takes.
    """
    limit = None if data.task.continuous else BASELINE_STEPS
    env = data.make_env(split, EVALUATION_BATCH, record=True, blind=True, max_steps=limit)
    expert = rollout_with_progress(ShortestPathAgent(), env, seed)
    agent, env = random_baseline(data, split, EVALUATION_BATCH, expert, low_level_actions)
    rollouts = {"shortest path": expert, "random": rollout_with_progress(agent, env, seed)}
    return {name: Evaluation(each, score(each, data)).scores for name, each in rollouts.items()}


def random_baseline(
    data: TaskData, split: str, num_envs: int, expert: Sequence[Trajectory], low_level_actions: Sequence[str]
) -> tuple[Agent, Any]:
    """Return the random agent and its environment; `expert` is what the expert did on the split.

    On graphs it is that of Anderson et al. 2018, on low-level actions; elsewhere it draws actions as often as the
    expert takes them.
    """
    if data.task.continuous:
        env = data.make_env(split, num_envs, record=True, blind=True)
        return SamplingAgent.like([step.action for each in expert for step in each.steps], data.source.actions), env
    low_level = data.of(replace(data.task, actions="low-level"))
    env = low_level.make_env(split, num_envs, record=True, max_steps=BASELINE_STEPS)
    return RandomAgent.of(low_level_actions), env
