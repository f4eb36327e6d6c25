"""Describe trajectories with a trained speaker, score sentences, and evaluate the speaker.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from agents.runs import open_run
from agents.speaking.captions import Caption, captions, demonstration_key, mean_loss, references
from agents.speaking.decoding import Decoding, check_decoding
from agents.speaking.demonstrations import in_batches
from agents.speaking.following import follower_success
from agents.speaking.retrieval import retrieval_accuracy
from agents.speaking.runs import TrainedSpeaker, open_speaker
from agents.speaking.speaker_inputs import Routes
from agents.training.devices import use_threads
from envs.make import open_task
from vln.captions import caption_scores
from vln.cli import command, show
from vln.episodes import select_ids
from vln.errors import InputError
from vln.files import writable_folder, write_json
from vln.language import check_readable
from vln.text import printable
from vln.trajectory import read_trajectories

DIGITS = 4  # of log-probabilities


@dataclass(frozen=True)
class Subject:
    """Routes to describe."""

    names: list[str]  # one each
    people: list[list[str]]  # their sentences about each, if there are any
    routes: list[Routes]  # batch by batch


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
        path: Viewpoints of a path, instead of an episode.
        heading: Heading at the start of a path, in degrees clockwise from +y.
        instruction: A sentence to score, instead of making one.
        evaluate: Score the speaker on the demonstrations of the split.
        follower: Folder of a navigator's training run that is to follow the captions, for --evaluate.
        distractors: Sentences about other paths in the building, from which the critic tells the right one.
        split: The split.
        decoding: How words are chosen.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        checkpoint: The best one by loss on the selecting split, or the latest.
        seed: Seed of sampling, and of the choice of distractors.
        device: Device of the speaker.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of a table.
    """
    check_decoding(decoding)
    if distractors < 1:
        raise InputError("--distractors", f"{distractors} is out of range", "give a whole number of at least 1")
    use_threads(threads)
    trained = open_speaker(run, [split], open_task, data, checkpoint, device)
    if evaluate:
        scores, spoken = evaluation(trained, split, decoding, distractors, seed)
        if follower:
            episodes = references(trained.data.data.splits[split]).episodes
            scores |= follower_success(open_run(follower, split, open_task, data), split, episodes, spoken, seed)
        write_json(writable_folder(run / "eval") / f"{split}.speaker.json", scores)
        show(score_table(f"{run.name} {split}", scores), scores, json)
        return
    subject = choose(trained, split, episode, trajectories, scan, path, heading)
    rows = fits(trained, subject, instruction) if instruction is not None else said(trained, subject, decoding, seed)
    show(caption_table(rows), rows, json)


def choose(
    trained: TrainedSpeaker, split: str, episode: Sequence[str], trajectories: Path | None, scan: str | None,
    path: Sequence[str], heading: float,
) -> Subject:  # fmt: skip
    """Return the routes to describe; an InputError if there is nothing, or too much, or something is unknown."""
    if bool(path) + bool(trajectories or episode) != 1:
        fix = "give --episode ID, --trajectories FILE or --path VIEWPOINT ... with --scan, or --evaluate"
        raise InputError("arguments", "it is not clear what to describe", fix)
    if path:
        routes = trained.data.graph_routes.of([(scan or "", path, math.radians(heading))])
        return Subject(["path"], [[]], [routes])
    if trajectories:
        chosen = select_ids(trajectories, read_trajectories(trajectories), episode)
        routes_of = trained.data.trajectory_routes(trajectories, chosen)
        return Subject([each.episode_id for each in chosen], [[each.instruction] for each in chosen], routes_of)
    episodes = trained.data.data.splits[split]
    wanted = select_ids(f"split '{split}'", episodes, episode)
    demonstrations = trained.data.demonstrations(split, episodes=wanted)
    keys = [demonstration_key(each) for each in wanted]
    people = [[each.instruction for each in episodes if demonstration_key(each) == key] for key in keys]
    return Subject([each.episode_id for each in wanted], people, list(in_batches(demonstrations, len(wanted))))


def said(trained: TrainedSpeaker, subject: Subject, decoding: Decoding, seed: int) -> list[dict[str, Any]]:
    """Return a row for each route: the speaker's caption and the sentences of people."""
    random = torch.Generator(next(trained.speaker.parameters()).device).manual_seed(seed)
    found = captions(trained.speaker, subject.routes, trained.data.data, decoding, random)
    return [
        {"episode": name, "caption": caption.text, "log_prob": round(caption.log_prob, DIGITS), "people": people}
        for name, caption, people in zip(subject.names, found, subject.people, strict=True)
    ]


@torch.no_grad()
def fits(trained: TrainedSpeaker, subject: Subject, instruction: str) -> list[dict[str, Any]]:
    """Return a row for each route: how well a sentence fits it."""
    vocabulary, device = trained.data.data.vocabulary, next(trained.speaker.parameters()).device
    check_readable(instruction, vocabulary, "--instruction")
    tokens = torch.from_numpy(vocabulary.encode(instruction, trained.data.config.text.max_length)).to(device)
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
    """Return the scores of the speaker on the demonstrations of a split, and its captions of them."""
    data = trained.data
    found = references(data.data.splits[split])
    routes = in_batches(data.demonstrations(split, episodes=found.episodes), len(found.episodes))
    random = torch.Generator(next(trained.speaker.parameters()).device).manual_seed(seed)
    spoken = captions(trained.speaker, routes, data.data, decoding, random)
    scores = caption_scores([each.text for each in spoken], found.sentences)
    loss = mean_loss(trained.speaker, data.captioned(split))
    critic = retrieval_accuracy(trained.speaker, data, split, distractors, seed)
    return {"routes": len(spoken), **scores, "loss": loss, **critic}, spoken


def caption_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of captions, each above the sentences of people."""
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
    """Return a table of scores."""
    drawn = Table("", title=title, box=SIMPLE_HEAD, padding=0)
    drawn.add_column("", justify="right")
    for name, value in scores.items():
        drawn.add_row(name, str(value) if isinstance(value, int) else f"{value:.2f}")
    return drawn


if __name__ == "__main__":
    command(main)
