"""Texts that language models learn from: instructions of a data set, or any UTF-8 file."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agents.speaking.language_model import LanguageModelConfig
from agents.speaking.windows import TextWindows
from agents.training.checkpoint import Fingerprint
from vln.data import DATASETS, find_data
from vln.episodes import Episode, load_split
from vln.errors import InputError
from vln.files import read_text
from vln.language import EOS, Unit, Vocabulary
from vln.spelling import Spelling, Text, encode_documents, encode_text
from vln.tasks import HOUSE_DATASETS

SPLITS = ("train", "val_seen", "val_unseen")
LAST_TENTH = "last tenth"
UNITS: dict[str, Unit] = {"character": "raw character", "word": "raw word"}


@dataclass(frozen=True)
class Corpus:
    """A text and how it is cut.

    Attributes:
        config: What to read, and how.
        train: Documents to learn from: instructions, or the one text of a file.
        held_out: Documents to measure by, by name.
    """

    config: LanguageModelConfig
    train: Sequence[str]
    held_out: Mapping[str, Sequence[str]]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The units of the training text."""
        return Vocabulary.build(self.train, self.config.min_count, UNITS[self.config.unit])

    @property
    def ends(self) -> tuple[int, ...]:
        """What stands after each document: instructions have an end, the part of a file has none."""
        return (EOS,) if has_ends(self.config) else ()

    @property
    def fingerprint(self) -> Fingerprint:
        """What a checkpoint remembers of the text."""
        content = hashlib.sha256("\0".join(self.train).encode()).hexdigest()
        return Fingerprint(self.vocabulary.digest, content)

    def windows(self) -> TextWindows:
        """What each update reads.

        Raises:
            InputError: If the text is shorter than one sequence.
        """
        documents, config = encode_documents(self.train, self.vocabulary, self.ends), self.config
        symbols = sum(map(len, documents))
        if symbols < config.sequence:
            problem = f"has {symbols} {config.unit}s to learn from, fewer than one sequence of {config.sequence}"
            raise InputError(config.text, problem, "give a longer text, or a smaller --sequence")
        return TextWindows(documents, config.batch_size, config.sequence, config.seed)

    def texts(self) -> dict[str, Text]:
        """What to measure by, with the cost of what is unknown."""
        spelling = Spelling.of(self.vocabulary, self.train)
        return {
            name: encode_text(documents, self.vocabulary, spelling, self.ends)
            for name, documents in self.held_out.items()
        }


def open_corpus(config: LanguageModelConfig, data: Path | None = None) -> Corpus:
    """The text that a configuration asks for, as written: no letter is changed.

    Raises:
        InputError: If there is no such text, or it is malformed, not UTF-8 or empty.
    """
    if config.text in HOUSE_DATASETS:
        # Compiled code takes seconds to load, which other texts do without.
        from envs.houses.dataset import houses_for, houses_split

        splits = {
            name: _sentences(houses_split(name, config.text, None, houses_for(name, config.houses))) for name in SPLITS
        }
    elif config.text in DATASETS:
        folder = find_data(data)
        splits = {name: _sentences(load_split(folder, name, config.text)) for name in SPLITS}
    else:
        return Corpus(config, *_parts(Path(config.text)))
    return Corpus(config, splits.pop("train"), splits)


def has_ends(config: LanguageModelConfig) -> bool:
    """Whether what is read are sentences, one after another, and no one long text."""
    return config.text in (*HOUSE_DATASETS, *DATASETS)


def _sentences(episodes: Sequence[Episode]) -> list[str]:
    return [episode.instruction for episode in episodes]


def _parts(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The first nine tenths of a file to learn from, and the rest."""
    if not file.exists():
        known = ", ".join((*DATASETS, *HOUSE_DATASETS))
        raise InputError("--text", f"'{file}' is neither a file nor a data set", f"give a file, or one of {known}")
    text = read_text(file)
    cut = len(text) * 9 // 10
    if not cut:
        raise InputError(file, "is shorter than one sequence: it is all but empty", "give a longer text")
    return [text[:cut]], {LAST_TENTH: [text[cut:]]}
