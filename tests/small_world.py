"""Two buildings small enough to work out by hand, and the data folder that holds them."""

import json
from pathlib import Path

import numpy as np
from gymnasium.vector import AutoresetMode

from envs.environment import NavigationVectorEnv
from envs.single import NavigationEnv
from vln.episodes import Episode
from vln.graph import NavigationGraph


def make_graph(scan: str, viewpoints: str, positions: list[tuple[float, float, float]], edges: str) -> NavigationGraph:
    """A graph of one-letter viewpoints and edges like "ab bc"."""
    adjacency = np.zeros((len(viewpoints), len(viewpoints)), dtype=bool)
    for here, there in edges.split():
        adjacency[viewpoints.index(here), viewpoints.index(there)] = True
    return NavigationGraph(scan, tuple(viewpoints), np.array(positions, dtype=float), adjacency | adjacency.T)


# a - b - c - d - e in a row, 2 m apart; z behind a wall.
CORRIDOR = make_graph("corridor", "abcdez", [(2 * x, 0, 0) for x in range(5)] + [(4, 1, 0)], "ab bc cd de")
# A 3 m x 4 m block with a dead end f; the viewpoints are called as in the corridor and lie in other rows.
BLOCK = make_graph("block", "fdcba", [(6, 4, 0), (0, 4, 0), (3, 4, 0), (3, 0, 0), (0, 0, 0)], "ab bc cd da cf")
GRAPHS = {"corridor": CORRIDOR, "block": BLOCK}


def episode(path: str, scan: str = "corridor", episode_id: str = "1_0") -> Episode:
    """An episode whose reference is one letter a viewpoint."""
    return Episode(episode_id, scan, "made", "Go.", tuple(path), 0.0)


def single_env(simulator, episodes, vocabulary, **options) -> NavigationEnv:
    mode = AutoresetMode.DISABLED
    return NavigationEnv(NavigationVectorEnv(simulator, episodes, vocabulary, 1, autoreset_mode=mode, **options))


def write_data(folder: Path) -> Path:
    """A data folder with the two buildings and the splits `made` (two paths, three instructions) and `test`."""
    for name in ("connectivity", "r2r"):
        (folder / name).mkdir()
    (folder / "connectivity" / "scans.txt").write_text("\n".join(GRAPHS))
    for scan, graph in GRAPHS.items():
        (folder / "connectivity" / f"{scan}_connectivity.json").write_text(json.dumps(_connectivity(graph)))
    paths = [("corridor", "abcde", ["Go.", "Walk."]), ("block", "abcf", ["Turn."])]
    for split, kept in (("made", 5), ("test", 1)):
        entries = [
            {"path_id": number, "scan": scan, "path": list(path[:kept]), "heading": 0.0, "instructions": sentences}
            for number, (scan, path, sentences) in enumerate(paths, start=1)
        ]
        (folder / "r2r" / f"R2R_{split}.json").write_text(json.dumps(entries))
    return folder


def _connectivity(graph: NavigationGraph) -> list[dict[str, object]]:
    poses = np.tile(np.eye(4), (len(graph.viewpoints), 1, 1))
    poses[:, :3, 3] = graph.positions
    return [
        {"image_id": viewpoint, "pose": pose.ravel().tolist(), "included": True, "unobstructed": row.tolist()}
        for viewpoint, pose, row in zip(graph.viewpoints, poses, graph.adjacency, strict=True)
    ]
