"""Ablations: train every row of a paper's table, evaluate all, and write the table and the learning curves.

python scripts/ablate.py rcm --out runs/rcm --seeds 0 1 2
python scripts/ablate.py rcm --out runs/rcm --rows RCM "RCM + SIL (unseen)"  # some rows, and what they need
python scripts/ablate.py rcm --out runs/rcm-houses --dataset houses-short

The same command goes on where it was interrupted, and trains nothing twice. Writes `table.md`, `table.json` and
`curves.png` into the folder, whose other folders are runs of `train.py` and `train_speaker.py`.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from agents.config import CaptionConfig, LossConfig, TrainConfig
from agents.learners.episode_learning import A2CConfig
from agents.learners.self_imitation import SelfImitationConfig
from agents.presets import houses_demo, houses_speaker, r2r_navigator, r2r_speaker
from agents.training.devices import use_threads
from agents.training.runs import train_once
from agents.training.trainer import LATEST
from scripts import train_speaker
from scripts.matching import wanted_by
from scripts.studies import (
    check_scale,
    curves,
    learn,
    measured,
    shorter,
    slug,
)
from vln.cli import commands, show
from vln.errors import unknown_name
from vln.figures import save_figure
from vln.files import writable_folder, write_json, write_text
from vln.metrics import finite_mean
from vln.rewards import RewardConfig
from vln.statistics import compare_paired, mean_interval
from vln.tables import markdown_table, number_table

SPLITS = ("val_seen", "val_unseen")
SPEAKER, IMITATION = "speaker", "imitation"
COLUMNS = ("NE", "SR", "SPL", "nDTW")
DELTA = 2.0  # weight of the intrinsic reward
NOTHING = RewardConfig("metres", progress_weight=0.0, success=0.0, failure=0.0)
FoundRows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Row:
    """A row of the table of Wang et al. 2019 (table 3).

    Attributes:
        start: The row whose weights it starts from; empty for fresh ones.
        config: What is learnt from there.
    """

    start: str
    config: TrainConfig

    @property
    def critic(self) -> bool:
        """Whether it wants the matching critic."""
        return bool(wanted_by(self.config))


def rcm(
    out: Path = Path("runs/rcm"),
    dataset: Literal["r2r", "houses-short"] = "r2r",
    seeds: tuple[int, ...] = (0,),
    rows: tuple[str, ...] = (),
    scale: float = 1.0,
    data: Path | None = None,
    threads: int = 0,
    json: bool = False,
) -> None:
    """Reinforced cross-modal matching and self-supervised imitation (Wang et al. 2019, table 3).

    Args:
        out: Folder of the table and of its runs.
        dataset: Data set.
        seeds: Seeds of all rows.
        rows: Rows to train and to show, with those they start from; all if absent.
        scale: Share of the updates of each run, to try things out.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        threads: CPU threads; 0 takes one for each core.
        json: Print JSON instead of a table.
    """
    check_scale(scale, seeds)
    use_threads(threads)  # for what has been trained, too
    wanted = chosen(rcm_rows(dataset), rows)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    for seed in seeds:
        folder = writable_folder(out / f"seed-{seed}")
        for name, row in wanted.items():
            run = learn_row(folder, name, row, speaker_config(dataset), seed, scale, data, threads)
            found[name].append({split: measured(run, split, data) for split in SPLITS})
    table = {name: summary(name, found, wanted) for name in wanted}
    write_json(out / "table.json", table)
    rows_shown = [cells(name, row) for name, row in table.items()]
    write_text(out / "table.md", markdown_table(HEADS, rows_shown))
    runs = {name: [out / f"seed-{seed}" / slug(name) for seed in seeds] for name in wanted}
    save_figure(curves(runs), out / "curves.png")
    show(number_table(HEADS, rows_shown), table, json)


def rcm_rows(dataset: str) -> dict[str, Row]:
    """The rows of the table, in an order in which each comes after the one it starts from."""
    graphs = dataset == "r2r"
    # The agent knows as many houses as its critic.
    base = r2r_navigator() if graphs else replace(houses_demo(), scenes=houses_speaker().scenes)
    truncate = 0 if graphs else base.phases["imitation"].truncate  # type: ignore[attr-defined]
    updates, rate = (2000, 3e-4) if graphs else (150, 1e-3)
    explorations, exploration_rate = (1200, 5e-4) if graphs else (240, 1e-3)
    rounds: dict[str, Any] = {} if graphs else {"rounds": 6, "episodes": 960}
    whole, start = base.without_learning("reinforcement"), base.without_learning()

    def reinforced(intrinsic: float, reward: RewardConfig = base.task.reward) -> TrainConfig:
        loss = LossConfig(teacher=1.0, student=0.0, policy=1.0, intrinsic=intrinsic)
        phase = A2CConfig(iterations=updates, learning_rate=rate, loss=loss, truncate=truncate)
        task = replace(base.task, reward=reward)
        return replace(start, phases={**start.phases, "reinforcement": phase}, task=task)

    def exploring(split: Literal["val_seen", "val_unseen"]) -> TrainConfig:
        imitation: Any = base.phases["imitation"]
        phase = SelfImitationConfig(
            iterations=explorations,
            learning_rate=exploration_rate,
            truncate=truncate,
            split=split,
            rehearsal_loss=imitation.loss,
            expert_fraction=getattr(imitation, "expert_fraction", 0.0),
            **rounds,
        )
        return replace(start, phases={**start.phases, "self_imitation": phase}, select="latest")

    def blunt(config: TrainConfig) -> TrainConfig:
        return replace(config, policy=replace(config.navigator, cross_modal=False))

    longer = start.with_phase("imitation", iterations=updates, learning_rate=rate)
    return {
        IMITATION: Row("", whole),
        "supervised only": Row(IMITATION, longer),
        "RCM - intrinsic": Row(IMITATION, reinforced(0.0)),
        "RCM - extrinsic": Row(IMITATION, reinforced(DELTA, NOTHING)),
        "imitation - cross-modal": Row("", blunt(whole)),
        "RCM - cross-modal": Row("imitation - cross-modal", blunt(reinforced(DELTA))),
        "RCM": Row(IMITATION, reinforced(DELTA)),
        "RCM + SIL (seen)": Row("RCM", exploring("val_seen")),
        "RCM + SIL (unseen)": Row("RCM", exploring("val_unseen")),
    }


def speaker_config(dataset: str) -> CaptionConfig:
    """How the critic of a data set is trained."""
    return r2r_speaker() if dataset == "r2r" else houses_speaker()


def chosen(rows: Mapping[str, Row], names: Sequence[str]) -> dict[str, Row]:
    """The rows of some names, and those they start from, in order; all if there are no names.

    Raises:
        InputError: If a name is unknown.
    """
    needed = set(names or rows)
    for name in names:
        if name not in rows:
            raise unknown_name("--rows", name, rows)
    for name in reversed(list(rows)):
        if name in needed and rows[name].start:
            needed.add(rows[name].start)
    return {name: row for name, row in rows.items() if name in needed}


def learn_row(
    folder: Path,
    name: str,
    row: Row,
    speaker: CaptionConfig,
    seed: int,
    scale: float,
    data: Path | None,
    threads: int,
) -> Path:
    """Train a row, or go on with it, unless it has been; its critic first."""
    critic = None
    if row.critic:
        updates = {name: math.ceil(getattr(speaker, name) * scale) for name in ("iterations", "evaluate_every")}
        eyes = folder / IMITATION / LATEST if speaker.task.continuous else None
        arguments = train_speaker.Arguments(
            replace(speaker, seed=seed, **updates), folder / SPEAKER, data, eyes_from=eyes, threads=threads
        )
        critic = train_once(
            folder / SPEAKER, "the speaker", lambda resume: train_speaker.main(replace(arguments, resume=resume))
        )
    start = folder / slug(row.start) / LATEST if row.start else None
    config = shorter(replace(row.config, seed=seed), scale)
    return learn(folder / slug(name), f"{name}, seed {seed}", config, data, threads, start, critic)


def summary(name: str, found: FoundRows, rows: Mapping[str, Row]) -> dict[str, Any]:
    """Means over episodes and seeds of a row, by split and metric, and how far it is above the row it starts from."""
    start, table = rows[name].start, {}
    for split in SPLITS:
        seeds = [each[split] for each in found[name]]
        paths = [each.path_key for each in seeds[0]["episodes"]]
        means = {column: finite_mean(np.array([finite_mean(each[column]) for each in seeds])) for column in COLUMNS}
        interval = mean_interval(np.mean([each["SR"] for each in seeds], axis=0), paths)
        table[split] = {**means, "SR interval": [interval.low, interval.high]}
        if start:
            before = np.mean([each[split]["SR"] for each in found[start]], axis=0)
            after = np.mean([each["SR"] for each in seeds], axis=0)
            change = compare_paired(before, after, paths)
            table[split]["SR gain"] = change.difference.mean
            table[split]["SR gain interval"] = [change.difference.low, change.difference.high]
            table[split]["SR gain p"] = change.p_value
    minutes = float(np.mean([each[SPLITS[0]]["minutes"] for each in found[name]]))
    return {**table, "start": start, "minutes": minutes, "seeds": len(found[name])}


def cells(name: str, row: Mapping[str, Any]) -> list[str]:
    """A row of the table as text."""
    shown = [name, str(row["seeds"]), f"{row['minutes']:.1f}"]
    for split in SPLITS:
        scores = row[split]
        low, high = scores["SR interval"]
        shown += [f"{100 * scores['SR']:.1f} ± {50 * (high - low):.1f}", f"{100 * scores['SPL']:.1f}"]
        gain = scores.get("SR gain interval")
        shown.append(f"{100 * scores['SR gain']:+.1f} ({100 * gain[0]:+.1f} to {100 * gain[1]:+.1f})" if gain else "")
    return shown


HEADS = ("row", "seeds", "min", *(f"{split} {what}" for split in SPLITS for what in ("SR", "SPL", "gain of SR")))


if __name__ == "__main__":
    commands({"rcm": rcm})
