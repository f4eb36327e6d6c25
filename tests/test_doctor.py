"""scripts/doctor.py: installed packages, requirements of a preset, and the exit code."""

import json

import pytest
from command_line import run_script
from habitat_worlds import look_alike_python
from small_vlnce import write_vlnce

from agents.presets import PRESETS, SPEAKERS
from agents.requirements import needs
from envs.habitat.settings import VARIABLE
from vln.errors import InputError


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    return lambda *arguments: run_script("doctor.py", *arguments, cache=tmp_path)


def found(result) -> dict[str, dict[str, object]]:
    return json.loads(result.output)


def test_a_folder_with_everything(doctor, small_data):
    result = doctor("r2r-navigator", "--data", small_data, "--json")
    rows = found(result)
    assert result.code == 0
    needed = {name for name, row in rows.items() if row["needed"]}
    assert needed == {"python", "navigation graphs", "r2r", "captions", "word vectors"}
    assert all(rows[name]["here"] for name in needed)
    assert rows.keys() == needed  # nothing else is shown
    ending = doctor("r2r-navigator", "--data", small_data).output.strip().splitlines()[-1]
    assert ending == "r2r-navigator can run: python scripts/train.py r2r-navigator"
    everything = found(doctor("--data", small_data, "--json"))
    assert not everything["r2r-ce"]["here"]
    assert "github.com/jacobkrantz/VLN-CE" in everything["r2r-ce"]["needs"]
    write_vlnce(small_data)
    assert found(doctor("--data", small_data, "--json"))["r2r-ce"]["found"] == "2 files in vlnce/"


def test_an_empty_folder(doctor, tmp_path):
    result = doctor("r2r-navigator", "--data", tmp_path)
    assert result.code == 1
    assert "what r2r-navigator needs" in " ".join(result.output.split())
    ending = result.output.strip().splitlines()[-1]
    assert ending == "r2r-navigator cannot run yet: navigation graphs and captions and word vectors and r2r missing."
    assert doctor("--data", tmp_path).code == 0  # nothing was asked for
    assert doctor("houses-demo", "--data", tmp_path).code == 0  # houses need no data


def test_habitat(doctor, tmp_path):
    without = doctor("habitat-houses-demo", "--data", tmp_path, "--habitat-python", tmp_path / "python", "--json")
    assert without.code == 1
    assert "is no interpreter of Python" in found(without)["habitat-sim"]["found"]
    python = look_alike_python(tmp_path)
    rows = found(doctor("habitat-houses-demo", "--data", tmp_path, "--habitat-python", python, "--json"))
    assert rows["habitat-sim"]["here"]
    assert "look-alike 1 on Python 3" in rows["habitat-sim"]["found"]
    assert rows["EGL"]["needed"]


@pytest.mark.parametrize("preset", [*PRESETS, *SPEAKERS])
def test_every_preset_needs_something(preset):
    assert needs(preset) > {"python"}


def test_an_unknown_preset(doctor):
    result = doctor("r2d2")
    assert result.code == 2
    assert "preset: 'r2d2' is not known; use one of r2r-seq2seq" in result.errors
    with pytest.raises(InputError):
        needs("r2d2")
