"""The graph simulator: Matterport navigation graphs, thousands of episodes in one batch."""

from envs.graph.low_level import LOW_LEVEL_ACTIONS, LowLevelGraph
from envs.graph.panoramic import PanoramicGraph
from envs.graph.tables import GraphTables

__all__ = ["LOW_LEVEL_ACTIONS", "GraphTables", "LowLevelGraph", "PanoramicGraph"]
