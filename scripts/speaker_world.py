"""What a speaker learns from and is measured by, in whatever world: demonstrations and what people said of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.config import CaptionConfig, data_options
from agents.learners.dagger import Follower
from agents.learners.recording import Act, Expert, record
from agents.runs import fingerprint
from agents.speaking.captioning import Demonstrations, Told
from agents.speaking.decoding import Decoding, speak
from agents.speaking.factory import speaker_for
from agents.speaking.speaker import Speaker
from agents.speaking.speaker_inputs import GraphRoutes, Routes, recorded_routes
from agents.training.checkpoint import check_fingerprint, load_checkpoint, load_model, run_checkpoint
from agents.training.devices import usable_device
from envs.environment import NavigationVectorEnv
from envs.make import TaskData, make_env, open_task
from vln.captions import caption_scores, readable
from vln.configuration import from_json
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_text
from vln.language import PAD, Vocabulary
from vln.trajectory import Trajectory

BATCH = 128  # routes that are described at a time


class GraphDemonstrations:
    """Paths of episodes on graphs, looked up in tables."""

    def __init__(self, routes: GraphRoutes, episodes: Sequence[Episode]) -> None:
        """The demonstrations of `episodes`."""
        self._all = routes.of([(each.scan, each.path, each.heading) for each in episodes])

    def routes(self, episodes: np.ndarray) -> Routes:
        """The routes of episodes (B,)."""
        return self._all.rows(torch.from_numpy(np.asarray(episodes)))


class LivedDemonstrations:
    """Demonstrations that are gone again each time they are wanted, since images take more room than they are worth."""

    def __init__(self, env: NavigationVectorEnv, actions: Mapping[int, Sequence[int]] | None = None) -> None:
        """The expert's ways through the episodes of an environment, or those that known actions make, by episode."""
        self._env, self._actions = env, actions

    def routes(self, episodes: np.ndarray) -> Routes:
        """The routes of episodes (B,), which may repeat."""
        size, (gone, again) = self._env.num_envs, np.unique(episodes, return_inverse=True)
        if len(gone) > size:
            raise ValueError(f"{len(gone)} episodes are asked for, {size} fit")
        filled = np.concatenate([gone, np.repeat(gone[:1], size - len(gone))])
        recording = record(self._env, filled, self._act(filled), torch.zeros(size, dtype=torch.bool))
        routes = recorded_routes(recording, int(self._env.simulator.action_space.n))
        return routes.rows(torch.from_numpy(again))

    def _act(self, episodes: np.ndarray) -> Act:
        if self._actions is None:
            return Expert()
        known = [self._actions[episode] for episode in episodes.tolist()]
        longest = max(map(len, known))
        stop = self._env.simulator.stop
        return Follower(torch.tensor([[*each, *[stop] * (longest - len(each))] for each in known]).T)


@dataclass(frozen=True)
class SpeakerWorld:
    """A world for speakers.

    Attributes:
        config: The configuration.
        data: Episodes, vocabulary and scenes, as navigators have them.
    """

    config: CaptionConfig
    data: TaskData

    def speaker(self) -> Speaker:
        """A speaker with fresh weights."""
        return speaker_for(self.config, self.data)

    @cached_property
    def graph_routes(self) -> GraphRoutes:
        """Makes routes of paths."""
        if not self.data.source.graphs:
            raise InputError("--path", f"task '{self.data.task.name}' has no viewpoints", "use a run on graphs")
        return GraphRoutes(list(self.data.source.graphs))

    def demonstrations(
        self, split: str, batch: int = BATCH, episodes: Sequence[Episode] | None = None
    ) -> Demonstrations:
        """The demonstrations of a split, or of some episodes of it, up to `batch` at a time.

        Raises:
            InputError: If they are withheld.
        """
        episodes = self.data.splits[split] if episodes is None else episodes
        for each in episodes:
            if each.withheld:
                problem = f"the demonstration of episode '{each.episode_id}' is withheld"
                raise InputError(f"split '{split}'", problem, "choose another split")
        if self.data.source.graphs:
            return GraphDemonstrations(self.graph_routes, episodes)
        return LivedDemonstrations(self._environment(episodes, min(batch, len(episodes)), self.config.max_steps))

    def _environment(self, episodes: Sequence[Episode], batch: int, max_steps: int | None) -> NavigationVectorEnv:
        return make_env(self.data.only("shown", episodes), "shown", batch, max_steps=max_steps, tensors=True)

    def told(self, split: str, batch: int = BATCH) -> Told:
        """Demonstrations of a split, up to `batch` at a time, and their sentences as tokens."""
        sentences = [episode.instruction for episode in self.data.splits[split]]
        tokens, _ = self.data.vocabulary.encode_batch(sentences, self.config.text.max_length)
        return Told(self.demonstrations(split, batch), torch.from_numpy(tokens))

    def trajectory_routes(self, source: object, trajectories: Sequence[Trajectory]) -> list[Routes]:
        """Routes of what agents did, batch by batch.

        Raises:
            InputError: If a trajectory is of another simulator, naming it.
        """
        graph = not self.data.task.continuous
        for each in trajectories:
            if each.simulator.startswith("graph") is not graph:
                problem = f"field 'simulator' of episode '{each.episode_id}' is '{each.simulator}'"
                fix = f"give trajectories of the speaker's own world, '{self.data.task.name}'"
                raise InputError(source, problem, fix)
        batches = [trajectories[first : first + BATCH] for first in range(0, len(trajectories), BATCH)]
        return [self._walked(batch) if graph else self._replayed(batch) for batch in batches]

    def _walked(self, trajectories: Sequence[Trajectory]) -> Routes:
        """Routes on graphs, whatever the actions were: turns are no moves."""
        return self.graph_routes.of(
            [(each.scan, [pose.viewpoint for pose in each.poses], each.start.heading) for each in trajectories]
        )

    def _replayed(self, trajectories: Sequence[Trajectory]) -> Routes:
        """Routes in houses, where the same actions show the same things again."""
        places = [
            Episode(each.episode_id, each.scan, each.split, "-", (), each.start.heading, (), (each.start.position,))
            for each in trajectories
        ]
        actions = {number: [step.action for step in each.steps] for number, each in enumerate(trajectories)}
        env = self._environment(places, len(places), max(map(len, actions.values())))
        return LivedDemonstrations(env, actions).routes(np.arange(len(places)))


@dataclass(frozen=True)
class Described:
    """The distinct demonstrations of a split, and all that people said of each.

    Attributes:
        episodes: N episodes, the first of each demonstration.
        references: N lists of sentences.
    """

    episodes: list[Episode]
    references: list[list[str]]


def _way(episode: Episode) -> tuple[Any, ...]:
    """What tells demonstrations apart."""
    return episode.scan, episode.path, episode.positions, episode.heading


def same_way(one: Episode, other: Episode) -> bool:
    """Whether two episodes have the same demonstration."""
    return _way(one) == _way(other)


def described(episodes: Sequence[Episode]) -> Described:
    """The distinct demonstrations among episodes."""
    groups: dict[Any, list[Episode]] = {}
    for each in episodes:
        groups.setdefault(_way(each), []).append(each)
    return Described(
        [group[0] for group in groups.values()],
        [[each.instruction for each in group] for group in groups.values()],
    )


@dataclass(frozen=True)
class Caption:
    """What a speaker says.

    Attributes:
        text: The sentence, as a person would write it.
        log_prob: Mean log-probability per token.
    """

    text: str
    log_prob: float


@torch.no_grad()
def captions(
    speaker: Speaker,
    routes: Iterable[Routes],
    data: TaskData,
    decoding: Decoding,
    random: torch.Generator | None = None,
) -> list[Caption]:
    """What a speaker says of routes, batch by batch, put into evaluation mode."""
    speaker.eval()
    device = next(speaker.parameters()).device
    said: list[Caption] = []
    for batch in routes:
        memory = speaker.read(batch.to(device))
        found = speak(speaker, memory, decoding, data.options.max_length, random)
        texts = [readable(data.vocabulary.decode(row)) for row in found.tokens.tolist()]
        said += map(Caption, texts, found.log_prob.tolist())
    return said


@torch.no_grad()
def mean_loss(speaker: Speaker, told: Told) -> float:
    """Mean negative log-probability of the tokens of a split in nats, in evaluation mode."""
    speaker.eval()
    device = next(speaker.parameters()).device
    order = (told.tokens != PAD).sum(1).argsort(stable=True)
    total = 0.0
    for chosen in torch.split(order, BATCH):
        routes = told.demonstrations.routes(chosen.numpy()).to(device)
        total -= float(speaker.token_log_probs(speaker.read(routes), told.tokens[chosen].to(device)).sum())
    return total / int((told.tokens != PAD).sum())


class Exam:
    """Scores of a speaker on the demonstrations of a split: loss, BLEU, chrF."""

    def __init__(self, world: SpeakerWorld, split: str) -> None:
        """An exam on a split."""
        self._world, self._told = world, world.told(split)
        self._described = described(world.data.splits[split])
        self._demonstrations = world.demonstrations(split, BATCH, self._described.episodes)

    def __call__(self, speaker: Speaker) -> dict[str, float]:
        """Scores of greedy captions."""
        routes = in_batches(self._demonstrations, len(self._described.episodes))
        said = [each.text for each in captions(speaker, routes, self._world.data, Decoding())]
        loss = mean_loss(speaker, self._told)
        return {"loss": loss, **caption_scores(said, self._described.references)}


def in_batches(demonstrations: Demonstrations, count: int) -> Iterator[Routes]:
    """The routes of `count` episodes, batch by batch."""
    for first in range(0, count, BATCH):
        yield demonstrations.routes(np.arange(first, min(count, first + BATCH)))


@dataclass(frozen=True)
class TrainedSpeaker:
    """A trained speaker and the world it learnt in.

    Attributes:
        run: Folder of the run.
        speaker: With its averaged weights, in evaluation mode.
        world: Episodes and simulators, as the run's configuration wants them.
    """

    run: Path
    speaker: Speaker
    world: SpeakerWorld


def open_speaker_world(config: CaptionConfig, splits: Sequence[str], **options: Any) -> SpeakerWorld:
    """Open what a speaker's configuration needs; options as of `envs.make.open_task`.

    Raises:
        InputError: If data are missing or malformed.
    """
    like = config.navigator
    return SpeakerWorld(config, open_task(like.task, splits, **data_options(like), **options))


def open_speaker(
    run: Path,
    splits: Sequence[str],
    data: Path | None = None,
    checkpoint: str = "best",
    device: str = "cpu",
    vocabulary: Vocabulary | None = None,
) -> TrainedSpeaker:
    """The speaker of a run's checkpoint and its world.

    Args:
        run: Folder of the run.
        splits: Splits to open.
        data: Data folder; the usual ones if absent.
        checkpoint: "best" or "latest".
        device: Where the speaker is to be.
        vocabulary: Whose tokens it is to be told, e.g. a navigator's; its own if absent.

    Raises:
        InputError: If the run or its data are missing or do not fit.
    """
    found = load_checkpoint(run_checkpoint(run, checkpoint))
    config = from_json(CaptionConfig, found.state["config"], found.source)
    own = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    if vocabulary is not None:
        check_vocabulary(run / "vocabulary.json", own, vocabulary)
    world = open_speaker_world(config, splits, data=data, vocabulary=own)
    check_fingerprint(found, fingerprint(world.data))
    speaker = world.speaker()
    load_model(speaker, found.part("average"), found.source)
    return TrainedSpeaker(run, speaker.to(usable_device(device)).eval(), world)


def check_vocabulary(source: object, own: Vocabulary, wanted: Vocabulary) -> None:
    """Check that a speaker's vocabulary is the one wanted.

    Raises:
        InputError: If it is not, naming the first symbol that differs.
    """
    if (own.unit, own.symbols) == (wanted.unit, wanted.symbols):
        return
    pairs = [*zip_longest(own.symbols, wanted.symbols), (own.unit, wanted.unit)]
    place, (here, there) = next((place, pair) for place, pair in enumerate(pairs) if pair[0] != pair[1])
    problem = f"symbol {place} of the speaker's vocabulary is {here!r}, that of the data {there!r}"
    raise InputError(source, problem, "train the speaker on the same data, with the same unit and count of words")
