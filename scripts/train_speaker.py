"""Train a speaker, which describes trajectories and says how well a sentence fits one (the matching critic).

python scripts/train_speaker.py r2r-speaker --out runs/speaker
python scripts/train_speaker.py --out runs/speaker --resume                        # go on after an interruption
python scripts/train_speaker.py r2r-speaker --out runs/letters --text.unit character --text.max-length 400
python scripts/train_speaker.py r2r-speaker --out runs/blind-speaker --ablate vision
python scripts/train_speaker.py houses-speaker --out runs/houses-speaker --eyes-from runs/demo/full/latest.safetensors
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import torch
import tyro
from torch import nn

from agents.config import CaptionConfig, check_caption_config
from agents.learners.sampler import EpisodeSampler
from agents.presets import SPEAKERS
from agents.runs import fingerprint
from agents.speaking.captioning import CaptionTrainer
from agents.speaking.speaker import Speaker
from agents.training.checkpoint import load_checkpoint, load_model
from agents.training.devices import usable_device, use_threads
from agents.training.log import Log, Scores
from agents.training.runs import run_folder
from agents.training.settings import read_settings, save_settings
from agents.training.trainer import LATEST
from scripts.speaker_world import Exam, SpeakerWorld, open_speaker_world
from scripts.train import check_splits, splits
from vln.cli import friendly_exit
from vln.errors import InputError
from vln.files import write_text


@dataclass(frozen=True)
class Arguments:
    """Train a speaker.

    Attributes:
        config: What to learn and how.
        out: Folder of the run.
        data: Data folder; default $VLN_DATA, then ../shared/data. Generated houses need none.
        resume: Go on from the run's latest checkpoint, with the settings of the run; none need be given again.
        eyes_from: Checkpoint of an agent that has learnt to name what it sees, with whose eyes the speaker starts.
        device: Device to learn on, "cpu" or "cuda".
        threads: CPU threads; 0 takes one for each core.
        preset: The preset's name.
    """

    config: Annotated[CaptionConfig, tyro.conf.arg(name="")]
    out: Path = Path("runs/speaker")
    data: Path | None = None
    resume: bool = False
    eyes_from: Path | None = None
    device: str = "cpu"
    threads: int = 0
    preset: tyro.conf.Suppress[str | None] = None


def main(arguments: Arguments) -> None:
    """Train."""
    config = arguments.config
    check_caption_config(config)
    device = usable_device(arguments.device)
    use_threads(arguments.threads)
    torch.manual_seed(config.seed)
    with run_folder(arguments.out, arguments.resume) as folder:
        world = open_speaker_world(config, splits(config), data=arguments.data)
        check_splits(config.navigator, world.data)
        trainer = build_trainer(world, folder, device, arguments.eyes_from)
        if arguments.resume:
            trainer.resume(load_checkpoint(folder / LATEST))
        save_settings(arguments)
        write_text(folder / "vocabulary.json", world.data.vocabulary.to_json())
        trainer.train()


def build_trainer(world: SpeakerWorld, folder: Path, device: str, eyes_from: Path | None = None) -> CaptionTrainer:
    """A trainer at iteration 0."""
    config = world.config
    speaker = world.speaker().to(device)
    if eyes_from is not None:
        adopt_eyes(speaker, eyes_from)
    exams = {split: Exam(world, split) for split in splits(config)[1:]}

    def evaluate() -> Scores:
        return {split: exam(speaker) for split, exam in exams.items()}

    return CaptionTrainer(
        config,
        speaker,
        world.told("train", config.batch_size),
        EpisodeSampler(world.data.lengths("train"), config.batch_size, config.seed),
        evaluate,
        Log(folder),
        folder,
        fingerprint(world.data),
    )


def adopt_eyes(speaker: Speaker, checkpoint: Path) -> None:
    """Give a speaker the eyes of an agent.

    Raises:
        InputError: If one of them has none, or they are of another size.
    """
    if not speaker.camera:
        raise InputError("--eyes-from", "a speaker on graphs has no eyes", "leave it out")
    load_model(cast(nn.Module, speaker.views), load_checkpoint(checkpoint).part("average.views"), checkpoint)


if __name__ == "__main__":
    with friendly_exit():
        main(read_settings(Arguments, SPEAKERS))
