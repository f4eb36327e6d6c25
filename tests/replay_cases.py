"""Random episodes for the figures of replay: small graphs and generated houses, one to six agents, all signs."""

import dataclasses
import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from envs.continuous.floorplan import floor_plan
from envs.houses import house_name, make_house
from vln.graph import NavigationGraph
from vln.replay.episode import GraphReplay, HouseReplay, Replay
from vln.replay.plan import FloorPlan, Views
from vln.replay.scores import episode_scores
from vln.rooms import Room
from vln.tasks import R2R, find_task
from vln.tasks.scoring import Sources
from vln.trajectory import Pose, Step, Trajectory

HOUSES = (3, 7, 11, 25, 40, 112, 800_001, 800_017)
TOLD = "walk past the beige laundry basket, turn left at the grey kitchen sink and wait beside the door of the hallway"
WORDS = TOLD.split()
AGENTS = ("navigator", "blind", "deaf", "shortest path", "an agent of a name that is long", "random_agent")
ROOMS = ("k kitchen", "b bedroom", "h hallway", "f family room/lounge", "a bathroom", "o office", "Z junk")
RADIUS = 1.5
TURN = math.radians(15)
LOWEST, HIGHEST = 1, 6  # agents


def random_replay(seed: int) -> tuple[Replay, dict[str, dict[str, Room]]]:
    """An episode and the rooms of its building: even seeds on a graph, odd ones in a house."""
    random = np.random.default_rng(seed)
    return graph_replay(random) if seed % 2 == 0 else (house_replay(random), {})


def graph_replay(random: np.random.Generator) -> tuple[GraphReplay, dict[str, dict[str, Room]]]:
    """Agents that follow a shortest path for a while and then wander, in a building of one to three storeys."""
    graph = random_graph(random)
    start, goal = random.choice(len(graph.viewpoints), 2, replace=False).tolist()
    path = tuple(graph.shortest_path(graph.viewpoints[start], graph.viewpoints[goal]))
    withheld, attended = random.random() < 0.15, random.random() < 0.5
    heading, words = random.uniform(0, 2 * math.pi), told(random)
    trajectories = tuple(
        _on_graph(
            random, graph, path[:1] if withheld else path, _wander(random, graph, path), heading, words, name, attended
        )
        for name in _names(random)
    )
    scores = tuple(episode_scores(trajectories, Sources(graphs={graph.scan: graph})))
    replay = GraphReplay(tuple(each.agent for each in trajectories), trajectories, scores, graph)
    return replay, {graph.scan: _rooms(random, graph)} if random.random() < 0.8 else {}


def random_graph(random: np.random.Generator) -> NavigationGraph:
    """A building of rows and columns of viewpoints, about 2 m apart, on one to three storeys."""
    across, down, storeys = random.integers(2, 9), random.integers(2, 6), random.integers(1, 4)
    cells = np.stack(np.meshgrid(range(across), range(down), range(storeys)), -1).reshape(-1, 3)
    apart = np.abs(cells[:, None] - cells)
    adjacency = (apart.sum(-1) == 1) & (random.random((len(cells), len(cells))) < 0.9)
    adjacency &= (apart[..., 2] == 0) | (cells[:, :2].sum(-1) == 0)
    positions = cells * (2.0, 2.0, 3.0) + random.uniform(-0.6, 0.6, cells.shape) * (1, 1, 0.1)
    reached = np.isfinite(NavigationGraph("made", _ids(len(cells)), positions, adjacency | adjacency.T).distances[0])
    if reached.sum() < 3:
        return random_graph(random)
    kept = adjacency[np.ix_(reached, reached)]
    return NavigationGraph("made", _ids(int(reached.sum())), positions[reached], kept | kept.T)


def _ids(count: int) -> tuple[str, ...]:
    return tuple(f"viewpoint{number}" for number in range(count))


def _rooms(random: np.random.Generator, graph: NavigationGraph) -> dict[str, Room]:
    """Rooms of the viewpoints nearest to some of them."""
    centres = random.choice(len(graph.viewpoints), min(6, len(graph.viewpoints)), replace=False)
    nearest = np.argmin(graph.distances[:, centres], axis=1)
    names = [random.choice(ROOMS).partition(" ") for _ in centres]
    return {
        each: Room(int(room), names[room][0], names[room][2])
        for each, room in zip(graph.viewpoints, nearest, strict=True)
    }


def _wander(random: np.random.Generator, graph: NavigationGraph, path: tuple[str, ...]) -> list[str]:
    """The path or a beginning of it, and after that some viewpoints at random."""
    way = list(path[: random.integers(1, len(path) + 1)])
    for _ in range(random.choice([0, 0, 1, 3, 6])):
        way.append(graph.viewpoints[random.choice(np.flatnonzero(graph.adjacency[graph.index[way[-1]]]))])
    return way


def told(random: np.random.Generator) -> tuple[str, ...]:
    """An instruction of 3 to 90 words."""
    return tuple(random.choice(WORDS, random.choice([3, 12, 25, 40, 90])).tolist())


def _names(random: np.random.Generator) -> list[str]:
    return list(AGENTS[: random.choice(np.arange(LOWEST, HIGHEST + 1), p=[0.4, 0.25, 0.15, 0.1, 0.05, 0.05])])


def _on_graph(random, graph, path, way, heading, words, agent, attended) -> Trajectory:
    poses = [Pose(each, tuple(graph.positions[graph.index[each]].tolist()), heading, 0.0) for each in way]
    steps = []
    for before, after in zip(poses, [*poses[1:], poses[-1]], strict=True):
        stops = len(steps) == len(poses) - 1
        around = [graph.viewpoints[row] for row in np.flatnonzero(graph.adjacency[graph.index[before.viewpoint]])]
        choices = ("stop", *around)
        weights = random.dirichlet(np.ones(len(words)))
        steps.append(
            Step(
                0 if stops else 1,
                "stop" if stops else after.viewpoint,
                after,
                choices=choices,
                probabilities=tuple(random.dirichlet(np.ones(len(choices))).tolist()),
                word_attention=tuple(weights.tolist()) if attended else (),
            )
        )
    episode = f"{random.integers(9999)}_{random.integers(3)}"
    return Trajectory(
        episode,
        "val_unseen",
        graph.scan,
        graph.content_hash,
        " ".join(words),
        words,
        path,
        agent,
        "graph",
        0,
        poses[0],
        tuple(steps),
        task=R2R,
    )


@lru_cache
def plan_of(house: int) -> FloorPlan:
    """A generated house from above."""
    return floor_plan(make_house(house))


def house_replay(random: np.random.Generator) -> HouseReplay:
    """Agents that go straight to a thing, or past it, in a generated house; through walls, as maps do not mind."""
    plan = plan_of(int(random.choice(HOUSES)))
    target = plan.boxes[random.integers(len(plan.boxes))]
    height = float(plan.floors.heights[target.storey])
    goal = np.array([*(np.array(target.centre) + random.uniform(-1, 1, 2)), height])
    other = plan.rooms[random.integers(len(plan.rooms))]
    start = np.array([*np.mean(other.polygon, axis=0), plan.floors.heights[other.storey]])
    if np.linalg.norm(goal - start) < 1:
        goal[0] += 1
    withheld, attended = random.random() < 0.15, random.random() < 0.5
    words = told(random)
    reference = np.linspace(start, goal, 6)[: 1 if withheld else None]
    trajectories = tuple(
        _in_house(random, plan, reference, _bend(random, start, goal, plan.extent), words, name, attended, target.name)
        for name in _names(random)
    )
    scores = tuple(episode_scores(trajectories))
    views = tuple(
        Views(
            np.full((len(each.poses), 8, 8, 3), 200, np.uint8),
            random.uniform(0, 6, (len(each.poses), 8, 8)).astype(np.float32),
        )
        for each in trajectories
    )
    return HouseReplay(tuple(each.agent for each in trajectories), trajectories, scores, plan, views)


def _bend(random: np.random.Generator, start: np.ndarray, goal: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """(T + 1, 3) places every quarter of a metre from a start towards a goal, not always all the way."""
    middle = (start + goal) / 2 + random.uniform(-2, 2, 3) * (1, 1, 0)
    corners = [start, middle, goal][: random.choice([2, 3, 3])]
    ways = [np.linspace(a, b, max(2, int(np.linalg.norm(b - a) / 0.25)))[:-1] for a, b in pairwise(corners)]
    places = np.concatenate([*ways, corners[-1:]])
    places = places[: max(1, int(len(places) * random.choice([0.02, 0.5, 1.0, 1.0])))]
    return np.concatenate([np.clip(places[:, :2], *extent), places[:, 2:]], axis=1)


def _in_house(random, plan, reference, places, words, agent, attended, target) -> Trajectory:
    ahead = np.diff(places, axis=0, append=places[-1:] + np.array([[0, 1, 0]]))
    poses = [
        Pose("", tuple(place), float(math.atan2(step[0], step[1])), 0.0)
        for place, step in zip(places.tolist(), ahead.tolist(), strict=True)
    ]
    choices = ("stop", "forward", "left", "right")
    steps = []
    for number, pose in enumerate([*poses[1:], poses[-1]]):
        stops = number == len(poses) - 1
        weights = tuple(random.dirichlet(np.ones(len(words))).tolist()) if attended else ()
        chances = tuple(random.dirichlet(np.ones(4)).tolist())
        steps.append(Step(int(not stops), choices[int(not stops)], pose, False, choices, chances, weights))
    distances = [math.dist(pose.position, reference[-1]) for pose in [*poses, poses[-1]]]
    name = house_name(int(plan.name.rpartition("-")[2]))
    return Trajectory(
        f"{random.integers(9999)}-{random.integers(99)}_0",
        "val_unseen",
        name,
        plan.content_hash,
        " ".join(words),
        words,
        (),
        agent,
        "houses",
        0,
        poses[0],
        tuple(steps),
        reference_positions=tuple(map(tuple, reference.tolist())),
        distances=tuple(distances) if len(reference) > 1 else (),
        target=target,
        task=find_task("houses-fine"),
    )


def without_probabilities(replay: Replay) -> Replay:
    """Return the episode as if people had walked it: without probabilities and attention."""
    bare = {"choices": (), "probabilities": (), "word_attention": ()}
    lived = tuple(
        dataclasses.replace(each, steps=tuple(dataclasses.replace(step, **bare) for step in each.steps))
        for each in replay.trajectories
    )
    return dataclasses.replace(replay, trajectories=lived)
