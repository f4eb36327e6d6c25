"""The demonstration: which agents it trains, and its steps."""

from collections.abc import Sequence
from pathlib import Path

from agents.presets import PRESETS
from agents.training.checkpoint import LATEST
from vln.pipeline import Step

PRESET, FEW_HOUSES = "houses-demo", 4
QUICK = (
    *("--scenes", str(FEW_HOUSES), "--label-pretraining.iterations", "2", "--imitation.iterations", "4"),
    *("--imitation.rounds", "1", "--imitation.episodes", "64", "--reinforcement.iterations", "1"),
)
DEAF = ("--reinforcement.iterations", "0", "--ablate", "language")
BLIND = ("--reinforcement.iterations", "0", "--ablate", "vision", "--label-pretraining.iterations", "0")


def demo_steps(out: Path, quick: bool, seed: int = 0) -> list[Step]:
    """Return the steps of the demonstration, in order."""
    trajectories = str(out / "full" / "eval" / "val_unseen.jsonl")
    drawn = ("--out", str(out / "replay"), "--format", "png", "gif")
    houses = FEW_HOUSES if quick else PRESETS[PRESET]().scenes or 0
    agents = [str(out / name) for name in ("full", "blind", "deaf")]
    episodes = ("make_episodes.py", "--dataset", "houses-short", "--houses", str(houses), "--examples", "1")
    return [
        Step(f"make the episodes of {houses} houses", "1", episodes),
        Step(
            "train the full agent; beside it a deaf and a blind one",
            "1" if quick else "5 to 15",
            training_command(out / "full", quick, seed),
        ),
        Step("evaluate all three in 40 houses never seen", "1", ("evaluate.py", *agents, "--split", "val_unseen")),
        Step("draw the two best episodes", "1/2", ("replay.py", trajectories, "--best", "2", *drawn)),
        Step("draw two episodes at random", "1/2", ("replay.py", trajectories, "--random", "2", *drawn)),
    ]


def training_command(folder: Path, quick: bool, seed: int = 0, flags: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command that trains an agent in a folder, or resumes it."""
    resume = ("--resume",) if (folder / LATEST).exists() else ()
    given = ("--out", str(folder), "--seed", str(seed), "--threads", "1")
    return ("train.py", PRESET, *given, *(QUICK if quick else ()), *flags, *resume)
