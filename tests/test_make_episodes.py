"""scripts/make_episodes.py: generated data sets and the checks of its arguments."""

import json

import pytest
from command_line import run_script

from envs.houses.dataset import houses_split


@pytest.fixture
def make(tmp_path):
    return lambda *arguments: run_script("make_episodes.py", *arguments, cache=tmp_path)


def test_what_is_made_is_what_training_finds(make, tmp_path):
    made = make("--splits", "train", "val_seen", "--houses", 2, "--examples", 3, "--json")
    assert (made.code, made.errors.strip()) == (0, "")
    rows = json.loads(made.output)
    assert [row["split"] for row in rows] == ["train", "val_seen"]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "houses").iterdir()}
    for row in rows:
        episodes = houses_split(row["split"], "houses-short", tmp_path / "houses", 2)
        assert (row["houses"], row["episodes"]) == (2, len(episodes))
        assert len(row["instructions"]) == 3
        assert set(row["instructions"]) <= {episode.instruction for episode in episodes}
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "houses").iterdir()}
    assert rows[0]["instructions"][0].split()[0] in make("--splits", "train", "--houses", 2).output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--dataset", "castles"), "dataset: 'castles' is not known"),
        (("--splits", "nowhere"), "split: 'nowhere' of 'houses-short' is not known"),
        (("--splits", "train", "--houses", 0), "houses: 0 is out of range"),
    ],
)
def test_bad_input_is_one_sentence(make, arguments, problem):
    made = make(*arguments)
    assert (made.code, problem in made.errors, made.errors.count("\n")) == (2, True, 1)
