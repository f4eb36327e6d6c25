"""Loading scenes by name: a generated house, or a file."""

import re
from pathlib import Path

from envs.glb import load_glb
from envs.glb.stage import Up
from envs.scene import Scene

_HOUSE = re.compile(r"house-(-?\d+)")


def load_scene(name_or_path: Path | str, up: Up | None = None, scale: float | None = None) -> Scene:
    """Load a scene: `house-000123` is generated, any other name is a file for `envs.glb.load_glb`."""
    house = _HOUSE.fullmatch(str(name_or_path))
    if house and not Path(name_or_path).exists():
        from envs.houses import make_house  # imports compiled code, which takes seconds; files do not need it

        return make_house(int(house[1]))
    return load_glb(name_or_path, up, scale)
