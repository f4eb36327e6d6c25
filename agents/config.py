"""Configuration of the agent and of its learning: one frozen dataclass per concern."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_type_hints

from vln.continuous_datasets import CONTINUOUS_DATASETS, VLNCE
from vln.errors import InputError
from vln.rewards import RewardConfig
from vln.schema import convert_value

Cell = Literal["rnn", "lstm", "gru"]
Dataset = Literal["r2r", "r4r", "fgr2r", "houses-short", "houses", "houses-long", "r2r-ce", "rxr-ce"]
CONTINUOUS = tuple(CONTINUOUS_DATASETS)
HOUSES = tuple(name for name in CONTINUOUS if name not in VLNCE)
Config = TypeVar("Config")


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
    """The eyes of an agent in a continuous world, which see images; nothing of it matters on graphs."""

    size: int = 64
    """Pixels of a side of the images."""
    cells: int = 8
    """Rows and columns of the grid of cells that an image is seen as; half a cell must be whole pixels."""
    channels: int = 64
    """Numbers of a cell while cells are mixed with those around them."""
    layers: int = 3
    """Times that they are mixed."""
    precision: Literal["float32", "bfloat16"] = later("float32")
    """Numbers that the eyes compute with. `bfloat16`, rounded to 8 bits, takes a third of the time on processors that
    have instructions for it; others compute with float32 all the same."""


@dataclass(frozen=True)
class NavigatorConfig:
    """The recurrent policy."""

    cell: Cell = "lstm"
    """Recurrent cell of the trajectory."""
    hidden: int = 256
    """Width of its hidden state."""
    layers: int = 1
    """Recurrent layers."""
    view: int = 128
    """Width of view embeddings."""
    words: int = 16
    """Words of a view that are read, the surest first; for word features."""
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
    feature_dropout: float = 0.4
    """Share of view features hidden for a whole episode (environment dropout, Tan et al. 2019)."""
    camera: CameraConfig = field(default_factory=CameraConfig, metadata={"later": True})
    """The eyes in continuous worlds."""


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
    progress: float = 0.5
    """Progress monitor (Ma et al. 2019)."""
    discount: float = 0.9
    """Discount per step of the reward."""
    inflection: float = later(1.0)
    """How many times a step counts in imitation at which the expert's action changes (Wijmans et al. 2019; 3.2 in
    VLN-CE); 0 takes the inverse of the share of such steps in the batch."""
    intrinsic: float = later(0.0)
    """Reward of the whole trajectory besides that of the environment: what the matching critic makes of it (delta of
    Wang et al. 2019, section 3.3), less the mean of the batch; needs `--critic`."""
    semantic: float = later(0.0)
    """Auxiliary loss of the view encoder, which names what it sees; for worlds that show categories."""


@dataclass(frozen=True)
class DaggerConfig:
    """DAgger (Ross et al. 2011), in the form of VLN-CE (Krantz et al. 2020).

    In round n = 0, 1, ... episodes are added to the data set in which the expert takes each action with probability
    `expert_decay` ** n and the agent, without dropout, the others; the expert's actions everywhere are what is learnt,
    with dropout. The phase's updates are spread over the rounds so that each goes through the data set so far the same
    number of times.
    """

    rounds: int = 10
    """Times that episodes are added."""
    episodes: int = 5000
    """Episodes added in a round, rounded up to whole batches."""
    expert_decay: float = 0.75
    """What the expert's share of the actions is multiplied with after each round; the first is the expert's alone."""


@dataclass(frozen=True)
class PpoConfig:
    """PPO (Schulman et al. 2017) on chunks of endless episodes."""

    steps: int = 32
    """Steps of a chunk, within which gradients flow back through time; the agent's memory is carried on to the next."""
    epochs: int = 2
    """Times that a chunk is learnt from."""
    minibatches: int = 2
    """Parts of the batch, each of whole environments, with one step of the optimiser each."""
    clip: float = 0.2
    """How far the ratio of new to old probability may leave 1 before the gradient stops."""
    value_clip: float = 0.0
    """How far values may leave the old ones before their gradient stops; 0 does not clip."""
    trace: float = 0.95
    """Lambda of generalised advantage estimation."""
    frozen_eyes: bool = later(False)
    """Leave the view encoder of a camera as it is: each image is then looked at once, when the agent acts on it, and
    not once more for each epoch."""


@dataclass(frozen=True)
class ExplorationConfig:
    """Self-supervised imitation (Wang et al. 2019, section 4): exploring instructions whose goals are not known.

    In each round the agent tries some trajectories for each instruction, the matching critic keeps the one that fits
    it best, and what is kept is imitated. The phase's updates are spread evenly over the rounds.
    """

    split: Literal["val_seen", "val_unseen", "test"] = "val_unseen"
    """Whose instructions are explored; nothing else of its episodes is looked at but where they start."""
    rounds: int = 4
    """Times that trajectories are added."""
    episodes: int = 2400
    """Instructions explored in a round, rounded up to whole batches."""
    samples: int = 8
    """Trajectories tried for each: the one of the likeliest actions, and others by chance."""
    keep: int = 2
    """Rounds whose trajectories are remembered; older ones are forgotten, which bounds memory and disk."""
    rehearsal: float = 0.5
    """Share of the updates that imitate the expert in training episodes, as the phase of imitation does."""
    confidence: float = 0.01
    """What the agent's own log-probability of a trajectory counts beside the critic's of a word (pragmatic inference,
    Fried et al. 2018, section 3.2)."""


@dataclass(frozen=True)
class PhaseConfig:
    """A phase of learning: how long, and what is minimised."""

    iterations: int
    """Updates."""
    learning_rate: float
    """Adam's step size at the start of the phase."""
    teacher_share: float
    """Share of the episodes in which the expert acts; the agent acts in the others."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the terms of the loss."""
    final_share: float = 0.1
    """Share of the step size that is left at the end of the phase; it falls linearly."""
    method: Literal["episodes", "dagger", "ppo", "naming", "sil"] = later("episodes")
    """How experience is gathered. `episodes`: whole episodes by expert and agent, each learnt from once (teacher and
    student forcing, A2C). `dagger`: an aggregated data set (`student` weighs its loss). `ppo`: chunks by the agent
    (`student` weighs imitation where it acts; the terms are means over steps). `naming` and `sil`: see `perception`
    and `exploration`."""
    truncate: int = later(0)
    """Steps after which gradients stop flowing back through time, to bound memory; 0 is never. Nothing else changes.
    Not for `ppo`."""


@dataclass(frozen=True)
class HousesConfig:
    """The generated houses and the body in them; nothing of it matters on graphs."""

    houses: int = 300
    """Houses of the training split that are used, from the first."""
    forward: float | None = None
    """Metres of a move forward; the data set's if not given."""
    turn: float | None = None
    """Degrees of a turn; the data set's if not given."""
    sliding: bool | None = None
    """Slide along what blocks a move, or stay where one is; as in the data set if not given."""
    memory: float = 2.0
    """Gigabytes of loaded houses to keep."""
    simulator: Literal["embedded", "habitat"] = later("embedded")
    """What simulates them: the compiled simulator in this process, or habitat-sim in processes of its own."""


@dataclass(frozen=True)
class DataConfig:
    """What there is to learn from."""

    dataset: Dataset = "r2r"
    """Data set: of navigation graphs, in R2R format, of generated houses, or of scans in continuous environments."""
    role: Literal["guide", "follower"] | None = later(None)
    """Whose paths of rxr-ce, both of which come with the same instructions; the guide's if not given."""
    languages: tuple[Literal["en-US", "en-IN", "hi-IN", "te-IN"], ...] = later(())
    """Languages of the instructions of rxr-ce; all if not given."""
    features: str = "captions"
    """What views look like: captions, captions-short, none, or a feature file (.tsv, .hdf5)."""
    feature_size: int | None = None
    """Numbers a view of a feature file; 2,048 (.tsv) and 768 (.hdf5) if not given."""


@dataclass(frozen=True)
class TrainConfig(DataConfig):
    """Everything a training run depends on, together with the data."""

    actions: Literal["panoramic", "low-level"] = "panoramic"
    """Action space of the graph simulator."""
    expert: Literal["goal", "reference"] = "goal"
    """Whom imitation follows: the shortest path to the goal, or the reference path."""
    ablate: Literal["nothing", "vision", "language"] = "nothing"
    """Train the blind agent (views without content) or the deaf one (no instruction)."""
    max_steps: int = 10
    """Actions of an episode, the stop included; where the data set has a time limit, only of one in training."""
    batch_size: int = 64
    """Episodes of an update."""
    language: LanguageConfig = field(default_factory=LanguageConfig)
    """The instruction encoder."""
    navigator: NavigatorConfig = field(default_factory=NavigatorConfig)
    """The policy."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    """Reward of reinforcement."""
    world: HousesConfig = field(default_factory=HousesConfig, metadata={"later": True})
    """The houses."""
    perception: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(0, 2e-3, 0.5, method="naming"), metadata={"later": True}
    )
    """Phase before all others, for worlds with labelled images: a body wanders about, following the expert in a share
    of the steps (`teacher_share`), and its eyes learn to name what they see, one step an update."""
    imitation: PhaseConfig = field(default_factory=lambda: PhaseConfig(6000, 1e-3, 0.5))
    """First phase of acting."""
    reinforcement: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(0, 3e-4, 0.25, LossConfig(teacher=1.0, student=0.0, policy=1.0))
    )
    """Second phase of acting."""
    dagger: DaggerConfig = field(default_factory=DaggerConfig, metadata={"later": True})
    """Phases with method dagger."""
    ppo: PpoConfig = field(default_factory=PpoConfig, metadata={"later": True})
    """Phases with method ppo."""
    exploration: PhaseConfig = field(
        default_factory=lambda: PhaseConfig(
            0, 3e-4, 0.0, LossConfig(teacher=0.0, value=0.0, progress=0.0), method="sil"
        ),
        metadata={"later": True},
    )
    """Last phase: what the agent finds for itself (`student` weighs its imitation)."""
    sil: ExplorationConfig = field(default_factory=ExplorationConfig, metadata={"later": True})
    """Phases with method sil."""
    optimizer: Literal["adam", "muon"] = later("adam")
    """What takes the steps: Adam, or Muon (Jordan et al. 2024) for matrices and Adam for all else."""
    gradient_clip: float = 5.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the running average of the weights, which is what is evaluated; 0 evaluates the weights themselves."""
    select: Literal["val_unseen", "dev"] = "val_unseen"
    """Split whose SPL picks the best checkpoint. `val_unseen` is the papers' habit and optimistic; `dev` holds six
    training buildings out of training for it, so that val_unseen stays untouched."""
    evaluate_every: int = 500
    """Updates between evaluations, each followed by a checkpoint."""
    seed: int = 0
    """Seed of everything random."""


@dataclass(frozen=True)
class SpeakerConfig:
    """The speaker: what it makes of a trajectory, and how it finds words."""

    hidden: int = 256
    """Width of the encoder's context, both directions together, and of the decoder's state."""
    view: int = 128
    """Width of view embeddings."""
    words: int = 16
    """Words of a view that are read, the surest first; for word features."""
    copy: bool = True
    """Words seen along the way are likelier to be said, for views that are words and sentences of words."""
    dropout: float = 0.4
    """Dropout of embeddings, contexts and states."""
    feature_dropout: float = 0.3
    """Share of view features hidden for a whole trajectory (environment dropout, Tan et al. 2019)."""
    camera: CameraConfig = field(default_factory=CameraConfig)
    """The eyes in continuous worlds."""


@dataclass(frozen=True)
class LearningConfig:
    """Learning from examples until a score on what was held out gets no better."""

    iterations: int = 1500
    """Updates, if the run is not stopped earlier."""
    learning_rate: float = 1e-3
    """Adam's step size at the start; it falls linearly."""
    final_share: float = 0.1
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
    max_steps: int = 10
    """Actions of a demonstration in houses that are looked at; on graphs all of them are."""
    batch_size: int = 64
    """Demonstrations of an update."""
    text: TextConfig = field(default_factory=TextConfig)
    """Sentences."""
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)
    """The network."""
    world: HousesConfig = field(default_factory=HousesConfig)
    """The houses."""
    select: Literal["val_unseen", "dev"] = "val_unseen"
    """Split that picks the best checkpoint and stops the run. `dev` holds buildings out of training for it."""

    @property
    def task(self) -> TrainConfig:
        """What a navigator's world needs to know, so that both learn in the same ones."""
        speaker = self.speaker
        return TrainConfig(
            dataset=self.dataset,
            role=self.role,
            languages=self.languages,
            features=self.features,
            feature_size=self.feature_size,
            expert="reference",
            ablate=self.ablate,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            language=LanguageConfig(**vars(self.text)),
            navigator=NavigatorConfig(
                view=speaker.view,
                words=speaker.words,
                feature_dropout=speaker.feature_dropout,
                camera=speaker.camera,
            ),
            world=self.world,
            select=self.select,
        )


SHORTEST = 2  # tokens of a sentence that is said: a word and its end
FROM_ZERO = ("iterations", "seed", "truncate")  # whole numbers that may be 0; all others are at least 1
SHARES = ("teacher_share", "final_share", "average", "discount", "expert_decay", "trace", "rehearsal")  # from 0 to 1
DROPPED = ("dropout", "feature_dropout")  # from 0 to below 1
SIGNED = ("success", "failure", "progress_weight")


def check_config(config: TrainConfig) -> None:
    """Check a configuration.

    Raises:
        InputError: If a number is out of its range, or a phase cannot learn in the way it is to, naming the flag.
    """
    check_numbers(config)
    for flag, wanted in (("--role", config.role), ("--languages", config.languages)):
        if wanted and config.dataset not in VLNCE:
            raise InputError(flag, f"'{config.dataset}' has but one", "leave it out")
    for phase, other in (("imitation", "ppo"), ("reinforcement", "dagger")):
        if getattr(config, phase).method == other:
            problem = f"{other} is no method of {phase}"
            raise InputError(f"--{phase}.method", problem, "use episodes, or dagger to imitate and ppo to reinforce")
    for phase in ("perception", "imitation", "reinforcement", "exploration"):
        if (getattr(config, phase).method == "sil") != (phase == "exploration"):
            raise InputError(f"--{phase}.method", "sil is the method of exploration, and its only one", "leave it out")
    if config.exploration.iterations and config.sil.samples > config.batch_size:
        raise InputError("--sil.samples", f"there are only {config.batch_size} environments", "give fewer")
    if config.ppo.minibatches > config.batch_size:
        raise InputError("--ppo.minibatches", f"there are only {config.batch_size} environments", "give fewer")
    if config.ppo.frozen_eyes and config.dataset not in CONTINUOUS:
        raise InputError("--ppo.frozen-eyes", f"agents in {config.dataset} have no camera", "leave it out")


def check_caption_config(config: CaptionConfig) -> None:
    """Check a speaker's configuration.

    Raises:
        InputError: If a number is out of its range, naming the flag.
    """
    check_numbers(config)
    if config.text.max_length < SHORTEST:
        problem = f"{config.text.max_length} leaves no room for a word"
        raise InputError("--text.max-length", problem, f"give a whole number of at least {SHORTEST}")


def check_numbers(config: Any, prefix: str = "--") -> None:
    """Check the numbers of a configuration and of those in it; flags start with `prefix`.

    Raises:
        InputError: If one is out of its range, naming the flag.
    """
    for each in fields(config):
        value, flag = getattr(config, each.name), prefix + each.name.replace("_", "-")
        if is_dataclass(value):
            check_numbers(value, f"{flag}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            fits, wanted = _wanted(each.name, value)
            if not fits:
                raise InputError(flag, f"{value} is out of range", f"give {wanted}")


def _wanted(name: str, value: float) -> tuple[bool, str]:
    """Whether a number is in its range, and the range in words."""
    if isinstance(value, int):
        least = 0 if name in FROM_ZERO else 1
        return value >= least, f"a whole number of at least {least}"
    if name in SHARES:
        return 0 <= value <= 1, "a share from 0 to 1"
    if name in DROPPED:
        return 0 <= value < 1, "a share from 0 to below 1"
    if name in SIGNED:
        return math.isfinite(value), "a finite number"
    return 0 <= value < math.inf, "a finite number of at least 0"


def from_json(kind: type[Config], values: Any, source: object, prefix: str = "") -> Config:
    """A configuration read back from JSON; fields that came later than the file have their defaults.

    Raises:
        InputError: If a field is unknown or missing.
    """
    types = get_type_hints(kind)
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    came_later = {each.name for each in fields(kind) if each.metadata.get("later")}  # type: ignore[arg-type]
    found = set(values) if isinstance(values, Mapping) else set()
    for name in sorted((names - came_later - found) | (found - names)):
        problem = f"configuration field '{prefix}{name}' is {'missing' if name in names else 'unknown'}"
        raise InputError(source, problem, "use the version of vln that wrote it")
    return kind(**{name: _setting(types[name], value, source, prefix + name) for name, value in values.items()})


def _setting(kind: Any, value: Any, source: object, name: str) -> Any:
    """The value of a field, which may be a configuration itself."""
    if is_dataclass(kind):
        return from_json(kind, value, source, f"{name}.")  # type: ignore[arg-type]
    return convert_value(value, kind, source, "use the version of vln that wrote it", f"configuration field '{name}'")
