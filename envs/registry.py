"""What the registered environment ids are made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from envs.environment import NavigationEnv, NavigationVectorEnv
from envs.graph import LowLevelGraph, PanoramicGraph
from envs.processes import check_fork_safety
from vln.data import find_data
from vln.episodes import Episode, load_split
from vln.features import open_features
from vln.graph import load_graphs
from vln.language import Vocabulary

Kind = Literal["panoramic", "low-level"]
GRAPH_SIMULATORS: dict[str, type[PanoramicGraph] | type[LowLevelGraph]] = {
    "panoramic": PanoramicGraph,
    "low-level": LowLevelGraph,
}


def make_graph(kind: Kind, **options: Any) -> NavigationEnv:
    """A single environment on navigation graphs; options as `make_graph_vector`."""
    ingredients, options = _ingredients(kind, **options)
    return NavigationEnv(*ingredients, **options)


def make_graph_vector(kind: Kind, num_envs: int = 1, **options: Any) -> NavigationVectorEnv:
    """A native vector environment on navigation graphs.

    Args:
        kind: Panoramic or low-level actions.
        num_envs: Episodes at a time.
        **options: `data` (folder), `dataset`, `split`, `features` ("none", or a file whose numbers become `views` of
            the observation), `vocabulary` (default: of the training instructions), `expert` ("goal" or "reference"),
            `device`, and those of `NavigationVectorEnv`.

    Raises:
        InputError: If data are missing or malformed.
    """
    ingredients, options = _ingredients(kind, **options)
    return NavigationVectorEnv(*ingredients, num_envs, **options)


def _ingredients(
    kind: Kind,
    data: Path | None = None,
    dataset: str = "r2r",
    split: str = "train",
    features: str = "none",
    vocabulary: Vocabulary | None = None,
    expert: Literal["goal", "reference"] = "goal",
    device: str = "cpu",
    **options: Any,
) -> tuple[tuple[Any, Sequence[Episode], Vocabulary], dict[str, Any]]:
    """Simulator, episodes and vocabulary, and the options that are left for the environment."""
    check_fork_safety()
    data = find_data(data)
    episodes = load_split(data, split, dataset)
    if vocabulary is None:
        vocabulary = Vocabulary.build(episode.instruction for episode in load_split(data, "train"))
    scans = sorted({episode.scan for episode in episodes})
    graphs = list(load_graphs(data / "connectivity", scans).values())
    table = open_features(features, data, scans=scans)
    simulator = GRAPH_SIMULATORS[kind](graphs, table, expert=expert, device=device)
    return (simulator, episodes, vocabulary), options
