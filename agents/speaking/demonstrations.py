"""Demonstrations as a speaker sees them, with what people said of each: looked up on graphs, replayed elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from agents.config import CaptionConfig
from agents.data import TaskData
from agents.learners.dagger import replay_actor
from agents.learners.recording import Act, ExpertActor, record
from agents.speaking.captioning import CaptionData, Demonstrations
from agents.speaking.factory import speaker_for
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import GraphRoutes, Routes, recorded_routes
from vln.episodes import Episode
from vln.errors import InputError
from vln.trajectory import Trajectory

BATCH = 128  # routes that are described at a time


class GraphDemonstrations:
    """Paths of episodes on graphs, looked up in tables."""

    def __init__(self, routes: GraphRoutes, episodes: Sequence[Episode]) -> None:
        """Make the routes of `episodes`."""
        self._all = routes.of([(each.scan, each.path, each.heading) for each in episodes])

    def routes(self, episodes: np.ndarray) -> Routes:
        """Return the routes of episodes (B,)."""
        return self._all.rows(torch.from_numpy(np.asarray(episodes)))


class ReplayedDemonstrations:
    """Demonstrations that are replayed each time they are needed, because their images would fill the memory."""

    def __init__(self, env: Any, actions: Mapping[int, Sequence[int]] | None = None) -> None:
        """Replay what the expert does in the episodes of an environment, or given actions, by number of the episode."""
        self._env, self._actions = env, actions

    def routes(self, episodes: np.ndarray) -> Routes:
        """Return the routes of episodes (B,), which may repeat."""
        size, (distinct, inverse) = self._env.num_envs, np.unique(episodes, return_inverse=True)
        if len(distinct) > size:
            raise ValueError(f"{len(distinct)} episodes are asked for, {size} fit")
        filled = np.concatenate([distinct, np.repeat(distinct[:1], size - len(distinct))])
        recording = record(self._env, filled, self._act(filled), torch.zeros(size, dtype=torch.bool))
        routes = recorded_routes(recording, int(self._env.simulator.action_space.n))
        return routes.rows(torch.from_numpy(inverse))

    def _act(self, episodes: np.ndarray) -> Act:
        if self._actions is None:
            return ExpertActor()
        known = [self._actions[episode] for episode in episodes.tolist()]
        longest, stop = max(map(len, known)), self._env.simulator.stop
        return replay_actor(torch.tensor([[*each, *[stop] * (longest - len(each))] for each in known]).T)


@dataclass(frozen=True)
class SpeakerData:
    """The data of a task as a speaker uses them."""

    config: CaptionConfig
    data: TaskData

    def speaker(self) -> Speaker:
        """Make a speaker with fresh weights."""
        return speaker_for(self.config, self.data)

    @cached_property
    def graph_routes(self) -> GraphRoutes:
        """What makes routes of paths on graphs."""
        if not self.data.source.graphs:
            raise InputError("--path", f"task '{self.data.task.name}' has no viewpoints", "use a run on graphs")
        return GraphRoutes(list(self.data.source.graphs))

    def demonstrations(
        self, split: str, batch: int = BATCH, episodes: Sequence[Episode] | None = None
    ) -> Demonstrations:
        """Return the demonstrations of a split, or of some episodes of it, up to `batch` at a time."""
        episodes = self.data.splits[split] if episodes is None else episodes
        for each in episodes:
            if each.withheld:
                problem = f"the demonstration of episode '{each.episode_id}' is withheld"
                raise InputError(f"split '{split}'", problem, "choose another split")
        if self.data.source.graphs:
            return GraphDemonstrations(self.graph_routes, episodes)
        return ReplayedDemonstrations(self._make_env(episodes, min(batch, len(episodes)), self.config.max_steps))

    def _make_env(self, episodes: Sequence[Episode], batch: int, max_steps: int | None) -> Any:
        return self.data.only("shown", episodes).make_env("shown", batch, max_steps=max_steps, tensors=True)

    def captioned(self, split: str, batch: int = BATCH) -> CaptionData:
        """Return the demonstrations of a split, up to `batch` at a time, with the tokens of their instructions."""
        sentences = [episode.instruction for episode in self.data.splits[split]]
        tokens, _ = self.data.vocabulary.encode_batch(sentences, self.config.text.max_length)
        return CaptionData(self.demonstrations(split, batch), torch.from_numpy(tokens))

    def trajectory_routes(self, source: object, trajectories: Sequence[Trajectory]) -> list[Routes]:
        """Return the routes of trajectories, batch by batch; `source` names them in errors."""
        graph = not self.data.task.continuous
        for each in trajectories:
            if each.simulator.startswith("graph") is not graph:
                problem = f"field 'simulator' of episode '{each.episode_id}' is '{each.simulator}'"
                fix = f"give trajectories of the speaker's own task, '{self.data.task.name}'"
                raise InputError(source, problem, fix)
        batches = [trajectories[first : first + BATCH] for first in range(0, len(trajectories), BATCH)]
        return [self._looked_up(batch) if graph else self._replayed(batch) for batch in batches]

    def _looked_up(self, trajectories: Sequence[Trajectory]) -> Routes:
        """Return routes on graphs, whatever the actions were; turns are no moves."""
        return self.graph_routes.of(
            [(each.scan, [pose.viewpoint for pose in each.poses], each.start.heading) for each in trajectories]
        )

    def _replayed(self, trajectories: Sequence[Trajectory]) -> Routes:
        """Return routes in continuous worlds by taking the same actions again."""
        starts = [
            Episode(each.episode_id, each.scan, each.split, "-", (), each.start.heading, (), (each.start.position,))
            for each in trajectories
        ]
        actions = {number: [step.action for step in each.steps] for number, each in enumerate(trajectories)}
        env = self._make_env(starts, len(starts), max(map(len, actions.values())))
        return ReplayedDemonstrations(env, actions).routes(np.arange(len(starts)))


def in_batches(demonstrations: Demonstrations, count: int) -> Iterator[Routes]:
    """Yield the routes of the first `count` episodes, batch by batch."""
    for first in range(0, count, BATCH):
        yield demonstrations.routes(np.arange(first, min(count, first + BATCH)))
