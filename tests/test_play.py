"""Playing: scripted keys in houses and in meshes, watching agents, and bad input."""

import io
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Result, run_script
from glb_files import write_triangles
from rich.console import Console
from small_house import small_episodes, small_house

from agents.config import CameraConfig, LanguageConfig, NavigatorConfig, TrainConfig, data_options
from agents.evaluation import rollout
from agents.playing import Player
from agents.policies.navigator import build_navigator
from agents.runs import fingerprint
from agents.training.checkpoint import save_checkpoint
from envs.continuous import SceneCache, Sensors
from envs.continuous.floorplan import floor_plan
from envs.glb import save_glb
from envs.make import make_env, open_task
from envs.playing.challenges import house_episodes
from envs.playing.screen import Screen, view_camera
from vln.configuration import as_json
from vln.errors import InputError
from vln.keyboard import Script
from vln.language import Vocabulary
from vln.tasks import find_task
from vln.trajectory import read_trajectories

CONFIG = TrainConfig(
    task=replace(find_task("houses-short-fine"), max_steps=60),
    scenes=2,
    language=LanguageConfig(min_count=1, word_vectors=False, embedding=16, hidden=8),
    policy=NavigatorConfig(hidden=16, view=16, camera=CameraConfig(size=16, cells=4, channels=8)),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def play(cache):
    def call(*arguments: object) -> Result:
        return run_script("play.py", *arguments, cache=cache)

    return call


@pytest.fixture(scope="module")
def mesh(tmp_path_factory) -> Path:
    """The small house as a file."""
    return save_glb(small_house("mesh"), tmp_path_factory.mktemp("mesh"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a run whose agent has learnt nothing."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    folder.mkdir()
    vocabulary = Vocabulary.build(["go to the red sofa and stop"], 1)
    data = open_task(CONFIG.task, [], vocabulary=vocabulary, **data_options(CONFIG))
    state = {"iteration": 0, "seconds": 0.0, "config": as_json(CONFIG), "fingerprint": as_json(fingerprint(data))}
    save_checkpoint(folder / "best.safetensors", {"average": build_navigator(CONFIG, data).state_dict()}, state)
    (folder / "vocabulary.json").write_text(vocabulary.to_json())
    return folder


def test_a_house_by_keys(play, tmp_path):
    out = tmp_path / "kept" / "lived.jsonl"
    result = play("--house", 7, "--seed", 1, "--keys", "wAdh?mx ", "--out", out)
    assert result.code == 0, result.errors
    (trajectory,) = read_trajectories(out)
    assert [step.choice for step in trajectory.steps] == ["forward", "left", "right", "stop"]
    assert trajectory.scan == "house-000007"
    assert trajectory.agent == "person"
    assert len(trajectory.distances) == 5
    assert result.output.startswith("✘ failure: stopped")
    assert "SPL" in result.output


def test_next_and_quit(play, tmp_path):
    out = tmp_path / "lived.jsonl"
    result = play("--house", 7, "--seed", 1, "--keys", "wn  n q", "--out", out)
    assert result.code == 0, result.errors
    assert len({each.episode_id for each in read_trajectories(out)}) == 2


def test_the_same_seed_is_the_same_episode(play, tmp_path):
    for name in "ab":
        play("--seed", 5, "--keys", " ", "--out", tmp_path / name)
    first, second = (read_trajectories(tmp_path / name)[0] for name in "ab")
    assert first.instruction == second.instruction
    assert first.start == second.start
    assert first.scan >= "house-800000"


def test_a_mesh_by_keys_and_its_replay(play, mesh, cache, tmp_path):
    out = tmp_path / "lived.jsonl"
    place = small_episodes("mesh", 1)[0].positions[0]
    result = play("--scene", mesh, "--start", *place, "--heading", 90, "--keys", "ww ", "--out", out)
    assert result.code == 0, result.errors
    assert "no goal" in result.output
    (trajectory,) = read_trajectories(out)
    assert trajectory.start.heading == pytest.approx(np.pi / 2)
    assert trajectory.steps[1].pose.position[0] < place[0]
    shown = run_script("replay.py", out, "--out", tmp_path / "figures", cache=cache)
    assert shown.code == 0, shown.errors
    assert (tmp_path / "figures" / f"{trajectory.episode_id}.png").exists()


def test_walks_of_several_sessions_are_kept_side_by_side(play, mesh, cache, tmp_path):
    out = tmp_path / "lived.jsonl"
    for seed, keys in ((0, "w n "), (1, " "), (0, "w ")):  # the last session is the first again
        result = play("--scene", mesh, "--seed", seed, "--keys", keys, "--out", out)
        assert result.code == 0, result.errors
    kept = read_trajectories(out)
    assert [len(each.steps) for each in kept] == [2, 1, 1, 2]
    assert len({each.episode_id for each in kept}) == 4
    drawn = run_script("replay.py", out, "--out", tmp_path / "figures", cache=cache)
    assert drawn.code == 0, drawn.errors
    assert len(list((tmp_path / "figures").iterdir())) == 4


def test_episodes_of_a_house_have_ids_of_their_own():
    first, second = (next(house_episodes(7, "houses-short", random.Random(seed))) for seed in (0, 1))
    assert first.episode_id != second.episode_id


def test_what_is_no_trajectory_is_not_overwritten(play, tmp_path):
    out = tmp_path / "lived.jsonl"
    out.write_text("my notes\n")
    result = play("--house", 7, "--keys", " ", "--out", out)
    assert result.code == 2
    assert "lived.jsonl" in result.errors
    assert out.read_text() == "my notes\n"


def test_an_agent_is_watched(play, mesh, run, tmp_path):
    out = tmp_path / "lived.jsonl"
    told = "Go to the red sofa."
    result = play("--scene", mesh, "--agent", run, "--instruction", told, "--seed", 0, "--out", out)
    assert result.code == 0, result.errors
    (trajectory,) = read_trajectories(out)
    assert (trajectory.agent, trajectory.instruction) == ("untrained", told)
    assert 1 <= len(trajectory.steps) <= CONFIG.task.max_steps
    assert len(trajectory.steps[0].word_attention) == len(trajectory.words)


def test_an_agent_that_has_only_its_latest_checkpoint(play, run, tmp_path):
    stopped = tmp_path / "stopped"
    shutil.copytree(run, stopped)
    (stopped / "best.safetensors").rename(stopped / "latest.safetensors")
    result = play("--house", 7, "--agent", stopped, "--seed", 2)
    assert result.code == 0, result.errors


def test_an_agent_in_an_episode_of_a_house(play, run):
    result = play("--house", 7, "--agent", run, "--seed", 2)
    assert result.code in (0, 2)  # its few words may not be in the instruction
    assert "goal" in result.output or "known to the agent" in result.errors


def test_words_that_an_agent_does_not_know_are_named(play, mesh, run):
    told = "Go to the frobnicator, frobnicator and the réd sofa."
    result = play("--scene", mesh, "--agent", run, "--seed", 0, "--instruction", told)
    assert result.code == 0, result.errors
    assert "words that the agent does not know: frobnicator, réd\n" in result.errors


def test_what_a_screen_shows():
    episode, cache = small_episodes("a", 1)[0], SceneCache(small_house)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=120, height=40)
    plan = floor_plan(small_house("a"))

    data = open_task(CONFIG.task, [], vocabulary=Vocabulary.build([episode.instruction], 1), scene_cache=cache)
    env = make_env(data.only("play", [episode]), "play", record=True, blind=True)
    with Screen(console, episode, plan, cache.get("a"), view_camera(console, None, Sensors())) as screen:
        trajectory = rollout(Player(Script("h?w "), screen), env)[0]
    assert [step.choice for step in trajectory.steps] == ["forward", "stop"]
    shown = console.file.getvalue()
    for part in (episode.instruction, "▀", "m to the goal", "space or enter", "step 1"):
        assert part in shown


def test_keys_end():
    keys = Script("Wq")
    assert [keys.read() for _ in range(3)] == ["w", "q", ""]


@pytest.mark.parametrize("size", [0, -1, 99_999])
def test_absurd_sizes(size):
    with pytest.raises(InputError, match=f"width of {size} pixels"):
        view_camera(Console(), size, Sensors())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--keys", "w", "--house", 1_000_000), "the seed is not in 0..999999"),
        (("--keys", "w", "--house", -1), "the seed is not in 0..999999"),
        (("--keys", "w", "--scene", "nowhere.glb"), "nowhere.glb"),
        (("--keys", "w", "--house", 1, "--scene", "a.glb"), "--house and --scene: both say where to be"),
        (
            ("--keys", "w", "--house", 1, "--start", 99, 0, 99),
            "(99.00, 0.00, 99.00) is outside the walkable area",
        ),
        (("--keys", "w", "--house", 1, "--start", "nan", 0, 0), "is not three finite coordinates"),
        (("--keys", "w", "--house", 1, "--heading", "inf"), "--heading"),
        (("--keys", "w", "--instruction", " "), "--instruction: is empty"),
        (("--keys", "w", "--size", 0), "an image width of 0 pixels"),
        (("--keys", "w", "--dataset", "r2r"), "'r2r' is not known"),
        (("--keys", "w", "--split", "dawn"), "'dawn'"),
        (("--house", 1), "keyboard: the input is no terminal"),
        (("--house", 1, "--agent", "nowhere"), "there is no checkpoint"),
    ],
)
def test_bad_input(play, arguments, message):
    result = play(*arguments)
    assert result.code == 2, result.output
    assert message in result.errors
    assert result.errors.count("\n") == 1


def test_meshes_that_are_none(play, tmp_path):
    (tmp_path / "noise.glb").write_bytes(b"no mesh")
    assert play("--scene", tmp_path / "noise.glb", "--keys", "w").code == 2
    wall = np.array([[[0, 0, 0], [0, 3, 0], [3, 0, 0]]], np.float32).reshape(-1, 3)
    flat = write_triangles(tmp_path / "wall.glb", wall)
    result = play("--scene", flat, "--keys", "w")
    assert result.code == 2
    assert "walkable floor" in result.errors


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ((), "the agent is told nothing"),
        (("--instruction", "blorp zzyx"), "none of the words of 'blorp zzyx' is known"),
    ],
)
def test_agents_need_something_to_read(play, mesh, run, told, message):
    result = play("--scene", mesh, "--agent", run, *told)
    assert result.code == 2
    assert message in result.errors
