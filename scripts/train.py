"""Train an agent: imitation first, then reinforcement.

python scripts/train.py r2r-navigator --out runs/navigator
python scripts/train.py r2r-navigator --out runs/navigator --resume          # go on after an interruption
python scripts/train.py r2r-navigator --out runs/gru --navigator.cell gru --navigator.layers 2
python scripts/train.py r2r-navigator --out runs/deaf --ablate language
python scripts/train.py r2r-navigator --out runs/a2c --start-from runs/base/best.safetensors --imitation.iterations 0
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numba
import torch
import tyro

from agents.checkpoint import as_json, check_fingerprint, load_checkpoint
from agents.config import CaptionConfig, TrainConfig, check_config
from agents.log import Log, Scores
from agents.policy import NavigatorAgent
from agents.presets import PRESETS
from agents.rollout import rollout
from agents.sampler import EpisodeSampler
from agents.trainer import LATEST, Trainer
from envs.environment import NavigationVectorEnv
from scripts.common import friendly_exit
from scripts.world import World
from scripts.worlds import EVALUATION_BATCH, open_world, usable_device
from vln.errors import InputError
from vln.files import writable_folder, write_json, write_text
from vln.metrics import mean_scores

SPLITS = ("val_seen", "val_unseen")


@dataclass(frozen=True)
class Arguments:
    """Train an agent.

    Attributes:
        config: What to learn and how.
        out: Folder of the run.
        data: Data folder; default $VLN_DATA, then ../shared/data. Generated houses need none.
        resume: Go on from the run's latest checkpoint.
        start_from: Checkpoint of another run whose weights to start from.
        device: Device to learn on, "cpu" or "cuda".
        threads: CPU threads; 0 takes one for each core.
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    out: Path = Path("runs/latest")
    data: Path | None = None
    resume: bool = False
    start_from: Path | None = None
    device: str = "cpu"
    threads: int = 0


def main(arguments: Arguments) -> None:
    """Train."""
    check_config(arguments.config)
    device = usable_device(arguments.device)
    use_threads(arguments.threads)
    torch.manual_seed(arguments.config.seed)
    folder = check_folder(arguments.out, arguments.resume)
    world = open_world(arguments.config, arguments.data, splits(arguments.config))
    trainer = build_trainer(world, folder, device, splits(arguments.config)[1:])
    if arguments.resume:
        trainer.resume(load_checkpoint(folder / LATEST))
    elif arguments.start_from:
        checkpoint = load_checkpoint(arguments.start_from)
        check_fingerprint(checkpoint, trainer.fingerprint)
        trainer.start_from(checkpoint)
    writable_folder(folder)
    write_json(folder / "config.json", as_json(arguments.config))
    write_text(folder / "vocabulary.json", world.vocabulary.to_json())
    trainer.train()


def use_threads(threads: int) -> None:
    """Set torch and compiled code up for the CPU; 0 leaves the number of threads to them."""
    if threads:
        torch.set_num_threads(threads)
        numba.set_num_threads(min(threads, numba.get_num_threads()))
    torch.set_flush_denormal(True)  # vanishing numbers of Adam would slow matrix products down many times


def splits(config: TrainConfig | CaptionConfig) -> tuple[str, ...]:
    """The splits a run needs."""
    return ("train", *SPLITS, *(["dev"] if config.select == "dev" else []))


def check_folder(out: Path, resume: bool) -> Path:
    """The run's folder, which must hold a run to resume, and none otherwise.

    Raises:
        InputError: If it is not so.
    """
    if not resume and (out / LATEST).exists():
        raise InputError(out, f"the folder already holds a run ({LATEST})", "pass --resume, or another --out")
    if resume and not (out / LATEST).exists():
        raise InputError(out, f"there is no {LATEST} to resume from", "train without --resume, or correct --out")
    return out


def build_trainer(world: World, folder: Path, device: str, evaluated: Sequence[str]) -> Trainer:
    """A trainer at iteration 0, which evaluates on the splits `evaluated`."""
    config = world.config
    navigator = world.navigator().to(device)
    agent = NavigatorAgent(navigator, world.vocabulary)
    environments = {split: world.environment(split, EVALUATION_BATCH, record=True) for split in evaluated}

    def evaluate() -> Scores:
        return {split: score(world, split, agent, env) for split, env in environments.items()}

    return Trainer(
        config,
        navigator,
        world.environment("train", config.batch_size, device=device),
        EpisodeSampler(world.lengths("train"), config.batch_size, config.seed),
        evaluate,
        Log(folder),
        folder,
        world.fingerprint,
    )


def score(world: World, split: str, agent: NavigatorAgent, env: NavigationVectorEnv) -> dict[str, float]:
    """Mean metrics of an agent on a split."""
    return mean_scores(world.scores(split, rollout(agent, env)))


if __name__ == "__main__":
    with friendly_exit():
        presets = {name: (preset.__doc__ or "", Arguments(preset())) for name, preset in PRESETS.items()}
        main(tyro.extras.overridable_config_cli(presets))
