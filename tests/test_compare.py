"""Comparing cells and inputs through the command line, on small agents in the made data folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import SMALL, Result
from learners import small_caption_config, small_world

from agents.presets import houses_demo, r2r_navigator
from agents.studies.cell_report import binned, conclusions, over
from agents.studies.cells import NO_CLIP, Variant, variants
from agents.studies.inputs import FULL
from agents.training.checkpoint import save_checkpoint
from vln.configuration import as_json
from vln.files import read_json
from vln.statistics import mean_interval, seed_interval

TRUNCATED = ["core: LSTM, truncated at 4"]
PLAIN = [
    f"{place}: {cell}"
    for place in ("encoder", "core")
    for cell in ("RNN", "RNN, 2 layers", "GRU", "LSTM", "LSTM, 2 layers")
]


@pytest.fixture(scope="module")
def runs(run, tmp_path_factory) -> Path:
    """A folder with a full agent and a blind and a deaf one."""
    folder = tmp_path_factory.mktemp("runs")
    for name, ablate in (("full", "nothing"), ("blind", "vision"), ("deaf", "language")):
        flags = ("--reinforcement.iterations", 0, "--evaluate-every", 9, "--ablate", ablate)
        result = run("train.py", "r2r-navigator", "--out", folder / name, *SMALL, *flags)
        assert result.code == 0, result.errors
    return folder


# --- cells ---


def test_variants_differ_in_what_they_are_called_by():
    base = r2r_navigator()
    found = variants(base.task.max_steps)
    assert [variant.name for variant in found] == [
        *PLAIN,
        *(
            "core: RNN, not clipped",
            "core: LSTM, not clipped",
            "core: LSTM, truncated at 4",
            "core: LSTM, truncated at 8",
        ),
    ]
    assert len(variants(houses_demo().max_steps)) == len(found) + 1
    for variant in found:
        config = variant.config(base)
        part = config.language if variant.place == "encoder" else config.navigator
        other = config.navigator if variant.place == "encoder" else config.language
        assert (part.cell, part.layers) == (variant.cell, variant.layers)
        assert (other.cell, other.layers) == ("lstm", 1)
        assert config.gradient_clip == (base.gradient_clip if variant.clip else NO_CLIP)
        assert config.phases["imitation"].truncate == (variant.truncate or base.phases["imitation"].truncate)
    assert Variant("encoder", "lstm").config(base) == Variant("core", "lstm").config(base) == base


@pytest.fixture(scope="module")
def quick(run, runs) -> tuple[dict, Path]:
    """The output of the quick comparison, and its folder."""
    flags = ("--updates", 2, "--episodes", 6, "--threads", 1, "--json")
    result = run("compare.py", "cells", runs / "full", *flags)
    assert result.code == 0, result.errors
    return json.loads(result.output), runs / "full" / "cells"


def test_the_quick_look_measures_every_variant_and_draws(quick):
    table, folder = quick
    assert list(table["rows"]) == [*PLAIN, "core: RNN, not clipped", "core: LSTM, not clipped", *TRUNCATED]
    for row in table["rows"].values():
        assert 0 <= row["SR"][1] <= row["SR"][0] <= row["SR"][2] <= 1
        assert row["decay"][1] <= row["decay"][0] <= row["decay"][2]
        assert (
            sum(part["n"] for part in row["by words"]) == sum(part["n"] for part in row["by metres"]) == row["n"] >= 6
        )
        assert row["gradient norm"]["largest"] >= row["gradient norm"]["median"] > 0
        assert 0 < row["moved"] < 1
    assert list(table["gradients"]) == ["core: RNN", "core: LSTM"]
    for row in table["gradients"].values():
        assert row["truncated"]["cosine"].keys() == row["truncated"]["times as long"].keys() == {"4"}
        assert 0 < row["truncated"]["cosine"]["4"] <= 1
        assert row["step"]["norm"] > 0
        assert row["step"]["clipped"] < row["step"]["before"]
    assert read_json(folder / "cells.json") == table
    assert table["says"] in (folder / "cells.md").read_text()
    for name in ("gradients", "success", "learning"):
        assert (folder / f"{name}.png").stat().st_size > 10_000


def test_in_full_every_agent_is_trained_once(run, runs, tmp_path):
    flags = ("--full", "--seeds", 0, 1, "--scale", 0.01, "--threads", 1, "--out", tmp_path / "out", "--json")
    result = run("compare.py", "cells", runs / "full", *flags)
    assert result.code == 0, result.errors
    table = json.loads(result.output)
    assert {row["seeds"] for row in table["rows"].values()} == {2}
    weights = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("latest.safetensors")}
    assert len(weights) == 2 * (len(table["rows"]) - 1)  # the LSTM in both places is one agent
    again = run("compare.py", "cells", runs / "full", *flags)
    assert json.loads(again.output) == table
    assert weights == {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("latest.safetensors")}


def test_intervals_are_over_seeds_where_there_are_several():
    one, two = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 0.0])
    assert over([one], "aabb") == mean_interval(one, "aabb")
    assert over([one, two], "aabb") == seed_interval(np.array([0.75, 0.25]))
    parts = binned(np.array([1, 2, 3, 4]), [one], "abcd", "{:.0f}")
    assert [(part["from to"], part["n"], part["SR"][0]) for part in parts] == [
        ("1–2", 2, 0.5),
        ("3–3", 1, 1),
        ("4–4", 1, 1),
    ]


def test_the_report_says_what_the_intervals_show():
    lstm = {"decay": [0.9, 0.88, 0.92]}
    told = {name: {"encoder: LSTM": lstm, "core: LSTM": lstm} for name in ("faster", "alike", "explodes")}
    for name, decay in (("faster", [0.6, 0.5, 0.7]), ("alike", [0.89, 0.87, 0.91]), ("explodes", [1.4, 1.2, 1.6])):
        told[name] |= {key: {"decay": decay} for key in ("encoder: RNN", "core: RNN")}
    assert conclusions(told["faster"]).count("vanishes faster in the RNN") == 2
    assert conclusions(told["alike"]).count("is not shown to vanish faster in the RNN") == 2
    assert conclusions(told["explodes"]).count("explodes in the RNN") == 2


def test_paths_on_graphs_are_as_long_as_their_edges(small_data):
    world = small_world(small_data, splits=("train",))
    told = {str(entry["path_id"]): entry["distance"] for entry in read_json(small_data / "r2r" / "R2R_train.json")}
    expected = [told[episode.episode_id.partition("_")[0]] for episode in world.splits["train"]]
    np.testing.assert_allclose(world.data.path_lengths("train"), expected, atol=0.01)


# --- bias ---


@pytest.fixture(scope="module")
def audited(run, runs) -> dict:
    """The output of the audit of the three agents."""
    flags = ("--checkpoint", "latest", "--episodes", 0, "--threads", 1, "--json")
    result = run("compare.py", "bias", *(runs / name for name in ("full", "blind", "deaf")), *flags)
    assert result.code == 0, result.errors
    return json.loads(result.output)


def test_the_audit_has_a_row_for_everything_taken_away(audited, runs, run):
    ((title, found),) = audited.items()
    assert title == "full: r2r val_unseen"
    rows = found["rows"]
    assert list(rows) == [
        *(FULL, "no vision", "no language", "neither", "shuffled instructions"),
        *("no landmark words", "no direction words", "no numbers", "no colours"),
        *("trained without vision (blind)", "trained without language (deaf)"),
    ]
    for name, flag in (("no vision", "vision"), ("no language", "language")):
        result = run("evaluate.py", runs / "full", "--checkpoint", "latest", "--ablate", flag, "--json")
        (own, *_) = json.loads(result.output).values()
        assert rows[name]["SR"] == pytest.approx(own["SR"])
        assert rows[name]["SPL"] == pytest.approx(own["SPL"])
    for row in rows.values():
        assert row["change"][0] == pytest.approx(row["SR"] - rows[FULL]["SR"])
    assert rows[FULL]["change"] == [0, 0, 0]
    assert rows["no landmark words"]["touched"] == 1  # every instruction names some
    assert rows["no numbers"]["touched"] == 0
    folder = runs / "full" / "bias"
    assert read_json(folder / "val_unseen.json") == found
    assert found["says"] in (folder / "val_unseen.md").read_text()
    assert (folder / "val_unseen.png").stat().st_size > 10_000


def test_what_has_been_measured_is_not_measured_again(audited, runs, run, monkeypatch):
    monkeypatch.setattr("agents.studies.inputs.evaluate", None)
    flags = ("--checkpoint", "latest", "--episodes", 0, "--threads", 1, "--json")
    result = run("compare.py", "bias", *(runs / name for name in ("full", "blind", "deaf")), *flags)
    assert json.loads(result.output) == audited


def test_the_table_is_shown_with_its_sentence(audited, runs, run):
    flags = ("--checkpoint", "latest", "--episodes", 6, "--threads", 1, "--split", "val_seen")
    result = run("compare.py", "bias", runs / "full", *flags)
    assert result.code == 0, result.errors
    assert "full: r2r val_seen" in result.output
    assert "With neither sight nor words it arrives in" in " ".join(result.output.split())


# --- bad input ---


def damaged(runs: Path, folder: Path, vocabulary: str) -> Path:
    """A copy of a run with another vocabulary."""
    shutil.copytree(runs / "full", folder, ignore=shutil.ignore_patterns("cells", "bias", "tensorboard"))
    (folder / "vocabulary.json").write_text(vocabulary)
    return folder


def refused(result: Result, *parts: str) -> bool:
    """Whether a script ended with one sentence that has these parts."""
    assert result.code == 2, result.errors
    assert result.errors.count("\n") == 1
    for part in parts:
        assert part in result.errors
    return True


@pytest.mark.parametrize("command", ["cells", "bias"])
def test_bad_runs_are_named(command, run, runs, tmp_path):
    assert refused(run("compare.py", command, runs / "nobody"), "there is no checkpoint")
    state = {"iteration": 0, "seconds": 0.0, "config": as_json(small_caption_config()), "fingerprint": {}}
    for name in ("latest", "best"):
        save_checkpoint(tmp_path / f"{name}.safetensors", {}, state)
    assert refused(run("compare.py", command, tmp_path), "is a speaker's", "give the run of a navigator")
    broken = damaged(runs, tmp_path / "broken", "{")
    assert refused(run("compare.py", command, broken), "vocabulary.json", "is truncated")
    symbols = json.loads((runs / "full" / "vocabulary.json").read_text())["symbols"]
    other = damaged(runs, tmp_path / "other", json.dumps({"unit": "word", "symbols": [*symbols, "zebra"]}))
    assert refused(run("compare.py", command, other), "hash field 'vocabulary'")
    assert refused(run("compare.py", command, runs / "full", "--split", "test"), "--split", "withheld")
    assert refused(run("compare.py", command, runs / "full", "--episodes", -1), "--episodes", "out of range")
    assert not (tmp_path / "other" / command).exists()


def test_bad_comparisons_of_cells_are_named(run, runs, tmp_path):
    assert refused(run("compare.py", "cells", runs / "deaf"), "nothing to encode")
    assert refused(run("compare.py", "cells", runs / "full", "--updates", 0), "--updates")
    assert refused(run("compare.py", "cells", runs / "full", "--full", "--scale", 0), "--scale")


def test_bad_audits_are_named(run, runs):
    assert refused(
        run("compare.py", "bias", runs / "blind"), "trained without vision", "give the run of the full agent"
    )
    assert refused(run("compare.py", "bias", runs / "full", runs / "full"), "different names")
