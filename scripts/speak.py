"""Say what a trajectory is: captions by a trained speaker, how well a sentence fits, and how good the speaker is.

python scripts/speak.py runs/speaker --episode 4332_0 2396_1 --split val_unseen       # demonstrations of a split
python scripts/speak.py runs/speaker --trajectories runs/navigator/eval/val_unseen.jsonl --episode 4332_0
python scripts/speak.py runs/speaker --scan 2azQ1b91cZZ --path VIEWPOINT VIEWPOINT ... --heading 90
python scripts/speak.py runs/speaker --episode 4332_0 --method beam --beams 8
python scripts/speak.py runs/speaker --episode 4332_0 --instruction "Go to the sofa."  # how well that fits
python scripts/speak.py runs/speaker --evaluate --split val_unseen --follower runs/navigator
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.evaluation import score, tell_unreadable
from agents.speaking.decoding import Decoding, check_decoding
from agents.speaking.speaker_inputs import Routes
from agents.training.devices import use_threads
from scripts.critic import critic_accuracy
from scripts.evaluate import live, open_run
from scripts.speaker_world import (
    Caption,
    TrainedSpeaker,
    captions,
    described,
    in_batches,
    mean_loss,
    open_speaker,
    same_way,
)
from vln.captions import caption_scores
from vln.cli import command, show
from vln.episodes import Episode
from vln.errors import InputError, guess
from vln.files import writable_folder, write_json
from vln.language import check_readable
from vln.metrics import mean_scores
from vln.text import printable
from vln.trajectory import read_trajectories

DIGITS = 4  # of log-probabilities
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Subject:
    """What is to be described.

    Attributes:
        name: What to call each.
        people: What people said of each, if anything.
        routes: The routes, batch by batch.
    """

    names: list[str]
    people: list[list[str]]
    routes: list[Routes]


def main(
    run: Positional[Path],
    episode: tuple[str, ...] = (),
    trajectories: Path | None = None,
    scan: str | None = None,
    path: tuple[str, ...] = (),
    heading: float = 0.0,
    instruction: str | None = None,
    evaluate: bool = False,
    follower: Path | None = None,
    distractors: int = 9,
    split: str = "val_unseen",
    decoding: Decoding = Decoding(),  # noqa: B008 (frozen)
    data: Path | None = None,
    checkpoint: Literal["best", "latest"] = "best",
    seed: int = 0,
    device: str = "cpu",
    threads: int = 0,
    json: bool = False,
) -> None:
    """Describe trajectories.

    Args:
        run: Folder of a speaker's training run.
        episode: Ids of episodes, of the split or of the file of trajectories.
        trajectories: File of trajectories written by evaluate.py, instead of demonstrations.
        scan: Building of a path.
        path: Viewpoints to go along, instead of an episode.
        heading: Degrees that the body faces at the start of a path, clockwise from +y.
        instruction: A sentence; say how well it fits instead of making one.
        evaluate: Score the speaker on the demonstrations of the split.
        follower: Folder of a navigator's training run that is to follow the captions, for --evaluate.
        distractors: Sentences about other ways through the building from which the critic tells the true one.
        split: The split.
        decoding: How words are chosen.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The best one by loss on the selecting split, or the latest.
        seed: Of sampling, and of the choice of distractors.
        device: Device of the speaker.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of a table.
    """
    check_decoding(decoding)
    if distractors < 1:
        raise InputError("--distractors", f"{distractors} is out of range", "give a whole number of at least 1")
    use_threads(threads)
    trained = open_speaker(run, [split], data, checkpoint, device)
    if evaluate:
        scores, spoken = evaluation(trained, split, decoding, distractors, seed)
        if follower:
            episodes = described(trained.world.data.splits[split]).episodes
            scores |= followed(follower, split, episodes, spoken, data, seed)
        write_json(writable_folder(run / "eval") / f"{split}.speaker.json", scores)
        show(score_table(f"{run.name} {split}", scores), scores, json)
        return
    subject = choose(trained, split, episode, trajectories, scan, path, heading)
    rows = fits(trained, subject, instruction) if instruction is not None else said(trained, subject, decoding, seed)
    show(caption_table(rows), rows, json)


def choose(
    trained: TrainedSpeaker,
    split: str,
    episode: Sequence[str],
    trajectories: Path | None,
    scan: str | None,
    path: Sequence[str],
    heading: float,
) -> Subject:
    """What is to be described.

    Raises:
        InputError: If there is nothing, or too much, or something is unknown.
    """
    if bool(path) + bool(trajectories or episode) != 1:
        fix = "give --episode ID, --trajectories FILE or --path VIEWPOINT ... with --scan, or --evaluate"
        raise InputError("arguments", "it is not clear what to describe", fix)
    if path:
        routes = trained.world.graph_routes.of([(scan or "", path, math.radians(heading))])
        return Subject(["path"], [[]], [routes])
    if trajectories:
        every = read_trajectories(trajectories)
        chosen = pick(trajectories, {each.episode_id: each for each in every}, episode)
        routes_of = trained.world.trajectory_routes(trajectories, chosen)
        return Subject([each.episode_id for each in chosen], [[each.instruction] for each in chosen], routes_of)
    episodes = trained.world.data.splits[split]
    wanted = pick(f"split '{split}'", {each.episode_id: each for each in episodes}, episode)
    demonstrations = trained.world.demonstrations(split, episodes=wanted)
    people = [[each.instruction for each in episodes if same_way(each, asked)] for asked in wanted]
    return Subject([each.episode_id for each in wanted], people, list(in_batches(demonstrations, len(wanted))))


def pick(source: object, known: Mapping[str, Kind], wanted: Sequence[str]) -> list[Kind]:
    """What has the ids `wanted`; everything if none is.

    Raises:
        InputError: If there is nothing, or an id is unknown.
    """
    for name in wanted:
        if name not in known:
            raise InputError(
                source,
                f"has no episode '{name}'",
                f"use its ids, such as {', '.join([*known][:3])}{guess(name, known)}",
            )
    if not known:
        raise InputError(source, "has no episodes", "give a file of trajectories")
    return [known[name] for name in wanted or known]


def said(trained: TrainedSpeaker, subject: Subject, decoding: Decoding, seed: int) -> list[dict[str, Any]]:
    """A row for each trajectory: what the speaker says and what people said."""
    random = torch.Generator(next(trained.speaker.parameters()).device).manual_seed(seed)
    found = captions(trained.speaker, subject.routes, trained.world.data, decoding, random)
    return [
        {"episode": name, "caption": caption.text, "log_prob": round(caption.log_prob, DIGITS), "people": people}
        for name, caption, people in zip(subject.names, found, subject.people, strict=True)
    ]


@torch.no_grad()
def fits(trained: TrainedSpeaker, subject: Subject, instruction: str) -> list[dict[str, Any]]:
    """A row for each trajectory: how well a sentence fits it.

    Raises:
        InputError: If it is empty, or none of its words is known.
    """
    vocabulary, device = trained.world.data.vocabulary, next(trained.speaker.parameters()).device
    check_readable(instruction, vocabulary, "--instruction")
    tokens = torch.from_numpy(vocabulary.encode(instruction, trained.world.config.text.max_length)).to(device)
    scores = [
        score
        for routes in subject.routes
        for score in trained.speaker.log_prob(routes.to(device), tokens.expand(len(routes), -1)).tolist()
    ]
    return [
        {"episode": name, "caption": instruction, "log_prob": round(score, DIGITS), "people": people}
        for name, score, people in zip(subject.names, scores, subject.people, strict=True)
    ]


def evaluation(
    trained: TrainedSpeaker, split: str, decoding: Decoding, distractors: int, seed: int
) -> tuple[dict[str, Any], list[Caption]]:
    """Scores of the speaker on the demonstrations of a split, and its captions of them."""
    world = trained.world
    found = described(world.data.splits[split])
    routes = in_batches(world.demonstrations(split, episodes=found.episodes), len(found.episodes))
    random = torch.Generator(next(trained.speaker.parameters()).device).manual_seed(seed)
    spoken = captions(trained.speaker, routes, world.data, decoding, random)
    scores = caption_scores([each.text for each in spoken], found.references)
    loss = mean_loss(trained.speaker, world.told(split))
    critic = critic_accuracy(trained.speaker, world, split, distractors, seed)
    return {"routes": len(spoken), **scores, "loss": loss, **critic}, spoken


def followed(
    run: Path, split: str, episodes: Sequence[Episode], spoken: Sequence[Caption], data: Path | None, seed: int
) -> dict[str, float]:
    """How often a navigator arrives that is told captions, and how often when it is told what people said.

    Raises:
        InputError: If it learnt on another data set, or a caption is empty.
    """
    follower = open_run(run, split, data, "best", False, "greedy", "cpu")
    asked = {each.episode_id: each for each in follower.data.splits[split]}
    told = []
    for each, caption in zip(episodes, spoken, strict=True):
        if each.episode_id not in asked:
            problem = f"learnt on '{follower.run.task.name}', which has no episode '{each.episode_id}'"
            raise InputError(run, problem, "give a navigator of the speaker's data set")
        if not caption.text.strip():
            fix = "train the speaker longer, or choose words by another --method"
            raise InputError(f"caption of episode '{each.episode_id}'", "is empty, and nobody can follow it", fix)
        told.append(replace(asked[each.episode_id], instruction=caption.text))
    tell_unreadable(told, follower.data.vocabulary)
    rates = {}
    for name, heard in (("SR of captions", told), ("SR of people", list(asked.values()))):
        there = replace(follower, data=follower.data.only(split, heard))
        lived = live(follower.agent, there.environment(split), seed)
        rates[name] = 100 * mean_scores(score(lived, there.data))["SR"]
    return rates


def caption_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What was said, above what people said."""
    drawn = Table(box=SIMPLE_HEAD, padding=0)
    drawn.add_column("episode", no_wrap=True)
    drawn.add_column("log p", justify="right")
    drawn.add_column("sentence")
    for row in rows:
        drawn.add_row(row["episode"], f"{row['log_prob']:.2f}", row["caption"])
        for sentence in row["people"]:
            drawn.add_row("", "", Text(printable(sentence.strip()), style="dim"))
    return drawn


def score_table(title: str, scores: Mapping[str, float]) -> Table:
    """A row a number."""
    drawn = Table("", title=title, box=SIMPLE_HEAD, padding=0)
    drawn.add_column("", justify="right")
    for name, value in scores.items():
        drawn.add_row(name, str(value) if isinstance(value, int) else f"{value:.2f}")
    return drawn


if __name__ == "__main__":
    command(main)
