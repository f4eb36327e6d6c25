"""Train an agent: imitation first, then reinforcement.

python scripts/train.py r2r-navigator --out runs/navigator
python scripts/train.py --out runs/navigator --resume                        # go on after an interruption
python scripts/train.py r2r-navigator --out runs/gru --policy.cell gru --policy.layers 2
python scripts/train.py r2r-navigator --out runs/deaf --ablate language
python scripts/train.py r2r-navigator --out runs/a2c --start-from runs/base/best.safetensors --imitation.iterations 0
python scripts/train.py r2r-navigator --phase tuning=ppo --tuning.iterations 500 --out runs/tuned
python scripts/train.py r2r-navigator --import my_learners --phase imitation=my_learner --out runs/mine
python scripts/train.py houses --out runs/houses --workers 2                 # two processes
torchrun --nproc-per-node 2 scripts/train.py houses --out runs/houses        # the same, e.g. on several GPUs
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from agents.config import CaptionConfig, TrainConfig, check_config, data_options
from agents.evaluation import EVALUATION_BATCH, evaluate, tell_unreadable
from agents.policies.acting import PolicyAgent
from agents.presets import PRESETS
from agents.runs import fingerprint
from agents.speaking.critic import MatchingCritic
from agents.speaking.speaker import Speaker
from agents.training.build import build_trainer
from agents.training.checkpoint import check_fingerprint, load_checkpoint
from agents.training.devices import usable_device, use_threads
from agents.training.distributed import SINGLE, Workers, check_workers, is_main_here, launch, workers_wanted
from agents.training.log import Log, Scores, Silence
from agents.training.runs import run_folder
from agents.training.settings import read_settings, save_settings
from agents.training.trainer import LATEST, Trainer
from envs.environment import NavigationVectorEnv
from envs.habitat.settings import use_interpreter
from envs.make import TaskData, make_env, open_task
from scripts.matching import open_critic
from vln.cli import friendly_exit
from vln.episodes import check_episodes, load_episodes
from vln.errors import InputError
from vln.files import writable_folder, write_text
from vln.metrics import mean_scores
from vln.registry import import_module

SPLITS = ("val_seen", "val_unseen")


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
    preset: tyro.conf.Suppress[str | None] = None
    imports: tyro.conf.Suppress[tuple[str, ...]] = ()


def main(arguments: Arguments) -> None:
    """Train, with as many workers as there are to be."""
    workers = workers_wanted(arguments.workers)
    check_workers(arguments.config, workers)
    check_config(arguments.config, workers)
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
        data = open_task(config.task, splits(config), data=arguments.data, **data_options(config))
        data = data.without_bad_episodes() if arguments.skip_bad else data
        data = augmented(data, arguments.augment)
        check_splits(config, data, workers.is_main)
        critic = open_critic(arguments.critic, config, data, arguments.data, device)
    trainer = trainer_of(config, data, folder, device, splits(config)[1:], critic, workers)
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


def splits(config: TrainConfig | CaptionConfig) -> tuple[str, ...]:
    """The splits a run needs, training first."""
    explored = config.explored_splits if isinstance(config, TrainConfig) else ()
    return tuple(dict.fromkeys(["train", *SPLITS, *(["dev"] if config.select == "dev" else []), *explored]))


def check_splits(config: TrainConfig, data: TaskData, is_main: bool = True) -> None:
    """Check before anything is learnt what evaluation or the choice of the best would stumble over later.

    Args:
        config: The configuration of the run.
        data: With its splits, training first.
        is_main: Whether this worker checks the scenes, and says of which instructions no word is known.

    Raises:
        InputError: If there are no goals to learn from or to select by, or an episode does not fit its scene.
    """
    selecting = [] if config.select == "latest" else [("--select", str(config.select))]
    needed = [("'train'", "train"), *selecting]
    for source, split in needed:
        if data.splits[split][0].withheld:
            raise InputError(source, f"the goals of split '{split}' are withheld", "use a split whose goals are public")
    if is_main:
        data.check()
        for split, episodes in data.splits.items():
            if split != "train":
                tell_unreadable(episodes, data.vocabulary)


def augmented(data: TaskData, files: Sequence[Path]) -> TaskData:
    """The data with the episodes of some files added to those of training.

    Raises:
        InputError: If there are no navigation graphs, or an episode does not fit them or one that is there.
    """
    graphs = {each.scan: each for each in data.source.graphs}
    for file in files:
        if not graphs:
            raise InputError(file, f"task '{data.task.name}' has no paths of viewpoints", "leave --augment out")
        episodes = load_episodes(file, "train")
        check_episodes(file, episodes, graphs)
        if any(each.withheld for each in episodes):
            raise InputError(file, "the goals of its episodes are withheld", "give whole paths to learn from")
        known = {each.episode_id for each in data.splits["train"]}
        for each in episodes:
            if each.episode_id in known:
                raise InputError(
                    file, f"instr_id '{each.episode_id}' is there already", "give every path its own path_id"
                )
        data = data.only("train", [*data.splits["train"], *episodes])
    return data


def trainer_of(
    config: TrainConfig,
    data: TaskData,
    folder: Path,
    device: str,
    evaluated: Sequence[str],
    critic: Speaker | None = None,
    workers: Workers = SINGLE,
) -> Trainer:
    """A trainer at iteration 0, which evaluates on those of the splits `evaluated` whose goals are known."""
    evaluated = [split for split in evaluated if workers.is_main and not data.splits[split][0].withheld]
    policy = config.policy.build(config, data).to(device)
    agent = PolicyAgent(policy, data.vocabulary)
    environments = {split: make_env(data, split, EVALUATION_BATCH, record=True) for split in evaluated}
    log = Log(folder) if workers.is_main else Silence()
    labelled = config.learns_labels

    def evaluate_all() -> Scores:
        return {split: score(split, agent, env, log) for split, env in environments.items()}

    def training_env(split: str, num_envs: int, withheld: bool) -> tuple[NavigationVectorEnv, np.ndarray]:
        shown: dict[str, Any] = {"tensors": True, "labelled": labelled, "withheld": withheld, "device": device}
        return make_env(data, split, num_envs, max_steps=config.max_steps, **shown), data.lengths(split)

    matching = MatchingCritic(critic) if critic else None
    mark = fingerprint(data)
    return build_trainer(config, policy, training_env, evaluate_all, log, folder, mark, matching, workers)


def score(split: str, agent: PolicyAgent, env: NavigationVectorEnv, log: Log) -> dict[str, float]:
    """Mean metrics of an agent on a split."""
    with log.evaluating(split, len(env.episodes)) as advance:
        return mean_scores(evaluate(agent, env, advance=advance).columns)


if __name__ == "__main__":
    with friendly_exit():
        main(read_settings(Arguments, PRESETS))
