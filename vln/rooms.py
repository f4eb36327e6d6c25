"""Matterport's room labels of panoramas: privileged data for maps and analysis, never an observation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from vln.errors import InputError
from vln.files import read_json, read_text
from vln.schema import Whole

LABELS = Path("rooms/vp2room_label.json")
NAMES = Path("rooms/region_label.txt")


@dataclass(frozen=True, slots=True)
class Room:
    """The room in which a panorama was taken."""

    region: int  # index of the room in its building
    letter: str  # Matterport's letter for the kind of room ("b": bedroom)
    name: str


def load_rooms(data: Path) -> dict[str, dict[str, Room]]:
    """Load the room of each viewpoint of each scan; empty if the data folder has no room labels."""
    if not (Path(data) / LABELS).is_file() or not (Path(data) / NAMES).is_file():
        return {}
    names = _names(Path(data) / NAMES)
    labels = read_json(Path(data) / LABELS, _Labels, "fetch the file again")
    return {
        scan: {viewpoint: entry.room(names) for viewpoint, entry in panoramas.items()}
        for scan, panoramas in labels.pano_info.items()
    }


class _Label(Struct):
    """The label of a panorama in the file."""

    region_index: Annotated[str, Meta(pattern=r"^-?[0-9]{1,9}$")] | Whole
    label: str

    def room(self, names: dict[str, str]) -> Room:
        """Return the room of the label."""
        return Room(int(self.region_index), self.label, names.get(self.label, ""))


class _Labels(Struct):
    """The content of the file of labels."""

    pano_info: dict[str, dict[str, _Label]]


def _names(path: Path) -> dict[str, str]:
    """Map each letter to the first name of its kind of room ("familyroom/family room" becomes "family room")."""
    rows = [line.split(",", 1) for line in read_text(path).splitlines() if line.strip()]
    if not all(len(row) == 2 for row in rows):
        raise InputError(path, "a line is not 'letter,name'", "fetch the file again")
    return {letter: _readable([name.strip() for name in names.split("/")]) for letter, names in rows}


def _readable(names: list[str]) -> str:
    same = [name for name in names if name.replace(" ", "") == names[0].replace(" ", "")]
    return max(same, key=len)
