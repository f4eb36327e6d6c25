"""Rolling out agents: stepping through episodes, recording trajectories, scoring them."""

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from rich.progress import Progress

import vln
from agents.agent import Agent, Decision, OwnAgent
from vln.console import Console, tell
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import drop_cut_line
from vln.language import Vocabulary, is_readable
from vln.metrics import mean_scores
from vln.statistics import mean_interval
from vln.tasks.scoring import score_task
from vln.text import one_line
from vln.trajectory import Pose, Step, Trajectory, append_trajectories, read_trajectories, write_trajectories

EVALUATION_BATCH = 256  # episodes at a time
NAMED = 20  # episodes that a line names at most
WITH_INTERVAL = ("SR", "SPL")
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


@dataclass(frozen=True)
class Evaluation:
    """Trajectories of N episodes, and the (N,) values of each metric, of none where goals are withheld."""

    trajectories: list[Trajectory]
    columns: Mapping[str, np.ndarray]

    @property
    def scores(self) -> dict[str, Any]:
        """The mean of each metric, `n`, and 95 % intervals "SR interval" and "SPL interval" that resample paths."""
        if not self.columns:
            return {}
        paths = [each.episode.path_key for each in self.trajectories]
        known = [name for name in WITH_INTERVAL if name in self.columns]
        intervals = {name: mean_interval(self.columns[name], paths) for name in known}
        ends = {f"{name} interval": [each.low, each.high] for name, each in intervals.items()}
        return {**mean_scores(self.columns), "n": len(self.trajectories), **ends}


def evaluate(agent: Any, env: VectorEnv, *, seed: int = 0, **options: Any) -> Evaluation:
    """Roll out an agent in all episodes of an environment once, and score it by the environment's task.

    The agent is an `Agent`, or anything with `act(observation, infos)` that returns actions. `env` is of
    `envs.make.make_env` with `record=True`; options are those of `rollout`.
    """
    whole = all(hasattr(agent, name) for name in ("name", "vocabulary", "begin"))
    trajectories = rollout(agent if whole else OwnAgent(agent, type(agent).__name__), env, seed=seed, **options)
    return Evaluation(trajectories, score(trajectories, env))


def score(trajectories: Sequence[Trajectory], env: Any) -> dict[str, np.ndarray]:
    """Score what was done in an environment, or in data that environments share; nothing where goals are withheld."""
    known = trajectories and not any(each.withheld for each in trajectories)
    return score_task(env.task, trajectories, env.source.scoring) if known else {}


def warn_unreadable(episodes: Sequence[Episode], vocabulary: Vocabulary) -> None:
    """Say on stderr of which episodes an agent with this vocabulary knows no word; it acts in them all the same."""
    names = [each.episode_id for each in episodes if not is_readable(each.instruction, vocabulary)]
    if names:
        few = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
        problem = f"knows no word of {len(names):,} of {len(episodes):,} instructions"
        print(one_line(f"the agent {problem}, and acts all the same: episodes {few}"), file=sys.stderr)


def rollout(
    agent: Agent,
    env: VectorEnv,
    *,
    seed: int = 0,  # of the agent; each batch adds its number
    attention: bool = False,
    advance: Callable[[int], object] | None = None,  # called after each step with how many episodes it ended
    finished: Mapping[str, Trajectory] | None = None,  # by episode id; a batch of such is not rolled out again
    keep: Callable[[Sequence[Trajectory]], object] | None = None,  # called after each batch with its trajectories
) -> list[Trajectory]:
    """Roll out an agent in all episodes of an environment once; trajectories in the order of `env.episodes`.

    `env` is an `envs.environment.NavigationVectorEnv` with `record=True` and autoreset DISABLED; `attention` writes
    down attention over words and views.
    """
    world: Any = env
    episodes: Sequence[Episode] = world.episodes
    common = {"task": world.task, "agent": agent.name, "simulator": world.simulator.name, "versions": versions()}
    # Instructions of one length share a batch, so that little of it is padding.
    order = sorted(range(len(episodes)), key=lambda number: len(episodes[number].instruction))
    found: dict[int, Trajectory] = {}
    finished = finished or {}
    for number, first in enumerate(range(0, len(order), env.num_envs)):
        chosen = order[first : first + env.num_envs]
        if all(episodes[index].episode_id in finished for index in chosen):
            found.update((index, finished[episodes[index].episode_id]) for index in chosen)
            if advance:
                advance(len(chosen))
            continue
        words = [_words(agent, world.instruction(index), world.max_length) for index in chosen]
        lengths = [len(read) for read in words] if attention else None
        records = _rollout_batch(agent, env, chosen, seed + number, lengths, advance)
        for row, index in enumerate(chosen):
            episode, record = episodes[index], records[row]
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
                start=record.start,
                steps=tuple(record.steps),
                reference_positions=episode.positions,
                distances=tuple(record.distances) if continuous else (),
                target=episode.target,
                known=episode.known,
                **common,
            )
        if keep:
            keep([found[index] for index in chosen])
    return [found[index] for index in range(len(episodes))]


def resumable_rollout(agent: Agent, env: Any, seed: int, file: Path) -> list[Trajectory]:
    """Do a `rollout_with_progress` that keeps finished episodes in a file, from which it goes on if it was killed.

    The file is to be removed once the trajectories have been written elsewhere.
    """
    finished: dict[str, Trajectory] = {}
    if file.is_file():
        drop_cut_line(file)
        known = read_trajectories(file)
        same = [each for each in known if (each.agent, each.task) == (agent.name, env.task)]
        finished = {each.episode_id: each for each in same}
        write_trajectories(file, finished.values())
    if finished:
        text = f"{file}: {len(finished)} of {len(env.episodes)} episodes are done; remove it to start again"
        tell(text)
    return rollout_with_progress(agent, env, seed, finished=finished, keep=partial(append_trajectories, file))


def rollout_with_progress(agent: Agent, env: Any, seed: int, **options: Any) -> list[Trajectory]:
    """Do a `rollout` that records attention and shows a progress bar on stderr; options as of `rollout`."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(agent.name, total=len(env.episodes))
        return rollout(agent, env, seed=seed, attention=True, advance=partial(progress.advance, task), **options)


@dataclass
class EpisodeRecord:
    """An episode so far: the pose before the first step, the steps, and metres to the goal at each pose."""

    start: Pose
    distances: list[float]
    steps: list[Step] = field(default_factory=list)


def _rollout_batch(
    agent: Agent,
    env: VectorEnv,
    chosen: Sequence[int],
    seed: int,
    words: Sequence[int] | None,
    advance: Callable[[int], object] | None,
) -> list[EpisodeRecord]:
    """A batch of episodes, filled up with its first; `words` are lengths of instructions, None leaves attention out."""
    filled = np.array([*chosen, *[chosen[0]] * (env.num_envs - len(chosen))])
    observation, infos = env.reset(options={"episode_index": filled})
    records = [EpisodeRecord(infos["poses"][row], [_metres(infos, row)]) for row in range(len(chosen))]
    agent.begin(observation, seed)
    ended = np.zeros(env.num_envs, dtype=bool)
    while not ended.all():
        decision, choices = checked(agent.act(observation, infos), agent, env), infos["choices"]
        observation, _, terminated, truncated, infos = env.step(decision.actions)
        for row in np.flatnonzero(~ended[: len(chosen)]).tolist():
            records[row].steps.append(_step(decision, row, choices[row], infos, words))
            records[row].distances.append(_metres(infos, row))
        before, ended = ended, terminated | truncated
        if advance:
            advance(int((ended & ~before)[: len(chosen)].sum()))
    return records


def checked(decision: Decision, agent: Agent, env: Any) -> Decision:
    """Return a decision that has an action of the action space for each environment; an InputError if it has not."""
    source, actions, count = f"agent '{agent.name}'", np.asarray(decision.actions), int(env.single_action_space.n)
    fix = f"give integers (B,) from 0 to {count - 1}, here with B = {env.num_envs}"
    if actions.shape != (env.num_envs,):
        raise InputError(source, f"gives actions of shape {actions.shape}", fix)
    if actions.dtype.kind not in "iu":
        raise InputError(source, f"gives actions of type {actions.dtype}", fix)
    wrong = actions[(actions < 0) | (actions >= count)]
    if len(wrong):
        raise InputError(source, f"gives action {wrong[0]}", fix)
    if decision.probabilities is not None and np.shape(decision.probabilities) != (env.num_envs, count):
        problem = f"gives probabilities of shape {np.shape(decision.probabilities)}"
        raise InputError(source, problem, f"give ({env.num_envs}, {count}), or None")
    return replace(decision, actions=actions)


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
