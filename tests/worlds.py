"""A small data folder in the published formats, for tests that train, evaluate and replay without the real data.

Every viewpoint has a landmark that its neighbours see in its direction, and instructions name the landmarks of the
path, so an agent that reads and looks can learn to follow them, in a building it has never met too.
"""

import json
import lzma
import math
from collections.abc import Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np

from vln.graph import VIEW_STEP, VIEWS, NavigationGraph, load_graph
from vln.language import split_words

# Two buildings of training, of which `--select dev` holds out the second, and an unseen one.
SCANS = ("17DRP5sb8fy", "VLzqgDo317F", "2azQ1b91cZZ")
SPLITS = {"train": (SCANS[:2], 40), "val_seen": (SCANS[:1], 10), "val_unseen": (SCANS[2:], 10), "test": (SCANS[2:], 4)}
LANDMARKS = (
    *("couch", "bed", "chair", "television", "oven", "sink", "toilet", "vase"),
    *("clock", "refrigerator", "bench", "laptop", "bookcase", "piano", "mirror", "fireplace"),
)
SENTENCES = (
    "Walk past the {past}. Stop at the {last}.",
    "Go to the {past} and then wait by the {last}.",
    "Leave the {first}, head for the {past}, and continue until you reach the {last}.",
)
COLUMNS, ROWS, FLOORS = 4, 2, 2
SPACING, STOREY, EYE = 2.5, 3.0, 1.5  # metres
VIEWPOINTS = COLUMNS * ROWS * FLOORS + 1  # the last one is the landing of the stairs
SEEN_WITHIN = math.radians(45)  # from the centre of a view
WIDTH, HEIGHT, BOX = 640, 480, 100  # pixels
VECTOR = 300


def write_world(folder: Path, seed: int = 0) -> Path:
    """Write three buildings of 17 viewpoints on two floors, their views, word vectors and the four splits of R2R.

    Args:
        folder: Where to; created if need be.
        seed: Of layouts, paths and word vectors.

    Returns:
        The folder.
    """
    random = np.random.default_rng(seed)
    for name in ("connectivity", "r2r", "views", "glove"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "connectivity" / "scans.txt").write_text("\n".join(SCANS) + "\n")
    buildings = {scan: _write_building(folder, scan, random) for scan in SCANS}
    path_id = 0
    for split, (scans, count) in SPLITS.items():
        entries = []
        for number in range(count):
            scan = scans[number % len(scans)]
            entries.append(_entry(path_id, *buildings[scan], random, withheld=split == "test"))
            path_id += 1
        (folder / "r2r" / f"R2R_{split}.json").write_text(json.dumps(entries))
    _write_word_vectors(folder / "glove", random)
    return folder


def _write_building(folder: Path, scan: str, random: np.random.Generator) -> tuple[NavigationGraph, Sequence[str]]:
    """Write graph and views of a building; returns its graph and the landmark of each viewpoint."""
    path = folder / "connectivity" / f"{scan}_connectivity.json"
    path.write_text(json.dumps(_connectivity(scan, random)))
    graph, landmarks = load_graph(path, scan), [*random.permutation(LANDMARKS).tolist(), "stairs"]
    views = json.dumps(_views(graph, landmarks)).encode()
    (folder / "views" / f"{scan}.json.xz").write_bytes(lzma.compress(views, preset=0))
    return graph, landmarks


def _connectivity(scan: str, random: np.random.Generator) -> list[dict[str, Any]]:
    """Two floors of a grid joined by a landing, and at last a viewpoint that is not included."""
    cells = np.stack(np.meshgrid(range(COLUMNS), range(ROWS), range(FLOORS)), -1).reshape(-1, 3)
    apart = np.abs(cells[:, None] - cells)
    landing, outside = len(cells), len(cells) + 1
    edges = np.zeros((outside + 1, outside + 1), dtype=bool)
    edges[:landing, :landing] = (apart.sum(-1) == 1) & (apart[..., 2] == 0)
    foot, head = np.flatnonzero((cells[:, 0] == COLUMNS - 1) & (cells[:, 1] == cells[:, 2]))
    for here, there in ((foot, landing), (landing, head), (0, outside)):
        edges[here, there] = edges[there, here] = True
    positions = np.array([*cells, (COLUMNS - 0.5, 0.5, 0.5), (-1, 0, 0)]) * (SPACING, SPACING, STOREY)
    positions[:, :2] += random.uniform(-0.3, 0.3, (len(positions), 2))
    return [
        {
            "image_id": md5(f"{scan}{number}".encode()).hexdigest(),
            "pose": [1.0, 0.0, 0.0, x, 0.0, 1.0, 0.0, y, 0.0, 0.0, 1.0, z + EYE, 0.0, 0.0, 0.0, 1.0],
            "included": number != outside,
            "visible": reachable.tolist(),
            "unobstructed": reachable.tolist(),
            "height": EYE,
        }
        for number, ((x, y, z), reachable) in enumerate(zip(positions.tolist(), edges, strict=True))
    ]


def _views(graph: NavigationGraph, landmarks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Captions and boxes of all views: neighbours in their directions, the own landmark on the floor."""
    views: dict[str, dict[str, Any]] = {}
    for here, viewpoint in enumerate(graph.viewpoints):
        east, north, up = (graph.positions[graph.adjacency[here]] - graph.positions[here]).T
        headings, elevations = np.arctan2(east, north), np.arctan2(up, np.hypot(east, north))
        names = [landmarks[there] for there in np.flatnonzero(graph.adjacency[here])]
        views[viewpoint] = {}
        for view in range(VIEWS):
            across = (headings - view % 12 * VIEW_STEP + np.pi) % (2 * np.pi) - np.pi
            above = elevations - (view // 12 - 1) * VIEW_STEP
            seen = [
                _box(name, *offset)
                for name, *offset in zip(names, across, above, strict=True)
                if max(map(abs, offset)) < SEEN_WITHIN
            ]
            things = [box["obj_class"] for box in seen] + [landmarks[here]] * (view < 12)
            caption = "a view of " + " and ".join(f"a {thing}" for thing in things or ["wall"])
            views[viewpoint][str(view)] = {"global_cap": caption, "dense_cap": seen}
    return views


def _box(name: str, across: float, above: float) -> dict[str, str]:
    """A detection, the surer the nearer to the centre of the view."""
    left = round((WIDTH - BOX) * (1 + across / SEEN_WITHIN) / 2)
    top = round((HEIGHT - BOX) * (1 - above / SEEN_WITHIN) / 2)
    return {
        "obj_class": name,
        "coordinates": f"{left} {top} {left + BOX} {top + BOX}",
        "confidence": f"{1 - max(abs(across), abs(above)) / math.pi:.2f}",
        "caption": f"a close up of a {name}",
    }


def _entry(
    path_id: int, graph: NavigationGraph, landmarks: Sequence[str], random: np.random.Generator, withheld: bool
) -> dict[str, Any]:
    """A shortest path of three to six moves, and its instructions."""
    path: list[str] = []
    while not 4 <= len(path) <= 7:
        start, goal = random.choice(graph.viewpoints, 2).tolist()
        path = graph.shortest_path(start, goal)
    first, *past, last = (landmarks[graph.index[viewpoint]] for viewpoint in path)
    return {
        "distance": round(float(graph.distances[graph.index[path[0]], graph.index[path[-1]]]), 2),
        "scan": graph.scan,
        "path_id": path_id,
        "path": path[:1] if withheld else path,
        "heading": round(random.uniform(0, 2 * math.pi), 3),
        "instructions": [text.format(first=first, past=", the ".join(past), last=last) for text in SENTENCES],
    }


def _write_word_vectors(folder: Path, random: np.random.Generator) -> None:
    """Random vectors for all words of instructions and captions."""
    words = sorted({*split_words(" ".join(SENTENCES)), *LANDMARKS, "stairs", "wall"})
    words = ["<PAD>", "<UNK>", "<EOS>", *words]
    (folder / "train_vocab.txt").write_text("\n".join(words) + "\n")
    np.save(folder / "train_glove.npy", random.normal(0, 0.4, (len(words), VECTOR)).astype(np.float32))
