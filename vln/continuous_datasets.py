"""The data sets in continuous worlds: whose body walks, what it senses, how it moves, and when an episode succeeds.

Those of VLN-CE are as its code configures them (https://github.com/jacobkrantz/VLN-CE, habitat_extensions/config:
`vlnce_task.yaml` for R2R, `rxr_vlnce_english_task.yaml` and its siblings for RxR), with habitat's own values where
those files say nothing. RxR's actions to look up and down are left out: cameras here are level.
"""

from dataclasses import dataclass

from vln.errors import InputError
from vln.metrics import THRESHOLD

GUIDE, FOLLOWER = "guide", "follower"


@dataclass(frozen=True)
class ContinuousDataset:
    """A data set in a continuous world. Metres and degrees.

    Attributes:
        name: What it is called on the command line.
        folders: Patterns of its folder in `vlnce/` of the data folder, none where it is generated.
        success: Distance to the goal below which a stop succeeds.
        time_limit: Actions after which an episode is scored, however far it is.
        radius: Of the body, a cylinder.
        height: Of the body.
        eye: Height of the camera above the feet.
        hfov: Horizontal field of view of the camera.
        image: Width and height of the camera's images in pixels; agents may take smaller ones of the same shape.
        forward: Length of a move.
        turn: Angle of a turn.
        sliding: Whether a body slides along what blocks it.
        roles: Who walked the paths, the usual one first; empty where there is one kind only.
        languages: Of the instructions; empty where there is one only.
    """

    name: str
    folders: tuple[str, ...] = ()
    success: float = THRESHOLD
    time_limit: int = 500
    radius: float = 0.1
    height: float = 1.5
    eye: float = 1.25
    hfov: float = 90.0
    image: tuple[int, int] = (256, 256)
    forward: float = 0.25
    turn: float = 15.0
    sliding: bool = True
    roles: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def role(self, wanted: str | None = None) -> str:
        """The role wanted, the usual one unless told; empty where there are none.

        Raises:
            InputError: If the data set has no such role.
        """
        if wanted and wanted not in self.roles:
            known = f"use one of {', '.join(self.roles)}" if self.roles else "leave it out"
            raise InputError("--role", f"'{wanted}' is no role of '{self.name}'", known)
        return wanted or next(iter(self.roles), "")

    def check_languages(self, wanted: tuple[str, ...]) -> None:
        """See that all languages wanted are there.

        Raises:
            InputError: If one is not.
        """
        for each in wanted:
            if each not in self.languages:
                known = f"use some of {', '.join(self.languages)}" if self.languages else "leave it out"
                raise InputError("--languages", f"'{each}' is no language of '{self.name}'", known)


def _houses(name: str, time_limit: int) -> ContinuousDataset:
    """Generated houses; an expert takes some third of the time limit."""
    return ContinuousDataset(name, success=1.5, time_limit=time_limit, radius=0.15)


CONTINUOUS_DATASETS = {
    each.name: each
    for each in (
        _houses("houses-short", 60),
        _houses("houses", 150),
        _houses("houses-long", 300),
        ContinuousDataset("r2r-ce", ("R2R_VLNCE_v1-*_preprocessed", "R2R_VLNCE_v1-*"), image=(224, 224)),
        ContinuousDataset(
            "rxr-ce",
            ("RxR_VLNCE_v*",),
            radius=0.18,
            height=0.88,
            eye=0.88,
            hfov=79.0,
            image=(640, 480),
            turn=30.0,
            sliding=False,
            roles=(GUIDE, FOLLOWER),
            languages=("en-US", "en-IN", "hi-IN", "te-IN"),
        ),
    )
}
VLNCE = {name: each for name, each in CONTINUOUS_DATASETS.items() if each.folders}
