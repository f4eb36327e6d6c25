"""`scripts/probe.py`: the results of its commands and the errors for bad input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import SCRIPTS, SMALL, SMALL_SPEAKER, Result
from house_walks import content

from vln.episodes import load_split
from vln.trajectory import read_trajectories

ROOT = Path(__file__).parent.parent
COMMANDS = sorted(path.name for path in SCRIPTS.glob("*.py") if 'if __name__ == "__main__"' in path.read_text())
SPLIT = "val_unseen"

# --- starting ---


def python(*arguments: object) -> str:
    """What a Python of its own prints, without installed copies of the scripts' folder on its path."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", ["probe.py", "score.py"])
def test_scripts_start(script):
    assert "usage" in python(SCRIPTS / script, "--help")


@pytest.mark.slow
@pytest.mark.parametrize("script", COMMANDS)
def test_every_script_starts(script):
    assert "usage" in python(SCRIPTS / script, "--help")


# --- the commands ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def navigator(run, folder) -> Path:
    result = run("train.py", "r2r-navigator", "--out", folder / "navigator", *SMALL)
    assert result.code == 0, result.errors
    assert run("evaluate.py", folder / "navigator", "--split", SPLIT).code == 0
    return folder / "navigator"


@pytest.fixture(scope="module")
def speaker(run, folder) -> Path:
    result = run("train_speaker.py", "r2r-speaker", *SMALL_SPEAKER, "--out", folder / "speaker")
    assert result.code == 0, result.errors
    return folder / "speaker"


@pytest.fixture(scope="module")
def episode(small_data) -> str:
    return load_split(small_data, SPLIT)[4].episode_id


def told(result: Result) -> dict:
    assert result.code == 0, result.errors
    return json.loads(result.output)


CELLS = ("--split", "train", "--permutations", 30, "--threads", 1)


def test_cells_of_a_navigator_are_searched_and_held(run, navigator, tmp_path):
    flags = (*CELLS, "--out", tmp_path, "--zero", "core.1:3", "--clamp", "encoder.forward.1:2=0.5", "--json")
    found = told(run("probe.py", "cells", navigator, *flags))
    assert [part["part"] for part in found["parts"]] == ["instruction encoder", "core"]
    for part in found["parts"]:
        assert part["cells"] == 16
        assert part["found"] >= len(part["findings"]) > 0
        scores = [each["score"] for each in part["findings"]]
        assert scores == sorted(scores, reverse=True)
        assert all(each["p_value"] < 0.05 and each["score"] > each["chance"] for each in part["findings"])
    (held,) = found["held"]
    assert held["held"] == "core.1:3 = 0, encoder.forward.1:2 = 0.5"
    assert held["SR"]["interval"][0] <= held["SR"]["difference"] <= held["SR"]["interval"][1]
    assert sum(each["before"] for each in held["actions"].values()) == pytest.approx(1, abs=0.01)
    assert sum(each["after"] for each in held["actions"].values()) == pytest.approx(1, abs=0.01)
    assert {path.name for path in tmp_path.iterdir()} == {"cells.png", "cells.html", "cells.json"}
    assert "core.1:" in (tmp_path / "cells.html").read_text()


def test_the_best_cells_are_held_if_none_is_asked_for(run, navigator, speaker, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = run("probe.py", "cells", navigator, *CELLS, "--episodes", 60, "--speaker", speaker)
    assert result.code == 0, result.errors
    parts = ("instruction encoder: ", "core: ", "speaker's decoder: ")
    for part in (*parts, "explained by", "unrelated = 0", "held cells", "cells.png"):
        assert part in result.output
    assert (navigator / "inside" / "train" / "cells.json").exists()


def test_cells_of_a_speaker(run, speaker, tmp_path):
    found = told(run("probe.py", "cells", speaker, *CELLS, "--out", tmp_path, "--zero", "decoder.1:5", "--json"))
    (part,) = found["parts"]
    assert (part["part"], part["cells"]) == ("speaker's decoder", 16)
    (held,) = found["held"]
    assert held["loss"]["after"] != held["loss"]["before"]
    assert {"before", "after"} == held["BLEU"].keys()


def test_attention_of_the_agent_and_of_its_file_are_the_same(run, navigator, episode, tmp_path):
    flags = ("--episode", episode, "--out", tmp_path, "--threads", 1, "--json")
    lived = told(run("probe.py", "attention", navigator, *flags))
    file = navigator / "eval" / f"{SPLIT}.jsonl"
    read = told(run("probe.py", "attention", navigator, *flags, "--trajectories", file))
    (one,), (other,) = lived, read
    assert one["words"] == other["words"]
    assert [step["choice"] for step in one["steps"]] == [step["choice"] for step in other["steps"]]
    assert one["steps"][0]["words"] == pytest.approx(other["steps"][0]["words"], abs=1e-3)
    assert len(one["steps"][0]["views"]) == 36
    page = next(tmp_path.glob("*.html")).read_text()
    assert len(content(page)["agents"][0]["steps"]) == len(one["steps"])
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".html"}


def test_attention_is_a_strip_in_the_terminal(run, navigator, episode):
    result = run("probe.py", "attention", navigator, "--episode", episode, "--over", "words")
    assert result.code == 0, result.errors
    assert f"Episode {episode}" in result.output
    assert "[" in result.output  # the word attended to most
    assert "█" not in result.output
    assert "█" in run("probe.py", "attention", navigator, "--episode", episode).output


def test_replay_writes_pages(run, navigator, tmp_path):
    file = navigator / "eval" / f"{SPLIT}.jsonl"
    assert run("replay.py", file, "--worst", 2, "--out", tmp_path, "--format", "html").code == 0
    pages = list(tmp_path.iterdir())
    assert [path.suffix for path in pages] == [".html", ".html"]
    step = content(pages[0].read_text())["agents"][0]["steps"][0]
    assert np_shape(step["views"]) == (3, 12)
    assert [choice[1] for choice in step["choices"]] == sorted((each[1] for each in step["choices"]), reverse=True)
    assert any("m" in choice[0] for choice in step["choices"])


def np_shape(rows: list[list[float]]) -> tuple[int, int]:
    return len(rows), len(rows[0])


# --- bad input ---


def refused(result: Result, *parts: object) -> None:
    assert (result.code, result.output) == (2, "")
    (sentence,) = result.errors.strip().splitlines()
    for part in parts:
        assert str(part) in sentence


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--zero", "core.1:99"), ("--zero", "no cell 'core.1:99'", "core.1:0 to core.1:15")),
        (("--zero", "decoder.1:0"), ("no cell 'decoder.1:0'",)),
        (("--clamp", "core.1:3"), ("--clamp", "'core.1:3' gives no number", "CELL=VALUE")),
        (("--clamp", "core.1:3=nan"), ("gives no number",)),
        (("--clamp", "core.9:3=1"), ("--clamp", "no cell 'core.9:3'")),
        (("--episodes", 0), ("--episodes", "0 is out of range")),
        (("--permutations", -1), ("--permutations", "-1 is out of range")),
        (("--split", SPLIT), ("all are in one building", "choose a split")),
        (("--split", "test"), ("'test'", "withheld")),
    ],
)
def test_cells_that_cannot_be_searched(run, navigator, tmp_path, flags, parts):
    refused(run("probe.py", "cells", navigator, "--out", tmp_path / "new", *flags), *parts)
    assert not (tmp_path / "new").exists()


def test_no_run_is_refused(run, tmp_path):
    refused(run("probe.py", "cells", tmp_path), "there is no checkpoint")
    refused(run("probe.py", "attention", tmp_path, "--episode", "1_0"), "there is no checkpoint")


def test_unknown_episodes(run, navigator):
    file = navigator / "eval" / f"{SPLIT}.jsonl"
    asked = ("probe.py", "attention", navigator, "--episode", "nobody_0")
    refused(run(*asked), "has no episode 'nobody_0'", f"'{SPLIT}'")
    refused(run(*asked, "--trajectories", file), "has no episode 'nobody_0'", file)


@pytest.fixture
def other_words(navigator, tmp_path) -> Path:
    """The run with the vocabulary of another."""
    copy = shutil.copytree(navigator, tmp_path / "run")
    symbols = {"unit": "character", "symbols": ["<pad>", "<unk>", "<eos>", *"abcdefghijklmnopqrstuvwxyz .,"]}
    (copy / "vocabulary.json").write_text(json.dumps(symbols))
    return copy


def test_another_vocabulary(run, other_words, episode):
    refused(run("probe.py", "cells", other_words, *CELLS), "hash field 'vocabulary'")
    refused(run("probe.py", "attention", other_words, "--episode", episode), "hash field 'vocabulary'")
    file = other_words / "eval" / f"{SPLIT}.jsonl"
    asked = ("probe.py", "attention", other_words, "--episode", episode, "--trajectories", file)
    refused(run(*asked), file, "field 'words'", "vocabulary")


def test_attention_that_is_not_there(run, navigator, episode, folder, tmp_path):
    plain = folder / "plain"
    assert run("train.py", "r2r-navigator", "--out", plain, *SMALL, "--policy.no-panorama").code == 0
    asked = ("probe.py", "attention", plain, "--episode", episode)
    refused(run(*asked, "--over", "views"), "no attention over views", "policy.panorama")
    assert run(*asked, "--out", tmp_path / "words").code == 0
    file = tmp_path / "old.jsonl"
    head, *lines = (navigator / "eval" / f"{SPLIT}.jsonl").read_text().splitlines()  # the first is the task
    rows = [json.loads(line) for line in lines]
    for row in rows:
        for step in row["steps"]:
            step["view_attention"] = []
    file.write_text("\n".join([head, *map(json.dumps, rows)]))
    assert len(read_trajectories(file)) == len(rows)
    asked = ("probe.py", "attention", navigator, "--episode", episode, "--trajectories", file)
    refused(run(*asked), file, "has no attention over views", "--over")
    assert run(*asked, "--over", "words", "--out", tmp_path / "words").code == 0
