"""Presets: functions that return a full configuration and say what it costs and gives."""

from dataclasses import replace

from agents.config import (
    CameraConfig,
    CaptionConfig,
    LanguageConfig,
    LossConfig,
    NavigatorConfig,
    PhaseConfig,
    SpeakerConfig,
    TextConfig,
    TrainConfig,
)
from agents.learners.dagger import DaggerConfig
from agents.learners.episode_learning import A2CConfig, EpisodeConfig
from agents.learners.label_pretraining import LabelPretrainingConfig
from agents.learners.ppo import PpoConfig
from agents.learners.self_imitation import SelfImitationConfig
from vln.tasks import find_task


def r2r_seq2seq() -> TrainConfig:
    """The sequence-to-sequence agent of Anderson et al. 2018 on low-level actions, with caption features.

    `python scripts/train.py r2r-seq2seq --out runs/seq2seq`; its full length has not been measured.
    """
    return TrainConfig(
        task=find_task("r2r-low-level"),
        policy=NavigatorConfig(panorama=False, cross_modal=False, alignment=False, visited=False),
        phases=_phases(_imitation(4000, expert_fraction=0.0, progress=0.0)),
    )


def r2r_navigator() -> TrainConfig:
    """The cross-modal navigator on panoramic actions with caption features: imitation, then reinforcement.

    `python scripts/train.py r2r-navigator --out runs/navigator`: its phases, run one by one on one CPU core, took
    20 and 12 minutes and gave val_unseen SR 52.4 ± 2.7 and SPL 47.9 ± 2.5 (seed 0). docs/results/room-to-room.md has
    the table.
    """
    return TrainConfig(phases=_phases(_imitation(3000), _a2c(2000)))


def r2r_rcm() -> TrainConfig:
    """Reinforced cross-modal matching (Wang et al. 2019), from an agent that has imitated and with a speaker as critic.

    `python scripts/train.py r2r-rcm --out runs/rcm`, with `--critic runs/speaker` and `--start-from
    runs/imitation/latest.safetensors`, took 8 minutes on a CPU core: val_unseen SR 53.2 ± 2.5 and SPL 48.9 (mean of
    two seeds), from 49.5 and 44.1.
    """
    return TrainConfig(phases=_phases(_imitation(0), _a2c(2000, intrinsic=2.0)))


def r2r_sil() -> TrainConfig:
    """Self-supervised imitation (Wang et al. 2019) of val_unseen, whose goals are never looked at.

    `python scripts/train.py r2r-sil --threads 1 --out runs/sil`, with `--critic runs/speaker` and `--start-from
    runs/imitation/latest.safetensors`, took 24 minutes on most of a CPU core: val_unseen SR 62.2 ± 2.6 and SPL
    57.3 ± 2.5, from 49.4 and 44.1 (seed 0).
    """
    exploration = SelfImitationConfig(iterations=1200, learning_rate=5e-4)
    return TrainConfig(phases={"self_imitation": exploration}, select="latest", evaluate_every=300)


def r2r_demo() -> TrainConfig:
    """A short run of the navigator, to see it learn.

    `python scripts/train.py r2r-demo --out runs/demo`: 4.1 minutes on two CPU cores, val_unseen SR 40.8 (seed 0).
    """
    return TrainConfig(phases=_phases(_imitation(900)), evaluate_every=300)


def r2r_letters() -> TrainConfig:
    """The short run of a navigator that reads letters instead of words; all else is as in `r2r-demo`.

    `python scripts/train.py r2r-letters --threads 1 --out runs/letters-agent`: 6.7 minutes on a CPU core, val_unseen SR
    34.7 (seed 0), where `r2r-demo` has 40.8; of 80 % misspelt words it loses 4.6 points, the other 18.8.
    """
    # 99 % of the instructions have at most 335 characters; the longest has 820.
    return replace(r2r_demo(), language=LanguageConfig(unit="character", max_length=340))


def houses_demo() -> TrainConfig:
    """A short run in generated houses, to see an agent learn that walks by what its camera shows.

    Its image encoder learns to name things, then it imitates the expert (DAgger), then it is reinforced (PPO).
    `python scripts/train.py houses-demo --threads 1 --out runs/houses-demo`: 3.9 minutes on a CPU core, val_unseen
    SR 68.0 and SPL 62.6 (seed 0).
    """
    return replace(
        _houses(),
        task=find_task("houses-short"),
        scenes=100,
        max_steps=32,
        phases={
            "label_pretraining": LabelPretrainingConfig(iterations=60, learning_rate=2e-2),
            "imitation": _dagger(240, 1e-2, rounds=4, episodes=960),
            "reinforcement": _ppo(12, 3e-3),
        },
        evaluate_every=400,
        average=0.98,
    )


def habitat_houses_demo() -> TrainConfig:
    """`houses-demo` in habitat-sim, which must be installed: the same houses, written to files, and the same agent.

    `python scripts/train.py habitat-houses-demo --habitat-python PATH --threads 1 --out runs/habitat`: some 27 minutes
    on two CPU cores that other work shared, val_unseen SR 67.4 and SPL 63.6 (seed 0).
    """
    demo = houses_demo()
    return replace(demo, task=replace(demo.task, simulator="habitat"))


def houses() -> TrainConfig:
    """The navigator in generated houses, on ways through several rooms: longer phases, and a larger image encoder.

    `python scripts/train.py houses --workers 2 --out runs/houses`: 106.6 minutes of learning on two CPU cores,
    val_unseen SR 76.2 and SPL 66.0 (seed 0); 70.5 and 58.4 before the reinforcement.
    """
    base = _houses()
    return replace(
        base,
        task=find_task("houses"),
        scenes=1000,
        memory=2.5,
        max_steps=80,
        policy=replace(base.navigator, view=128, camera=CameraConfig(channels=128, layers=4, precision="bfloat16")),
        phases={
            "label_pretraining": LabelPretrainingConfig(iterations=500, learning_rate=1e-2),
            "imitation": replace(_dagger(2800, 1e-2, rounds=8, episodes=3840), final_fraction=0.05),
            "reinforcement": _ppo(1100, 1e-3),
        },
        evaluate_every=1100,
        average=0.99,
    )


def r2r_ce() -> TrainConfig:
    """The navigator in R2R in continuous environments (VLN-CE) in habitat-sim, by DAgger.

    `python scripts/train.py r2r-ce --habitat-python PATH --out runs/r2r-ce` needs the scans of Matterport3D, without
    which it could not be measured.
    """
    base = _houses()
    imitation = _dagger(6000, 1e-3, rounds=10, episodes=5000, expert_decay=0.75)
    loss = replace(imitation.loss, inflection=3.2, auxiliary={"progress": 0.5, "labels": 0.0})
    return replace(
        base,
        task=find_task("r2r-ce"),
        max_steps=200,
        language=LanguageConfig(max_length=80),
        phases={"imitation": replace(imitation, loss=loss), "reinforcement": _ppo(0, 1e-3)},
        optimizer="adam",
    )


def rxr_ce() -> TrainConfig:
    """The same in RxR in continuous environments: the guides' paths, in all four languages.

    `python scripts/train.py rxr-ce --habitat-python PATH --out runs/rxr-ce` needs the scans of Matterport3D, without
    which it could not be measured. `--task.languages en-US en-IN` is English alone.
    """
    language = LanguageConfig(max_length=250, word_vectors=False)
    return replace(r2r_ce(), task=find_task("rxr-ce"), max_steps=250, language=language)


def _houses() -> TrainConfig:
    """What agents in houses have in common."""
    return TrainConfig(
        batch_size=32,
        language=LanguageConfig(min_count=2, max_length=60, word_vectors=False, embedding=128),
        policy=NavigatorConfig(view=64, dropout=0.1, feature_dropout=0.0, camera=CameraConfig(channels=64, layers=2)),
        optimizer="muon",
    )


def _phases(*phases: PhaseConfig) -> dict[str, PhaseConfig]:
    """Imitation and, unless it is given, a reinforcement of no updates, which flags can give some."""
    imitation, reinforcement = [*phases, _a2c(0)][:2]
    return {"imitation": imitation, "reinforcement": reinforcement}


def _imitation(iterations: int, expert_fraction: float = 0.5, progress: float = 0.5) -> EpisodeConfig:
    """Student forcing, with teacher forcing in a share of the episodes."""
    loss = LossConfig(auxiliary={"progress": progress, "labels": 0.0})
    return EpisodeConfig(iterations=iterations, expert_fraction=expert_fraction, loss=loss)


def _a2c(iterations: int, intrinsic: float = 0.0) -> A2CConfig:
    """A2C with a share of teacher forcing mixed in."""
    config = A2CConfig(iterations=iterations, learning_rate=3e-4)
    return replace(config, loss=replace(config.loss, intrinsic=intrinsic))


def _dagger(
    iterations: int, learning_rate: float, rounds: int, episodes: int, expert_decay: float = 0.6
) -> DaggerConfig:
    """Imitation of the expert in states that expert and agent reach; the value head learns along."""
    return DaggerConfig(
        iterations=iterations,
        learning_rate=learning_rate,
        loss=LossConfig(
            teacher=0.0,
            student=1.0,
            value=0.05,
            discount=0.97,
            inflection=2.0,
            auxiliary={"progress": 0.5, "labels": 2.0},
        ),
        truncate=40,
        rounds=rounds,
        episodes=episodes,
        expert_decay=expert_decay,
    )


def _ppo(iterations: int, learning_rate: float) -> PpoConfig:
    """PPO with a share of imitation mixed in; its terms are means over steps."""
    return PpoConfig(
        iterations=iterations,
        learning_rate=learning_rate,
        loss=LossConfig(
            teacher=0.0,
            student=0.2,
            policy=1.0,
            value=0.5,
            discount=0.97,
            inflection=2.0,
            auxiliary={"progress": 0.1, "labels": 0.05},
        ),
    )


def r2r_speaker() -> CaptionConfig:
    """A speaker for Room-to-Room, on caption features.

    `python scripts/train_speaker.py r2r-speaker --threads 1 --out runs/speaker`: val_unseen BLEU 27.0 in 5 minutes on a
    CPU core (seeds 0 and 1).
    """
    return CaptionConfig()


def houses_speaker() -> CaptionConfig:
    """A speaker in generated houses, on ways in one room; `--encoder-from` an agent makes it a good critic.

    `python scripts/train_speaker.py houses-speaker --out runs/houses-speaker --encoder-from
    runs/demo/full/latest.safetensors` starts with the image encoder of the demo. With that of `ablate.py`: 6.8
    minutes on two CPU cores, val_unseen loss 1.45 (seed 0).
    """
    houses = houses_demo()
    return CaptionConfig(
        task=houses.task,
        max_steps=houses.max_steps,
        batch_size=houses.batch_size,
        text=TextConfig(min_count=2, max_length=60, word_vectors=False, embedding=128),
        speaker=SpeakerConfig(hidden=128, view=64, dropout=0.2, feature_dropout=0.0, camera=houses.navigator.camera),
        iterations=2000,
        evaluate_every=200,
    )


SPEAKERS = {"r2r-speaker": r2r_speaker, "houses-speaker": houses_speaker}
PRESETS = {
    "r2r-seq2seq": r2r_seq2seq,
    "r2r-navigator": r2r_navigator,
    "r2r-rcm": r2r_rcm,
    "r2r-sil": r2r_sil,
    "r2r-demo": r2r_demo,
    "r2r-letters": r2r_letters,
    "houses-demo": houses_demo,
    "habitat-houses-demo": habitat_houses_demo,
    "houses": houses,
    "r2r-ce": r2r_ce,
    "rxr-ce": rxr_ce,
}
