"""Where a body can be in a scene, how it moves there, and how it gets to a goal."""

from pathlib import Path

from envs.compiled import forget_stale

forget_stale(Path(__file__).parent)  # before anything compiled is loaded

# ruff: noqa: E402
from envs.navigation.body import Body
from envs.navigation.expert import NUDGE, expert
from envs.navigation.fields import Field, distances
from envs.navigation.ground import Ground, build_ground
from envs.navigation.moving import step

__all__ = ["NUDGE", "Body", "Field", "Ground", "build_ground", "distances", "expert", "step"]
