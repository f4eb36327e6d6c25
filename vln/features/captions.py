"""View content as words: the captions and detections of LangNav (Pan et al. 2023) as a table of words per view.

`views/<scan>.json.xz` holds, for each of the 36 views (640 x 480 pixels) of each viewpoint, a caption of the whole
image and detected boxes, each with a class, a confidence and a caption. A view becomes its distinct words. The
confidence of a word is that of its most confident mention (a caption of the whole image counts 1). Its position is that
of the most confident box of that class, else of the most confident box whose caption has the word, else of the whole
image.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta, Raw, Struct

from vln.console import track
from vln.data import FETCH, cache_folder
from vln.errors import InputError
from vln.features.cache import read_cache, write_cache
from vln.features.table import PADDING, ViewTable
from vln.files import read_json, sha256
from vln.graph import VIEWS
from vln.schema import Share, parse

FORMAT = 1  # raise it when the arrays change
ARRAYS = ("words", "attributes")
WIDTH, HEIGHT = 640, 480
MOST_WORDS = 24
MIN_VIEWS = 20
SUFFIX = ".json.xz"
REFETCH = "fetch the file again"
# Function words, and words that open captions or join their parts ("a close up view of", "sitting next to").
_STOP = """
a an and are as at be been being but by each for from has have he her his in is it its of on or other s she so some that
the their them there they this to very was were which while who with
blurry bunch close couple filled hanging image lot lots made next photo set sitting standing top up view
"""
STOP_WORDS = frozenset(_STOP.split())

IMAGE_CAPTION, BOX_CAPTION, CLASS = range(3)

Box = tuple[float, float, float, float]
WHOLE_IMAGE: Box = (1.0, 1.0, 0.5, 0.5)

_WORD = re.compile(r"[a-z]+")


@dataclass
class Mentions:
    """The M words that captions and classes mention, grouped by B boxes of one or more views."""

    vocabulary: dict[str, int]  # map from word to provisional number, shared by all buildings
    keys: list[tuple[str, str]] = field(default_factory=list)  # (scan, viewpoint) of the viewpoints, in order
    word: list[int] = field(default_factory=list)  # numbers of the M words
    per_box: list[int] = field(default_factory=list)  # how many words each box has
    view: list[int] = field(default_factory=list)  # index of the view of each box, counted over all viewpoints
    # Kind of mention of each box; the larger it is, the better the box locates its words: `IMAGE_CAPTION` <
    # `BOX_CAPTION` < `CLASS`
    kind: list[int] = field(default_factory=list)
    # Confidence, fraction of the image's area, x and y of the centre of each box; whole images are boxes too
    box: list[Box] = field(default_factory=list)

    def add(self, view: int, kind: int, box: Box, words: Sequence[str]) -> None:
        """Add the words of the class or caption of one box, or of the caption of the whole image."""
        self.word.extend(self.vocabulary.setdefault(word, len(self.vocabulary)) for word in words)
        self.per_box.append(len(words))
        self.view.append(view)
        self.kind.append(kind)
        self.box.append(box)


@dataclass(frozen=True)
class Entries:
    """Distinct words of V views: E entries in the order of the views, the most confident first within each."""

    view: np.ndarray  # (E,) int64
    word: np.ndarray  # (E,) int64, provisional numbers
    attributes: np.ndarray  # (E, 4) float32, see `ViewTable.attributes`


def load_captions(
    data: Path, cache: Path | None = None, scans: Sequence[str] | None = None, box_captions: bool = True
) -> ViewTable:
    """Load the words of every view; the first call builds the table, later calls memory-map it.

    The folder `data` has `views/` in it; `cache` as in `vln.data.cache_folder`. The vocabulary is built from the
    buildings `scans`, all if None, so tables of different buildings number words differently. Without the captions of
    boxes there are 5.1 words per view instead of 7.8, at half the size.
    """
    folder = Path(data) / "views"
    sources = _sources(folder, scans)
    source_hash = sha256(*sources)
    recipe = json.dumps(
        [FORMAT, MOST_WORDS, MIN_VIEWS, sorted(STOP_WORDS), box_captions, [path.name for path in sources], source_hash]
    )
    place = cache_folder(cache) / f"captions-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    cached = read_cache(place, ARRAYS)
    if cached is None:
        _build(sources, source_hash, place, box_captions)
        cached = read_cache(place, ARRAYS)
    if cached is None:
        raise InputError(place, "the cache cannot be read back", "check the disk and delete the folder")
    manifest, arrays = cached
    index = {(scan, viewpoint): row for row, (scan, viewpoint) in enumerate(manifest.viewpoints)}
    vocabulary = manifest.vocabulary
    words, attributes = arrays["words"], arrays["attributes"]
    name = "captions" if box_captions else "captions-short"
    return ViewTable(name, str(folder), source_hash, index, None, words, attributes, vocabulary)


def _sources(folder: Path, scans: Sequence[str] | None) -> list[Path]:
    """Return the files of the buildings, in alphabetical order."""
    if scans is None:
        sources = sorted(folder.glob(f"*{SUFFIX}"))
    else:
        sources = [folder / f"{scan}{SUFFIX}" for scan in sorted(set(scans))]
    for path in sources:
        if not path.is_file():
            scan = path.name.removesuffix(SUFFIX)
            raise InputError(
                path, f"the captions of scan '{scan}' are missing", f"run `{FETCH.format('captions')}` or choose others"
            )
    if not sources:
        fix = f"run `{FETCH.format('captions')}` or choose other features, for instance 'none'"
        raise InputError(folder, f"there is no file <scan>{SUFFIX}", fix)
    return sources


def _build(sources: Sequence[Path], source_hash: str, place: Path, box_captions: bool) -> None:
    """Read the captions of all buildings and write the table."""
    numbers: dict[str, int] = {}
    keys: list[tuple[str, str]] = []
    parts: list[Entries] = []
    for path in track(sources, "Reading captions"):
        mentions = read_mentions(path, numbers, box_captions)
        parts.append(merge(mentions, first_view=len(keys) * VIEWS))
        keys.extend(mentions.keys)
    columns = zip(*((part.view, part.word, part.attributes) for part in parts), strict=True)
    entries = Entries(*(np.concatenate(column) for column in columns))
    vocabulary, arrays, dropped = tabulate(entries, list(numbers), len(keys))
    manifest = {
        "format": FORMAT,
        "source_hash": source_hash,
        "dropped": dropped,
        "viewpoints": keys,
        "vocabulary": vocabulary,
    }
    write_cache(place, manifest, arrays)


def read_mentions(path: Path, vocabulary: dict[str, int], box_captions: bool = True) -> Mentions:
    """Read the words of the captions and boxes of one building; new words are added to `vocabulary`."""
    scan = path.name.removesuffix(SUFFIX)
    mentions = Mentions(vocabulary)
    for viewpoint, views in read_json(path, dict[str, dict[str, Raw]], REFETCH).items():
        first = len(mentions.keys) * VIEWS
        mentions.keys.append((scan, viewpoint))
        for view in range(VIEWS):
            where = f"viewpoint '{viewpoint}', view {view}"
            content = views.get(str(view))
            if content is None:
                raise InputError(path, f"{where} is missing", REFETCH)
            seen = parse(content, _View, path, REFETCH, where)
            try:
                for kind, box, words in _mentions(seen, box_captions):
                    mentions.add(first + view, kind, box, words)
            except ValueError as error:
                raise InputError(path, f"{where} is malformed ({error})", REFETCH) from None
    return mentions


class _Box(Struct):
    """A detected box of a view."""

    obj_class: str
    coordinates: Annotated[str, Meta(max_length=200)]
    confidence: Annotated[str, Meta(max_length=50)] | Share
    caption: str


class _View(Struct):
    """The caption and the detected boxes of a view."""

    global_cap: str
    dense_cap: list[_Box]


def _mentions(view: _View, box_captions: bool) -> Iterator[tuple[int, Box, Sequence[str]]]:
    """Yield the kind, box and words of each caption and class of a view."""
    yield IMAGE_CAPTION, WHOLE_IMAGE, content_words(view.global_cap)
    for found in view.dense_cap:
        left, top, right, bottom = (float(number) for number in found.coordinates.split())
        confidence = float(found.confidence)
        inside = 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
        if not inside or not 0 <= confidence <= 1:
            raise ValueError(f"box '{found.coordinates}' or confidence '{found.confidence}' is out of range")
        area = (right - left) * (bottom - top) / (WIDTH * HEIGHT)
        box = confidence, area, (left + right) / (2 * WIDTH), (top + bottom) / (2 * HEIGHT)
        yield CLASS, box, content_words(found.obj_class)
        if box_captions:
            yield BOX_CAPTION, box, content_words(found.caption)


@lru_cache(maxsize=1 << 16)
def content_words(caption: str) -> tuple[str, ...]:
    """Return the words of a caption or class name ("potted plant" is two) that are not stop words."""
    return tuple(word for word in _WORD.findall(caption.lower()) if word not in STOP_WORDS)


def merge(mentions: Mentions, first_view: int = 0) -> Entries:
    """Merge mentions into one entry for each distinct word of a view, by the rule in the module's docstring."""
    per_box = np.array(mentions.per_box, dtype=np.int64)
    word = np.array(mentions.word, dtype=np.int64)
    view = np.repeat(np.array(mentions.view, dtype=np.int64), per_box)
    box = np.repeat(np.array(mentions.box, dtype=np.float32).reshape(-1, 4), per_box, axis=0)
    kind = np.repeat(np.array(mentions.kind, dtype=np.int64), per_box)
    order = np.lexsort((-box[:, 1], -box[:, 0], -kind, word, view))
    view, word, box = view[order], word[order], box[order]
    first = np.flatnonzero(np.diff(view * (word.max(initial=0) + 1) + word, prepend=-1))
    attributes = box[first]
    if len(first):
        attributes[:, 0] = np.maximum.reduceat(box[:, 0], first)
    view, word = view[first], word[first]
    order = np.lexsort((word, -attributes[:, 1], -attributes[:, 0], view))
    return Entries(view[order] + first_view, word[order], attributes[order])


def tabulate(
    entries: Entries, words: Sequence[str], viewpoints: int
) -> tuple[tuple[str, ...], dict[str, np.ndarray], float]:
    """Build the padded table of the words that occur in at least `MIN_VIEWS` views, at most `MOST_WORDS` per view.

    Returns the words kept, `<pad>` first, then by falling number of views; the arrays `words` (N, 36, K) int16 and
    `attributes` (N, 36, K, 4) float16 of the N viewpoints; and the fraction of the entries that did not fit.
    """
    counts = np.bincount(entries.word, minlength=len(words))
    kept = sorted((n for n, count in enumerate(counts) if count >= MIN_VIEWS), key=lambda n: (-counts[n], words[n]))
    numbers = np.zeros(len(words), dtype=np.int16)
    numbers[kept] = np.arange(1, len(kept) + 1)
    frequent = numbers[entries.word] > 0
    view, number, attributes = entries.view[frequent], numbers[entries.word[frequent]], entries.attributes[frequent]
    rank = np.arange(len(view)) - np.searchsorted(view, view)
    most = min(MOST_WORDS, int(rank.max(initial=0)) + 1)
    fits = rank < most
    table = np.zeros((viewpoints * VIEWS, most), dtype=np.int16)
    places = np.zeros((viewpoints * VIEWS, most, 4), dtype=np.float16)
    table[view[fits], rank[fits]] = number[fits]
    places[view[fits], rank[fits]] = attributes[fits]
    arrays = {"words": table.reshape(viewpoints, VIEWS, most), "attributes": places.reshape(viewpoints, VIEWS, most, 4)}
    return (PADDING, *(words[n] for n in kept)), arrays, float(1 - fits.mean()) if len(fits) else 0.0
