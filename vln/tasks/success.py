"""Success rules: what decides whether an episode that ends here has succeeded."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vln.metrics import THRESHOLD
from vln.registry import Registry

if TYPE_CHECKING:
    from vln.trajectory import Pose


class Described(Protocol):
    """What a rule may know of an episode: a `vln.episodes.Episode` or a `vln.trajectory.Trajectory`."""

    @property
    def episode_id(self) -> str:
        """Id of the episode."""

    @property
    def scan(self) -> str:
        """Building or scene."""

    @property
    def instruction(self) -> str:
        """The sentence."""

    @property
    def target(self) -> str:
        """What is to be reached, e.g. "red sofa"."""


class Moment(Protocol):
    """B bodies at one moment each, in a running environment or in recorded trajectories."""

    @property
    def distance(self) -> Any:
        """(B,) geodesic metres to the goal: a torch tensor of an environment, a numpy array of trajectories."""

    @property
    def episodes(self) -> Sequence[Described]:
        """The B episodes."""

    @property
    def poses(self) -> Sequence["Pose"]:
        """The B poses."""

    @property
    def choices(self) -> Sequence[str]:
        """What each body did last, e.g. "stop"; empty where it has done nothing yet."""


@dataclass(frozen=True)
class SuccessRule(ABC):
    """Judges where an episode ends; subclasses are frozen dataclasses, registered with `SUCCESS_RULES.register`.

    An environment asks it when an agent stops, and scoring asks it about every recorded pose: the last one gives the
    success rate (SR), all of them the oracle success rate (OSR).
    """

    metres: float = THRESHOLD
    """Metres from the goal that count as near: the success radius of rules that measure distance, what nDTW and CLS
    divide distances by, and the circle around the goal on maps."""

    @property
    def label(self) -> str:
        """What figures call it; the name of the class in words unless a rule says otherwise."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    @abstractmethod
    def judge(self, moment: Moment) -> Any:
        """Return (B,) booleans, as a tensor, an array or a list: whether each body would succeed by ending here."""


SUCCESS_RULES: Registry[type[SuccessRule]] = Registry("success rule")


@SUCCESS_RULES.register("within-radius")
@dataclass(frozen=True)
class WithinRadius(SuccessRule):
    """Succeed nearer to the goal than `metres`, along the shortest way (R2R, R2R-CE)."""

    @property
    def label(self) -> str:
        """The radius."""
        return f"within {self.metres:g} m"

    def judge(self, moment: Moment) -> Any:
        """Compare distances."""
        return moment.distance < self.metres
