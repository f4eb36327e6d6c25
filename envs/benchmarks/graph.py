"""Time steps of the panoramic vector environment on navigation graphs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from envs.environment import NavigationVectorEnv
from envs.graph import PanoramicGraph
from vln.episodes import Episode
from vln.graph import NavigationGraph
from vln.language import Vocabulary
from vln.timing import time_in_turns

ACTIONS = 6  # actions are drawn from so many, one of them stop: episodes of six steps, as in R2R


def time_walks(
    graphs: Sequence[NavigationGraph],
    episodes: Sequence[Episode],
    features: Mapping[str, Sequence[Tensor]],
    batches: Sequence[int],
    steps: int,
    repeats: int,
) -> list[dict[str, Any]]:
    """Return steps a second of random walks, for each batch and each set of features, the median of `repeats` runs.

    Features are tables (viewpoints, ...) whose rows are gathered at every step.
    """
    vocabulary = Vocabulary.build(episode.instruction for episode in episodes)
    runs: dict[tuple[str, int], Callable[[], None]] = {}
    for batch in batches:
        simulator = PanoramicGraph(graphs)
        env = NavigationVectorEnv(simulator, episodes, vocabulary, batch, tensors=True)
        env.reset(seed=0)
        actions = np.random.default_rng(0).integers(0, min(ACTIONS, int(simulator.action_space.n)), (steps, batch))
        runs |= {(name, batch): partial(_walk, env, actions, tables) for name, tables in features.items()}
    time_in_turns(runs, 1)  # warms up
    seconds = time_in_turns(runs, repeats)
    return [
        {"features": name, "batch": batch, "steps_per_second": batch * steps / seconds[name, batch]}
        for name, batch in runs
    ]


def _walk(env: NavigationVectorEnv, actions: np.ndarray, tables: Sequence[Tensor]) -> None:
    """Take actions (T, B) and gather the rows of tables at every step."""
    for each in actions:
        viewpoint = env.step(each)[0]["viewpoint"]
        for table in tables:
            table.index_select(0, viewpoint)
