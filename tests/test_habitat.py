"""habitat-sim as a world, asked through worker processes; here of what looks like it, see `look_alike`."""

import ast
import gc
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from habitat_worlds import broken_python, look_alike_workers
from small_house import small_episodes, small_house

from envs.continuous import HousesSimulator, SceneCache, Sensors
from envs.glb import save_glb
from envs.habitat import worker
from envs.habitat.check import check_habitat
from envs.habitat.pool import FOLDER, WorkerPool, end_idle_workers, work_folder
from envs.habitat.scenes import SceneFolder, house_scenes, matterport_scenes
from envs.habitat.settings import VARIABLE, Workers, habitat_interpreter
from envs.habitat.simulator import HabitatSimulator
from envs.navigation import Body
from vln.errors import InputError
from vln.tasks import Motion

EPISODES = small_episodes("one", 4) + small_episodes("two", 4)
SENSORS = Sensors(24, 16, semantic=True, category=True)
COUNT = len(EPISODES)
EVERYONE = torch.arange(COUNT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where exported scenes, navmeshes and the interpreter are."""
    return tmp_path_factory.mktemp("habitat")


@pytest.fixture(scope="module")
def workers(folder) -> Workers:
    return look_alike_workers(folder, count=2)


def placed(folder: Path, workers: Workers, **options) -> HabitatSimulator:
    """Bodies at the starts of the episodes."""
    scenes = SceneFolder(folder / "scenes", small_house)
    simulator = HabitatSimulator(scenes, **{"sensors": SENSORS, "workers": workers, **options})
    simulator.load(EPISODES)
    simulator.resize(COUNT)
    simulator.place(EVERYONE, EVERYONE)
    return simulator


def observed(simulator) -> dict[str, torch.Tensor]:
    """What bodies sense, the privileged labels beside the rest."""
    found = simulator.observe()
    labels = found.pop("privileged", {})
    return {**found, **labels}


def walk(simulator, steps: int = 12, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Everything there is to know on a random walk."""
    random, seen = np.random.default_rng(seed), []
    for _ in range(steps):
        actions = torch.from_numpy(random.choice([1, 1, 2, 3], COUNT))
        collided = simulator.act(actions, torch.ones(COUNT, dtype=torch.bool))
        known = {"collided": collided, "distance": simulator.distance(), "expert": simulator.expert()}
        seen.append({**observed(simulator), **known})
    return seen


# --- what is seen and walked is the same ---


def test_it_is_the_embedded_simulator_where_the_geometry_is(folder, workers):
    one = HousesSimulator(SENSORS, scenes=SceneCache(small_house))
    one.load(EPISODES)
    one.resize(COUNT)
    one.place(EVERYONE, EVERYONE)
    for here, there in zip(walk(one), walk(placed(folder, workers)), strict=True):
        for name in ("rgb", "semantic", "category"):
            assert (here[name] == there[name]).float().mean() > 0.999, name
        torch.testing.assert_close(here["distance"], there["distance"], atol=1e-3, rtol=0)
        # Along the floor a rounded position shows at a distance.
        torch.testing.assert_close(here["depth"], there["depth"], atol=1e-3, rtol=0.01)
        assert torch.equal(here["collided"], there["collided"])
        assert torch.equal(here["previous_action"], there["previous_action"])


def test_the_number_of_workers_does_not_matter(folder, workers):
    several, single = (walk(placed(folder, replace(workers, count=count))) for count in (2, 1))
    for here, there in zip(several, single, strict=True):
        assert all(torch.equal(here[name], there[name]) for name in here)


def test_scenes_stay_with_their_workers(folder, workers):
    simulator = placed(folder, workers)
    assert simulator.pool.count == 2
    assert set(simulator._owners[:4]) != set(simulator._owners[4:])
    before = simulator._owners.copy()
    simulator.place(EVERYONE[:2], EVERYONE[:2])
    assert (simulator._owners == before).all()


def test_labels_and_the_way(folder, workers):
    """Where rooms are known, labels are those of the embedded simulator."""
    labels = dict.fromkeys(("colour", "room", "target", "way", "semantic"), True)
    sensors, episodes = Sensors(24, 16, **labels), [replace(each, target="red sofa") for each in EPISODES]
    seen = []
    for simulator in (
        HousesSimulator(sensors, scenes=SceneCache(small_house)),
        HabitatSimulator(SceneFolder(folder / "scenes", small_house), sensors, workers=workers),
    ):
        simulator.load(episodes)
        simulator.resize(COUNT)
        simulator.place(EVERYONE, EVERYONE)
        seen.append(walk(simulator))
    for here, there in zip(*seen, strict=True):
        for name in labels:
            assert (here[name] == there[name]).float().mean() > 0.999, name
    assert any(each["way"].any() for each in seen[1])
    assert any(each["target"].any() for each in seen[1])


def test_a_blind_body_opens_no_scene(folder, workers):
    simulator = placed(folder, workers, sensors=Sensors(rgb=False, depth=False))
    assert set(simulator.observe()) == {"previous_action"}
    assert simulator.pool.images == {}
    assert torch.isfinite(simulator.distance()).all()


def test_beyond_the_protocol(folder, workers, tmp_path):
    simulator = placed(folder, workers)
    start, goal = EPISODES[0].positions
    path = simulator.shortest_path("one", start, goal)
    np.testing.assert_allclose(path[[0, -1]], [start, goal], atol=0.1)
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    assert length == pytest.approx(float(simulator.distance()[0]), abs=0.05)
    seen, low = simulator.topdown("one", 0.0)
    places = simulator.sample("one", 20, seed=3)
    assert (places == simulator.sample("one", 20, seed=3)).all()
    columns, rows = ((places - low)[:, [0, 2]] / 0.05).astype(int).T
    assert seen[rows, columns].mean() > 0.9
    simulator.save_navmesh("one", str(tmp_path / "one.navmesh"))
    assert (tmp_path / "one.navmesh").is_file()


def test_a_withheld_goal(folder, workers):
    simulator = HabitatSimulator(SceneFolder(folder / "scenes", small_house), SENSORS, workers=workers)
    simulator.load([EPISODES[0].without_goal(), EPISODES[1]])
    simulator.resize(2)
    simulator.place(torch.arange(2), torch.arange(2))
    assert simulator.distance().isnan().tolist() == [True, False]
    assert simulator.expert()[0] == 0


# --- workers that die ---


def test_a_killed_worker_is_followed_by_another_and_nothing_is_lost(folder, workers, capsys):
    undisturbed, simulator = walk(placed(folder, workers)), placed(folder, workers)
    random, seen = np.random.default_rng(0), []
    for number in range(12):
        if number in (3, 7):
            os.kill(simulator.pool.pids[number % 2], signal.SIGKILL)
        actions = torch.from_numpy(random.choice([1, 1, 2, 3], COUNT))
        collided = simulator.act(actions, torch.ones(COUNT, dtype=torch.bool))
        known = {"collided": collided, "distance": simulator.distance(), "expert": simulator.expert()}
        seen.append({**observed(simulator), **known})
    for here, there in zip(undisturbed, seen, strict=True):
        assert all(torch.equal(here[name], there[name]) for name in here)
    assert simulator.pool.restarted == 2
    told = capsys.readouterr().err
    assert re.search(
        r"habitat worker \d \(process \d+\) was killed by signal 9; its last lines: .*; it is started", told
    )


def test_the_last_lines_of_a_worker_are_told(folder, tmp_path, capsys, monkeypatch):
    crash = tmp_path / "crash"
    monkeypatch.setenv("LOOK_ALIKE_CRASH", str(crash))
    # Workers of its own, which know of the crash.
    simulator = placed(folder, look_alike_workers(tmp_path, restarts=1))
    expected = observed(simulator)
    simulator._image_valid[:] = False
    crash.touch()
    assert all(torch.equal(image, expected[name]) for name, image in observed(simulator).items())
    assert "was killed by signal 6; its last lines: out of memory" in capsys.readouterr().err


def test_a_worker_that_always_dies_is_given_up(tmp_path):
    program = tmp_path / "worker.py"
    text = Path(worker.__file__).read_text()
    program.write_text(
        text.replace("def hello(self)", "def draw(self, **_):\n        os._exit(3)\n\n    def hello(self)")
    )
    program.write_text(program.read_text().replace("    def draw(self, rows", "    def _draw(self, rows"))
    scenes = SceneFolder(tmp_path / "scenes", small_house)
    simulator = HabitatSimulator(scenes, SENSORS, workers=look_alike_workers(tmp_path, program=program, restarts=1))
    simulator.load(EPISODES)
    simulator.resize(1)
    simulator.place(torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(InputError, match=r"ended with code 3; its last lines: .*; that was 2 times in a row"):
        simulator.observe()


def test_a_worker_that_gives_no_answer_is_ended(tmp_path):
    program = tmp_path / "worker.py"
    program.write_text("import time\nprint('still thinking', flush=True)\ntime.sleep(60)\n")
    pool = WorkerPool(Workers(sys.executable, program=program, timeout=1.0), 1, {}, {})
    with pytest.raises(InputError, match="it gave no answer for 1 s and was ended; its last lines: still thinking"):
        pool.ask_one(0, "hello")


def test_workers_without_work_are_taken_again(folder, workers):
    simulator = placed(folder, workers)
    pids = set(simulator.pool.pids)
    simulator.close()
    assert set(placed(folder, workers).pool.pids) & pids


def test_lines_that_are_always_there_do_not_hide_the_cause(tmp_path):
    program = tmp_path / "worker.py"
    noise = [f"[12:0{n}] PbrIBLHelper.cpp({n}) : no light texture 'none' for the brdf lookup table" for n in range(6)]
    text = Path(worker.__file__).read_text()
    usual = "print('drawing frame', {}, flush=True)"
    text = text.replace(
        "def hello(self)", f"def draw(self, **_):\n        {usual.format(2)}\n        fail()\n\n    def hello(self)"
    )
    text = text.replace("    def draw(self, rows", "    def _draw(self, rows")
    text = text.replace(
        '        return {"habitat": self._version',
        f'        {usual.format(1)}\n        return {{"habitat": self._version',
    )
    cause = f"\n\ndef fail():\n    print('out of video memory', *{noise!r}, sep='\\n', flush=True)\n    os._exit(4)\n"
    program.write_text(text.replace("\n\n# --- the process ---", cause + "\n\n# --- the process ---"))
    scenes = SceneFolder(tmp_path / "scenes", small_house)
    simulator = HabitatSimulator(scenes, SENSORS, workers=look_alike_workers(tmp_path, program=program, restarts=0))
    simulator.load(EPISODES)
    simulator.resize(1)
    simulator.place(torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(InputError, match="ended with code 4; its last lines: out of video memory; that was"):
        simulator.observe()


def test_folders_of_workers_that_were_killed_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, others = tmp_path / f"{FOLDER}{dead.pid}-abc", tmp_path / f"{FOLDER}1-abc"
    for each in (left, others):
        (each / "data").mkdir(parents=True)
    folder = work_folder()
    assert not left.exists()
    assert others.is_dir(), "a run that goes on needs its own"
    lighting = json.loads(Path(folder.name, "data", "default.pbr_config.json").read_text())
    assert lighting["enable_ibl"] is False
    folder.cleanup()
    assert list(tmp_path.iterdir()) == [others]


def test_the_folder_of_a_killed_worker_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = tmp_path / "worker.py"
    program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    pool = WorkerPool(Workers(sys.executable, program=program), 1, {}, {})
    with pytest.raises(InputError, match="it was killed by signal 9"):
        pool.ask_one(0, "hello")
    del pool
    gc.collect()
    end_idle_workers()
    assert not list(tmp_path.glob(f"{FOLDER}*"))


def test_a_package_tells_the_version(tmp_path, monkeypatch):
    """0.3.4 calls itself 0.3.3."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert worker.version_of("0.3.3") == "0.3.3"
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "habitat-sim-0.3.4-py3.9.json").write_text(
        json.dumps({"name": "habitat-sim", "version": "0.3.4"})
    )
    (tmp_path / "conda-meta" / "habitat-sim-mutex-1.0.json").write_text(
        json.dumps({"name": "habitat-sim-mutex", "version": "1.0"})
    )
    assert worker.version_of("0.3.3") == "0.3.4"


def test_an_interpreter_is_tried_before_anything_is_made(tmp_path, monkeypatch):
    """Its version is asked for and a scene opened; what is wrong is one sentence, and nothing is left behind."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("VLN_CACHE", str(work / "cache"))
    assert check_habitat(look_alike_workers(tmp_path)) == "look-alike 1"
    with pytest.raises(InputError, match="habitat_sim cannot be imported"):
        check_habitat(Workers(broken_python(tmp_path)))
    assert not list(work.iterdir())


# --- the worker's file ---


def test_the_worker_runs_on_python_3_9_with_numpy_and_habitat_sim_alone():
    source = Path(worker.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 9))
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert modules - sys.stdlib_module_names == {"numpy", "habitat_sim"}
    newer = {"match", "Match", "TryStar", "TypeAlias"}
    assert not {type(node).__name__ for node in ast.walk(tree)} & newer
    assert "strict=" not in source


# --- bad input ---


def test_no_habitat_sim(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"there is no habitat-sim in this interpreter, and \${VARIABLE} is not set"):
        habitat_interpreter()
    with pytest.raises(InputError, match="nowhere/python: is no interpreter of Python; install habitat-sim with conda"):
        habitat_interpreter("/nowhere/python")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="is no interpreter of Python"):
        habitat_interpreter()


def test_an_interpreter_without_habitat_sim(tmp_path):
    scenes = SceneFolder(tmp_path, small_house)
    simulator = HabitatSimulator(scenes, SENSORS, workers=Workers(broken_python(tmp_path), count=1, cache=tmp_path))
    problem = (
        r"habitat_sim cannot be imported \(ImportError: libEGL.so.1: cannot open.*\); install habitat-sim with conda"
    )
    simulator.load(EPISODES)
    simulator.resize(1)
    with pytest.raises(InputError, match=problem):
        simulator.place(torch.tensor([0]), torch.tensor([0]))


def test_scenes_that_are_missing(tmp_path):
    with pytest.raises(InputError, match="nothing.glb: the scene is missing; put it there"):
        SceneFolder(tmp_path).file("nothing")
    with pytest.raises(InputError, match="scene 'nothing': is no generated house"):
        house_scenes(tmp_path).file("nothing")
    problem = (
        rf"{tmp_path}/2azQ1b91cZZ/2azQ1b91cZZ.glb: the scene is missing; ask for Matterport3D at https://niessner.*"
        rf"put 2azQ1b91cZZ/2azQ1b91cZZ.glb and .*navmesh into {tmp_path}"
    )
    with pytest.raises(InputError, match=problem):
        matterport_scenes(tmp_path).file("2azQ1b91cZZ")


def test_a_scene_that_is_gone_when_it_is_opened(tmp_path, workers):
    scenes = SceneFolder(tmp_path, small_house)
    simulator = HabitatSimulator(scenes, SENSORS, workers=workers)
    simulator.load(EPISODES)
    simulator.resize(1)
    scenes.file("one").unlink()
    with pytest.raises(InputError, match="one.stage_config.json: the scene is missing"):
        simulator.place(torch.tensor([0]), torch.tensor([0]))


@pytest.mark.parametrize("content", [{"agent_radius": 0.3}, {"agent_radius": 0.15, "agent_height": 0.9}])
def test_a_navmesh_for_others_is_left_aside(tmp_path, workers, content):
    """habitat-sim makes its own then, as it does for the body of RxR, which is none of Matterport3D's navmeshes."""
    glb = save_glb(small_house("one"), tmp_path / "scenes")
    (tmp_path / "scenes" / "one.navmesh").write_text(json.dumps({"scene": str(glb), **content}))
    fresh = replace(workers, cache=tmp_path / "navmeshes")
    simulator = HabitatSimulator(SceneFolder(tmp_path / "scenes"), SENSORS, workers=fresh)
    simulator.load(EPISODES)
    simulator.resize(1)
    simulator.place(torch.tensor([0]), torch.tensor([0]))
    (made,) = (tmp_path / "navmeshes").iterdir()
    told = json.loads(made.read_text())
    assert (told["agent_radius"], told["agent_height"]) == (0.15, 1.5)


def test_a_navmesh_that_is_none(tmp_path, workers):
    save_glb(small_house("one"), tmp_path)
    (tmp_path / "one.navmesh").write_text("nonsense")
    simulator = HabitatSimulator(SceneFolder(tmp_path), SENSORS, workers=workers)
    simulator.load(EPISODES)
    simulator.resize(1)
    with pytest.raises(InputError, match="one.navmesh: is no navmesh that habitat-sim look-alike 1 reads"):
        simulator.place(torch.tensor([0]), torch.tensor([0]))


def test_a_navmesh_that_fits_is_taken(tmp_path, workers):
    glb = save_glb(small_house("one"), tmp_path)
    (tmp_path / "one.navmesh").write_text(json.dumps({"scene": str(glb), "agent_radius": 0.25}))
    simulator = HabitatSimulator(SceneFolder(tmp_path), SENSORS, workers=workers, body=Body(radius=0.25))
    simulator.load(EPISODES)
    simulator.resize(1)
    simulator.place(torch.tensor([0]), torch.tensor([0]))
    assert torch.isfinite(simulator.distance()).all()


@pytest.mark.parametrize("end", ["start", "goal"])
def test_places_outside_are_named(folder, workers, end):
    outside, inside = (-3.0, 0.0, 1.0), EPISODES[0].positions[0]
    positions = (outside, inside) if end == "start" else (inside, outside)
    simulator = HabitatSimulator(SceneFolder(folder / "scenes", small_house), SENSORS, workers=workers)
    simulator.load([replace(EPISODES[0], positions=positions)])
    simulator.resize(1)
    problem = f"episode 'one-0_0': its {end} (-3.00, 0.00, 1.00) is outside the walkable area of scene 'one'"
    with pytest.raises(InputError, match=re.escape(problem)):
        simulator.place(torch.tensor([0]), torch.tensor([0]))
    # What went wrong leaves the workers of use.
    assert torch.isfinite(placed(folder, workers).distance()).all()


def test_images_of_another_size(folder, workers, monkeypatch):
    simulator = placed(folder, workers)
    size = simulator._settings
    simulator.close()
    monkeypatch.setattr(simulator, "_settings", lambda: size() | {"width": 20})
    with pytest.raises(
        InputError, match=r"sensor 'rgb' of habitat-sim: its images are \(16, 20, 3\), not \(16, 24, 3\)"
    ):
        simulator.observe()


def test_two_versions_in_one_run(folder, tmp_path, monkeypatch):
    simulator = placed(folder, look_alike_workers(tmp_path))
    os.kill(simulator.pool.pids[0], signal.SIGKILL)
    monkeypatch.setenv("LOOK_ALIKE_VERSION", "look-alike 2")
    with pytest.raises(InputError, match="habitat-sim look-alike 2 answers, and look-alike 1 did before"):
        walk(simulator, 1)


@pytest.mark.parametrize(
    ("options", "problem"), [({"count": -1}, "-1 is out of range"), ({"scenes": 0}, "0 are to be")]
)
def test_settings_out_of_range(options, problem):
    with pytest.raises(InputError, match=problem):
        Workers(**options)


def test_settings_reach_the_worker(folder, workers):
    simulator = placed(folder, workers, motion=Motion(forward=0.1, turn=30, sliding=False))
    before = simulator.poses()
    collided = simulator.act(torch.ones(COUNT, dtype=torch.int64), torch.ones(COUNT, dtype=torch.bool))
    for one, other, blocked in zip(before, simulator.poses(), collided.tolist(), strict=True):
        moved = np.linalg.norm(np.subtract(other.position, one.position))
        assert moved == (0 if blocked else pytest.approx(0.1, abs=1e-5))
