"""Train an agent: imitation first, then reinforcement.

python scripts/train.py r2r-navigator --out runs/navigator
python scripts/train.py --out runs/navigator --resume                        # go on after an interruption
python scripts/train.py r2r-navigator --out runs/gru --policy.cell gru --policy.layers 2
python scripts/train.py r2r-navigator --out runs/deaf --ablate language
python scripts/train.py r2r-navigator --out runs/a2c --start-from runs/base/best.safetensors --imitation.iterations 0
python scripts/train.py r2r-navigator --phase tuning=ppo --tuning.iterations 500 --out runs/tuned
python scripts/train.py r2r-navigator --import my_learners --phase imitation=my_learner --out runs/mine
python scripts/train.py r2r-navigator --mixture r2r=0.7 r4r=0.3 --out runs/mixed
python scripts/train.py r2r-navigator --log tensorboard wandb --out runs/logged   # with pip install vln[wandb]
python scripts/train.py houses --out runs/houses --workers 2                 # two processes
torchrun --nproc-per-node 2 scripts/train.py houses --out runs/houses        # the same, e.g. on several GPUs
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import tyro

from agents.config import TrainConfig, check_config, data_options
from agents.data import TaskData
from agents.presets import PRESETS
from agents.registry import LOG_SINKS
from agents.speaking.runs import open_critic
from agents.training.build import build_trainer
from agents.training.checkpoint import LATEST, check_fingerprint, load_checkpoint
from agents.training.data import add_episodes, check_splits, run_splits
from agents.training.devices import usable_device, use_threads
from agents.training.distributed import Workers, check_workers, is_main_here, launch, workers_wanted
from agents.training.log import SINKS
from agents.training.runs import run_folder, train_once
from agents.training.settings import read_settings, save_settings
from envs.habitat.settings import use_interpreter
from envs.make import open_task
from vln.cli import friendly_exit
from vln.files import writable_folder, write_text
from vln.registry import import_module


@dataclass(frozen=True)
class Arguments:
    """Train an agent.

    Attributes:
        config: What to learn and how.
        out: Folder of the run.
        data: Data folder; default $VLN_DATA, then ../shared/data. Generated houses need none.
        resume: Go on from the run's latest checkpoint, with the settings of the run; none need be given again.
        start_from: Checkpoint of another run whose weights to start from.
        augment: Files in R2R's format with episodes to learn from besides, as augment.py writes.
        critic: Run of a speaker, the matching critic of an intrinsic reward and of exploration.
        device: Device to learn on, "cpu" or "cuda".
        habitat_python: Interpreter that has habitat-sim, for worlds in it; $VLN_HABITAT_PYTHON, or this one.
        skip_bad: Leave episodes out that do not fit their scenes in a continuous world, and say which.
        threads: CPU threads of each worker; 0 divides the cores among them.
        workers: Processes that divide each batch among them and learn as one. Gradients are those of the whole batch up
            to rounding; chance is each worker's own, and logged numbers are means over workers.
        log: Where metrics go besides `metrics.jsonl`, which may change with --resume: tensorboard, wandb (that of
            `pip install vln[wandb]`), or a sink of one's own (`agents.training.sinks.LogSink`).
        preset: The preset's name.
        imports: Modules that were imported first, with `--import MODULE`, to register learners of one's own.
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    out: Path = Path("runs/latest")
    data: Path | None = None
    resume: bool = False
    start_from: Path | None = None
    augment: tuple[Path, ...] = ()
    critic: Path | None = None
    device: str = "cpu"
    habitat_python: Path | None = None
    skip_bad: bool = False
    threads: int = 0
    workers: int = 1
    log: tuple[str, ...] = SINKS
    preset: tyro.conf.Suppress[str | None] = None
    imports: tyro.conf.Suppress[tuple[str, ...]] = ()


def main(arguments: Arguments) -> None:
    """Train, with as many workers as there are to be."""
    workers = workers_wanted(arguments.workers)
    check_workers(arguments.config, workers)
    check_config(arguments.config, workers)
    for name in arguments.log:
        LOG_SINKS.find(name)
    with run_folder(arguments.out, arguments.resume, is_main_here()):
        launch(partial(train, arguments), workers)


def train(arguments: Arguments, workers: Workers) -> None:
    """Train, as one of the workers."""
    for module in arguments.imports:
        import_module(module, "--import")
    device, folder = usable_device(workers.device(arguments.device)), arguments.out
    use_threads(arguments.threads, workers.count)
    use_interpreter(arguments.habitat_python)
    torch.manual_seed(arguments.config.seed)
    with workers.main_first():
        config = arguments.config
        how = {"data": arguments.data, "mixture": config.mixture, **data_options(config)}
        data: TaskData = open_task(config.task, run_splits(config, arguments.data), **how)
        data = data.without_bad_episodes() if arguments.skip_bad else data
        data = add_episodes(data, arguments.augment)
        check_splits(config, data, workers.is_main)
        critic = open_critic(arguments.critic, config, data, open_task, arguments.data, device)
    trainer = build_trainer(config, data, folder, device, [*data.splits][1:], critic, workers, arguments.log)
    if arguments.resume:
        trainer.resume(load_checkpoint(folder / LATEST))
    elif arguments.start_from:
        checkpoint = load_checkpoint(arguments.start_from)
        check_fingerprint(checkpoint, trainer.fingerprint)
        trainer.start_from(checkpoint)
    if workers.is_main:
        writable_folder(folder)
        save_settings(replace(arguments, workers=workers.count))
        write_text(folder / "vocabulary.json", data.vocabulary.to_json())
    trainer.train()


def train_run(
    run: Path,
    title: str,
    config: TrainConfig,
    data: Path | None = None,
    threads: int = 0,
    start: Path | None = None,
    critic: Path | None = None,
) -> Path:
    """Train a run for a study, or resume it, unless it is finished; arguments as of `Arguments`."""
    arguments = Arguments(config, run, data, start_from=start, critic=critic, threads=threads)
    return train_once(run, title, lambda resume: main(replace(arguments, resume=resume)))


if __name__ == "__main__":
    with friendly_exit():
        main(read_settings(Arguments, PRESETS))
