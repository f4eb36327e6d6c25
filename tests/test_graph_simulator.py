"""The graph simulator: geometry by hand, the original simulator's recordings, agents without learning."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from small_world import BLOCK, CORRIDOR, episode, make_graph, single_env

from agents.agent import RandomAgent, ShortestPathAgent
from agents.evaluation import rollout
from envs.environment import NavigationVectorEnv
from envs.graph import LOW_LEVEL_ACTIONS, LowLevelGraph, PanoramicGraph
from envs.graph.tables import build_tables, nearest_view, wrap
from vln.episodes import Episode, load_split
from vln.errors import InputError
from vln.features import ViewTable
from vln.graph import VIEW_STEP, VIEWS
from vln.language import Vocabulary
from vln.metrics import mean_scores, score_paths

LEFT, RIGHT, UP, DOWN, FORWARD, STOP = range(6)
VOCABULARY = Vocabulary.build(["Go."], min_count=1)
DEGREE = math.pi / 180
# A mast m at the origin: n north, a little east of it e and high above it h, w far down in the west.
MAST = make_graph("mast", "mnehw", [(0, 0, 0), (0, 2, 0), (0.5, 2, 0), (0, 2, 2), (-1, 0, -2)], "mn me mh mw")


def world(simulator, *episodes: Episode, **options: Any) -> NavigationVectorEnv:
    """All the episodes at once, in their order, not reset by themselves."""
    mode = AutoresetMode.DISABLED
    return NavigationVectorEnv(simulator, episodes, VOCABULARY, len(episodes), autoreset_mode=mode, **options)


def start(env: NavigationVectorEnv) -> tuple[dict[str, Any], dict[str, Any]]:
    return env.reset(options={"episode_index": np.arange(env.num_envs)})


def facing(path: str, heading: float, graph=MAST) -> Episode:
    """An episode that starts with a heading in degrees."""
    return Episode("1_0", graph.scan, "made", "Go.", tuple(path), heading * DEGREE)


# --- views ---


@pytest.mark.parametrize(
    ("heading", "elevation", "view"),
    [
        (0, 0, 12),
        (30, 0, 13),
        (-30, 0, 23),
        (344, 0, 23),
        (346, 0, 12),
        (14, 14, 12),
        (16, 16, 25),
        (180, -16, 6),
        (-180, 30, 30),
        (90, 80, 27),
        (90, -80, 3),
        (725, 0, 12),
    ],
)
def test_the_nearest_view(heading, elevation, view):
    assert nearest_view(np.array(heading * DEGREE), np.array(elevation * DEGREE)) == view


@given(st.floats(-7, 7), st.floats(-math.pi / 2, math.pi / 2))
def test_no_other_view_is_nearer(heading, elevation):
    view = int(nearest_view(np.array(heading), np.array(elevation)))
    across = (heading - np.arange(12) * VIEW_STEP + np.pi) % (2 * np.pi) - np.pi
    above = elevation - (np.arange(3) - 1) * VIEW_STEP
    assert abs(across[view % 12]) <= abs(across).min() + 1e-9
    assert abs(above[view // 12]) <= abs(above).min() + 1e-9


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=50))
def test_wrapping_keeps_the_direction(angles):
    angle = torch.tensor(angles)
    wrapped = wrap(angle)
    assert (wrapped.abs() <= torch.tensor(math.pi)).all()
    torch.testing.assert_close(wrapped.cos(), angle.cos(), atol=1e-5, rtol=0)
    torch.testing.assert_close(wrapped.sin(), angle.sin(), atol=1e-5, rtol=0)


# --- tables ---


def test_tables_of_two_buildings_lie_end_to_end():
    tables = build_tables([CORRIDOR, BLOCK])
    assert tables.degree.tolist() == [1, 2, 2, 2, 1, 0, 1, 2, 3, 2, 2]
    assert tables.neighbour.tolist()[2:4] == [[1, 3, 2], [2, 4, 3]]
    # The block's viewpoints f, d, c, b, a are rows 6 to 10.
    assert tables.neighbour.tolist()[8] == [6, 7, 9]
    assert tables.length[8].tolist() == [3, 3, 4]
    assert tables.heading[8].numpy() == pytest.approx(np.array([90, -90, 180]) * DEGREE)
    assert tables.view[8].tolist() == [15, 21, 18]
    assert tables.elevation[8].tolist() == [0, 0, 0]
    a, f = torch.tensor([10, 6, 8, 0, 0]), torch.tensor([6, 10, 8, 4, 5])
    assert tables.geodesic(a, f).tolist() == [10, 10, 0, 8, math.inf]
    # From a to f over b or d is equally far; from f there is one way; nowhere to go at c from c or to z.
    slots = tables.slot_towards(a, f).tolist()
    assert slots[0] in (0, 1)
    assert slots[1:] == [0, -1, 0, -1]


def test_elevations_are_above_the_horizon():
    tables = build_tables([MAST])
    assert tables.elevation[0].numpy() / DEGREE == pytest.approx([0, 0, 45, -math.degrees(math.atan(2))])
    assert tables.view[0].tolist() == [12, 12, 24, 9]


# --- panoramic actions ---


def test_candidates_of_a_viewpoint():
    env = world(PanoramicGraph([CORRIDOR, BLOCK]), facing("cf", 100, BLOCK), facing("ab", 350, CORRIDOR))
    observation, infos = start(env)
    assert env.single_action_space.n == 4
    assert observation["viewpoint"].tolist() == [8, 0]
    assert observation["heading"][:, 0] == pytest.approx([100 * DEGREE, 350 * DEGREE])
    assert observation["candidate_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert observation["candidate_viewpoint"].tolist() == [[8, 6, 7, 9], [0, 1, 0, 0]]
    assert observation["candidate_view"].tolist() == [[0, 15, 21, 18], [0, 15, 0, 0]]
    headings = np.array([[0, -10, 170, 80], [0, 100, 0, 0]])
    assert observation["candidate_heading"] / DEGREE == pytest.approx(headings, abs=1e-4)
    assert observation["candidate_distance"].tolist() == [[0, 3, 3, 4], [0, 2, 0, 0]]
    assert infos["expert"].tolist() == [1, 1]


def test_a_move_turns_the_body_and_levels_its_gaze():
    env = world(PanoramicGraph([BLOCK]), facing("cf", 100, BLOCK), facing("ba", 0, BLOCK), record=True)
    _, infos = start(env)
    assert infos["choices"] == [("stop", "f", "d", "b"), ("stop", "c", "a", "")]
    _, _, _, _, infos = env.step([2, 3])
    assert infos["collided"].tolist() == [False, True]
    west, still = infos["poses"]
    assert (west.viewpoint, west.position) == ("d", (0, 4, 0))
    assert west.heading == pytest.approx(270 * DEGREE)
    assert (still.viewpoint, still.heading, still.elevation) == ("b", 0, 0)
    assert infos["distance"].tolist() == [6, 3]


def test_headings_outside_of_a_turn_are_brought_inside():
    env = single_env(PanoramicGraph([MAST]), [facing("mn", -370)], VOCABULARY)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation["heading"] == pytest.approx(350 * DEGREE)


# --- low-level actions ---


def test_headings_start_at_the_nearest_view():
    env = world(LowLevelGraph([MAST]), *(facing("mn", heading) for heading in (0, 14, 16, 346, 200)))
    observation, _ = start(env)
    assert observation["view"].tolist() == [12, 12, 13, 12, 19]
    assert observation["heading"][:, 0] / DEGREE == pytest.approx([0, 0, 30, 0, 210])


def test_turns_and_tilts_are_thirty_degrees():
    env = world(LowLevelGraph([MAST]), facing("mn", 0), record=True)
    observation, _ = start(env)
    views = []
    for action in (LEFT, UP, UP, RIGHT, RIGHT, DOWN, DOWN, DOWN):
        observation, _, _, _, infos = env.step([action])
        assert not infos["collided"][0]
        pose = infos["poses"][0]
        views.append((int(observation["view"][0]), round(pose.heading / DEGREE), round(pose.elevation / DEGREE)))
    assert views == [
        (23, 330, 0),
        (35, 330, 30),
        (35, 330, 30),
        (24, 0, 30),
        (25, 30, 30),
        (13, 30, 0),
        (1, 30, -30),
        (1, 30, -30),
    ]
    assert observation["candidate_mask"].tolist() == [[1, 1, 1, 0, 1, 1]]


def test_twelve_turns_are_one_round():
    env = world(LowLevelGraph([MAST]), facing("mn", 77))
    first, _ = start(env)
    for _ in range(12):
        observation, *_ = env.step([RIGHT])
    for name, value in first.items():
        np.testing.assert_array_equal(value, observation[name])


@pytest.mark.parametrize(
    ("heading", "tilt", "ahead"),
    [
        (0, 0, "n"),  # n is straight ahead, e 14 degrees to the right, h 45 degrees above
        (30, 0, "e"),
        (-30, 0, "n"),
        (0, 1, "h"),
        (30, 1, "h"),  # e is 16 degrees off and 30 below, h 30 off and 15 above: 34.0 against 33.5
        (60, 0, None),  # e is 46 degrees off: outside of the field of view
        (-60, 0, "w"),
        (-90, -1, "w"),
        (180, 0, None),
    ],
)
def test_forward_goes_to_the_neighbour_nearest_the_centre_of_the_view(heading, tilt, ahead):
    env = world(LowLevelGraph([MAST]), facing("mn", heading), record=True)
    observation, _ = start(env)
    if tilt:
        observation, *_ = env.step([UP if tilt > 0 else DOWN])
    names = env.simulator.viewpoint_names
    assert names[observation["forward_viewpoint"][0]] == (ahead or "m")
    assert observation["candidate_mask"][0, FORWARD] == (ahead is not None)
    _, _, _, _, infos = env.step([FORWARD])
    pose = infos["poses"][0]
    assert (pose.viewpoint, bool(infos["collided"][0])) == (ahead or "m", ahead is None)
    assert pose.heading / DEGREE == pytest.approx(heading % 360, abs=1e-4)
    assert pose.elevation / DEGREE == pytest.approx(30 * tilt, abs=1e-4)


def test_the_expert_turns_the_shorter_way_round_then_tilts_then_moves():
    cases = [facing("mn", 90), facing("mn", 270), facing("mh", 60), facing("mw", 180), facing("mn", 0)]
    env = world(LowLevelGraph([MAST]), *cases)
    _, infos = start(env)
    taken = []
    while (infos["expert"] != STOP).any():
        taken.append(infos["expert"])
        _, _, _, _, infos = env.step(infos["expert"])
    letters = ["".join(LOW_LEVEL_ACTIONS[action][0] for action in each if action != STOP) for each in np.array(taken).T]
    assert letters == ["lllf", "rrf", "luf", "rrf", "f"]


def test_the_expert_goes_around_where_one_neighbour_hides_another():
    # p stands exactly before q, so that no view leads from m to q.
    row = make_graph("row", "mpq", [(0, 0, 0), (0, 1, 0), (0, 2, 0)], "mp mq pq")
    for simulator, route in ((PanoramicGraph, "mq"), (LowLevelGraph, "mpq")):
        env = world(simulator([row]), facing("mq", 0, row), record=True)
        assert start(env)[1]["distance"].tolist() == [2]
        assert "".join(visited(env)) == route


# --- experts ---


def test_the_expert_of_the_reference_walks_all_of_it():
    # The shortest way from a to d is one edge; the reference goes round the block, in one place for a while.
    around = episode("abbcd", "block")
    for simulator in (PanoramicGraph, LowLevelGraph):
        walked = {}
        for follows in ("goal", "reference"):
            env = world(simulator([BLOCK], expert=follows), around, record=True)
            walked[follows] = "".join(visited(env))
        assert walked == {"goal": "ad", "reference": "abcd"}


def test_the_expert_of_the_reference_comes_back_when_it_strays():
    env = world(PanoramicGraph([BLOCK], expert="reference"), episode("abcd", "block"), record=True)
    _, infos = start(env)
    for name in "badcf":
        _, _, _, _, infos = env.step([infos["choices"][0].index(name)])
    # b was reached; c was reached on the way to f.
    assert "".join(pose.viewpoint for pose in infos["poses"]) == "f"
    assert "".join(visited(env, infos)) == "fcd"


def visited(env: NavigationVectorEnv, infos: dict[str, Any] | None = None) -> Iterator[str]:
    """The viewpoints the expert comes through in a batch of one."""
    infos = infos or start(env)[1]
    here = infos["poses"][0].viewpoint
    yield here
    while infos["expert"][0] != env.simulator.stop:
        _, _, _, _, infos = env.step(infos["expert"])
        if infos["poses"][0].viewpoint != here:
            here = infos["poses"][0].viewpoint
            yield here


def test_a_goal_out_of_reach_is_infinitely_far():
    env = world(PanoramicGraph([CORRIDOR]), facing("az", 0, CORRIDOR))
    _, infos = start(env)
    assert infos["distance"].tolist() == [math.inf]
    assert infos["expert"].tolist() == [0]
    assert [env.step([action])[1].tolist() for action in (1, 0)] == [[0], [0]]


# --- features, errors ---


def test_features_are_those_of_the_viewpoint():
    dense = np.random.default_rng(0).random((5, VIEWS, 3)).astype(np.float16)
    # The rows of the table are in another order than the viewpoints.
    table = ViewTable("random", "random", "", {("mast", name): 4 - row for row, name in enumerate("mnehw")}, dense)
    env = world(PanoramicGraph([MAST], table), facing("mn", 0))
    observation, _ = start(env)
    np.testing.assert_array_equal(observation["views"][0], dense[4].astype(np.float32))
    observation, *_ = env.step([1])
    np.testing.assert_array_equal(observation["views"][0], dense[3].astype(np.float32))


def test_an_unknown_viewpoint_is_an_error():
    with pytest.raises(InputError, match="episode '1_0': field 'path' has 'q', which is not in 'mast'"):
        world(PanoramicGraph([MAST]), facing("mq", 0))


# --- the real data ---


def split_world(kind, data, graphs, split: str, **options: Any) -> NavigationVectorEnv:
    """All the episodes of a split of Room-to-Room."""
    episodes = load_split(data, split)
    scans = sorted({each.scan for each in episodes})
    return world(kind([graphs[scan] for scan in scans]), *episodes, **options)


# Files of recorded trajectories and their forward moves, 32,230 in all.
RECORDED = {
    ("seq2seq_student_forcing_{}", "val_seen"): 5603,
    ("seq2seq_student_forcing_{}", "val_unseen"): 9888,
    ("{}_random_agent", "val_seen"): 5076,
    ("{}_random_agent", "val_unseen"): 11663,
}


def action_of(before: Sequence[Any], after: Sequence[Any]) -> int:
    """The low-level action between two poses [viewpoint, heading, elevation] of a recording; a stop if they are one."""
    turned = (after[1] - before[1] + math.pi) % (2 * math.pi) - math.pi
    if before[0] != after[0]:
        return FORWARD
    if abs(after[2] - before[2]) > 0.1:
        return UP if after[2] > before[2] else DOWN
    return STOP if abs(turned) < 0.1 else RIGHT if turned > 0 else LEFT


@pytest.mark.parametrize(("agent", "split"), RECORDED)
def test_recorded_moves_reach_the_recorded_poses(data, graphs, agent, split):
    env = split_world(LowLevelGraph, data, graphs, split, max_steps=1000, record=True)
    recorded = json.loads((data / "predictions" / f"{agent.format(split)}.json").read_text())
    by_id = {entry["instr_id"]: entry["trajectory"] for entry in recorded}
    tracks = [by_id[each.episode_id] for each in env.episodes]
    _, infos = start(env)
    forwards = 0
    for step in range(max(map(len, tracks))):
        wanted = [track[min(step, len(track) - 1)] for track in tracks]
        assert [pose.viewpoint for pose in infos["poses"]] == [viewpoint for viewpoint, _, _ in wanted]
        turned = np.array(
            [pose.heading - heading for pose, (_, heading, _) in zip(infos["poses"], wanted, strict=True)]
        )
        assert np.cos(turned).min() > 1 - 1e-6
        tilts = [elevation for _, _, elevation in wanted]
        assert [pose.elevation for pose in infos["poses"]] == pytest.approx(tilts, abs=1e-3)
        actions = [action_of(*track[step : step + 2]) if step + 1 < len(track) else STOP for track in tracks]
        _, _, _, _, infos = env.step(actions)
        assert not infos["collided"].any()
        forwards += actions.count(FORWARD)
    assert forwards == RECORDED[agent, split]


@pytest.mark.parametrize("split", ["train", "val_seen", "val_unseen"])
@pytest.mark.parametrize(("kind", "limit"), [(PanoramicGraph, 10), (LowLevelGraph, 60)])
def test_the_expert_reaches_every_goal_of_room_to_room(data, graphs, kind, limit, split):
    env = split_world(kind, data, graphs, split, max_steps=limit)
    _, infos = start(env)
    for _ in range(limit):
        _, _, terminated, _, infos = env.step(infos["expert"])
    assert terminated.all()
    assert (infos["distance"] == 0).all()
    assert infos["success"].all()


def test_the_shortest_path_agent_is_perfect(data, graphs):
    episodes = load_split(data, "val_seen")
    simulator = PanoramicGraph([graphs[scan] for scan in sorted({each.scan for each in episodes})])
    mode = AutoresetMode.DISABLED
    env = NavigationVectorEnv(simulator, episodes, VOCABULARY, 256, autoreset_mode=mode, record=True)
    trajectories = rollout(ShortestPathAgent(), env)
    paths = [[pose.viewpoint for pose in trajectory.poses] for trajectory in trajectories]
    scores = mean_scores(score_paths(graphs, episodes, paths))
    assert (scores["SR"], scores["NE"], scores["SPL"]) == (1, 0, pytest.approx(1))
    assert scores["TL"] == pytest.approx(10.186, abs=5e-4)


# Mean and standard deviation over seeds of navigation error in metres and success rate in percent, measured once with
# another implementation.
RANDOM_AGENT = {"val_seen": ((9.56, 0.11), (14.75, 0.95)), "val_unseen": ((9.30, 0.10), (15.9, 0.5))}


@pytest.mark.parametrize("split", RANDOM_AGENT)
def test_the_random_agent_scores_as_published(data, graphs, split):
    env = split_world(LowLevelGraph, data, graphs, split, max_steps=80)
    results = np.array([random_result(env, seed) for seed in range(40)])
    for values, (mean, deviation) in zip(results.T, RANDOM_AGENT[split], strict=True):
        assert abs(values.mean() - mean) < deviation
        assert np.abs(values - mean).max() < 4 * deviation
        assert deviation / 2 < values.std() < deviation * 2


def random_result(env: NavigationVectorEnv, seed: int) -> tuple[float, float]:
    """Navigation error in metres and success in percent of the random agent, over all episodes."""
    agent = RandomAgent(RIGHT, FORWARD, STOP)
    observation, infos = start(env)
    agent.begin(observation, seed)
    ended = np.zeros(env.num_envs, dtype=bool)
    while not ended.all():
        observation, _, terminated, truncated, infos = env.step(agent.act(observation, infos).actions)
        ended = terminated | truncated
    return float(infos["distance"].mean()), float(infos["success"].mean() * 100)
