"""Promises of every simulator and registered environment: determinism, motion, spaces, Gymnasium's interface."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from conformance import assert_same
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from habitat_worlds import look_alike_workers
from small_world import GRAPHS

import envs
from envs.conformance import DISABLED, PROMISES, ConformanceError, World, check_world, compare_with_singles, walk
from envs.continuous import Sensors
from envs.environment import NavigationVectorEnv, row_of
from envs.graph import PanoramicGraph
from vln.episodes import Episode
from vln.language import PAD, Vocabulary


@pytest.mark.parametrize("promise", PROMISES)
def test_every_simulator_keeps_its_promises(world, promise):
    assert world.journeys
    PROMISES[promise](world)


# --- simulators that break one ---

PLACES = [(scan, *pair) for scan, graph in GRAPHS.items() for pair in permutations(graph.viewpoints, 2)]
WALKS = [
    Episode(f"{scan}-{here}{there}", scan, "made", "Go.", (here, there), 0.0)
    for scan, here, there in PLACES
    if np.isfinite(GRAPHS[scan].distances[GRAPHS[scan].index[here], GRAPHS[scan].index[there]])
]
REACHED = {each.path: each for each in WALKS if each.scan == "block"}
HERE = {(place, place): Episode("same", "block", "made", "Go.", (place, place), 0.0) for place in "abcdf"}


def small(simulator: Callable[[], Any]) -> World:
    """A world of the two small buildings."""
    return World(simulator, WALKS, Vocabulary.build(["go"], 1), journeys={**REACHED, **HERE}, patience=10)


def changed(**methods: Callable[..., Any]) -> Callable[[], Any]:
    """A simulator with other methods, which get what the right ones return."""

    def wrapped(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, *given: change(self, getattr(PanoramicGraph, name)(self, *given), *given)

    kind = type("Changed", (PanoramicGraph,), {name: wrapped(name, change) for name, change in methods.items()})
    return lambda: kind([*GRAPHS.values()])


def looks_at_others(self, collided, actions, moving):
    self.heading = self.heading + 1e-3 * (len(actions) > 1)
    return collided


def ignores_who_moves(self, collided, actions, moving):
    PanoramicGraph.act(self, actions, ~moving)
    return collided


def shares(self, seen):
    self.kept = getattr(self, "kept", seen["viewpoint"])
    self.kept[...] = seen["viewpoint"]
    return {**seen, "viewpoint": self.kept}


def lives(self, seen):
    return {**seen, "heading": self.heading[:, None]}


def scatters(self, nothing, rows, episodes):
    self.heading = self.heading + 1e-3 * (self.viewpoint > 0)


def wanders(self, collided, actions, moving):
    self.heading = self.heading + 1e-3 * torch.rand(()) * moving
    return collided


BROKEN = {
    "type of 'heading' is float64, not float32": {
        "observe": lambda self, seen: {**seen, "heading": seen["heading"].double()}
    },
    "'heading' of body 0 is [9.]": {"observe": lambda self, seen: {**seen, "heading": seen["heading"] * 0 + 9}},
    "shape and type of 'distance' is ((8,), dtype('float64'))": {"distance": lambda self, found: found.double()},
    "expert's action of body 0 is 99, not in Discrete": {"expert": lambda self, found: found * 0 + 99},
    "number of choices of body 0 is 1, not": {"choices": lambda self, found: [each[:1] for each in found]},
    "choice of the stop action of body 0 is halt, not stop": {
        "choices": lambda self, found: [("halt", *each[1:]) for each in found]
    },
    "is a move, not a collision": {"act": lambda self, collided, *given: collided & False},
    "start of body 0 is z, not a": {"poses": lambda self, found: [replace(each, viewpoint="z") for each in found]},
    "of body 0 after [4, 1] were placed is": {"place": scatters},
    "of body 0 among others is": {"act": looks_at_others},
    "after a caller changed what it was given is": {"observe": lives},
    "of an earlier step after later ones is": {"observe": shares},
    "which has ended, is": {"act": ignores_who_moves},
    "number of collisions on a random walk is 0": {
        "act": lambda self, collided, *given: collided & False,
        "choices": lambda self, found: [tuple(name or "forward" for name in each) for each in found],
    },
    "distance there, and not back, is": {"distance": lambda self, found: found + 0.1 * self.viewpoint * (found > 0)},
    "distance that is below the straight line is": {"distance": lambda self, found: found / 2},
    "distance after the expert's action of body": {"expert": lambda self, found: (found > 0) * 1},
    "distance where the expert stopped of body 0 is 2.0": {"expert": lambda self, found: found * 0},
    "distance to a withheld goal of body 0 is 0.0, not nan": {"distance": lambda self, found: found.nan_to_num()},
    "in another simulator is": {"act": wanders},
    "type of the hash of 'corridor' is int, not str": {"content_hash": lambda self, found, scan: 3},
    "hash of 'corridor' in another simulator is": {"content_hash": lambda self, found, scan: str(id(self))},
    "type of a picture is float64, not uint8": {"picture": lambda self, found, *given: found / 2},
    "shape of pictures is [(": {"picture": lambda self, found, row, trail: found[len(trail) :]},
    "test_conformance.py raised ZeroDivisionError: division by zero in the check 'An act": {
        "poses": lambda self, _: 1 / 0
    },
}


def test_the_small_world_keeps_all_promises():
    kept = []
    check_world(small(changed()), kept.append)
    assert kept == [*PROMISES]


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_simulator_that_breaks_a_promise_is_told_in_one_sentence(sentence):
    with pytest.raises(ConformanceError) as error:
        check_world(small(changed(**BROKEN[sentence])))
    assert str(error.value).startswith("simulator 'graph': ")
    assert sentence in str(error.value)


# --- seeds ---


def test_the_seed_decides_everything(world):
    first, second, other = (walk(world.vector(8, record=True), seed=seed) for seed in (3, 3, 4))
    assert_same(first, second)
    assert first[0][1]["episode_index"].tolist() != other[0][1]["episode_index"].tolist()


def test_a_reset_without_a_seed_goes_on_where_the_seed_led(world):
    env = world.vector(2, **DISABLED)
    drawn = [env.reset(seed=5 if number == 0 else None)[1]["episode_index"].tolist() for number in range(6)]
    again = [env.reset(seed=5 if number == 0 else None)[1]["episode_index"].tolist() for number in range(6)]
    assert drawn == again
    assert len({tuple(episodes) for episodes in drawn}) > 3


def test_without_any_seed_runs_differ(world):
    drawn = [tuple(world.vector(8).reset()[1]["episode_index"].tolist()) for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_episodes_are_drawn_evenly(world):
    env = world.vector(3000)
    drawn = np.concatenate([env.reset(seed=0)[1]["episode_index"], env.reset()[1]["episode_index"]])
    counts = np.bincount(drawn, minlength=len(world.episodes))
    expected = len(drawn) / len(world.episodes)
    # Chi-square with 59 degrees of freedom: mean 59, standard deviation 10.9.
    assert ((counts - expected) ** 2 / expected).sum() < 59 + 4 * 10.9


def test_seeds_one_by_one(world):
    env = world.vector(3)
    together, _ = env.reset(seed=[9, 7, 9])
    assert_same(row_of(together, 0), row_of(together, 2))
    for index, seed in enumerate((9, 7)):
        assert_same(row_of(together, index), row_of(world.vector(1).reset(seed=seed)[0], 0))
    env.reset(seed=[None, 7, None])
    with pytest.raises(ValueError, match="2 seeds are given for 3 environments"):
        env.reset(seed=[1, 2])


# --- spaces ---


def test_observations_of_a_single_environment_are_inside_its_space(world):
    env = world.single(max_steps=12)
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    for _ in range(60):
        assert observation in env.observation_space
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
        if terminated or truncated:
            observation, _ = env.reset()


def test_the_instruction_is_what_the_vocabulary_makes_of_it(world):
    env = world.vector(len(world.episodes), max_length=12)
    observation, _ = env.reset(options={"episode_index": np.arange(len(world.episodes))})
    for tokens, episode in zip(observation["instruction"], world.episodes, strict=True):
        expected = world.vocabulary.encode(episode.instruction, 12)
        assert tokens.tolist() == [*expected, *[PAD] * (12 - len(expected))]


# --- Gymnasium ---

# One of habitat's ids stands for all, which differ in their data set; each opens workers of its own.
IDS = [pytest.param(name, marks=pytest.mark.slow) if name in list(envs.HABITAT_IDS)[1:] else name for name in envs.IDS]


@pytest.fixture(scope="module")
def options_of(small_data, tmp_path_factory) -> Callable[[str], dict[str, Any]]:
    """What is needed to make each registered id here."""
    folder = tmp_path_factory.mktemp("houses")

    def options(name: str) -> dict[str, Any]:
        houses = {"split": "train", "cache": folder, "scenes": 2, "sensors": Sensors(12, 8)}
        if name in envs.HOUSES_IDS:
            return houses
        if name in envs.HABITAT_IDS:
            return {**houses, "exported": folder / "exported", "workers": look_alike_workers(folder)}
        return {"split": "val_seen", "data": small_data}

    return options


@pytest.mark.parametrize("name", IDS)
def test_every_id_passes_gymnasiums_check(name, options_of):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name, **options_of(name)).unwrapped)


@pytest.mark.parametrize("name", IDS)
def test_every_id_is_made_alone_and_as_a_vector(name, options_of):
    options = {**options_of(name), "max_steps": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vector = gymnasium.make_vec(name, num_envs=3, **options)
        singles = [gymnasium.make(name, **options) for _ in range(3)]
        assert isinstance(vector.unwrapped, NavigationVectorEnv)
        assert (vector.num_envs, vector.metadata["autoreset_mode"]) == (3, AutoresetMode.NEXT_STEP)
        compare_with_singles(vector, singles)
