"""The output of scripts/benchmark.py sim, and the large mesh that it generates."""

import json

import numpy as np
import pytest
from command_line import run_script
from habitat_worlds import look_alike_python

from envs.benchmarks.rendering import DETAIL, detailed
from tests.meshes import soup


def test_views_and_memory(tmp_path):
    flags = ["--sizes", 16, "--batches", 2, 4, "--houses", 1, "--repeats", 1, "--kinds", "houses", "--json"]
    result = run_script("benchmark.py", "sim", *flags, cache=tmp_path)
    assert result.code == 0, result.errors
    printed = json.loads(result.output)
    assert [(row["scenes"], row["size"], row["batch"]) for row in printed["views"]] == [
        ("houses", 16, 2),
        ("houses", 16, 4),
    ]
    assert all(row["frames_per_second"] > 0 and row["embree_frames_per_second"] > 0 for row in printed["views"])
    assert printed["environment"] == []
    assert 0 < printed["memory"]["MB_drawn"] < printed["memory"]["MB_loaded"] < 20
    assert printed["memory"]["MB_of_1000_houses"] < 4096


@pytest.mark.parametrize("triangles", [41, 100, 500])
def test_cutting_keeps_the_surface(triangles):
    scene = soup(0, 40)
    large = detailed(scene, triangles)
    assert triangles <= len(large.triangles) <= triangles + 2
    assert set(large.object_ids) == set(scene.object_ids)

    def area(each):
        a, b, c = each.vertices[each.triangles].astype(float).transpose(1, 0, 2)
        return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2

    assert area(large) == pytest.approx(area(scene), rel=0.02)
    assert np.abs(large.bounds - scene.bounds).max() <= DETAIL * 1.01


def test_against_habitat(tmp_path):
    flags = ["--sizes", 16, "--batches", 2, "--houses", 1, "--repeats", 1, "--triangles", 9000]
    habitat = ["--vs", "habitat", "--habitat-python", look_alike_python(tmp_path), "--kinds", "houses", "mesh"]
    result = run_script("benchmark.py", "sim", *flags, *habitat, "--json", cache=tmp_path)
    assert result.code == 0, result.errors
    rows = json.loads(result.output)["environment"]
    assert [(row["scenes"], row["size"], row["batch"]) for row in rows] == [("houses", 16, 2), ("large GLB", 16, 2)]
    for row in rows:
        rates = row["embedded_frames_per_second"], row["habitat_frames_per_second"]
        assert row["times_as_fast"] == pytest.approx(rates[0] / rates[1])
        assert row["version"]["habitat"] == "look-alike 1"


def test_without_habitat(tmp_path):
    result = run_script("benchmark.py", "sim", "--vs", "habitat", "--habitat-python", tmp_path, cache=tmp_path)
    assert (result.code, "is no interpreter of Python; install habitat-sim" in result.errors) == (2, True)
