"""Train a speaker, which describes trajectories and scores sentences (the matching critic).

python scripts/train_speaker.py r2r-speaker --out runs/speaker
python scripts/train_speaker.py --out runs/speaker --resume                        # go on after an interruption
python scripts/train_speaker.py r2r-speaker --out runs/letters --text.unit character --text.max-length 400
python scripts/train_speaker.py r2r-speaker --out runs/blind-speaker --ablate vision
python scripts/train_speaker.py houses-speaker --out runs/speaker --encoder-from runs/demo/full/latest.safetensors
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from agents.config import CaptionConfig, check_caption_config
from agents.presets import SPEAKERS
from agents.speaking.runs import build_caption_trainer, open_speaker_data
from agents.training.checkpoint import LATEST, load_checkpoint
from agents.training.data import check_splits, run_splits
from agents.training.devices import usable_device, use_threads
from agents.training.runs import run_folder
from agents.training.settings import read_settings, save_settings
from envs.make import open_task
from vln.cli import friendly_exit
from vln.files import write_text


@dataclass(frozen=True)
class Arguments:
    """Train a speaker.

    Attributes:
        config: The configuration.
        out: Folder of the run.
        data: Data folder; default $VLN_DATA, then ../shared/data. Generated houses need none.
        resume: Resume from the latest checkpoint of the run, with its settings.
        encoder_from: Checkpoint of a navigator with pretrained labels, whose image encoder the speaker starts with.
        device: Device to learn on, "cpu" or "cuda".
        threads: CPU threads; 0 takes one for each core.
        preset: The preset's name.
        imports: Modules that were imported first, with `--import MODULE`.
    """

    config: Annotated[CaptionConfig, tyro.conf.arg(name="")]
    out: Path = Path("runs/speaker")
    data: Path | None = None
    resume: bool = False
    encoder_from: Path | None = None
    device: str = "cpu"
    threads: int = 0
    preset: tyro.conf.Suppress[str | None] = None
    imports: tyro.conf.Suppress[tuple[str, ...]] = ()


def main(arguments: Arguments) -> None:
    """Train a speaker."""
    config = arguments.config
    check_caption_config(config)
    device = usable_device(arguments.device)
    use_threads(arguments.threads)
    torch.manual_seed(config.seed)
    with run_folder(arguments.out, arguments.resume) as folder:
        splits = run_splits(config, arguments.data)
        data = open_speaker_data(config, splits, open_task, data=arguments.data)
        check_splits(config.navigator, data.data)
        trainer = build_caption_trainer(data, folder, device, splits[1:], arguments.encoder_from)
        if arguments.resume:
            trainer.resume(load_checkpoint(folder / LATEST))
        save_settings(arguments)
        write_text(folder / "vocabulary.json", data.data.vocabulary.to_json())
        trainer.train()


if __name__ == "__main__":
    with friendly_exit():
        main(read_settings(Arguments, SPEAKERS))
