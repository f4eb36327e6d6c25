"""Configuration of the agent and of its learning: one frozen dataclass per concern."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from agents.registry import LEARNERS, POLICIES
from vln.errors import InputError
from vln.tasks import R2R, Task, mixed_tasks

if TYPE_CHECKING:
    from agents.policies.policy import Policy

Cell = Literal["rnn", "lstm", "gru"]


def later(default: Any) -> Any:
    """A field that older files of configurations lack; there it had its default."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class TextConfig:
    """How sentences are cut into tokens, and where the embeddings of those start."""

    unit: Literal["word", "character"] = "word"
    """What a token is."""
    min_count: int = 5
    """Tokens rarer than this in the training instructions are unknown."""
    max_length: int = 80
    """Tokens of an instruction that are read or said, the end of the sentence included."""
    word_vectors: bool = True
    """Start word embeddings from the GloVe vectors in the data folder."""
    embedding: int = 300
    """Width of word embeddings; 300 with GloVe."""


@dataclass(frozen=True)
class LanguageConfig(TextConfig):
    """The instruction encoder."""

    cell: Cell = "lstm"
    """Recurrent cell."""
    hidden: int = 128
    """Width of the hidden state of each direction."""
    layers: int = 1
    """Recurrent layers."""
    bidirectional: bool = True
    """Read the instruction both ways."""


@dataclass(frozen=True)
class CameraConfig:
    """The image encoder in a continuous world; it does not matter on graphs."""

    size: int = 64
    """Pixels of a side of the images."""
    cells: int = 8
    """Patches (cells) in a row and in a column of an image, N; the image has a multiple of 2 N pixels."""
    channels: int = 64
    """Channels of the layers that mix each cell with those around it."""
    layers: int = 3
    """Number of these layers."""
    precision: Literal["float32", "bfloat16"] = later("float32")
    """Floating-point type of its layers. `bfloat16`, rounded to 8 bits, takes a third of the time on processors that
    have instructions for it; others compute with float32 all the same."""


@dataclass(frozen=True)
class PolicyConfig:
    """Settings of a policy, which build it; subclasses are frozen dataclasses, registered in `POLICIES`."""

    def build(self, config: "TrainConfig", env: Any) -> "Policy":
        """Build the policy with fresh weights, which come from torch's global random generator.

        `config.policy` is this; `env` is an environment of `envs.make.make_env`, or the data it shares with others: its
        `task`, `vocabulary` and `source` tell what there is to see and to do.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class EncoderConfig(PolicyConfig):
    """What a policy sees and reads with."""

    view_encoder: str | None = later(None)
    """Registered encoder of views, or `module:attribute`; if not given `features` on graphs, `rgbd` elsewhere."""
    text_encoder: str = later("recurrent")
    """Registered encoder of instructions, or `module:attribute`."""
    view: int = 128
    """Width of view embeddings."""
    words: int = 16
    """Largest number of words of a view, the most confident first; for word features."""
    feature_dropout: float = 0.4
    """Share of view features hidden for a whole episode (environment dropout, Tan et al. 2019)."""
    camera: CameraConfig = field(default_factory=CameraConfig)
    """The image encoder in continuous worlds."""


@dataclass(frozen=True)
class NavigatorConfig(EncoderConfig):
    """The cross-modal navigator."""

    cell: Cell = "lstm"
    """Recurrent cell of the trajectory."""
    hidden: int = 256
    """Width of its hidden state."""
    layers: int = 1
    """Recurrent layers."""
    panorama: bool = True
    """See all 36 views; otherwise only the one looked at, as in the sequence-to-sequence agent."""
    cross_modal: bool = True
    """Attend to views with the instruction in mind before acting (Wang et al. 2019, section 3.2)."""
    alignment: bool = True
    """Match the words attended to with the words seen in a candidate's view directly."""
    visited: bool = True
    """Know which candidates have been visited in this episode."""
    dropout: float = 0.4
    """Dropout of embeddings, contexts and states."""

    def build(self, config: "TrainConfig", env: Any) -> "Policy":
        """Build a navigator; see `agents.policies.navigator.build_navigator`."""
        from agents.policies.navigator import build_navigator

        return build_navigator(config, env)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of the loss in one phase of learning."""

    teacher: float = 1.0
    """Imitation where the expert acts (teacher forcing)."""
    student: float = 1.0
    """Imitation of the expert where the agent acts (student forcing)."""
    policy: float = 0.0
    """Policy gradient (A2C) where the agent acts."""
    value: float = 0.01
    """Value regression; it trains the critic alone, in imitation too, so that reinforcement starts with a good one.
    Small, so that the critic's errors do not decide how far the gradient of all the rest is clipped."""
    entropy: float = 0.01
    """Entropy bonus, times the policy weight."""
    auxiliary: dict[str, float] = field(default_factory=lambda: {"progress": 0.5, "labels": 0.0})
    """Weights of the auxiliary losses that the policy computes, by their names; one that is not named here counts 1.
    The navigator has `progress` (progress monitor, Ma et al. 2019) and, where labels of pixels are shown, `labels`."""
    discount: float = 0.9
    """Discount per step of the reward."""
    inflection: float = 1.0
    """How many times a step counts in imitation at which the expert's action changes (Wijmans et al. 2019; 3.2 in
    VLN-CE); 0 takes the inverse of the share of such steps in the batch."""
    intrinsic: float = 0.0
    """Weight of an intrinsic reward of the whole trajectory: the matching critic's score of it (delta of Wang et al.
    2019, section 3.3), less the mean of the batch; needs `--critic`."""

    def of(self, name: str) -> float:
        """The weight of an auxiliary loss."""
        return self.auxiliary.get(name, 1.0)


@dataclass(frozen=True)
class PhaseConfig:
    """A phase of a run: a learner and its budget. Each learner has a configuration of its own that extends this."""

    learner: tyro.conf.Suppress[str] = ""
    """Registered name of the learner, or `module:attribute`."""
    iterations: int = 0
    """Updates."""
    learning_rate: float = 1e-3
    """Step size of the optimiser at the start of the phase."""
    final_fraction: float = 0.1
    """Share of the step size that is left at the end of the phase; it falls linearly."""


def loss_of(phase: PhaseConfig) -> LossConfig | None:
    """The weights of the loss of a phase; None if its learner has no such loss."""
    loss = getattr(phase, "loss", None)
    return loss if isinstance(loss, LossConfig) else None


def learner_config(values: Any, source: object, prefix: str) -> type[PhaseConfig]:
    """The type of a phase's configuration, which is that of its learner; as it is in the file `source`."""
    learner = values.get("learner") if isinstance(values, Mapping) else None
    if not isinstance(learner, str):
        raise InputError(source, f"configuration field '{prefix}learner' is missing", "use the version that wrote it")
    return LEARNERS.find(learner).config_type


def read_weights(words: Sequence[str]) -> dict[str, float]:
    """Read weights of the command line, `NAME=WEIGHT`; a ValueError if one is none."""
    pairs = [each.rpartition("=") for each in words]
    if any(not name for name, _, _ in pairs):
        raise ValueError("give NAME=WEIGHT")
    return {name: float(weight) for name, _, weight in pairs}


WEIGHTS: tyro.constructors.PrimitiveConstructorSpec[dict[str, float]] = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="NAME=WEIGHT ...",
    instance_from_str=read_weights,
    is_instance=lambda value: isinstance(value, dict),
    str_from_instance=lambda weights: [f"{name}={weight!r}" for name, weight in weights.items()],
)


@dataclass(frozen=True)
class DataConfig:
    """What there is to learn from."""

    task: Task = R2R
    """The task; `--task NAME` takes another named one."""
    scenes: int | None = None
    """Scenes of training that are used, from the first; as many as the data set has if not given."""
    memory: float = 2.0
    """Gigabytes of loaded scenes of a continuous world to keep."""
    features: str = "captions"
    """What views look like on graphs: captions, captions-short, none, or a feature file (.tsv, .hdf5)."""
    feature_size: int | None = None
    """Numbers a view of a feature file; 2,048 (.tsv) and 768 (.hdf5) if not given."""


@dataclass(frozen=True)
class TrainConfig(DataConfig):
    """Everything a training run depends on, together with the data."""

    mixture: Annotated[dict[str, float], WEIGHTS] = field(default_factory=dict, metadata={"later": True})
    """Weights of tasks to learn at once, the task of the run among them, by which the best checkpoint is chosen. Its
    reward and success rule are those of all; the others are evaluated by their own."""
    ablate: Literal["nothing", "vision", "language"] = "nothing"
    """Train without images (the blind agent) or without instructions (the deaf one)."""
    max_steps: int | None = None
    """Actions of an episode of training, the stop included; those of the task if not given."""
    batch_size: int = 64
    """Episodes of an update."""
    language: LanguageConfig = field(default_factory=LanguageConfig)
    """The instruction encoder."""
    policy: PolicyConfig = field(default_factory=NavigatorConfig, metadata={"registry": POLICIES})
    """The policy."""
    phases: Annotated[dict[str, PhaseConfig], tyro.conf.arg(name="")] = field(
        default_factory=dict, metadata={"type_of": learner_config}
    )
    """What is learnt, phase by phase, by the names of the phases. On the command line the settings of a phase start
    with its name."""
    optimizer: Literal["adam", "muon"] = "adam"
    """Adam, or Muon (Jordan et al. 2024) for matrices and Adam for all else."""
    gradient_clip: float = 5.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the running average of the weights, which is what is evaluated; 0 evaluates the weights themselves."""
    select: Literal["val_unseen", "dev", "latest"] = "val_unseen"
    """Split whose SPL picks the best checkpoint. `val_unseen` is the papers' habit and optimistic; `dev` holds six
    training buildings out of training for it, so that val_unseen stays untouched. `latest` takes the newest checkpoint,
    for learners that explore the split that is evaluated."""
    evaluate_every: int = 500
    """Updates between evaluations, each followed by a checkpoint."""
    seed: int = 0
    """Seed of everything random."""

    @property
    def navigator(self) -> NavigatorConfig:
        """The settings of the policy, which is a navigator; an InputError if it is another one."""
        if not isinstance(self.policy, NavigatorConfig):
            raise InputError("policy", f"is a {type(self.policy).__name__}", "use a run of a navigator")
        return self.policy

    def with_phase(self, name: str, **settings: Any) -> "TrainConfig":
        """The same with other settings of a phase."""
        return replace(self, phases={**self.phases, name: replace(self.phases[name], **settings)})

    def without_learning(self, *names: str) -> "TrainConfig":
        """The same with no updates in the phases of these names."""
        off = {name: replace(self.phases[name], iterations=0) for name in names}
        return replace(self, phases={**self.phases, **off})

    @property
    def explored_splits(self) -> tuple[str, ...]:
        """Splits besides training whose episodes are learnt from, without their goals."""
        active = [phase for phase in self.phases.values() if phase.iterations]
        return tuple(split for phase in active for split in LEARNERS.find(phase.learner).explored_splits(phase))

    @property
    def learns_labels(self) -> bool:
        """Whether a phase learns from labels of pixels, which the environment then shows in the privileged part."""
        phases = [phase for phase in self.phases.values() if phase.iterations]
        losses = [loss for phase in phases if (loss := loss_of(phase))]
        pretraining = any(LEARNERS.find(phase.learner).needs_labels for phase in phases)
        return pretraining or any(loss.auxiliary.get("labels") for loss in losses)


@dataclass(frozen=True)
class SpeakerConfig:
    """The speaker: what it makes of a trajectory, and how it finds words."""

    hidden: int = 256
    """Width of the encoder's context, both directions together, and of the decoder's state."""
    view: int = 128
    """Width of view embeddings."""
    words: int = 16
    """Largest number of words of a view, the most confident first; for word features."""
    copy: bool = True
    """Words seen along the way are likelier to be said, for views that are words and sentences of words."""
    dropout: float = 0.4
    """Dropout of embeddings, contexts and states."""
    feature_dropout: float = 0.3
    """Share of view features hidden for a whole trajectory (environment dropout, Tan et al. 2019)."""
    camera: CameraConfig = field(default_factory=CameraConfig)
    """The image encoder in continuous worlds."""


@dataclass(frozen=True)
class LearningConfig:
    """Learning from examples until a score on what was held out gets no better."""

    iterations: int = 1500
    """Updates, if the run is not stopped earlier."""
    learning_rate: float = 1e-3
    """Adam's step size at the start; it falls linearly."""
    final_fraction: float = 0.1
    """Share of the step size that is left at the end."""
    gradient_clip: float = 5.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the running average of the weights, which is what is evaluated; 0 evaluates the weights themselves."""
    evaluate_every: int = 300
    """Updates between evaluations, each followed by a checkpoint."""
    patience: int = 4
    """Evaluations without a better score after which the run ends."""
    seed: int = 0
    """Seed of everything random."""


@dataclass(frozen=True)
class CaptionConfig(LearningConfig, DataConfig):
    """Everything that the training of a speaker depends on, together with the data."""

    ablate: Literal["nothing", "vision"] = "nothing"
    """Train the blind speaker, which knows the directions of the moves alone."""
    max_steps: int | None = None
    """Actions of a demonstration in a continuous world that are looked at; those of the task if not given."""
    batch_size: int = 64
    """Demonstrations of an update."""
    text: TextConfig = field(default_factory=TextConfig)
    """Sentences."""
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)
    """The network."""
    select: Literal["val_unseen", "dev"] = "val_unseen"
    """Split that picks the best checkpoint and stops the run. `dev` holds buildings out of training for it."""

    @property
    def navigator(self) -> TrainConfig:
        """The configuration of a navigator with the same data and the same encoders."""
        speaker = self.speaker
        return TrainConfig(
            task=replace(self.task, expert="reference"),
            scenes=self.scenes,
            memory=self.memory,
            features=self.features,
            feature_size=self.feature_size,
            ablate=self.ablate,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            language=LanguageConfig(**vars(self.text)),
            policy=NavigatorConfig(
                view=speaker.view,
                words=speaker.words,
                feature_dropout=speaker.feature_dropout,
                camera=speaker.camera,
            ),
            select=self.select,
        )


SHORTEST = 2  # tokens of a sentence that is said: a word and its end
FROM_ZERO = ("iterations", "seed", "truncate")  # whole numbers that may be 0; all others are at least 1
FRACTIONS = (  # from 0 to 1
    "expert_fraction",
    "final_fraction",
    "average",
    "discount",
    "expert_decay",
    "gae_lambda",
    "rehearsal_fraction",
)
DROPPED = ("dropout", "feature_dropout")  # from 0 to below 1
SIGNED = ("success", "failure", "progress_weight")


def check_config(config: TrainConfig, workers: int = 1) -> None:
    """Raise an InputError, naming the flag, if a number is out of its range or a phase cannot learn as it is to."""
    mixed_tasks(config.task, config.mixture)
    check_numbers(config)
    if not config.phases:
        raise InputError("phases", "there is none", "add one with --phase NAME=LEARNER")
    if not any(phase.iterations for phase in config.phases.values()):
        names = ", ".join(f"--{name.replace('_', '-')}.iterations" for name in config.phases)
        raise InputError(
            "phases", "none of them has updates, so nothing would be learnt", f"set one of {names} above 0"
        )
    config.task.check()
    if config.select in config.explored_splits:
        problem = f"split '{config.select}' is explored, so its goals must not choose a checkpoint"
        raise InputError("--select", problem, "give latest, or dev")
    for name, phase in config.phases.items():
        learner = LEARNERS.find(phase.learner)
        try:
            learner.check(phase, config, workers) if phase.iterations else None
        except InputError as error:
            source, problem, fix = error.args
            raise InputError(f"{_flag(name)}.{_dashed(source)}", problem, fix) from None


def _flag(name: str) -> str:
    return f"--{_dashed(name)}"


def _dashed(name: object) -> str:
    return str(name).replace("_", "-")


def check_caption_config(config: CaptionConfig) -> None:
    """Raise an InputError if a number of a speaker's configuration is out of its range; it names the flag."""
    check_numbers(config)
    if config.text.max_length < SHORTEST:
        problem = f"{config.text.max_length} leaves no room for a word"
        raise InputError("--text.max-length", problem, f"give a whole number of at least {SHORTEST}")


def check_numbers(config: Any, prefix: str = "--") -> None:
    """Raise an InputError if a number of a configuration, or of one in it, is out of its range; it names the flag."""
    for each in fields(config):
        value, flag = getattr(config, each.name), prefix + each.name.replace("_", "-")
        if is_dataclass(value):
            check_numbers(value, f"{flag}.")
        elif isinstance(value, Mapping):
            # The phases, whose flags start with their own names, or weights by name.
            for name, part in value.items():
                if is_dataclass(part):
                    check_numbers(part, f"--{_dashed(name)}.")
                elif not 0 <= part < math.inf:
                    raise InputError(f"{flag}.{name}", f"{part} is out of range", "give a finite number of at least 0")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            fits, wanted = _wanted(each.name, value)
            if not fits:
                raise InputError(flag, f"{value} is out of range", f"give {wanted}")


def _wanted(name: str, value: float) -> tuple[bool, str]:
    """Whether a number is in its range, and the range in words."""
    if isinstance(value, int):
        least = 0 if name in FROM_ZERO else 1
        return value >= least, f"a whole number of at least {least}"
    if name in FRACTIONS:
        return 0 <= value <= 1, "a share from 0 to 1"
    if name in DROPPED:
        return 0 <= value < 1, "a share from 0 to below 1"
    if name in SIGNED:
        return math.isfinite(value), "a finite number"
    return 0 <= value < math.inf, "a finite number of at least 0"


def data_options(config: TrainConfig) -> dict[str, Any]:
    """Return the options of `envs.make.open_task` with which data are shown as a configuration has them."""
    return {
        "scenes": config.scenes,
        "memory": config.memory,
        "features": config.features,
        "feature_size": config.feature_size,
        "views": False,  # a navigator has its own table
        "dev": config.select == "dev",
        "blind": config.ablate == "vision",
        "silent": config.ablate == "language",
        "unit": config.language.unit,
        "min_count": config.language.min_count,
        "max_length": config.language.max_length,
        "image_size": getattr(config.policy, "camera", CameraConfig()).size,
    }
