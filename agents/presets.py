"""Presets: functions that return a full configuration and say what it costs and gives."""

from agents.config import LossConfig, NavigatorConfig, PhaseConfig, TrainConfig


def r2r_seq2seq() -> TrainConfig:
    """The sequence-to-sequence agent of Anderson et al. 2018 on low-level actions, with caption features.

    `python scripts/train.py r2r-seq2seq --out runs/seq2seq`; its full length has not been measured.
    """
    return TrainConfig(
        actions="low-level",
        max_steps=40,
        navigator=NavigatorConfig(panorama=False, cross_modal=False, alignment=False, visited=False),
        imitation=PhaseConfig(4000, 1e-3, teacher_share=0.0, loss=LossConfig(progress=0.0)),
        reinforcement=_reinforcement(0),
    )


def r2r_navigator() -> TrainConfig:
    """The cross-modal navigator on panoramic actions with caption features: imitation, then reinforcement.

    `python scripts/train.py r2r-navigator --out runs/navigator`: its phases, run one by one on one CPU core, took
    20 and 12 minutes and gave val_unseen SR 52.4 ± 2.7 and SPL 47.9 ± 2.5 (seed 0); the README has the table.
    """
    return TrainConfig(imitation=PhaseConfig(3000, 1e-3, teacher_share=0.5), reinforcement=_reinforcement(2000))


def r2r_demo() -> TrainConfig:
    """A short run of the navigator, to see it learn.

    `python scripts/train.py r2r-demo --out runs/demo`: 4.1 minutes on two CPU cores, val_unseen SR 40.8 (seed 0).
    """
    return TrainConfig(
        imitation=PhaseConfig(900, 1e-3, teacher_share=0.5), reinforcement=_reinforcement(0), evaluate_every=300
    )


def _reinforcement(iterations: int) -> PhaseConfig:
    """A2C with a share of teacher forcing mixed in."""
    return PhaseConfig(iterations, 3e-4, 0.25, LossConfig(teacher=1.0, student=0.0, policy=1.0))


PRESETS = {"r2r-seq2seq": r2r_seq2seq, "r2r-navigator": r2r_navigator, "r2r-demo": r2r_demo}
