"""The corpus of a language model: the instructions of a data set, or any UTF-8 file."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
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
LoadHouses = Callable[[str, str, int], Sequence[Episode]]
UNITS: dict[str, Unit] = {"character": "raw character", "word": "raw word"}


@dataclass(frozen=True)
class Corpus:
    """Documents to learn from, instructions or the one text of a file, and those to evaluate on, by name."""

    config: LanguageModelConfig
    train: Sequence[str]
    held_out: Mapping[str, Sequence[str]]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the training text."""
        return Vocabulary.build(self.train, self.config.min_count, UNITS[self.config.unit])

    @property
    def ends(self) -> tuple[int, ...]:
        """Tokens after each document: instructions have an end, the part of a file has none."""
        return (EOS,) if has_ends(self.config) else ()

    @property
    def fingerprint(self) -> Fingerprint:
        """What a checkpoint remembers of the text."""
        content = hashlib.sha256("\0".join(self.train).encode()).hexdigest()
        return Fingerprint(self.vocabulary.digest, content)

    def windows(self) -> TextWindows:
        """Return the batches of sequences that each update reads."""
        documents, config = encode_documents(self.train, self.vocabulary, self.ends), self.config
        symbols = sum(map(len, documents))
        if symbols < config.sequence:
            problem = f"has {symbols} {config.unit}s to learn from, fewer than one sequence of {config.sequence}"
            raise InputError(config.text, problem, "give a longer text, or a smaller --sequence")
        return TextWindows(documents, config.batch_size, config.sequence, config.seed)

    def texts(self) -> dict[str, Text]:
        """Return the held-out documents, with the cost of unknown tokens."""
        spelling = Spelling.of(self.vocabulary, self.train)
        return {
            name: encode_text(documents, self.vocabulary, spelling, self.ends)
            for name, documents in self.held_out.items()
        }


def open_corpus(config: LanguageModelConfig, load_houses: LoadHouses, data: Path | None = None) -> Corpus:
    """Load the text that a configuration asks for, as written: no letter is changed.

    `load_houses` loads the episodes of generated houses: name of the data set, split, number of houses.
    """
    if config.text in HOUSE_DATASETS:
        splits = {name: _sentences(load_houses(config.text, name, config.houses)) for name in SPLITS}
    elif config.text in DATASETS:
        folder = find_data(data)
        splits = {name: _sentences(load_split(folder, name, config.text)) for name in SPLITS}
    else:
        return Corpus(config, *_parts(Path(config.text)))
    return Corpus(config, splits.pop("train"), splits)


def has_ends(config: LanguageModelConfig) -> bool:
    """Return whether the text consists of sentences, each with an end, instead of one long document."""
    return config.text in (*HOUSE_DATASETS, *DATASETS)


def _sentences(episodes: Sequence[Episode]) -> list[str]:
    return [episode.instruction for episode in episodes]


def _parts(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return the first nine tenths of a file, to learn from, and the rest."""
    if not file.exists():
        known = ", ".join((*DATASETS, *HOUSE_DATASETS))
        raise InputError("--text", f"'{file}' is neither a file nor a data set", f"give a file, or one of {known}")
    text = read_text(file)
    cut = len(text) * 9 // 10
    if not cut:
        raise InputError(file, "is shorter than one sequence: it is all but empty", "give a longer text")
    return [text[:cut]], {LAST_TENTH: [text[cut:]]}
