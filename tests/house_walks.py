"""Walks through a small house, their replays, and what a page of a replay holds."""

import json
import math
import re
from pathlib import Path

import numpy as np
from small_house import WIDTH, small_house

from envs.continuous.floorplan import floor_plan
from vln.episodes import Episode
from vln.replay.plan import Views
from vln.replay.select import Selection, make_runs, replay_houses
from vln.tasks import find_task
from vln.trajectory import Pose, Step, Trajectory

HOUSE = "a house"
RADIUS = 1.5
CHOICES = ("stop", "forward", "left", "right")
TURN = math.radians(15)


def walk(episode: Episode, actions: str, agent: str = "walker") -> Trajectory:
    """Return the trajectory of the letters `actions` (f, l, r, s) in free space, with attention along the words."""
    words = (*episode.instruction.lower().rstrip(".").split(), "<eos>")
    (x, y, z), heading = episode.positions[0], episode.heading
    poses, steps = [Pose("", (x, y, z), heading, 0.0)], []
    for number, letter in enumerate(actions):
        action = "sflr".index(letter)
        heading += {2: TURN, 3: -TURN}.get(action, 0.0)
        if action == 1:
            x, z = x - 0.25 * math.sin(heading), z - 0.25 * math.cos(heading)
        poses.append(Pose("", (x, y, z), heading % (2 * math.pi), 0.0))
        attention = np.full(len(words), 0.1 / len(words))
        attention[number % len(words)] += 0.9
        chances = [0.1] * 4
        chances[action] = 0.7
        steps.append(Step(action, CHOICES[action], poses[-1], False, CHOICES, tuple(chances), tuple(attention)))
    goal = episode.positions[-1]
    return Trajectory(
        episode.episode_id,
        episode.split,
        episode.scan,
        small_house(episode.scan).content_hash,
        episode.instruction,
        words,
        (),
        agent,
        "houses",
        0,
        poses[0],
        tuple(steps),
        reference_positions=episode.positions,
        distances=() if episode.withheld else tuple(math.dist(pose.position, goal) for pose in poses),
        target="red sofa",
        task=find_task("houses-fine"),
    )


def episode_across(withheld: bool = False) -> Episode:
    """From the second room towards the sofa in the first, facing it."""
    sofa = small_house(HOUSE).objects[0]
    start, goal = (WIDTH - 1, 0.0, 2.0), (sofa.high[0] + 0.4, 0.0, sofa.centre[2])
    ends = (start,) if withheld else (start, goal)
    return Episode("7_0", HOUSE, "made", "Go to the red sofa and stop.", (), math.pi / 2, positions=ends)


ACROSS = "fffflffrffffffffffs"


def look(trajectory: Trajectory):
    """The plan of the house, and views of one colour a pose."""
    count = len(trajectory.steps) + 1
    rgb = np.zeros((count, 8, 8, 3), np.uint8)
    rgb[..., 0] = np.arange(count)[:, None, None]
    return floor_plan(small_house(trajectory.scan)), Views(rgb, np.ones((count, 8, 8), np.float32))


def replays_of(*trajectories: list[Trajectory], **selection):
    runs = make_runs([(Path(f"{number}.jsonl"), each) for number, each in enumerate(trajectories)])
    return replay_houses(runs, Selection(**(selection or {"random": 9})), look)


def content(page: str) -> dict:
    """Return the JSON content of a page."""
    found = re.search(r"const content = (\{.*\});\n", page)
    assert found
    return json.loads(found[1])
