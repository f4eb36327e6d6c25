"""What presets need: data sets, features, simulators."""

from collections.abc import Callable, Iterator

from agents.config import CaptionConfig, TrainConfig
from agents.presets import PRESETS, SPEAKERS
from vln.errors import unknown_name
from vln.vlnce_datasets import VLNCE


def needs(preset: str) -> frozenset[str]:
    """Return the names of the parts that a preset needs."""
    known: dict[str, Callable[[], TrainConfig | CaptionConfig]] = {**PRESETS, **SPEAKERS}
    if preset not in known:
        raise unknown_name("preset", preset, known)
    return frozenset(_needs(known[preset]()))


def _needs(config: TrainConfig | CaptionConfig) -> Iterator[str]:
    text = config.text if isinstance(config, CaptionConfig) else config.language
    yield "python"
    if text.word_vectors:
        yield "word vectors"
    if not config.task.continuous:
        yield from ("navigation graphs", config.task.dataset)
        if config.features.startswith("captions"):
            yield "captions"
        return
    yield "embedded simulator"  # makes the houses and their episodes, whoever simulates them
    if config.task.dataset in VLNCE:
        yield from (config.task.dataset, "Matterport3D scenes")
    if config.task.simulator == "habitat":
        yield from ("habitat-sim", "EGL")
