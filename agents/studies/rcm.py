"""The ablation table of reinforced cross-modal matching (Wang et al. 2019, table 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from agents.config import CaptionConfig, LossConfig, TrainConfig
from agents.learners.episode_learning import A2CConfig
from agents.learners.self_imitation import SelfImitationConfig
from agents.presets import houses_demo, houses_speaker, r2r_navigator, r2r_speaker
from agents.speaking.runs import critic_flags
from vln.errors import unknown_name
from vln.metrics import finite_mean
from vln.statistics import compare_paired, mean_interval
from vln.tables import change_in_points, percent
from vln.tasks import ProgressReward, Reward

SPLITS = ("val_seen", "val_unseen")
IMITATION = "imitation"
COLUMNS = ("NE", "SR", "SPL", "nDTW")
DELTA = 2.0  # weight of the intrinsic reward
NOTHING = ProgressReward("metres", progress_weight=0.0, success=0.0, failure=0.0)
FoundRows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Row:
    """A row of the table: its configuration, and the row whose weights it starts from; empty for fresh ones."""

    start: str
    config: TrainConfig

    @property
    def critic(self) -> bool:
        """Whether it needs the matching critic."""
        return bool(critic_flags(self.config))


def rcm_rows(dataset: str) -> dict[str, Row]:
    """Return the rows of the table, each after the one that it starts from."""
    graphs = dataset == "r2r"
    # The agent knows as many houses as its critic.
    base = r2r_navigator() if graphs else replace(houses_demo(), scenes=houses_speaker().scenes)
    truncate = 0 if graphs else base.phases["imitation"].truncate  # type: ignore[attr-defined]
    updates, rate = (2000, 3e-4) if graphs else (150, 1e-3)
    explorations, exploration_rate = (1200, 5e-4) if graphs else (240, 1e-3)
    rounds: dict[str, Any] = {} if graphs else {"rounds": 6, "episodes": 960}
    whole, start = base.without_learning("reinforcement"), base.without_learning(*base.phases)

    def reinforced(intrinsic: float, reward: Reward = base.task.reward) -> TrainConfig:
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

    def without_cross_modal(config: TrainConfig) -> TrainConfig:
        return replace(config, policy=replace(config.navigator, cross_modal=False))

    longer = start.with_phase("imitation", iterations=updates, learning_rate=rate)
    return {
        IMITATION: Row("", whole),
        "supervised only": Row(IMITATION, longer),
        "RCM - intrinsic": Row(IMITATION, reinforced(0.0)),
        "RCM - extrinsic": Row(IMITATION, reinforced(DELTA, NOTHING)),
        "imitation - cross-modal": Row("", without_cross_modal(whole)),
        "RCM - cross-modal": Row("imitation - cross-modal", without_cross_modal(reinforced(DELTA))),
        "RCM": Row(IMITATION, reinforced(DELTA)),
        "RCM + SIL (seen)": Row("RCM", exploring("val_seen")),
        "RCM + SIL (unseen)": Row("RCM", exploring("val_unseen")),
    }


def speaker_config(dataset: str) -> CaptionConfig:
    """Return the configuration of the critic of a data set."""
    return r2r_speaker() if dataset == "r2r" else houses_speaker()


def chosen(rows: Mapping[str, Row], names: Sequence[str]) -> dict[str, Row]:
    """Return the rows of some names and those they start from, in order; all if there are no names."""
    needed = set(names or rows)
    for name in names:
        if name not in rows:
            raise unknown_name("--rows", name, rows)
    for name in reversed(list(rows)):
        if name in needed and rows[name].start:
            needed.add(rows[name].start)
    return {name: row for name, row in rows.items() if name in needed}


def summary(name: str, found: FoundRows, rows: Mapping[str, Row]) -> dict[str, Any]:
    """Return the means of a row by split and metric, and its gain over the row that it starts from."""
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
    """Return a row of the table as text."""
    shown = [name, str(row["seeds"]), f"{row['minutes']:.1f}"]
    for split in SPLITS:
        scores = row[split]
        shown += [percent(scores["SR"], *scores["SR interval"]), f"{100 * scores['SPL']:.1f}"]
        gain = "SR gain" in scores
        shown.append(change_in_points(scores["SR gain"], *scores["SR gain interval"]) if gain else "")
    return shown


HEADS = ("row", "seeds", "min", *(f"{split} {what}" for split in SPLITS for what in ("SR", "SPL", "gain of SR")))
