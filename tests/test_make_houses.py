"""scripts/make_houses.py: houses written as files and read back."""

import json
import math

import numpy as np
import pytest
from command_line import run_script
from habitat_worlds import look_alike_python

from envs.glb import load_glb
from envs.habitat.settings import VARIABLE
from envs.houses.dataset import houses_split
from envs.scenes import load_scene
from vln.vlnce import load_continuous_split


@pytest.fixture
def make(tmp_path):
    return lambda *arguments: run_script("make_houses.py", *arguments, "--out", tmp_path / "houses", cache=tmp_path)


def test_houses_are_written_once(make, tmp_path):
    first = make("--seeds", 3, 4, 3)
    assert (first.code, first.errors) == (0, "")
    assert first.output.strip().endswith("2 written, 0 were there")
    folder = tmp_path / "houses"
    (folder / "house-000003.semantic.txt").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("house-000004*")}
    assert make("--seeds", 3, 4).output.strip().endswith("1 written, 1 were there")
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("house-000004*")}
    assert (folder / "house-000003.semantic.txt").is_file()


def test_a_written_house_is_the_generated_one(make, tmp_path):
    make("--seeds", 12)
    there, back = load_scene("house-000012"), load_glb(tmp_path / "houses" / "house-000012.glb")
    for name in ("vertices", "colours", "uv"):
        assert np.array_equal(getattr(there, name)[there.triangles], getattr(back, name)[back.triangles])
    assert np.array_equal(there.object_ids, back.object_ids)
    assert (there.name, there.objects, there.rooms, there.doors) == (back.name, back.objects, back.rooms, back.doors)
    assert there.two_sided == back.two_sided
    pairs = set(zip(there.texture.tolist(), back.texture.tolist(), strict=True))  # those that nothing uses are left out
    for generated, written in pairs:
        assert (generated < 0) == (written < 0)
        assert generated < 0 or np.array_equal(there.textures[generated], back.textures[written])


@pytest.mark.parametrize("navmeshes", [True, False])
def test_houses_for_habitat(make, tmp_path, monkeypatch, navmeshes):
    monkeypatch.delenv(VARIABLE, raising=False)
    python = ("--habitat-python", look_alike_python(tmp_path)) if navmeshes else ()
    arguments = ("--for-habitat", "houses-short", "--split", "val_unseen", "--houses", 1, *python)
    first = make(*arguments)
    assert first.code == 0, first.errors
    out = tmp_path / "houses"
    assert (out / "house-800000.navmesh").is_file() == navmeshes
    assert ("navmeshes in" in first.output) == navmeshes
    episodes = houses_split("val_unseen", "houses-short", tmp_path / "houses", 1)
    written = load_continuous_split(out, "r2r-ce", "val_unseen").episodes
    assert len(written) > 12
    for one, other in zip(episodes, written, strict=True):
        assert (one.instruction, one.positions, one.scan) == (other.instruction, other.positions, other.scan)
        assert math.cos(one.heading - other.heading) == pytest.approx(1)
    scenes = json.loads((out / "houses.scene_dataset_config.json").read_text())
    assert scenes["stages"]["paths"][".json"] == ["house-*.stage_config.json"]
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = make(*arguments)
    assert "0 written, 1 were there" in again.output
    assert files == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_seeds_or_a_data_set(make):
    result = make("--seeds", 1, "--for-habitat", "houses-short")
    assert (result.code, "goes without --for-habitat" in result.errors) == (2, True)


@pytest.mark.parametrize("seed", [-1, 1_000_000])
def test_a_seed_out_of_range_writes_nothing(make, tmp_path, seed):
    result = make("--seeds", 0, seed)
    assert result.code == 2
    assert str(seed) in result.errors
    assert "; " in result.errors
    assert not (tmp_path / "houses").exists()


def test_no_seed_at_all(make):
    assert make("--seeds").code == 2


def test_an_output_that_is_a_file(make, tmp_path):
    (tmp_path / "houses").write_text("")
    result = make("--seeds", 0)
    assert result.code == 2
    assert "houses" in result.errors
