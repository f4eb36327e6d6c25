"""Replays as pages: self-contained, small, safe, and a script that runs without a browser."""

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from house_walks import ACROSS, content, episode_across, replays_of, walk
from matplotlib.colors import to_rgb
from replay_cases import without_probabilities

from vln.errors import InputError
from vln.replay.figure import View
from vln.replay.page import BUDGET, html_page, save_html, view_grid
from vln.replay.plan import Views
from vln.replay.style import ATTENTION
from vln.trajectory import Pose

SHIM = Path(__file__).parent / "page_shim.js"
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def replay():
    """Two agents, the first with attention over the cells of its views."""
    episode = episode_across()
    lived = walk(episode, ACROSS)
    steps = tuple(dataclasses.replace(step, view_attention=(0.1,) * 15 + (0.9,)) for step in lived.steps)
    return replays_of([dataclasses.replace(lived, steps=steps)], [walk(episode, "rrfffs", "short")])[0]


def test_a_page_holds_everything(replay, tmp_path):
    save_html(replay, View(), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=\"?http", page)
    assert len(page) < 1_000_000
    held = content(page)
    first, second = held["agents"]
    assert (len(first["steps"]), len(second["steps"])) == (len(ACROSS), 6)
    assert len(first["pictures"]) == len(first["places"]) == len(first["distances"]) == len(ACROSS) + 1
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in first["pictures"])
    assert held["map"]["image"].startswith("data:image/png;base64,")
    assert first["steps"][0]["description"] == "forward"
    assert first["steps"][0]["choices"][1] == ["forward", 0.7, True]
    assert np.array(first["steps"][0]["views"]).shape == (4, 4)
    assert first["words"][-1] == "<eos>"
    assert len(first["steps"][0]["words"]) == len(first["words"])
    assert first["scores"]["SR"] == "yes"


def test_the_agent_moves_over_the_map(replay):
    held = content(html_page(replay, View()))
    start, end = (held["agents"][0]["places"][place] for place in (0, -1))
    assert end[0] < start[0]  # from the second room to the sofa on the left
    assert all(0 < x < held["map"]["width"] and 0 < y < held["map"]["height"] for x, y, _ in (start, end))


def test_outcomes_and_signs_are_told(replay):
    held = content(html_page(replay, View()))
    assert [agent["outcome"] for agent in held["agents"]] == ["✔ success", "✘ failure"]
    assert len({agent["outcome_colour"] for agent in held["agents"]}) == 2
    meanings = [sign["meaning"] for sign in held["legend"]]
    for part in ("start and heading", "A  demonstration", "goal", "success: within 1.5 m", "what to find: red sofa"):
        assert part in meanings
    assert meanings[-3:] == ["B  walker", "C  short", "attended to"]
    assert held["attention"] == [round(255 * part) for part in to_rgb(ATTENTION)]
    assert all(sign["path"]["d"].startswith("M") for sign in held["legend"])


def test_walks_without_a_goal_have_no_empty_rows():
    walked = replays_of([walk(episode_across(withheld=True), "ffs", "person")])[0]
    held = content(html_page(without_probabilities(walked), View()))
    assert [sign["meaning"] for sign in held["legend"]] == ["start and heading", "B  person"]
    assert held["agents"][0]["scores"] == {}
    assert held["agents"][0]["outcome"] == ""
    assert held["agents"][0]["ending"] == "stopped after 3 steps"
    assert held["source"].endswith("goal unknown")


def test_many_large_views_are_made_smaller(replay):
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (120, 256, 256, 3), dtype=np.uint8)
    episode = walk(episode_across(), "f" * 118 + "s")
    crowded = replays_of([episode])[0]
    crowded = dataclasses.replace(crowded, views=(Views(noise, np.ones((120, 256, 256), np.float32)),))
    pictures = content(html_page(crowded, View()))["agents"][0]["pictures"]
    assert len(pictures) == 120
    assert sum(map(len, pictures)) <= BUDGET


def test_instructions_cannot_end_the_script(replay):
    evil = "</script><script>alert(1)</script>"
    changed = dataclasses.replace(replay, trajectories=(dataclasses.replace(replay.trajectories[0], instruction=evil),))
    page = html_page(dataclasses.replace(changed, agents=("a",), views=replay.views[:1]), View())
    assert page.count("</script>") == 1
    assert content(page)["instruction"] == evil


def test_unknown_floors_are_refused(replay, tmp_path):
    with pytest.raises(InputError, match="no floor '7'"):
        save_html(replay, View(floors="7"), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_what_is_ahead_is_in_the_middle_of_a_panorama():
    seen = np.zeros(36)
    seen[12 + 3] = 1.0  # to the east, level
    east = Pose("a", (0.0, 0.0, 0.0), np.pi / 2, 0.0)
    assert np.argwhere(np.array(view_grid(seen.tolist(), east))).tolist() == [[1, 6]]
    north = dataclasses.replace(east, heading=0.0)
    assert np.argwhere(np.array(view_grid(seen.tolist(), north))).tolist() == [[1, 9]]  # to the right
    seen = np.eye(36)[24]  # north, above
    assert np.argwhere(np.array(view_grid(seen.tolist(), north))).tolist() == [[0, 6]]
    assert view_grid((), north) == []


@pytest.mark.skipif(NODE is None, reason="needs node to run the script of the page")
def test_the_script_of_a_page_runs(replay, tmp_path):
    """With a stand-in for the browser: the slider, the keys and a click on the strip change the page as they should."""
    page = html_page(replay, View())
    script = re.search(r"<script>\n(.*)</script>", page, re.DOTALL)
    assert script
    (tmp_path / "page.js").write_text(SHIM.read_text().replace("/*SCRIPT*/", script[1]))
    done = subprocess.run([str(NODE), tmp_path / "page.js"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["start"].startswith(f"step 1 of {len(ACROSS)}: forward")
    assert told["moved"].startswith(f"step 3 of {len(ACROSS)}")
    assert told["end"].startswith(f"✔ success: stopped after {len(ACROSS)} steps")
    assert told["other"].startswith("✘ failure: stopped after 6 steps")
    assert told["clicked"].startswith(f"step 5 of {len(ACROSS)}: turn left")
    assert told["bars"] == 4
    assert told["lit"] == 1
    assert told["legend"] == [sign["meaning"] for sign in content(page)["legend"]]
    assert told["playing"] == "pause"
