"""Matterport's room labels of panoramas: privileged, for maps and analysis, never an observation."""

from dataclasses import dataclass
from pathlib import Path

from vln.errors import InputError
from vln.files import read_json, read_text

LABELS = Path("rooms/vp2room_label.json")
NAMES = Path("rooms/region_label.txt")


@dataclass(frozen=True, slots=True)
class Room:
    """The room a panorama was taken in.

    Attributes:
        region: Index of the room in its building.
        letter: Matterport's letter for the kind of room ("b": bedroom).
        name: The kind in words.
    """

    region: int
    letter: str
    name: str


def load_rooms(data: Path) -> dict[str, dict[str, Room]]:
    """Scan to viewpoint to room; empty where the data folder has no room labels.

    Raises:
        InputError: If the files are malformed.
    """
    if not (Path(data) / LABELS).is_file() or not (Path(data) / NAMES).is_file():
        return {}
    names = _names(Path(data) / NAMES)
    entries = read_json(Path(data) / LABELS)
    try:
        return {
            scan: {viewpoint: _room(entry["region_index"], entry["label"], names) for viewpoint, entry in panos.items()}
            for scan, panos in entries["pano_info"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        problem = "field 'pano_info' does not map scan and viewpoint to 'region_index' and 'label'"
        raise InputError(Path(data) / LABELS, problem, "fetch the file again") from None


def _room(region: str, letter: str, names: dict[str, str]) -> Room:
    return Room(int(region), letter, names.get(letter, ""))


def _names(path: Path) -> dict[str, str]:
    """Letter to the first of the names of a kind of room, its words apart ("familyroom/family room": "family room")."""
    rows = [line.split(",", 1) for line in read_text(path).splitlines() if line.strip()]
    if not all(len(row) == 2 for row in rows):
        raise InputError(path, "a line is not 'letter,name'", "fetch the file again")
    return {letter: _readable([name.strip() for name in names.split("/")]) for letter, names in rows}


def _readable(names: list[str]) -> str:
    same = [name for name in names if name.replace(" ", "") == names[0].replace(" ", "")]
    return max(same, key=len)
