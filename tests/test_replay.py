"""Replay: selection of episodes, content of figures, animations and terminal pages, and bad input."""

import dataclasses
import io
import json
import math
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from command_line import entry_point
from matplotlib.colors import to_rgb
from PIL import Image
from rich.console import Console

from vln.cli import command
from vln.episodes import Episode, load_split
from vln.errors import InputError
from vln.graph import NavigationGraph, load_graphs
from vln.replay.animation import STRONGEST, frames, status
from vln.replay.figure import View, draw_episode, save_png
from vln.replay.moves import describe_step
from vln.replay.select import Selection, make_runs, replay_episodes
from vln.replay.style import AGENTS, ATTENTION, GOAL
from vln.replay.submitted import load_walks, to_trajectories
from vln.replay.terminal import render_episode
from vln.replay.word_attention import shown_words, with_word_attention, word_weights
from vln.rooms import Room, load_rooms
from vln.submission import read_submission, write_submission
from vln.tasks import R2R
from vln.tasks.scoring import Sources
from vln.trajectory import Pose, Step, Trajectory, read_trajectories, write_trajectories


def walk(episode: Episode, graph: NavigationGraph, moves: int, agent: str = "walker") -> Trajectory:
    """The first moves of the demonstration and a stop, with probabilities and attention that moves along the words."""
    words = (*episode.instruction.lower().rstrip(".").split(), "<eos>")
    path = episode.path[: moves + 1]
    start, *poses = [Pose(each, tuple(graph.positions[graph.index[each]].tolist()), 0.0, 0.0) for each in path]
    steps = []
    for number, pose in enumerate([*poses, ([start, *poses])[-1]]):
        choice = pose.viewpoint if number < len(poses) else "stop"
        attention = np.full(len(words), 0.1 / len(words))
        attention[number] += 0.9
        other = graph.viewpoints[0] if choice == "stop" else "stop"
        steps.append(Step(1, choice, pose, False, (other, choice, ""), (0.25, 0.75, 0.0), tuple(attention.tolist())))
    return Trajectory(
        episode.episode_id,
        episode.split,
        episode.scan,
        graph.content_hash,
        episode.instruction,
        words,
        episode.path,
        agent,
        "graph",
        0,
        dataclasses.replace(start, heading=episode.heading),
        tuple(steps),
        task=R2R,
    )


@pytest.fixture(scope="module")
def world(small_data) -> tuple[list[Episode], dict[str, NavigationGraph]]:
    return load_split(small_data, "val_unseen"), load_graphs(small_data / "connectivity")


@pytest.fixture(scope="module")
def walks(world) -> list[Trajectory]:
    """One instruction of each path; the n-th trajectory ends n moves before the goal."""
    episodes, graphs = world
    return [
        walk(episode, graphs[episode.scan], max(len(episode.path) - 1 - number, 0))
        for number, episode in enumerate(episodes[::3])
    ]


def replays_of(small_data, *trajectories: list[Trajectory], **selection):
    runs = make_runs([(Path(f"{number}.jsonl"), each) for number, each in enumerate(trajectories)])
    return replay_episodes(runs, Selection(**selection), Sources(small_data))


def crossing(walks: list[Trajectory]) -> Trajectory:
    """The trajectory that climbs most."""
    return max(walks, key=lambda each: np.ptp([pose.position[2] for pose in each.poses]))


def test_letters_are_attended_to_as_words(walks):
    step = Step(0, "stop", walks[0].start, word_attention=(0.1, 0.2, 0.3, 0.25, 0.15))
    trajectory = dataclasses.replace(walks[0], words=tuple("go up"), steps=(step,))
    words = shown_words([trajectory])
    assert words == ("go", "up")
    np.testing.assert_allclose(word_weights(trajectory, step, words), [0.3, 0.4])


def test_attention_over_other_words_is_not_shown(walks):
    deaf = dataclasses.replace(
        walks[0], words=("<eos>",), steps=tuple(dataclasses.replace(s, word_attention=(1.0,)) for s in walks[0].steps)
    )
    assert with_word_attention([walks[0], deaf]) == [0]


def test_worst_and_best(small_data, walks):
    ranked = replays_of(small_data, walks, worst=len(walks))
    keys = [(each.scores[0]["SPL"], each.scores[0]["nDTW"], -each.scores[0]["NE"]) for each in ranked]
    assert keys == sorted(keys)
    best = replays_of(small_data, walks, best=2)
    assert [each.episode_id for each in best] == [each.episode_id for each in ranked[::-1][:2]]
    assert best[0].scores[0]["NE"] == 0


def test_random_choice_is_seeded(small_data, walks):
    ids = [[each.episode_id for each in replays_of(small_data, walks, random=4, seed=seed)] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    assert len(set(ids[0])) == 4
    assert len(replays_of(small_data, walks, random=99)) == len(walks)


def test_episodes_that_not_all_agents_lived_are_left_out(small_data, walks):
    replays = replays_of(small_data, walks, walks[:2], random=5)
    assert {each.episode_id for each in replays} == {each.episode_id for each in walks[:2]}


def test_agents_of_one_name_are_told_apart(walks, tmp_path):
    files = [tmp_path / "runs" / name / "eval" / "val_unseen.jsonl" for name in ("full", "blind")]
    assert [run.agent for run in make_runs([(file, walks) for file in files])] == ["full", "blind"]
    assert [run.agent for run in make_runs([(Path("a.jsonl"), walks), (Path("b.jsonl"), walks)])] == ["a", "b"]
    assert make_runs([(files[0], walks)])[0].agent == "walker"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scan_hash": "other"}, "field 'scan_hash' of episode"),
        ({"reference": ()}, "field 'reference' of episode '.*' breaks at step 0"),
        ({"reference": ("nowhere",)}, "'nowhere' is not in the graph"),
        ({"words": ("one",)}, "field 'word_attention' of step 0"),
        ({"scan": "nowhere"}, "connectivity graph of scan 'nowhere' is missing"),
    ],
)
def test_trajectories_that_do_not_fit(small_data, walks, change, message):
    with pytest.raises(InputError, match=message):
        replays_of(small_data, [dataclasses.replace(walks[0], **change)], random=1)


def test_files_that_do_not_fit_together(small_data, walks):
    with pytest.raises(InputError, match="an episode occurs twice"):
        make_runs([(Path("a.jsonl"), [walks[0], walks[0]])])
    with pytest.raises(InputError, match="shares no episode"):
        replays_of(small_data, walks[:1], walks[1:], random=1)
    other = dataclasses.replace(walks[0], reference=walks[0].reference[:-1])
    with pytest.raises(InputError, match="has another path than in 0.jsonl"):
        replays_of(small_data, [walks[0]], [other], random=1)
    with pytest.raises(InputError, match="give one to 6 files"):
        make_runs([(Path(f"{number}.jsonl"), walks) for number in range(7)])


def test_submissions_become_trajectories(world, walks, tmp_path):
    episodes, graphs = world
    turned = dataclasses.replace(
        walks[0], steps=(Step(0, "left", dataclasses.replace(walks[0].start, heading=1.0)), *walks[0].steps)
    )
    write_submission(tmp_path / "made.json", [turned, walks[1]])
    made = to_trajectories(read_submission(tmp_path / "made.json"), episodes, graphs, "made", R2R)
    assert [[p.viewpoint for p in each.poses[:-1]] for each in made] == [
        [p.viewpoint for p in each.poses] for each in (turned, walks[1])
    ]
    turn = (1.0 - walks[0].start.heading + math.pi) % (2 * math.pi) - math.pi
    assert made[0].steps[0].choice == ("right" if turn > 0 else "left")
    assert made[0].steps[-1].choice == "stop"
    assert [pose.position for pose in made[1].poses][1:-1] == [pose.position for pose in walks[1].poses][1:]


def has_colour(picture: np.ndarray, colour: str) -> bool:
    """Whether some pixels are of a colour; antialiasing leaves pure ones in the middle of lines."""
    return bool((np.abs(picture[..., :3] / 255 - to_rgb(colour)).max(axis=-1) < 0.01).sum() > 20)


def has_colour_of_light(picture: np.ndarray) -> bool:
    """Whether words are lit up in the colour of attention, right of the maps."""
    light = 1 - STRONGEST * (1 - np.array(to_rgb(ATTENTION)))
    column = picture[: len(picture) // 3, -415:] / 255
    return bool((np.abs(column - light).max(axis=-1) < 0.01).sum() > 20)


def without_attention(trajectory: Trajectory) -> Trajectory:
    steps = tuple(dataclasses.replace(step, word_attention=()) for step in trajectory.steps)
    return dataclasses.replace(trajectory, steps=steps)


def png(replay, path: Path, view: View | None = None) -> np.ndarray:
    save_png(replay, view or View(), path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_figure_shows_agents_and_goal(small_data, walks, tmp_path):
    short = [dataclasses.replace(each, agent="short", steps=each.steps[:1]) for each in walks]
    replay = replays_of(small_data, [crossing(walks)], short, random=1)[0]
    picture = png(replay, tmp_path / "figure.png")
    assert min(picture.shape[:2]) > 400
    assert all(has_colour(picture, colour) for colour in (*AGENTS[:2], GOAL))
    assert not has_colour(picture, AGENTS[2])


def test_figure_without_goal(small_data, walks, tmp_path):
    withheld = dataclasses.replace(walks[0], reference=walks[0].reference[:1])
    replay = replays_of(small_data, [withheld], random=1)[0]
    assert replay.scores == (None,)
    assert not has_colour(png(replay, tmp_path / "figure.png"), GOAL)
    assert "SPL" not in printed(replay)


def test_signs_of_formulas_and_markup_are_text(small_data, walks, tmp_path):
    odd = dataclasses.replace(walks[0], instruction="Pay $5 at the [bold]bar[/] with $\\no$ sign", steps=())
    replay = replays_of(small_data, [odd], random=1)[0]
    png(replay, tmp_path / "figure.png")
    assert "[bold]bar[/]" in printed(replay)


def test_floors_shown(small_data, walks):
    climber = replays_of(small_data, [crossing(walks)], random=1)[0]
    flat = min(walks, key=lambda each: np.ptp([pose.position[2] for pose in each.poses]))
    staying = dataclasses.replace(flat, reference=flat.reference[:1])
    level = replays_of(small_data, [staying], random=1)[0]
    shown = {
        view: [panel.floor for panel in draw_episode(climber, View(floors=view)).panels] for view in ("touched", "1")
    }
    assert sorted(shown["touched"]) == [0, 1]
    assert shown["1"] == [0]
    assert len(draw_episode(level, View()).panels) == 1
    assert len(draw_episode(level, View(floors="all")).panels) == 2
    for floor in ("0", "3", "cellar"):
        with pytest.raises(InputError, match=f"no floor '{floor}'; give a number from 1 to 2"):
            draw_episode(level, View(floors=floor))


def test_rooms_are_named(small_data, walks):
    replay = replays_of(small_data, [crossing(walks)], random=1)[0]
    rooms = {replay.graph.scan: dict.fromkeys(replay.graph.viewpoints, Room(0, "k", "kitchen"))}
    names = [
        [text.get_text() for panel in draw_episode(replay, view).panels for text in panel.axes.texts]
        for view in (View(rooms), View())
    ]
    assert "kitchen" in names[0]
    assert "kitchen" not in names[1]


def printed(replay) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(render_episode(replay))
    return console.file.getvalue()


def test_terminal_tells_steps_words_and_scores(small_data, walks):
    replay = replays_of(small_data, [walks[0]], random=1)[0]
    page = printed(replay)
    for part in (f"Episode {replay.episode_id}", "walker", "start", "stop", "0.75", "to goal", "SPL", "nDTW"):
        assert part in page
    first = walks[0].words[0]
    assert f"[{first}] {walks[0].words[1]}" in page
    assert f"{describe_step(walks[0].start, walks[0].steps[0])}" in page
    assert "0.0 m" in page


@pytest.fixture
def run(monkeypatch, capsys, small_data, walks, tmp_path):
    """Run the script on a file of trajectories; returns exit code, output and errors."""
    write_trajectories(tmp_path / "run.jsonl", walks)

    def call(*arguments: str, file: str = "run.jsonl") -> tuple[int, str, str]:
        argv = ["replay.py", str(tmp_path / file), "--data", str(small_data), *arguments]
        monkeypatch.setattr(sys, "argv", argv)
        code = 0
        try:
            command(entry_point("replay").main)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return call


def test_attention_lights_words_up(small_data, walks):
    read, unread = (
        frames(replays_of(small_data, [each], random=1)[0], View()) for each in (walks[0], without_attention(walks[0]))
    )
    assert len(read) == len(walks[0].steps) + 1
    assert not has_colour_of_light(unread[1])
    assert not has_colour_of_light(read[0])
    assert all(has_colour_of_light(picture) for picture in read[1:])


def test_script_writes_all_formats(run, walks, tmp_path):
    chosen = crossing(walks)
    out = tmp_path / "figures"
    code, output, _ = run("--episode", chosen.episode_id, "--out", str(out), "--format", "png", "gif", "mp4")
    assert code == 0
    files = [out / f"{chosen.episode_id}.{kind}" for kind in ("png", "gif", "mp4")]
    assert all(str(file) in output for file in files)
    assert sorted(out.iterdir()) == sorted(files)
    with Image.open(files[1]) as image:
        assert image.n_frames == len(chosen.steps) + 1
        first = np.asarray(image.convert("RGB"))
        image.seek(image.n_frames - 1)
        assert has_colour(np.asarray(image.convert("RGB")), AGENTS[0])
        assert (np.asarray(image.convert("RGB")) != first).any()
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(files[2]))
    assert count > len(chosen.steps)
    assert seconds > 0.5 * len(chosen.steps)


def test_failure_is_told_as_loudly_as_success(small_data, walks):
    good, bad = walks[0], dataclasses.replace(walks[0], agent="lost", steps=walks[0].steps[-1:])
    bad = dataclasses.replace(bad, steps=(dataclasses.replace(bad.steps[0], pose=bad.start),))
    replay = replays_of(small_data, [good], [bad], random=1)[0]
    assert [score["SR"] for score in replay.scores] == [1, 0]
    scene = draw_episode(replay, View())
    told = {text.get_text(): text for text in scene.text.texts}
    assert told["✔ yes"].get_fontsize() == told["✘ no"].get_fontsize()
    assert told["✔ yes"].get_weight() == told["✘ no"].get_weight() == "bold"
    assert told["✔ yes"].get_color() != told["✘ no"].get_color()
    on_maps = {text.get_text() for panel in scene.panels for text in panel.axes.texts}
    assert {"B ✔", "C ✘"} <= on_maps
    assert status(replay, 1, 1)[0] == "✘ failure: stopped after 1 step"
    assert status(replay, 0, 99)[0] == f"✔ success: stopped after {len(good.steps)} steps"
    assert {"✔ success: stopped", "✘ failure: stopped", "✔ yes", "✘ no"} <= {
        part for part in ("✔ success: stopped", "✘ failure: stopped", "✔ yes", "✘ no") if part in printed(replay)
    }


def test_script_prints_rows(run, walks):
    code, output, _ = run("--best", "2", "--json")
    rows = json.loads(output)
    assert code == 0
    assert [row["SR"] for row in rows] == [1, 1]
    assert rows[0]["actions"][-1] == "stop"
    assert rows[0]["files"] == []
    assert {row["episode"] for row in rows} <= {each.episode_id for each in walks}


def test_script_replays_submissions(run, walks, tmp_path):
    write_submission(tmp_path / "mine_val_unseen.json", walks)
    code, output, _ = run("--split", "val_unseen", "--random", "1", "--json", file="mine_val_unseen.json")
    assert (code, json.loads(output)[0]["agent"]) == (0, "mine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--episode", "99_9"), "holds no episode '99_9'"),
        (("--worst", "0"), "--worst: 0 episodes asked for"),
        (("--worst", "1", "--best", "1"), "worst and best given"),
        (("--floor", "9"), "has no floor '9'"),
        (("--format", "gif"), "add --out FOLDER"),
    ],
)
def test_script_refuses(run, arguments, message):
    code, output, errors = run(*arguments)
    assert (code, output) == (2, "")
    assert message in errors


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", "", "holds no trajectory"),
        ("cut.jsonl", '{"episode_id": "1_0", "da', "line 1 is truncated"),
        ("other.jsonl", '{"episode_id": "1_0"}', "line 1 lacks the field 'split'"),
        ("sub.json", "[]", "a submission does not tell its split"),
        ("missing.jsonl", None, "does not exist"),
    ],
)
def test_script_refuses_files(run, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    code, output, errors = run(file=name)
    assert (code, output) == (2, "")
    assert message in errors


def test_script_refuses_a_file_as_folder(run, tmp_path):
    (tmp_path / "taken").write_text("")
    code, output, errors = run("--out", str(tmp_path / "taken"))
    assert (code, output) == (2, "")
    assert "output folder cannot be created" in errors


def test_recorded_agent_of_the_original_simulator(data, tmp_path):
    file = data / "predictions" / "val_unseen_random_agent.json"
    if not file.is_file():
        pytest.skip("needs the recorded predictions")
    trajectories = load_walks(file, data, "val_unseen", "r2r")
    runs = make_runs([(file, trajectories)])
    replay = replay_episodes(runs, Selection(worst=1), Sources(data))[0]
    assert replay.scores[0]["SPL"] == 0
    assert has_colour(png(replay, tmp_path / "figure.png", View(load_rooms(data))), AGENTS[0])
    write_trajectories(tmp_path / "copy.jsonl", trajectories[:3])
    assert read_trajectories(tmp_path / "copy.jsonl") == trajectories[:3]
