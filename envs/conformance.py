"""The conformance suite of simulators: what each promises (`envs.simulator`), checked on random walks.

    python -m envs.conformance my_grid:task                     # each promise with a tick; exit code 2 if one is broken
    python -m envs.conformance houses-short --scenes 2 --moves-on --accuracy 0.05 0.03

From Python, `check_world(open_world("my-grid"))` raises a `ConformanceError`: one sentence that names the promise, the
body, what is expected and what there is.
"""

import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from torch.utils import _pytree as pytree
from tyro.conf import Positional

from envs.arguments import to_array
from envs.environment import NavigationVectorEnv, row_of
from envs.make import open_task
from envs.simulator import Simulator
from envs.single import NavigationEnv
from vln.cli import command, say
from vln.episodes import Episode
from vln.errors import InputError
from vln.language import Vocabulary
from vln.tasks import CUSTOM, Task
from vln.text import one_line

DISABLED: dict[str, Any] = {"autoreset_mode": AutoresetMode.DISABLED}
SHOWN = 120  # characters of a value in a sentence
NEAR_START = 0.06  # metres by which a simulator may move a start


class ConformanceError(InputError):
    """A simulator does not keep a promise."""


@dataclass(frozen=True)
class World:
    """A simulator to check, with episodes."""

    simulator: Callable[..., Simulator]
    episodes: Sequence[Episode]
    vocabulary: Vocabulary
    task: Task = CUSTOM
    # Episodes between every ordered pair of some places, by the pair; distances are compared where given
    journeys: Mapping[tuple[str, str], Episode] = field(default_factory=dict)
    patience: int = 60  # number of actions that is more than the expert ever needs
    moves_on: bool = False  # whether a body may move part of the way when it collides
    # Tolerance of distances in metres, which a grid may cause; fraction of distances that may exceed it
    accuracy: tuple[float, float] = (1e-4, 0.0)
    near: float = 0.0  # largest distance in metres from the goal at which the expert stops
    sure: float = 1.0  # fraction of the goals that the expert reaches

    def vector(self, num_envs: int, episodes: Sequence[Episode] = (), **options: Any) -> NavigationVectorEnv:
        """Make an environment of so many bodies; options as of `NavigationVectorEnv`."""
        given = {"task": self.task, **options}
        return NavigationVectorEnv(self.simulator(), episodes or self.episodes, self.vocabulary, num_envs, **given)

    def single(self, **options: Any) -> NavigationEnv:
        """Make a single environment."""
        return NavigationEnv(self.vector(1, **{**DISABLED, **options}))

    def bodies(self, numbers: Sequence[int], episodes: Sequence[Episode] = ()) -> Simulator:
        """Make a simulator with a body at the start of each of the episodes of these numbers."""
        simulator, chosen = self.simulator(), torch.tensor(numbers)
        simulator.load(list(episodes or self.episodes))
        simulator.resize(len(chosen))
        simulator.place(torch.arange(len(chosen)).to(simulator.device), chosen.to(simulator.device))
        return simulator


def open_world(task: Task | str, split: str = "train", episodes: int = 60, **options: Any) -> World:
    """Return the world of a task, with some of the episodes of a split; options as of `envs.source.Options`."""
    data = open_task(task, [split], **{"min_count": 1, **options})
    known = [each for each in data.splits[split] if not each.withheld]
    if not known:
        raise InputError(f"split '{split}'", "has no episode with a goal", "choose another split")
    chosen = known[:: max(1, len(known) // episodes)][:episodes]
    limits: dict[str, Any] = {"patience": data.task.max_steps, "near": data.task.success.metres}
    return World(data.source.simulator, chosen, data.vocabulary, data.task, **limits)


def check_world(world: World, kept: Callable[[str], object] = str) -> None:
    """Check all promises, or raise a ConformanceError; `kept` is told of each that is kept."""
    for promise, check in PROMISES.items():
        try:
            check(world)
        except InputError:
            raise
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            reason = one_line(f"{type(error).__name__}: {error}").rstrip(".")
            problem = f"{Path(frame.filename).name} raised {reason} in the check '{promise}'"
            raise ConformanceError(_name(world), problem, f"see its line {frame.lineno}") from error
        kept(promise)


# --- what is compared, and the sentence if it differs ---


def difference(here: Any, there: Any, name: str = "result") -> tuple[str, object, object] | None:
    """Return where nested results differ, and what is there in each; NaN equals NaN, a tensor its array."""
    if isinstance(here, dict) and isinstance(there, dict):
        if here.keys() != there.keys():
            return name, sorted(here), sorted(there)
        pairs = ((f"{name} '{key}'", here[key], there[key]) for key in here)
    elif isinstance(here, (tuple, list)) and isinstance(there, (tuple, list)):
        if len(here) != len(there):
            return f"number of {name}", len(here), len(there)
        pairs = ((name, *pair) for pair in zip(here, there, strict=True))
    elif isinstance(here, (np.ndarray, np.generic, torch.Tensor)):
        return _array_difference(to_array(here), to_array(there), name)
    else:
        return None if here == there else (name, here, there)
    return next((found for path, one, other in pairs if (found := difference(one, other, path))), None)


def _array_difference(here: np.ndarray, there: np.ndarray, name: str) -> tuple[str, object, object] | None:
    for what, one, other in (("type", here.dtype, there.dtype), ("shape", here.shape, there.shape)):
        if one != other:
            return f"{what} of {name}", one, other
    if here.dtype == object:
        return difference(here.tolist(), there.tolist(), name)
    with np.errstate(invalid="ignore"):
        apart = here != there
    if here.dtype.kind == "f":
        apart &= ~(np.isnan(here) & np.isnan(there))
    if not np.any(apart):
        return None
    first = tuple(np.argwhere(apart)[0].tolist())
    return f"{name} at {list(first)}" if first else name, here[first], there[first]


def _name(world: World) -> str:
    return f"simulator '{world.task.simulator}'"


def _broken(world: World, what: str, expected: object, got: object, fix: str) -> NoReturn:
    """Raise the error of a broken promise."""
    shown = [one_line(str(value))[:SHOWN] for value in (got, expected)]
    raise ConformanceError(_name(world), f"{what} is {shown[0]}, not {shown[1]}", fix)


def _expect(world: World, holds: Any, what: str, expected: Any, got: Any, fix: str) -> None:
    """Raise an error for the first row, of (B,) booleans or one, that does not hold."""
    wrong = np.flatnonzero(~np.atleast_1d(np.asarray(holds, bool)))
    if len(wrong):
        row = int(wrong[0])
        expected, got = (value[row] if np.ndim(value) == 1 else value for value in (expected, got))
        where = f"{what} of body {row}" if np.ndim(holds) else what
        _broken(world, where, expected, got, fix)


def _expect_same(world: World, expected: Any, got: Any, when: str, fix: str) -> None:
    found = difference(expected, got, "")
    if found:
        _broken(world, f"{found[0].strip()} {when}", found[1], found[2], fix)


def senses(simulator: Simulator) -> dict[str, Any]:
    """Return all that a simulator tells of its bodies, whose tensors are not copied."""
    told = {name: getattr(simulator, name)() for name in ("expert", "distance", "poses", "choices")}
    return {"observation": simulator.observe(), **told}


# --- walks ---


def draw_actions(count: int, stop: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Draw actions (steps, B) of all `count` kinds, few of them stops."""
    random = np.random.default_rng(seed)
    actions = random.integers(0, count, shape)
    moves = [action for action in range(count) if action != stop] or [stop]
    again = (actions == stop) & (random.random(shape) < 0.7)
    return np.where(again, random.choice(moves, shape), actions)


def random_actions(env: NavigationVectorEnv, steps: int, seed: int = 0) -> np.ndarray:
    """Draw actions (steps, B) for an environment."""
    count, stop = int(env.single_action_space.n), env.simulator.stop
    return draw_actions(count, stop, (steps, env.num_envs), seed)


def walk(env: NavigationVectorEnv, steps: int = 40, seed: int = 3) -> list[Any]:
    """Return everything an environment hands out on a random walk: the reset, then the steps."""
    return [env.reset(seed=seed), *(env.step(actions) for actions in random_actions(env, steps))]


def _moves(simulator: Simulator, batch: int, steps: int, seed: int = 0) -> Iterator[torch.Tensor]:
    """Yield actions (B,) of a random walk."""
    drawn = draw_actions(int(simulator.action_space.n), simulator.stop, (steps, batch), seed)
    yield from torch.from_numpy(drawn).to(simulator.device)


def _spoil(results: Any) -> None:
    """Overwrite all tensors."""
    for tensor in pytree.tree_leaves(results):
        if isinstance(tensor, torch.Tensor):
            tensor.fill_(1)


def _some(world: World, batch: int, first: int = 0) -> list[int]:
    """Return the numbers of so many episodes, from the first one."""
    return [number % len(world.episodes) for number in range(first, first + batch)]


def _all(simulator: Simulator, batch: int) -> torch.Tensor:
    return torch.ones(batch, dtype=torch.bool, device=simulator.device)


# --- promises ---


def spaces_hold(world: World) -> None:
    """Observations, experts, distances and collisions have the shapes, types and ranges of their spaces."""
    env = world.vector(8, max_steps=12)
    space: Any = env.single_observation_space
    actions: Any = env.single_action_space
    if not isinstance(actions, spaces.Discrete) or actions.start or env.simulator.stop not in range(int(actions.n)):
        _broken(world, "action space", f"a Discrete from 0 with stop {env.simulator.stop}", actions, "correct it")
    types = {"expert": np.int64, "distance": np.float32, "collided": np.bool_}
    for observation, *_, infos in walk(env, steps=50):
        _inside(world, observation, space, env.num_envs)
        if observation not in env.observation_space:
            _broken(world, "batch of observations", env.observation_space, observation, "correct `observe`")
        for name, kind in types.items():
            what, like = f"shape and type of '{name}'", ((env.num_envs,), np.dtype(kind))
            found = infos[name].shape, infos[name].dtype
            _expect(world, found == like, what, str(like), str(found), f"return a tensor (B,) of {np.dtype(kind)}")
        inside = (infos["expert"] >= 0) & (infos["expert"] < actions.n)
        _expect(world, inside, "expert's action", f"in {actions}", infos["expert"], "correct `expert`")


def _inside(world: World, seen: dict[str, Any], space: spaces.Dict, batch: int) -> None:
    """Check that observations (B, ...) are in the space of one, row by row and with its types."""
    fix = "correct `observe` or `observation_space`"
    _expect(world, seen.keys() == space.keys(), "observation", str([*space]), str([*seen]), fix)
    for name, part in space.items():
        if isinstance(part, spaces.Dict):
            _inside(world, seen[name], part, batch)
            continue
        values = seen[name]
        _expect(world, values.dtype == part.dtype, f"type of '{name}'", str(part.dtype), str(values.dtype), fix)
        _expect(world, len(values) == batch, f"number of rows of '{name}'", batch, len(values), fix)
        for row in range(batch):
            if np.asarray(values[row]) not in part:
                _broken(world, f"'{name}' of body {row}", f"in {part}", values[row], fix)


def names_fit(world: World) -> None:
    """Each body has a name for each action, and the name of the stop action is "stop"."""
    simulator = world.bodies(_some(world, 16))
    count, fix = int(simulator.action_space.n), "correct `choices`"
    for actions in _moves(simulator, 16, 20):
        names = simulator.choices()
        _expect(world, len(names) == 16, "number of bodies with choices", 16, len(names), fix)
        lengths = np.array([len(each) for each in names])
        _expect(world, lengths == count, "number of choices", count, lengths, fix)
        stops = np.array([each[simulator.stop] for each in names])
        _expect(world, stops == "stop", "choice of the stop action", "stop", stops, fix)
        simulator.act(actions, _all(simulator, 16))


def actions_mean_what_they_say(world: World) -> None:
    """An action without a name collides, and one with the name of a place leads there."""
    simulator, batch = world.bodies(_some(world, 16)), 16
    for actions in _moves(simulator, batch, 20, seed=1):
        names, before = simulator.choices(), [pose.viewpoint for pose in simulator.poses()]
        collided = to_array(simulator.act(actions, _all(simulator, batch)))
        meant = [each[action] for each, action in zip(names, actions.tolist(), strict=True)]
        offered = np.array([bool(each) for each in meant])
        fix = "let it collide in `act`, or name it in `choices`"
        _expect(world, offered | collided, "effect of an action that is not offered", "a collision", "a move", fix)
        places = [pose.viewpoint for pose in simulator.poses()]
        triples = zip(before, places, meant, strict=True)
        right = np.array([was == now or name in (now, "forward") for was, now, name in triples])
        _expect(world, right, "place that an action leads to", np.array(meant), np.array(places), "correct `choices`")


def starts_are_where_episodes_say(world: World) -> None:
    """Placed bodies stand at the starts of their episodes."""
    poses, fix = world.bodies(range(len(world.episodes))).poses(), "correct `place` or `poses`"
    for row, (pose, episode) in enumerate(zip(poses, world.episodes, strict=True)):
        if episode.path:
            _expect(world, pose.viewpoint == episode.start, f"start of body {row}", episode.start, pose.viewpoint, fix)
            continue
        apart = np.abs(np.subtract(pose.position, episode.positions[0])).max()
        start = str(episode.positions[0])
        _expect(world, apart <= NEAR_START, f"start of body {row}", start, str(pose.position), fix)
        turned = np.cos(pose.heading - episode.heading)
        _expect(world, turned > 1 - 1e-9, f"heading of body {row}", episode.heading, pose.heading, fix)


def placing_leaves_others(world: World) -> None:
    """Placing some bodies changes no other, and is as if they had been there from the first."""
    simulator, batch = world.bodies(_some(world, 6)), 6
    for actions in _moves(simulator, batch, 5):
        simulator.act(actions, _all(simulator, batch))
    before = deepcopy(senses(simulator))
    rows, chosen = [4, 1], _some(world, 2, first=7)
    simulator.place(*(torch.tensor(each, device=simulator.device) for each in (rows, chosen)))
    after, fresh = senses(simulator), senses(world.bodies(chosen))
    for row in range(batch):
        placed = row in rows
        expected = row_of(fresh, rows.index(row)) if placed else row_of(before, row)
        when = f"of body {row} after {rows} were placed"
        _expect_same(world, expected, row_of(after, row), when, "write only into the rows of `place`")


def rows_are_independent(world: World) -> None:
    """A batch of bodies does what each does alone."""
    numbers = _some(world, 5)
    together, alone = world.bodies(numbers), [world.bodies([number]) for number in numbers]
    for actions in _moves(together, 5, 30):
        seen, others = senses(together), [senses(each) for each in alone]
        for row, other in enumerate(others):
            when = f"of body {row} among others"
            _expect_same(world, row_of(other, 0), row_of(seen, row), when, "keep the rows apart")
        collided = to_array(together.act(actions, _all(together, 5)))
        ones = [each.act(actions[row : row + 1], _all(each, 1)) for row, each in enumerate(alone)]
        bumped = np.concatenate([to_array(each) for each in ones])
        _expect(world, collided == bumped, "collision among others", bumped, collided, "keep the rows apart")


def tensors_are_fresh(world: World) -> None:
    """Later steps do not change what was handed out, and changing that does not change the bodies."""
    clean, soiled = (world.bodies(_some(world, 6)) for _ in range(2))
    handed, copies = [], []
    for actions in _moves(clean, 6, 20):
        handed.append(senses(clean))
        copies.append(deepcopy(handed[-1]))
        told = senses(soiled)
        _expect_same(world, handed[-1], told, "after a caller changed what it was given", "return clones")
        _spoil(told)
        for simulator in (clean, soiled):
            _spoil(simulator.act(actions.clone(), _all(simulator, 6)))
    clean.place(torch.tensor([0, 2], device=clean.device), torch.tensor(_some(world, 2), device=clean.device))
    _expect_same(world, copies, handed, "of an earlier step after later ones", "return clones")


def stops_and_collisions_hold(world: World) -> None:
    """Bodies that have ended, stop or collide stay where they are; some collide on a random walk."""
    simulator, batch = world.bodies(_some(world, 32)), 32
    moving, collisions = np.arange(batch) % 4 > 0, 0
    for actions in _moves(simulator, batch, 30):
        before, taken = deepcopy(senses(simulator)), to_array(actions)
        collided = to_array(simulator.act(actions, torch.from_numpy(moving).to(simulator.device)))
        stops = ~moving | (taken == simulator.stop)
        _expect(world, ~(collided & stops), "collision of a body that stops", False, collided, "correct `act`")
        after, still = senses(simulator), stops if world.moves_on else collided | stops
        for row in np.flatnonzero(still).tolist():
            why = "has ended" if not moving[row] else "stops" if stops[row] else "collides"
            kept = ("poses", "distance") if moving[row] else tuple(before)
            was, now = ({name: row_of(each, row)[name] for name in kept} for each in (before, after))
            _expect_same(world, was, now, f"of body {row}, which {why},", "move only those that are `moving`")
        collisions += collided.sum()
    if not collisions:
        _broken(world, "number of collisions on a random walk", "above 0", 0, "report in `act` which moves are blocked")


def distances_are_a_metric(world: World) -> None:
    """Distances between places are those of a metric, and none is shorter than the straight line."""
    if not world.journeys:
        return
    simulator = world.bodies(range(len(world.journeys)), [*world.journeys.values()])
    places = sorted({place for pair in world.journeys for place in pair})
    measured = dict(zip(world.journeys, simulator.distance().tolist(), strict=True))
    between = np.array([[measured[here, there] for there in places] for here in places])
    starts = zip(world.journeys, simulator.poses(), strict=True)
    position = {here: np.array(pose.position) for (here, _), pose in starts}
    straight = np.array([[np.linalg.norm(position[here] - position[there]) for there in places] for here in places])
    metres, share = world.accuracy
    off, fix = metres + share * between, "correct `distance`"
    detours = (between[:, :, None] + between[None] + off[:, None, :]).min(1)
    same = np.eye(len(places), dtype=bool)
    for holds, what in (
        ((between > 0) | same, "distance to another place"),
        ((between <= metres * (share > 0)) | ~same, "distance to the place itself"),
        (np.abs(between - between.T) <= off, "distance there, and not back,"),
        (between >= straight - off, "distance that is below the straight line"),
        (between <= detours, "distance that is above a detour"),
    ):
        _expect(world, holds.all(), what, "that of a metric", between[~holds][:1], fix)


def the_expert_arrives(world: World) -> None:
    """The expert reaches the goals and stops there with success, and never goes away from them."""
    count, fix = len(world.episodes), "correct `expert` or `distance`"
    env = world.vector(count, max_steps=world.patience, autoreset_mode=AutoresetMode.DISABLED)
    _, infos = env.reset(options={"episode_index": np.arange(count)})
    distance, terminated = infos["distance"], np.zeros(count, dtype=bool)
    for _ in range(world.patience):
        _, _, terminated, _, infos = env.step(infos["expert"])
        nearer, now = distance + world.accuracy[0], infos["distance"]
        _expect(world, now <= nearer, "distance after the expert's action", distance, now, fix)
        distance = now
    if terminated.mean() < world.sure:
        away = np.flatnonzero(~terminated)[0]
        what = f"distance of body {away} after {world.patience} actions of the expert"
        _broken(world, what, "0 and the expert stopped", distance[away], fix)
    near = ~terminated | (distance <= world.near)
    _expect(world, near, "distance where the expert stopped", f"at most {world.near}", distance, fix)
    _expect(world, infos["success"] == terminated, "success of the expert", terminated, infos["success"], fix)
    stops = ~terminated | (infos["expert"] == env.simulator.stop)
    _expect(world, stops, "expert's action at the goal", env.simulator.stop, infos["expert"], fix)


def withheld_goals_stay_so(world: World) -> None:
    """Where the goal is withheld there is no distance, and the expert stops at once."""
    simulator = world.bodies(range(len(world.episodes)), [each.without_goal() for each in world.episodes])
    distance, expert = to_array(simulator.distance()), to_array(simulator.expert())
    _expect(world, np.isnan(distance), "distance to a withheld goal", "nan", distance, "see `Episode.withheld`")
    stops = expert == simulator.stop
    _expect(world, stops, "expert's action without a goal", simulator.stop, expert, "see `Episode.withheld`")


def nothing_is_random(world: World) -> None:
    """The same actions lead to the same results in every simulator."""
    here, there = (world.bodies(_some(world, 8)) for _ in range(2))
    fix = "draw nothing at random, or with a seed of the episode"
    for actions in _moves(here, 8, 30, seed=2):
        _expect_same(world, senses(here), senses(there), "in another simulator", fix)
        collided = [each.act(actions, _all(each, 8)) for each in (here, there)]
        _expect_same(world, {"collisions": collided[0]}, {"collisions": collided[1]}, "in another simulator", fix)


def content_hashes_last(world: World) -> None:
    """The hash of a scene is a plain string, the same in every simulator."""
    here, there = (world.bodies([0]) for _ in range(2))
    for scan in dict.fromkeys(each.scan for each in world.episodes):
        found, again = here.content_hash(scan), there.content_hash(scan)
        _expect(world, type(found) is str, f"type of the hash of '{scan}'", "str", type(found).__name__, "return str")
        _expect(world, found == again, f"hash of '{scan}' in another simulator", found, again, "hash content alone")


def pictures_keep_their_size(world: World) -> None:
    """Pictures for people are (H, W, 3) uint8, always of the same size."""
    env = world.vector(3, max_steps=8, render_mode="rgb_array")
    env.reset(seed=0)
    shapes = set()
    for actions in random_actions(env, 12):
        env.step(actions)
        for picture in env.render() or ():
            _expect(world, picture.dtype == np.uint8, "type of a picture", "uint8", picture.dtype, "correct `picture`")
            shapes.add(picture.shape)
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        _broken(world, "shape of pictures", "one (H, W, 3)", sorted(shapes), "correct `picture`")


def a_vector_is_its_singles(world: World) -> None:
    """An environment of a vector lives like a single one with its seed."""
    options: dict[str, Any] = {"max_steps": 9, "record": True}
    compare_with_singles(world.vector(5, **options), [world.single(**options) for _ in range(5)])


def compare_with_singles(vector: Any, singles: Sequence[Any]) -> None:
    """Compare environment i of a vector with the i-th single one, which is reset where the vector resets itself."""
    name, fix = vector.unwrapped.name, "keep the rows of the simulator apart"

    def same(expected: Any, got: Any, index: int) -> None:
        found = difference(expected, got, "")
        if found:
            problem = f"{found[0].strip()} of environment {index} is {found[2]}, and alone {found[1]}"
            raise ConformanceError(name, problem, fix)

    observations, infos = vector.reset(seed=11)
    for index, env in enumerate(singles):
        same(env.reset(seed=11 + index), _row(observations, infos, index), index)
    ended, ends = np.zeros(len(singles), dtype=bool), 0
    for actions in random_actions(vector.unwrapped, 40):
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        for index, env in enumerate(singles):
            found = rewards[index].item(), terminated[index].item(), truncated[index].item()
            if ended[index]:
                same((0.0, False, False), found, index)
                same(env.reset(), _row(observations, infos, index), index)
                continue
            observation, *result, info = env.step(actions[index])
            same(tuple(result), found, index)
            same((observation, info), _row(observations, infos, index), index)
        ended = terminated | truncated
        ends += int(ended.sum())
    if ends <= len(singles):
        raise ConformanceError(name, f"{ends} episodes ended in 40 steps", "give fewer steps to an episode")


def _row(observations: dict[str, Any], infos: dict[str, Any], index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    told = {name: value for name, value in infos.items() if not name.startswith("_")}
    return row_of(observations, index), row_of(told, index)


def gymnasium_agrees(world: World) -> None:
    """Gymnasium's own check finds nothing to complain about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(world.single(), skip_render_check=True)


PROMISES: dict[str, Callable[[World], None]] = {
    " ".join((check.__doc__ or "").split()).rstrip("."): check
    for check in (
        spaces_hold,
        names_fit,
        actions_mean_what_they_say,
        starts_are_where_episodes_say,
        placing_leaves_others,
        nothing_is_random,
        rows_are_independent,
        tensors_are_fresh,
        stops_and_collisions_hold,
        distances_are_a_metric,
        the_expert_arrives,
        withheld_goals_stay_so,
        content_hashes_last,
        pictures_keep_their_size,
        a_vector_is_its_singles,
        gymnasium_agrees,
    )
}


def main(
    task: Positional[str],
    split: str = "train",
    episodes: int = 60,
    scenes: int | None = None,
    data: Path | None = None,
    moves_on: bool = False,
    accuracy: tuple[float, float] = (1e-4, 0.0),
    sure: float = 1.0,
) -> None:
    """Check that the simulator of a task keeps what all simulators promise.

    Args:
        task: A registered task, or `module:attribute`.
        split: Split of the episodes to walk in.
        episodes: Number of these episodes.
        scenes: Scenes of training that are used, from the first.
        data: Data folder; default $VLN_DATA, then ../shared/data.
        moves_on: A body that collides may move part of the way.
        accuracy: Metres by which distances may be wrong, and the share of the distance.
        sure: Share of the goals that the expert must reach.
    """
    found = open_world(task, split, episodes, scenes=scenes, data=data)
    changed = {"moves_on": moves_on, "accuracy": accuracy, "sure": sure}
    check_world(World(**{**vars(found), **changed}), lambda promise: say(f"✔ {promise}"))


if __name__ == "__main__":
    command(main)
