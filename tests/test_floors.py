"""Storeys from heights: small cases by hand, and the published buildings by number and overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vln.floors import find_floors
from vln.graph import load_graphs


def test_stairs_are_split_about_their_middle():
    ground, upper = [1.5] * 10, [4.5] * 8
    stairs = [2.0, 2.5, 3.1, 3.6, 4.1]
    floors = find_floors(np.array([*upper, *stairs, *ground]))
    assert floors.count == 2
    np.testing.assert_allclose(floors.heights, [1.5, 4.5], atol=0.2)
    assert floors.of(np.array([1.5, 2.0, 2.5, 3.6, 4.1, 4.5])).tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("heights", "storeys"),
    [
        ([1.5], 1),
        ([1.5] * 30, 1),
        ([1.2] * 8 + [1.8] * 9, 1),  # a step within a room
        ([0.9] * 12 + [1.5] * 12 + [2.1] * 12, 1),  # split levels
        ([1.5] * 20 + [4.5], 1),  # one viewpoint on stairs is no storey
        ([1.5] * 20 + [4.5] * 5, 2),
        ([-1.5] * 5 + [1.5] * 20 + [4.5] * 5 + [7.2] * 4, 4),
    ],
)
def test_number_of_storeys(heights, storeys):
    assert find_floors(np.array(heights)).count == storeys


def test_made_building_has_its_two_floors(small_data):
    graph = next(iter(load_graphs(small_data / "connectivity").values()))
    heights = graph.positions[:, 2]
    floors = find_floors(heights)
    assert floors.count == 2
    assert (floors.of(heights[heights < 2]) == 0).all()
    assert (floors.of(heights[heights > 4]) == 1).all()


@given(st.lists(st.floats(-5, 12), min_size=1, max_size=60))
def test_storeys_are_ordered_inhabited_and_apart(heights):
    floors = find_floors(np.array(heights))
    storeys = floors.of(np.array(heights))
    assert set(storeys.tolist()) == set(range(floors.count))
    assert (np.diff(floors.heights) > 0).all()
    ranked = storeys[np.argsort(heights)]
    assert (np.diff(ranked) >= 0).all()


def test_published_buildings(graphs):
    known = {"17DRP5sb8fy": 1, "zsNo4HB9uLZ": 1, "JmbYfDe2QKZ": 2, "TbHJrupSAjP": 3, "oLBMNvg9in8": 4}
    assert {scan: find_floors(graphs[scan].positions[:, 2]).count for scan in known} == known


def test_places_above_one_another_are_on_different_floors(graphs):
    """All but a few: mezzanines, and stairs over stairs."""
    above = together = 0
    for graph in graphs.values():
        x, y, z = graph.positions.T
        storey = find_floors(z).of(z)
        pairs = (np.hypot(x[:, None] - x, y[:, None] - y) < 1) & (z[:, None] - z > 2)
        above += pairs.sum()
        together += (pairs & (storey[:, None] == storey)).sum()
    assert above > 1000
    assert together / above < 0.01
