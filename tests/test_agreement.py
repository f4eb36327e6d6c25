"""On every data set, evaluate.py, score.py and replay.py give the same trajectories the same metrics."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from command_line import run_script
from learners import World, open_world
from small_house import small_episodes, small_house
from small_vlnce import told, walked, write_rxr, write_vlnce
from worlds import write_world

from agents.agent import ShortestPathAgent
from agents.config import CameraConfig, NavigatorConfig, TrainConfig
from agents.evaluation import Evaluation, rollout
from envs.glb import save_glb
from envs.houses import dataset as houses_data
from vln.language import Vocabulary
from vln.metrics import METRICS
from vln.tasks import find_task
from vln.trajectory import Trajectory, write_trajectories

SPLIT = "val_unseen"
VOCABULARY = Vocabulary.build(["go to the sofa and stop"], 1, "word")
SHOWN = 4  # episodes that are replayed
CLOSE = 1e-9


@dataclass(frozen=True)
class Case:
    """A task, what is changed in it, and whether there is ground truth."""

    task: str
    changes: tuple[tuple[str, Any], ...] = ()
    truth: bool = True


CASES = {
    "r2r": Case("r2r"),
    "r4r": Case("r4r"),
    "fgr2r": Case("fgr2r"),
    "houses-short": Case("houses-short"),
    "houses": Case("houses"),
    "houses-long": Case("houses-long"),
    "houses-short-fine": Case("houses-short-fine"),
    "r2r-ce": Case("r2r-ce"),
    "r2r-ce without ground truth": Case("r2r-ce", truth=False),
    "rxr-ce": Case("rxr-ce"),
    "rxr-ce follower": Case("rxr-ce", (("role", "follower"),)),
    "rxr-ce in English": Case("rxr-ce", (("languages", ("en-US",)),), truth=False),
}


@pytest.fixture(scope="module")
def graphs(tmp_path_factory) -> Path:
    """Small data sets on graphs: Room-to-Room, closed loops, and aligned clauses."""
    data = write_world(tmp_path_factory.mktemp("graphs"))
    entries = json.loads((data / "r2r" / f"R2R_{SPLIT}.json").read_text())
    loops = [entry | {"path": [*entry["path"], *entry["path"][-2::-1]]} for entry in entries[:3]]
    clauses = {"new_instructions": "[[['go', 'on'], ['stop']]]", "chunk_view": [[[1, 2], [2, 3]]]}
    for name, made in (("r4r/R4R", loops + entries[3:]), ("fgr2r/FGR2R", [entry | clauses for entry in entries])):
        path = data / f"{name}_{SPLIT}.json"
        path.parent.mkdir()
        path.write_text(json.dumps(made))
    return data


@pytest.fixture
def scans(tmp_path) -> Path:
    """Small houses where the scans of Matterport3D would be."""
    save_glb(small_house("two"), tmp_path / "scene_datasets" / "mp3d" / "two")
    return tmp_path


def opened(case: Case, request, cache: Path) -> tuple[World, Path]:
    """The world of a data set, and the data folder."""
    camera = NavigatorConfig(camera=CameraConfig(size=16, cells=4, channels=8))
    task = find_task(case.task)
    task = replace(task, simulator="embedded" if task.continuous else "graph", **dict(case.changes))
    config = TrainConfig(task=task, ablate="vision", policy=camera)
    if case.task.startswith("houses"):
        return open_world(config, None, (SPLIT,), VOCABULARY, cache), cache
    if not case.task.endswith("-ce"):
        data = request.getfixturevalue("graphs")
        return open_world(config, data, (SPLIT,), VOCABULARY, cache), data
    data = request.getfixturevalue("scans")
    entries = [told(number, each) for number, each in enumerate(small_episodes("two", 6))]
    # Published distances were measured in habitat-sim, so they differ a little.
    entries = [each | {"info": {"geodesic_distance": 1.1 * each["info"]["geodesic_distance"]}} for each in entries]
    if case.task == "rxr-ce":
        write_rxr(data, SPLIT, entries, case.truth)
    else:
        write_vlnce(
            data, entries, SPLIT, {str(each["episode_id"]): walked(each) for each in entries} if case.truth else {}
        )
    return open_world(config, data, (SPLIT,), VOCABULARY, cache), data


def lived(world: World) -> list[Trajectory]:
    """Return the expert's trajectories; every other one is cut short, so that some succeed and others fail."""
    env = world.environment(SPLIT, 16, record=True, blind=True)
    found = rollout(ShortestPathAgent(), env)
    return [cut(each) if number % 2 else each for number, each in enumerate(found)]


def cut(trajectory: Trajectory) -> Trajectory:
    """The first third of a trajectory, without a stop."""
    kept = max(1, len(trajectory.steps) // 3)
    return replace(trajectory, steps=trajectory.steps[:kept], distances=trajectory.distances[: kept + 1])


@pytest.mark.parametrize("name", CASES)
def test_all_three_agree(name, request, tmp_path):
    case = CASES[name]
    few = {split: replace(kind, houses=1, paths=3) for split, kind in houses_data.SPLITS.items()}
    with patch.dict(houses_data.SPLITS, few):
        world, data = opened(case, request, tmp_path)
        trajectories = lived(world)
        file = tmp_path / "lived.jsonl"
        write_trajectories(file, trajectories)
        columns = world.scores(SPLIT, trajectories)
        assert 0 < columns["SR"].mean() < 1, "some succeed"
        assert 0 < columns["nDTW"].mean() < 1
        evaluated = Evaluation(trajectories, columns).scores
        assert {metric: evaluated[metric] for metric in METRICS} == {
            metric: pytest.approx(columns[metric].mean(), abs=CLOSE) for metric in METRICS
        }
        where = ("--split", SPLIT, "--data", data, "--json")
        scored = read(run_script("score.py", file, *where, cache=tmp_path))[str(file)]
        assert scored["n"] == len(trajectories)
        assert {metric: scored[metric] for metric in METRICS} == {
            metric: pytest.approx(evaluated[metric], abs=CLOSE) for metric in METRICS
        }
        for row in replayed(file, data, trajectories[:SHOWN], tmp_path):
            number = next(n for n, each in enumerate(trajectories) if each.episode_id == row["episode"])
            for metric in METRICS:
                assert row[metric] == pytest.approx(columns[metric][number], abs=CLOSE), metric


def replayed(file: Path, data: Path, chosen: Sequence[Trajectory], cache: Path) -> list[Any]:
    """Rows of `replay.py`, one an episode."""
    episodes = ("--episode", *(each.episode_id for each in chosen))
    rows = read(run_script("replay.py", file, *episodes, "--data", data, "--json", cache=cache))
    assert len(rows) == len(chosen)
    return rows


def read(result) -> Any:
    assert result.code == 0, result.errors
    return json.loads(result.output)


def test_ground_truth_decides_where_it_is_published(request, tmp_path):
    """All three commands compare walks with the published ground truth and the published shortest path."""
    world, data = opened(CASES["r2r-ce"], request, tmp_path)
    trajectories = lived(world)
    before = world.scores(SPLIT, trajectories)
    (truth,) = data.glob(f"vlnce/*/{SPLIT}/{SPLIT}_gt.json.gz")
    content = json.loads(gzip.decompress(truth.read_bytes()))
    for each in content.values():
        each["locations"] = [[x + 20, y, z] for x, y, z in each["locations"]]
    truth.write_bytes(gzip.compress(json.dumps(content).encode()))
    write_trajectories(tmp_path / "lived.jsonl", trajectories)
    for row in replayed(tmp_path / "lived.jsonl", data, trajectories, tmp_path):
        number = int(row["episode"])
        assert row["nDTW"] < before["nDTW"][number]
        assert row["SPL"] == pytest.approx(before["SPL"][number], abs=CLOSE)


def test_walks_that_are_not_of_the_split_are_named(request, tmp_path):
    world, data = opened(CASES["rxr-ce"], request, tmp_path)
    other = replace(world.config.task, role="follower")
    write_trajectories(tmp_path / "lived.jsonl", [replace(each, task=other) for each in lived(world)])
    result = run_script("replay.py", tmp_path / "lived.jsonl", "--data", data, cache=tmp_path)
    assert (result.code, "episode '0_900' is not in the split" in result.errors) == (2, True), result.errors
