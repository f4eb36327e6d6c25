"""Tables of view content by viewpoint and view: what an agent observes in each of the 36 views of a panorama."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vln.errors import InputError
from vln.graph import VIEWS, NavigationGraph

PADDING = "<pad>"


@dataclass(frozen=True)
class ViewTable:
    """The content of every view, either numbers (`dense`) or words with their positions (`words`, `attributes`).

    View i of a panorama looks at heading `(i % 12) * 30` degrees and at elevation -30, 0 or +30 degrees for `i // 12` =
    0, 1 or 2.
    """

    name: str  # "captions", "none" or the stem of the feature file
    source: str  # file or folder that it was read from, for error messages
    source_hash: str  # SHA-256 over the bytes of the sources; empty for "none"
    index: dict[tuple[str, str], int]  # map from (scan, viewpoint) to row
    # (N, 36, F) float16 or float32; F = 0 in the table of a blind agent. None in a table of words.
    dense: np.ndarray | None = None
    # (N, 36, K) int16, indices into `vocabulary`, 0 where a view has fewer than K words. None in a dense table.
    words: np.ndarray | None = None
    # (N, 36, K, 4) float16: confidence, fraction of the image's area, x and y of the centre from the top left corner,
    # all in [0, 1]; zero where `words` is. None in a dense table.
    attributes: np.ndarray | None = None
    vocabulary: tuple[str, ...] = ()  # the words, `<pad>` first; empty in a dense table

    @property
    def blind(self) -> bool:
        """Whether views have no content at all."""
        return self.dense is not None and self.dense.shape[-1] == 0

    def rows(self, graphs: Sequence[NavigationGraph]) -> np.ndarray:
        """Return the rows of viewpoints, (V,) int64 in the order of the graphs and of the viewpoints in each."""
        keys = [(graph.scan, viewpoint) for graph in graphs for viewpoint in graph.viewpoints]
        if self.blind:
            return np.zeros(len(keys), dtype=np.int64)
        rows = np.array([self.index.get(key, -1) for key in keys], dtype=np.int64)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            problem = self._explain([keys[place] for place in missing])
            raise InputError(self.source, problem, "use features of all viewpoints")
        return rows

    def _explain(self, missing: list[tuple[str, str]]) -> str:
        """Return a sentence that names the viewpoints without features."""
        scan, viewpoint = missing[0]
        others = f" and of {len(missing) - 1} more viewpoints" if len(missing) > 1 else ""
        if any(known == scan for known, _ in self.index):
            return f"features of viewpoint '{viewpoint}' of scan '{scan}'{others} are missing"
        return f"features of scan '{scan}' (viewpoint '{viewpoint}'){others} are missing"


def blind_table() -> ViewTable:
    """Return the table of a blind agent: no view has any content."""
    return ViewTable("none", "none", "", {}, dense=np.zeros((1, VIEWS, 0), dtype=np.float16))


def check_finite(source: object, scan: str, viewpoint: str, features: np.ndarray) -> None:
    """Check that the (36, F) features of a viewpoint are finite."""
    if not np.isfinite(features).all():
        view, column = np.argwhere(~np.isfinite(features))[0]
        where = f"features of scan '{scan}', viewpoint '{viewpoint}', view {view}"
        raise InputError(source, f"{where} are not finite (column {column})", "compute or fetch the features again")
