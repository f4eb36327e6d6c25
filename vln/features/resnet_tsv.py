"""The feature files of the Matterport3D simulator (Anderson et al. 2018), such as `ResNet-152-imagenet.tsv`.

There is no header and one line per viewpoint: `scanId viewpointId image_w image_h vfov features`, separated by tabs;
`features` is the base64 of 36 x 2,048 little-endian float32 in the order of the views.
"""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vln.errors import InputError
from vln.features.dense import Row, cache_place, convert, open_table
from vln.features.table import ViewTable
from vln.graph import VIEWS

COLUMNS = ("scanId", "viewpointId", "image_w", "image_h", "vfov", "features")
FEATURE_SIZE = 2048
REFETCH = "fetch the file again or pass --feature-size"


def load_resnet_tsv(path: Path, cache: Path | None = None, feature_size: int = FEATURE_SIZE) -> ViewTable:
    """Load the features of a TSV file, (N, 36, F) float16; the first call converts it, later ones memory-map that.

    F is `feature_size`; ResNet-152 has 2,048.
    """
    place = cache_place(path, feature_size, cache)
    table = open_table(path, place)
    if table is None:
        table = convert(path, place, read_rows(path, feature_size), _count_lines(path), feature_size)
    return table


def read_rows(path: Path, feature_size: int = FEATURE_SIZE) -> Iterator[Row]:
    """Yield scan, viewpoint and (36, F) float32 features of each line."""
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _parse(path, number, line, feature_size)


def _count_lines(path: Path) -> int:
    with Path(path).open("rb") as file:
        count = sum(1 for line in file if line.strip())
    if not count:
        raise InputError(path, "is empty", "fetch the file again")
    return count


def _parse(path: Path, number: int, line: bytes, feature_size: int) -> Row:
    cells = line.rstrip(b"\r\n").split(b"\t")
    if len(cells) != len(COLUMNS):
        problem = f"line {number} has {len(cells)} columns, not {len(COLUMNS)} ({', '.join(COLUMNS)})"
        raise InputError(path, problem, REFETCH)
    try:
        content = base64.b64decode(cells[-1], validate=True)
    except binascii.Error:
        raise InputError(path, f"field 'features' of line {number} is truncated or not base64", REFETCH) from None
    if len(content) != VIEWS * feature_size * 4:
        wanted = f"{VIEWS * feature_size * 4} ({VIEWS} x {feature_size} float32)"
        problem = f"field 'features' of line {number} has {len(content)} bytes, not {wanted}"
        raise InputError(path, problem, REFETCH)
    features = np.frombuffer(content, dtype="<f4").reshape(VIEWS, feature_size)
    return cells[0].decode(errors="replace"), cells[1].decode(errors="replace"), features
