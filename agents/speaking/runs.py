"""Runs of speakers: making a trainer, loading a trained speaker, and loading one as the critic of a navigator."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

from torch import nn

from agents.config import CaptionConfig, TrainConfig, data_options, loss_of
from agents.data import OpenTask, TaskData
from agents.learners.sampler import EpisodeSampler
from agents.registry import LEARNERS
from agents.runs import fingerprint
from agents.speaking.captioning import CaptionTrainer
from agents.speaking.captions import CaptionEvaluator
from agents.speaking.demonstrations import SpeakerData
from agents.speaking.speaker import Speaker
from agents.training.base import RunRecord
from agents.training.checkpoint import check_fingerprint, load_checkpoint, load_model, open_checkpoint
from agents.training.devices import usable_device
from agents.training.log import Log, Scores
from vln.configuration import from_json
from vln.episodes import Episode
from vln.errors import InputError
from vln.files import read_text
from vln.language import Vocabulary


@dataclass(frozen=True)
class TrainedSpeaker:
    """The speaker of a run, in evaluation mode, and the data of its task, opened as its configuration says."""

    run: Path
    speaker: Speaker
    data: SpeakerData


def open_speaker_data(config: CaptionConfig, splits: Sequence[str], open_task: OpenTask, **options: Any) -> SpeakerData:
    """Open the data that a speaker's configuration needs; options as of `envs.make.open_task`."""
    like = config.navigator
    return SpeakerData(config, open_task(like.task, splits, **data_options(like), **options))


def open_speaker(
    run: Path,
    splits: Sequence[str],
    open_task: OpenTask,
    data: Path | None = None,
    checkpoint: str = "best",
    device: str = "cpu",
    vocabulary: Vocabulary | None = None,
) -> TrainedSpeaker:
    """Load the speaker of a run, and open the data of its task with `open_task`, which is `envs.make.open_task`.

    The speaker's vocabulary must equal `vocabulary`, such as a navigator's, if one is given.
    """
    found = open_checkpoint(run, checkpoint)
    config = from_json(CaptionConfig, found.state["config"], found.source)
    own = Vocabulary.from_json(read_text(run / "vocabulary.json"), run / "vocabulary.json")
    if vocabulary is not None:
        check_vocabulary(run / "vocabulary.json", own, vocabulary)
    opened = open_speaker_data(config, splits, open_task, data=data, vocabulary=own)
    check_fingerprint(found, fingerprint(opened.data))
    speaker = opened.speaker()
    load_model(speaker, found.part("average"), found.source)
    return TrainedSpeaker(run, speaker.to(usable_device(device)).eval(), opened)


def check_vocabulary(source: object, own: Vocabulary, wanted: Vocabulary) -> None:
    """Raise an InputError unless a speaker's vocabulary is the one wanted; it names the first symbol that differs."""
    if (own.unit, own.symbols) == (wanted.unit, wanted.symbols):
        return
    pairs = [*zip_longest(own.symbols, wanted.symbols), (own.unit, wanted.unit)]
    place, (here, there) = next((place, pair) for place, pair in enumerate(pairs) if pair[0] != pair[1])
    problem = f"symbol {place} of the speaker's vocabulary is {here!r}, that of the data {there!r}"
    raise InputError(source, problem, "train the speaker on the same data, with the same unit and count of words")


def build_caption_trainer(
    data: SpeakerData, folder: Path, device: str, evaluated: Sequence[str], encoder_from: Path | None = None
) -> CaptionTrainer:
    """Make a trainer at iteration 0, evaluated on some splits.

    The image encoder starts as that of the navigator of the checkpoint `encoder_from`.
    """
    config = data.config
    speaker = data.speaker().to(device)
    if encoder_from is not None:
        if not speaker.camera:
            raise InputError("--encoder-from", "a speaker on graphs has no image encoder", "leave it out")
        load_model(cast(nn.Module, speaker.views), load_checkpoint(encoder_from).part("average.views"), encoder_from)
    evaluators = {split: CaptionEvaluator(data, split) for split in evaluated}

    def evaluate() -> Scores:
        return {split: evaluator(speaker) for split, evaluator in evaluators.items()}

    captioned = data.captioned("train", config.batch_size)
    sampler = EpisodeSampler(data.data.lengths("train"), config.batch_size, config.seed)
    record = RunRecord(Log(folder), folder, fingerprint(data.data))
    return CaptionTrainer(config, speaker, captioned, sampler, evaluate, record)


def open_critic(
    run: Path | None, config: TrainConfig, data: TaskData, open_task: OpenTask, folder: Path | None, device: str
) -> Speaker | None:
    """Load the speaker of a run as a navigator's matching critic; None if its configuration needs none."""
    flags = critic_flags(config)
    if run is None and not flags:
        return None
    if run is None:
        raise InputError(flags[0], "a matching critic is needed", "pass --critic with the run of a speaker")
    if not flags:
        fix = "leave it out, or set --reinforcement.loss.intrinsic, or add a phase of self_imitation"
        raise InputError("--critic", "no phase asks anything of it", fix)
    found = open_speaker(run, tuple(data.splits), open_task, folder, device=device, vocabulary=data.vocabulary)
    for split in config.explored_splits:
        check_not_trained_on(run, found.data.data.splits["train"], data.splits[split])
    return found.speaker


def critic_flags(config: TrainConfig) -> list[str]:
    """Return the flags of a configuration that need a critic."""
    flags = []
    for name, phase in config.phases.items():
        flag = f"--{name.replace('_', '-')}"
        if phase.iterations and LEARNERS.find(phase.learner).needs_critic:
            flags.append(f"{flag}.iterations")
        elif (loss := loss_of(phase)) and loss.intrinsic:
            flags.append(f"{flag}.loss.intrinsic")
    return flags


def check_not_trained_on(run: Path, trained: Sequence[Episode], explored: Sequence[Episode]) -> None:
    """Raise an InputError if a critic was trained on episodes that are to be explored: it would know their goals."""
    shared = {each.episode_id for each in trained} & {each.episode_id for each in explored}
    if shared:
        some = ", ".join(sorted(shared)[:3])
        problem = f"has learnt from {len(shared)} of the episodes that are to be explored, among them {some}"
        raise InputError(run, problem, "explore a split that it was not trained on, see --self-imitation.split")
