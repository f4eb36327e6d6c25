"""The ablation: all rows are trained once, from what they start from, and end in a table and in curves."""

import json

import numpy as np
import pytest
from command_line import run_script

from agents.studies.rcm import HEADS, IMITATION, SPLITS, cells, chosen, rcm_rows, summary
from agents.studies.trainings import shorter, slug
from vln.episodes import Episode
from vln.errors import InputError
from vln.tables import markdown_table


@pytest.mark.parametrize("dataset", ["r2r", "houses-short"])
def test_rows_come_after_those_they_start_from(dataset):
    rows = rcm_rows(dataset)
    before: set[str] = set()
    for name, row in rows.items():
        assert not row.start or row.start in before
        before.add(name)
    assert [name for name, row in rows.items() if row.critic] == [
        *("RCM - extrinsic", "RCM - cross-modal", "RCM", "RCM + SIL (seen)", "RCM + SIL (unseen)"),
    ]
    assert len({slug(name) for name in rows}) == len(rows)


def test_each_row_differs_in_what_it_is_called_by():
    rows = rcm_rows("r2r")
    whole = rows["RCM"].config
    assert whole.phases["reinforcement"].loss.intrinsic
    assert whole.task.reward.success
    assert whole.navigator.cross_modal
    assert not rows["RCM - intrinsic"].config.phases["reinforcement"].loss.intrinsic
    extrinsic = rows["RCM - extrinsic"].config.task.reward
    assert (extrinsic.progress_weight, extrinsic.success, extrinsic.failure) == (0, 0, 0)
    assert not rows["RCM - cross-modal"].config.navigator.cross_modal
    assert {split for row in rows.values() for split in row.config.explored_splits} == {"val_seen", "val_unseen"}
    updates = {
        sum(phase.iterations for phase in rows[name].config.phases.values())
        for name in ("supervised only", "RCM - intrinsic", "RCM - extrinsic", "RCM")
    }
    assert len(updates) == 1


def test_chosen_rows_bring_what_they_need():
    rows = rcm_rows("r2r")
    assert list(chosen(rows, ["RCM + SIL (unseen)"])) == [IMITATION, "RCM", "RCM + SIL (unseen)"]
    assert chosen(rows, []) == rows
    with pytest.raises(
        InputError, match=r"--rows: 'rcm' is not known; use one of imitation, .* \(did you mean 'RCM'\?\)"
    ):
        chosen(rows, ["rcm"])


def test_means_leave_out_ends_from_which_no_way_leads_to_the_goal():
    episodes = [Episode(str(number), "house", "made", "Go.", (str(number),), 0.0) for number in range(2)]
    scores = {"NE": np.array([1.5, np.inf]), "SR": np.array([1.0, 0.0]), "SPL": np.ones(2), "nDTW": np.ones(2)}
    seed = {split: {**scores, "episodes": episodes, "minutes": 1.0} for split in SPLITS}
    found = summary(IMITATION, {IMITATION: [seed, seed]}, rcm_rows("houses-short"))
    assert (found["val_unseen"]["NE"], found["val_unseen"]["SR"]) == (1.5, 0.5)


def test_shorter_runs_keep_at_least_one_update():
    config = shorter(rcm_rows("r2r")["RCM"].config, 1e-9)
    assert config.phases["reinforcement"].iterations == config.evaluate_every == 1
    assert config.phases["imitation"].iterations == 0


def test_table_and_curves_through_the_command_line(small_data, tmp_path):
    arguments = ("rcm", "--out", tmp_path, "--scale", 0.0003, "--rows", "RCM + SIL (unseen)", "--data", small_data)
    result = run_script("ablate.py", *arguments, "--threads", 1, "--json", cache=small_data / "cache")
    assert result.code == 0, result.errors
    table = json.loads(result.output)
    assert list(table) == [IMITATION, "RCM", "RCM + SIL (unseen)"]
    gain = table["RCM"]["val_unseen"]
    assert gain["SR gain"] == pytest.approx(gain["SR"] - table[IMITATION]["val_unseen"]["SR"])
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert (tmp_path / "table.md").read_text() == markdown_table(
        HEADS, [cells(name, row) for name, row in table.items()]
    )
    weights = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("latest.safetensors")}
    assert len(weights) == 4
    again = run_script("ablate.py", *arguments, "--threads", 1, "--json", cache=small_data / "cache")
    assert json.loads(again.output) == table
    assert weights == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("latest.safetensors")}


@pytest.mark.parametrize(("flag", "value"), [("--scale", 0), ("--scale", 2), ("--rows", "nothing")])
def test_bad_flags_are_named(flag, value, tmp_path):
    result = run_script("ablate.py", "rcm", "--out", tmp_path / "out", flag, value, cache=tmp_path)
    assert result.code == 2
    assert flag in result.errors
    assert not (tmp_path / "out").exists()
