"""Navigation: the walkable area of a scene, motion with collisions, geodesic distances and the expert."""

from pathlib import Path

from envs.compiled import forget_stale

forget_stale(Path(__file__).parent)  # before compiled code is loaded

# ruff: noqa: E402
from envs.navigation.body import Body
from envs.navigation.expert import NUDGE, expert
from envs.navigation.fields import Field, distances
from envs.navigation.ground import Ground, build_ground
from envs.navigation.moving import step

__all__ = ["NUDGE", "Body", "Field", "Ground", "build_ground", "distances", "expert", "step"]
