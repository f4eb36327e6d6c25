"""Where a body can be in a scene, how it moves there, and how it gets to a goal."""

from envs.navigation.body import Body
from envs.navigation.expert import expert
from envs.navigation.fields import Field, distances
from envs.navigation.ground import Ground, build_ground
from envs.navigation.moving import step

__all__ = ["Body", "Field", "Ground", "build_ground", "distances", "expert", "step"]
