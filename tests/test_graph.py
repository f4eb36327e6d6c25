"""Navigation graphs: geodesics as properties of random graphs, and the published buildings by their numbers."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.episodes import load_split
from vln.errors import InputError
from vln.graph import NavigationGraph, load_graph, load_graphs


@st.composite
def random_graphs(draw) -> NavigationGraph:
    """Up to nine viewpoints on a coarse lattice, so that places coincide and paths tie; often in several parts."""
    count = draw(st.integers(1, 9))
    place = st.tuples(*[st.integers(-3, 3)] * 3)
    positions = np.array(draw(st.lists(place, min_size=count, max_size=count)), dtype=float)
    pairs = list(itertools.combinations(range(count), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    adjacency = np.zeros((count, count), dtype=bool)
    for here, there in edges:
        adjacency[here, there] = adjacency[there, here] = True
    return NavigationGraph("random", tuple(f"v{row}" for row in range(count)), positions, adjacency)


def edge_lengths(graph: NavigationGraph) -> np.ndarray:
    """(V, V) metres along edges, infinite where there is none."""
    lengths = np.linalg.norm(graph.positions[:, None] - graph.positions[None], axis=-1)
    return np.where(graph.adjacency, lengths, np.inf)


def floyd_warshall(graph: NavigationGraph) -> np.ndarray:
    distances = edge_lengths(graph)
    np.fill_diagonal(distances, 0.0)
    for middle in range(len(distances)):
        distances = np.minimum(distances, distances[:, middle, None] + distances[None, middle])
    return distances


def check_geodesics(graph: NavigationGraph) -> None:
    """Symmetric, zero in place, no shorter by any detour, never shorter than the straight line."""
    distances = graph.distances
    np.testing.assert_allclose(distances, distances.T, rtol=1e-12)
    assert (np.diag(distances) == 0).all()
    shortest_detour = np.min([distances[:, via, None] + distances[via] for via in range(len(distances))], axis=0)
    np.testing.assert_allclose(shortest_detour, distances, rtol=1e-12, atol=1e-12)
    straight = np.linalg.norm(graph.positions[:, None] - graph.positions[None], axis=-1)
    assert (distances >= straight - 1e-9).all()


def check_next_hops(graph: NavigationGraph) -> None:
    """A hop is an edge that shortens the way by its own length; there is one wherever the goal is reachable."""
    distances, hops = graph.distances, graph.next_hops
    here, goal = np.indices(hops.shape)
    moves = hops != here
    assert (moves == (np.isfinite(distances) & (here != goal))).all()
    assert graph.adjacency[here[moves], hops[moves]].all()
    rest = edge_lengths(graph)[here[moves], hops[moves]] + distances[hops[moves], goal[moves]]
    np.testing.assert_allclose(rest, distances[moves], rtol=1e-12, atol=1e-12)


# --- random graphs ---


@given(graph=random_graphs())
def test_geodesics_are_those_of_floyd_and_warshall(graph):
    np.testing.assert_allclose(graph.distances, floyd_warshall(graph), rtol=1e-12)
    check_geodesics(graph)


@given(graph=random_graphs())
def test_next_hops_agree_with_the_geodesics(graph):
    check_next_hops(graph)


@given(graph=random_graphs())
def test_shortest_paths_end_at_the_goal_and_are_as_long_as_the_geodesic(graph):
    for start, goal in itertools.product(graph.viewpoints, repeat=2):
        path = graph.shortest_path(start, goal)
        geodesic = graph.distances[graph.index[start], graph.index[goal]]
        assert path[0] == start
        assert len(set(path)) == len(path)
        assert graph.first_break(path) is None
        if np.isfinite(geodesic):
            rows = [graph.index[viewpoint] for viewpoint in path]
            assert path[-1] == goal
            assert sum(edge_lengths(graph)[a, b] for a, b in itertools.pairwise(rows)) == pytest.approx(geodesic)
        else:
            assert path == [start]


# --- a graph worked by hand ---


def square(**changes: np.ndarray) -> NavigationGraph:
    """A unit square a b c d with the edges ab, bc, cd and, far away, e."""
    positions = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [5, 5, 5]], dtype=float)
    adjacency = np.zeros((5, 5), dtype=bool)
    for here, there in ((0, 1), (1, 2), (2, 3)):
        adjacency[here, there] = adjacency[there, here] = True
    return NavigationGraph(**{"scan": "square", "viewpoints": tuple("abcde"), "positions": positions,
                              "adjacency": adjacency} | changes)  # fmt: skip


def test_a_square_open_on_one_side():
    graph = square()
    assert graph.distances[0].tolist() == [0, 1, 2, 3, np.inf]
    assert graph.next_hops[0].tolist() == [0, 1, 1, 1, 0]
    assert graph.shortest_path("a", "d") == ["a", "b", "c", "d"]
    assert graph.shortest_path("a", "e") == ["a"]


def test_the_first_break_of_a_path_and_why():
    graph = square()
    assert graph.first_break(["a", "a", "b", "c"]) is None
    assert graph.first_break([]) is None
    for path, step, why in [
        (["a", "b", "d", "c"], 2, "viewpoints 'b' and 'd' are not connected in scan 'square'"),
        (["a", "x", "y"], 1, "viewpoint 'x' is not in the graph of scan 'square'"),
        (["x"], 0, "viewpoint 'x' is not in the graph of scan 'square'"),
    ]:
        assert graph.first_break(path) == step
        assert graph.explain(path, step) == why


def test_the_content_hash_is_over_every_field():
    whole = square()
    moved, cut = whole.positions + 1e-9, whole.adjacency & False
    others = [square(scan="other"), square(viewpoints=tuple("abcdf")), square(positions=moved), square(adjacency=cut)]
    assert square().content_hash == whole.content_hash
    assert len({graph.content_hash for graph in (whole, *others)}) == 5


# --- files ---


def entry(name: str, x: float, unobstructed: list[bool], **changes: object) -> dict[str, object]:
    pose = [1, 0, 0, x, 0, 1, 0, 2 * x, 0, 0, 1, 3 * x, 0, 0, 0, 1]
    return {"image_id": name, "pose": pose, "included": True, "unobstructed": unobstructed, "height": 1.5} | changes


def corridor() -> list[dict[str, object]]:
    """Three in a row, seen from one side only, and a fourth that is not included."""
    return [
        entry("a", 1, [False, True, False, True]),
        entry("b", 2, [False, False, True, True]),
        entry("c", 3, [False, False, False, True]),
        entry("d", 4, [True, True, True, False], included=False),
    ]


def write(folder: Path, content: object) -> Path:
    path = folder / "s_connectivity.json"
    path.write_text(json.dumps(content))
    return path


def test_a_file_gives_its_included_viewpoints_and_edges_of_either_direction(tmp_path):
    graph = load_graph(write(tmp_path, corridor()), "s")
    assert (graph.scan, graph.viewpoints) == ("s", ("a", "b", "c"))
    assert graph.positions.tolist() == [[1, 2, 3], [2, 4, 6], [3, 6, 9]]
    assert np.argwhere(graph.adjacency).tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]


def test_scans_are_those_listed_unless_some_are_asked_for(tmp_path):
    write(tmp_path, corridor())
    (tmp_path / "scans.txt").write_text("s\nabsent\n")
    assert list(load_graphs(tmp_path, ["s"])) == ["s"]
    with pytest.raises(
        InputError, match=r"absent_connectivity\.json: the connectivity graph of scan 'absent' is missing"
    ):
        load_graphs(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "has no panorama that is included"),
        ({"a": 1}, "is malformed (expected a list, got an object)"),
        (["a", "b"], "entry 0 is malformed (expected an object, got a string)"),
        (None, "is malformed (expected a list, got null)"),
        ([{"image_id": "a"}], "entry 0 lacks the field 'pose'"),
        ([entry("a", 0, [False, True])], "field 'unobstructed' of entry 0 has 2 flags for 1 panoramas"),
        (
            [entry("a", 0, [False, True]), entry("b", 0, [1])],
            "field 'unobstructed[0]' of entry 1 is malformed (expected t",
        ),
        (
            [entry("a", 0, [False], pose=[1, 2, 3])],
            "field 'pose' of entry 0 is malformed (expected a list of length >= 16",
        ),
        ([entry("a", 0, [False], pose=["x"] * 16)], "field 'pose[0]' of entry 0 is malformed (expected a number, got"),
        ([entry("a", math.nan, [False])], "field 'pose[3]' of entry 0 is malformed (nan is not a finite number)"),
        ([entry("a", math.inf, [False])], "field 'pose[3]' of entry 0 is malformed (inf is not a finite number)"),
        ([entry("a", 10**400, [False])], "field 'pose[3]' of entry 0 is malformed (number out of range)"),
        ([entry("a", 1e300, [False])], "field 'pose[3]' of entry 0 is malformed (expected a number <= 1000000.0)"),
        ([entry("a", 0, [False], included="no")], "field 'included' of entry 0 is malformed (expected true or false"),
        ([entry("a", 0, [False], included=False)], "has no panorama that is included"),
        ([entry("a", 0, [False, False]), entry("a", 1, [False, False])], "viewpoint 'a' occurs 2 times"),
    ],
)
def test_a_malformed_graph_is_an_error_that_names_entry_and_field(tmp_path, content, problem):
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        load_graph(path, "s")
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert str(caught.value).endswith("; fetch the file again.")


def test_a_truncated_graph_is_an_error(tmp_path):
    path = write(tmp_path, corridor())
    path.write_text(path.read_text()[:-30])
    with pytest.raises(InputError, match=r"s_connectivity\.json: is truncated or not JSON"):
        load_graph(path, "s")


# --- published buildings ---


def test_the_published_graphs_have_their_published_size(graphs):
    edges = np.concatenate([edge_lengths(graph)[np.triu(graph.adjacency)] for graph in graphs.values()])
    viewpoints = sum(len(graph.viewpoints) for graph in graphs.values())
    assert (len(graphs), viewpoints, len(edges)) == (90, 10_567, 21_468)
    assert 2 * len(edges) / viewpoints == pytest.approx(4.06, abs=0.005)
    assert edges.mean() == pytest.approx(2.27, abs=0.005)


def test_geodesics_and_hops_of_the_published_graphs(graphs):
    for graph in graphs.values():
        check_next_hops(graph)
    for scan in sorted(graphs)[::10]:
        check_geodesics(graphs[scan])


@pytest.mark.parametrize(("split", "metres"), [("val_seen", 10.186), ("val_unseen", 9.480)])
def test_the_mean_shortest_length_over_instructions(data, graphs, split, metres):
    lengths = [
        graphs[episode.scan].distances[
            graphs[episode.scan].index[episode.start], graphs[episode.scan].index[episode.goal]
        ]
        for episode in load_split(data, split)
    ]
    assert np.mean(lengths) == pytest.approx(metres, abs=0.0005)


def test_how_many_references_are_shortest_paths(data, graphs):
    paths = {(episode.scan, episode.path) for episode in load_split(data, "val_unseen")}
    shortest = 0
    for scan, path in paths:
        rows = [graphs[scan].index[viewpoint] for viewpoint in path]
        length = np.linalg.norm(np.diff(graphs[scan].positions[rows], axis=0), axis=1).sum()
        shortest += bool(length <= graphs[scan].distances[rows[0], rows[-1]] + 1e-6)
    assert (shortest, len(paths)) == (775, 783)
    assert 100 * shortest / len(paths) == pytest.approx(98.98, abs=0.005)
