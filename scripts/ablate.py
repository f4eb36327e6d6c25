"""Train and evaluate every row of a paper's ablation table, and write the table and learning curves.

python scripts/ablate.py rcm --out runs/rcm --seeds 0 1 2
python scripts/ablate.py rcm --out runs/rcm --rows RCM "RCM + SIL (unseen)"  # some rows, and what they need
python scripts/ablate.py rcm --out runs/rcm-houses --dataset houses-short

The same command goes on where it was interrupted, and trains nothing twice. Writes `table.md`, `table.json` and
`curves.png` into the folder, whose other folders are runs of `train.py` and `train_speaker.py`.
"""

if __name__ == "__main__" and not __package__:  # run as a file
    import prelude  # noqa: F401 (before all other imports)

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from agents.config import CaptionConfig
from agents.evaluation import rollout_with_progress, score
from agents.runs import open_run
from agents.studies.rcm import HEADS, IMITATION, SPLITS, Row, cells, chosen, rcm_rows, speaker_config, summary
from agents.studies.trainings import check_scale, learning_curves, minutes, shorter, slug
from agents.training.checkpoint import LATEST
from agents.training.devices import use_threads
from agents.training.runs import train_once
from envs.make import open_task
from scripts import train_speaker
from scripts.train import train_run
from vln.cli import commands, show
from vln.figures import save_figure
from vln.files import writable_folder, write_json, write_text
from vln.tables import markdown_table, number_table

SPEAKER = "speaker"


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
        rows: Rows to train and to show, with the rows that they start from; all if absent.
        scale: Share of the updates of each run, for a trial.
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
    save_figure(learning_curves(runs), out / "curves.png")
    show(number_table(HEADS, rows_shown), table, json)


def measured(run: Path, split: str, data: Path | None) -> dict[str, Any]:
    """Return metrics (N,) of the last weights of a run in a split, its `episodes`, and the `minutes` of the run."""
    trained = open_run(run, split, open_task, data, "latest")
    trajectories = rollout_with_progress(trained.agent, trained.environment(split), 0)
    return {**score(trajectories, trained.data), "episodes": trained.data.splits[split], "minutes": minutes(run)}


def learn_row(
    folder: Path, name: str, row: Row, speaker: CaptionConfig, seed: int, scale: float, data: Path | None, threads: int
) -> Path:
    """Train a row, or resume it, unless it is finished; its critic first."""
    critic = None
    if row.critic:
        updates = {name: math.ceil(getattr(speaker, name) * scale) for name in ("iterations", "evaluate_every")}
        encoder = folder / IMITATION / LATEST if speaker.task.continuous else None
        arguments = train_speaker.Arguments(
            replace(speaker, seed=seed, **updates), folder / SPEAKER, data, encoder_from=encoder, threads=threads
        )
        critic = train_once(
            folder / SPEAKER, "the speaker", lambda resume: train_speaker.main(replace(arguments, resume=resume))
        )
    start = folder / slug(row.start) / LATEST if row.start else None
    config = shorter(replace(row.config, seed=seed), scale)
    return train_run(folder / slug(name), f"{name}, seed {seed}", config, data, threads, start, critic)


if __name__ == "__main__":
    commands({"rcm": rcm})
