"""Letting an agent live through episodes, and writing down what it did."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv

import vln
from agents.agent import Agent, Decision
from vln.episodes import Episode
from vln.trajectory import Pose, Step, Trajectory

DIGITS = 4  # of probabilities, attention and distances in trajectory files


def versions() -> dict[str, str]:
    """Versions of what trajectories depend on."""
    return {
        "vln": vln.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gymnasium": gymnasium.__version__,
        "numpy": np.__version__,
    }


def rollout(
    agent: Agent,
    env: VectorEnv,
    *,
    dataset: str = "r2r",
    seed: int = 0,
    attention: bool = False,
    advance: Callable[[int], object] | None = None,
) -> list[Trajectory]:
    """Let an agent live through all episodes of an environment once.

    Args:
        agent: Acts.
        env: An `envs.environment.NavigationVectorEnv` with `record=True` and autoreset DISABLED.
        dataset: Name of the data set, for the trajectories.
        seed: Seed of the agent; each batch adds its number.
        attention: Write down attention over words and views.
        advance: Called after each step with the number of episodes that it ended.

    Returns:
        Trajectories in the order of `env.episodes`.
    """
    world: Any = env
    episodes: Sequence[Episode] = world.episodes
    common = {"dataset": dataset, "agent": agent.name, "simulator": world.simulator.name, "versions": versions()}
    # Instructions of one length share a batch, so that little of it is padding.
    order = sorted(range(len(episodes)), key=lambda number: len(episodes[number].instruction))
    found: dict[int, Trajectory] = {}
    for number, first in enumerate(range(0, len(order), env.num_envs)):
        chosen = order[first : first + env.num_envs]
        words = [_words(agent, world.instruction(index), world.max_length) for index in chosen]
        lengths = [len(read) for read in words] if attention else None
        lives = _live(agent, env, chosen, seed + number, lengths, advance)
        for row, index in enumerate(chosen):
            episode, life = episodes[index], lives[row]
            continuous = bool(episode.positions) and not episode.withheld
            found[index] = Trajectory(
                episode_id=episode.episode_id,
                split=episode.split,
                scan=episode.scan,
                scan_hash=world.simulator.content_hash(episode.scan),
                instruction=episode.instruction,
                words=words[row],
                reference=episode.path,
                seed=seed + number,
                start=life.start,
                steps=tuple(life.steps),
                reference_positions=episode.positions,
                distances=tuple(life.distances) if continuous else (),
                target=episode.target,
                known=episode.known,
                **common,
            )
    return [found[index] for index in range(len(episodes))]


@dataclass
class Life:
    """An episode as it is lived: the pose before the first step, the steps, and metres to the goal at each pose."""

    start: Pose
    distances: list[float]
    steps: list[Step] = field(default_factory=list)


def _live(
    agent: Agent,
    env: VectorEnv,
    chosen: Sequence[int],
    seed: int,
    words: Sequence[int] | None,
    advance: Callable[[int], object] | None,
) -> list[Life]:
    """One batch of episodes. A short batch is filled up with its first episode.

    `words` are the lengths of the instructions as read; None leaves attention out.
    """
    filled = np.array([*chosen, *[chosen[0]] * (env.num_envs - len(chosen))])
    observation, infos = env.reset(options={"episode_index": filled})
    lives = [Life(infos["poses"][row], [_metres(infos, row)]) for row in range(len(chosen))]
    agent.begin(observation, seed)
    ended = np.zeros(env.num_envs, dtype=bool)
    while not ended.all():
        decision, choices = agent.act(observation, infos), infos["choices"]
        observation, _, terminated, truncated, infos = env.step(decision.actions)
        for row in np.flatnonzero(~ended[: len(chosen)]).tolist():
            lives[row].steps.append(_step(decision, row, choices[row], infos, words))
            lives[row].distances.append(_metres(infos, row))
        before, ended = ended, terminated | truncated
        if advance:
            advance(int((ended & ~before)[: len(chosen)].sum()))
    return lives


def _step(
    decision: Decision, row: int, choices: tuple[str, ...], infos: dict[str, Any], words: Sequence[int] | None
) -> Step:
    action = int(decision.actions[row])
    offered = [index for index, choice in enumerate(choices) if choice]
    return Step(
        action=action,
        choice=choices[action],
        pose=infos["poses"][row],
        collided=bool(infos["collided"][row]),
        choices=tuple(choices[index] for index in offered) if decision.probabilities is not None else (),
        probabilities=_numbers(decision.probabilities, row, offered),
        word_attention=() if words is None else _numbers(decision.word_attention, row, slice(words[row])),
        view_attention=() if words is None else _numbers(decision.view_attention, row),
    )


def _metres(infos: dict[str, Any], row: int) -> float:
    return round(float(infos["distance"][row]), DIGITS)


def _numbers(values: np.ndarray | None, row: int, kept: Any = slice(None)) -> tuple[float, ...]:
    return () if values is None else tuple(round(float(value), DIGITS) for value in values[row][kept])


def _words(agent: Agent, instruction: str, max_length: int) -> tuple[str, ...]:
    return () if agent.vocabulary is None else agent.vocabulary.words(instruction, max_length)
