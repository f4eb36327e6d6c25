"""What success rules and rewards see of the episodes of an environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vln.continuous_metrics import Walks, resample, walk_distances
from vln.episodes import Episode
from vln.graph import NavigationGraph
from vln.metrics import PathDistances, drop_turns, padded_rows, path_distances
from vln.trajectory import Pose

if TYPE_CHECKING:
    from envs.environment import NavigationVectorEnv


@dataclass(frozen=True, eq=False)
class BatchStates:
    """The B episodes of an environment before or after an action: a `vln.tasks.rewards.EpisodeStates`.

    Attributes:
        env: The environment.
        distance: (B,) metres to the goal.
        ended: (B,) bool, whether the action ended the episode.
        success: (B,) bool, whether it ended in success.
        actions: (B,) the actions; None before them.
        lengths: The number of poses so far of each body; none where the environment does not remember them.
    """

    env: "NavigationVectorEnv"
    distance: Tensor
    ended: Tensor
    success: Tensor
    actions: Tensor | None = None
    lengths: Sequence[int] = ()

    @property
    def episodes(self) -> list[Episode]:
        """The B episodes."""
        return self.env.current_episodes

    @property
    def poses(self) -> list[Pose]:
        """The B poses, after the action."""
        return self.env.simulator.poses()

    @property
    def choices(self) -> list[str]:
        """What the actions mean; it holds for bodies that stopped, which are where they were. Empty before them."""
        if self.actions is None:
            return [""] * len(self.distance)
        offered = self.env.simulator.choices()
        return [choices[action] for choices, action in zip(offered, self.actions.tolist(), strict=True)]

    @property
    def paths(self) -> list[list[Pose]]:
        """The poses so far."""
        return [trail[:length] for trail, length in zip(self.env.trails, self.lengths, strict=True)]

    @property
    def path(self) -> PathDistances:
        """Distances of these paths to the references."""
        scans = {each.scan for each in self.episodes}
        graphs = {} if self.env.task.continuous or not self.env.source else self.env.source.scoring.graphs(scans)
        return distances_so_far(graphs, self.episodes, self.paths)


def distances_so_far(
    graphs: Mapping[str, NavigationGraph], episodes: Sequence[Episode], paths: Sequence[Sequence[Pose]]
) -> PathDistances:
    """Return the distances of B ways so far: geodesic on navigation graphs, straight where there are none.

    Where a goal is withheld, the start stands for it.
    """
    if not graphs:
        walks = [np.array([pose.position for pose in path]) for path in paths]
        references = [_reference(each.positions) for each in episodes]
        return walk_distances(Walks(walks, [np.zeros(len(each)) for each in walks], references, np.ones(len(walks))))
    shown = [replace(each, path=each.path[:1] * 2, known=None) if each.withheld else each for each in episodes]
    rows, lengths = padded_rows(graphs, shown, [[pose.viewpoint for pose in path] for path in paths])
    return path_distances(graphs, shown, *drop_turns(rows, lengths))


@lru_cache(maxsize=4096)
def _reference(positions: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """Return a demonstration as metrics take it, places (m, 3) that are evenly apart."""
    return resample(np.array(positions))
