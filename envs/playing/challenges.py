"""What people can do in play: episodes of the data sets, of any house, or a walk in any scene."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from envs.continuous import SceneCache
from envs.continuous.floorplan import floor_plan
from envs.houses import make_house
from envs.houses.dataset import SPLITS, houses_split
from envs.houses.house import house_name
from envs.houses.tasks import LEVELS, TaskMaker
from envs.playing.things import check_thing, has_thing, named_thing
from envs.scene import Scene
from envs.scenes import load_scene
from vln.episodes import Episode
from vln.errors import InputError, unknown_name
from vln.replay.plan import FloorPlan

ROAM = "Walk around."  # the instruction of a walk without a goal
TASKS = 12  # of a house
TRIES = 3  # to find tasks in a house that was asked for
HOUSES = 60  # houses that are searched for a thing
UNSEEN = SPLITS["val_unseen"]


@dataclass(frozen=True)
class PlayRequest:
    """What a person asked for; None where it does not matter."""

    house: int | None = None  # number of a generated house
    scene: Path | None = None  # a file of a scene instead
    dataset: str = "houses-short"  # how far the goals of episodes are
    split: str | None = None  # to take episodes from
    episode: str | None = None  # its id in the split
    start: tuple[float, float, float] | None = None  # metres
    heading: float = 0.0  # degrees to the left of -z, for a start of one's own
    instruction: str | None = None

    def __post_init__(self) -> None:
        """Raise an InputError if the parts do not fit together."""
        given = [flag for flag in ("house", "scene", "split", "episode") if getattr(self, flag) is not None]
        if len(given) > 1 and given != ["split", "episode"]:
            problem = "both say where to be"
            raise InputError(f"--{given[0]} and --{given[1]}", problem, "give one of them")
        if self.dataset not in LEVELS:
            raise unknown_name("--dataset", self.dataset, LEVELS)
        if self.instruction is not None and not self.instruction.strip():
            raise InputError("--instruction", "is empty", "give a sentence")
        if not math.isfinite(self.heading):
            raise InputError("--heading", f"is {self.heading}", "give degrees")


@dataclass
class Places:
    """Scenes by name, as they are walked in and as they are drawn, each made once."""

    up: str | None = None  # axis in files
    scale: float | None = None  # metres per unit in files
    _scenes: dict[str, Scene] = field(default_factory=dict)
    _plans: dict[str, FloorPlan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cache = SceneCache(self.scene)

    def scene(self, name: str) -> Scene:
        """A scene."""
        if name not in self._scenes:
            self._scenes[name] = load_scene(name, self.up, self.scale)
        return self._scenes[name]

    def plan(self, name: str) -> FloorPlan:
        """A scene from above."""
        if name not in self._plans:
            self._plans[name] = floor_plan(self.scene(name), self.cache.get(name).ground)
        return self._plans[name]


def challenges(request: PlayRequest, places: Places, rng: random.Random) -> Iterator[Episode]:
    """Episodes as a person wishes; an InputError if there is none, or a start is outside the walkable area."""
    if request.split is not None or request.episode is not None:
        return _of_split(request, rng)
    named = named_thing(request.instruction or "")
    if named and request.scene is None and request.start is None:
        return _to_thing(request, named, rng)
    if request.scene is not None or request.start is not None or request.instruction is not None:
        return _walks(request, places, rng)
    return _of_houses(request, rng)


def _of_split(request: PlayRequest, rng: random.Random) -> Iterator[Episode]:
    """The episode asked for, or those of a split in any order."""
    split = request.split or "val_unseen"
    episodes = houses_split(split, request.dataset)
    if request.episode is None:
        return iter(rng.sample(episodes, len(episodes)))
    found = [episode for episode in episodes if episode.episode_id == request.episode]
    if not found:
        some = ", ".join(episode.episode_id for episode in episodes[:3])
        problem = f"'{request.episode}' is not in '{split}' of '{request.dataset}'"
        raise InputError("--episode", problem, f"choose one of its {len(episodes)}, such as {some}")
    return iter(found)


def _of_houses(request: PlayRequest, rng: random.Random) -> Iterator[Episode]:
    """Episodes of a house, or one of each of endless houses that no agent has trained in."""
    if request.house is not None:
        yield from house_episodes(request.house, request.dataset, rng)
        return
    while True:
        house = UNSEEN.first + rng.randrange(UNSEEN.room)
        yield from itertools.islice(house_episodes(house, request.dataset, rng), 1)


def _to_thing(request: PlayRequest, thing: tuple[str, str], rng: random.Random) -> Iterator[Episode]:
    """Episodes to the thing that the instruction names, in the house asked for or in unseen ones that have it."""
    if request.house is not None:
        check_thing(thing, make_house(request.house))
        houses = iter([request.house] * TRIES)
    else:
        drawn = (UNSEEN.first + rng.randrange(UNSEEN.room) for _ in range(HOUSES))
        houses = (house for house in drawn if has_thing(thing, make_house(house)))
    found = False
    for house in houses:
        for episode in house_episodes(house, request.dataset, rng, thing, request.instruction):
            found = True
            yield episode
    if found:
        return
    name = " ".join(filter(None, thing))
    where = f"house {request.house}" if request.house is not None else f"{HOUSES} houses"
    problem = f"no start from which the {name} can be reached was found in {where}"
    raise InputError("--instruction", problem, "name another thing, or give --start")


def house_episodes(
    house: int, dataset: str, rng: random.Random, thing: tuple[str, str] | None = None, instruction: str | None = None
) -> Iterator[Episode]:
    """Some episodes of a house that are in no data set; to a thing (colour, category) with an instruction, if given."""
    seed = rng.randrange(2**31)
    maker = TaskMaker(make_house(house), LEVELS[dataset], True, (seed, house))
    if thing is not None:
        maker.keep_goals(*thing)
    for number, task in enumerate(maker.tasks(TASKS)):
        places = tuple((x, y, z) for x, y, z in task.positions.tolist())
        said = instruction or rng.choice(task.instructions).text
        # The seed tells episodes of one house in several sessions apart.
        name, episode_id = house_name(house), f"{house}-play{seed:08x}-{number}_0"
        yield Episode(episode_id, name, "play", said, (), task.heading, (), places, task.target)


def _walks(request: PlayRequest, places: Places, rng: random.Random) -> Iterator[Episode]:
    """Walks in a scene without a goal to measure by, from the start asked for or from anywhere."""
    house = UNSEEN.first + rng.randrange(UNSEEN.room) if request.house is None else request.house
    scan = house_name(house) if request.scene is None else str(request.scene)
    ground = places.cache.get(scan).ground
    seed = rng.randrange(2**31)
    random_numbers = np.random.default_rng(seed)
    for number in itertools.count():
        if request.start is None:
            place, heading = ground.sample(random_numbers, 1)[0], random_numbers.uniform(0, 2 * math.pi)
        else:
            place, heading = ground.require(request.start, "start"), math.radians(request.heading)
        x, y, z = place.tolist()
        instruction = request.instruction or ROAM
        yield Episode(f"walk-{seed:08x}-{number}", scan, "play", instruction, (), heading, (), ((x, y, z),))
