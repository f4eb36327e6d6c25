"""Opening the world that a configuration asks for."""

from collections.abc import Sequence
from pathlib import Path

from agents.config import CONTINUOUS, HOUSES, TrainConfig
from scripts.graph_world import open_graph_world
from scripts.world import World
from vln.language import Vocabulary

EVALUATION_BATCH = 256


def open_world(
    config: TrainConfig,
    data: Path | None,
    splits: Sequence[str],
    vocabulary: Vocabulary | None = None,
    cache: Path | None = None,
) -> World:
    """Load, or make, what a configuration needs.

    Args:
        config: The configuration.
        data: Folder of the data; the usual ones if absent.
        splits: Names of the splits.
        vocabulary: That of the training instructions if absent.
        cache: Folder for what is made of the data; the usual one if absent.

    Raises:
        InputError: If data are missing or malformed.
    """
    if config.dataset in HOUSES:
        # Compiled code takes seconds to load, which graphs do without.
        from scripts.houses_world import open_houses_world

        return open_houses_world(config, data, splits, vocabulary, cache)
    if config.dataset in CONTINUOUS:
        from scripts.vlnce_world import open_vlnce_world

        return open_vlnce_world(config, data, splits, vocabulary)
    return open_graph_world(config, data, splits, vocabulary, cache)
