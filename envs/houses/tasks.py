"""Tasks in a house: a start, a goal, the shortest way, and instructions proven to lead there and nowhere else."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.houses.categories import LANDMARKS
from envs.houses.layout import Layout, box_distance, gap
from envs.houses.route import FLAT, describe
from envs.houses.verify import BESIDE, goals
from envs.navigation import Body, Ground, build_ground
from envs.scene import Scene, SceneObject
from vln.continuous_datasets import CONTINUOUS_DATASETS
from vln.instructions.clauses import Clause, Enter, Leave, Pass, Route, Stop, Thing
from vln.instructions.plans import plans
from vln.instructions.styles import HELD_OUT, STYLES, Style, write_instruction
from vln.language import split_words

_HOUSES = CONTINUOUS_DATASETS["houses"]
BODY = Body(_HOUSES.radius, _HOUSES.height)
WORDS = (6, 40)  # tokens of an instruction, punctuation included
APART = 3.0  # metres from the goal beyond which other things make the choice of the goal matter
APART_IN_ROOM = 2.5  # the same of things in the room of the goal
DISTRACTORS = 3  # how many of them there must be
ROOM_GOALS = 0.15  # how often the goal is a room
HELD_OUT_SHARE = 0.25  # of the instructions in unseen houses are in the held-out style
STARTS = 400  # points of a house that starts are drawn from
LOOKED_AT = 80  # of them, for each goal
SIMILAR = 5  # starts of about the same distance to choose from
TRIES = 12  # goals looked at per path wanted
REACH = 0.9  # metres from where one stops to the thing one stops at
NOT_GOALS = (*FLAT, "painting", "clock", "mirror")  # what one walks on, or what hangs where one cannot stand before it


@dataclass(frozen=True)
class Level:
    """How hard tasks are.

    Attributes:
        shortest: Metres of the shortest way to a goal.
        longest: Metres of the longest.
        goal_only: How often an instruction names nothing but the goal, where that is enough.
        words: Most tokens of an instruction.
        one_room: Whether the goal is a thing in the room where the way starts.
    """

    shortest: float
    longest: float
    goal_only: float
    words: int = WORDS[1]
    one_room: bool = False


LEVELS = {
    "houses-short": Level(2.0, 5.0, goal_only=0.5, one_room=True),
    "houses": Level(4.0, 10.0, goal_only=0.1),
    "houses-long": Level(9.0, 20.0, goal_only=0.05, words=56),
}


@dataclass(frozen=True)
class Told:
    """An instruction and what it says.

    Attributes:
        text: The sentence.
        style: Name of its style.
        route: Its clauses.
    """

    text: str
    style: str
    route: Route


@dataclass(frozen=True)
class Task:
    """A way through a house and what was said about it.

    Attributes:
        heading: At the start, radians.
        positions: (k, 3) float64, metres, whole millimetres.
        target: What is to be reached, for people.
        told: One to three instructions in different styles.
    """

    heading: float
    positions: np.ndarray
    target: str
    told: tuple[Told, ...]


@dataclass(frozen=True)
class Goal:
    """Where to stop and why.

    Attributes:
        position: (3,) float64.
        stop: The last clause, with everything that may be said.
        target: Index of the object, -1 where the goal is a room.
    """

    position: np.ndarray
    stop: Stop
    target: int


def held_out(category: str, colour: str) -> bool:
    """Whether a pair of object and colour is named in unseen houses alone: about one in ten, by hash."""
    return hashlib.sha256(f"{colour} {category}".encode()).digest()[0] < 26


class TaskMaker:
    """Makes the tasks of one house.

    Args:
        scene: The house.
        level: How hard.
        unseen: Whether the held-out style and pairs are allowed.
        seed: Numbers that decide everything drawn.
    """

    def __init__(self, scene: Scene, level: Level, unseen: bool, seed: Sequence[int]) -> None:
        self.level, self.unseen = level, unseen
        self.layout = Layout(scene)
        self.ground: Ground = build_ground(scene, BODY)
        self._numbers = np.random.default_rng(seed)
        self._words = random.Random(repr(tuple(seed)))
        starts = np.asarray(self.ground.sample(self._numbers, STARTS), dtype=np.float64).round(3)
        self._starts = starts[self.layout.rooms_at(starts) >= 0]
        self._start_rooms = self.layout.rooms_at(self._starts)
        self._room_goals = 0.0 if level.one_room else ROOM_GOALS
        self._targets = self._candidates()

    def tasks(self, count: int) -> Iterator[Task]:
        """Up to `count` tasks; fewer where the house does not hold so many."""
        made = 0
        for _ in range(count * TRIES):
            if made == count or not len(self._starts):
                return
            goal = self._room_goal() if self._numbers.random() < self._room_goals else self._thing_goal()
            task = self._task(goal) if goal else None
            if task:
                made += 1
                yield task

    def _candidates(self) -> dict[str, list[int]]:
        """Objects that may be goals, by category."""
        found: dict[str, list[int]] = {}
        for number, thing in enumerate(self.layout.scene.objects):
            if thing.category not in LANDMARKS or thing.category in NOT_GOALS or thing.room < 0 or not thing.colour:
                continue
            if self.unseen or not held_out(thing.category, thing.colour):
                found.setdefault(thing.category, []).append(number)
        return found

    def _named(self, number: int) -> Thing:
        """What an object is called; without its colour where training must not name the pair."""
        thing = self.layout.scene.objects[number]
        hidden = not self.unseen and held_out(thing.category, thing.colour)
        return Thing(thing.category, "" if hidden else thing.colour)

    def _draw(self, count: int) -> int:
        return int(self._numbers.random() * count)

    def _thing_goal(self) -> Goal | None:
        """A walkable place in front of or beside an object; categories are equally likely."""
        if not self._targets:
            return None
        categories = sorted(self._targets)
        numbers = self._targets[categories[self._draw(len(categories))]]
        number = numbers[self._draw(len(numbers))]
        thing = self.layout.scene.objects[number]
        position = self._beside(thing)
        if position is None:
            return None
        place: Literal["front", "by"] = "front" if self._in_front(thing, position) else "by"
        near = [
            other
            for other, each in enumerate(self.layout.scene.objects)
            if other != number
            and each.room == thing.room
            and each.category != thing.category
            and each.category in LANDMARKS
            and each.category not in FLAT
            and 0 < gap(thing, each) < BESIDE - 0.1
        ]
        beside = self._named(near[self._draw(len(near))]) if near else None
        stop = Stop(place, self._named(number), self.layout.category(thing.room), beside)
        return Goal(position, stop, number)

    def _beside(self, thing: SceneObject) -> np.ndarray | None:
        """(3,) the walkable point before the middle of one of an object's sides that is nearest to it."""
        floor = self.layout.scene.rooms[thing.room].floor
        half = (np.array(thing.high) - np.array(thing.low))[[0, 2]] / 2
        centre = np.array([thing.centre[0], thing.centre[2]])
        away = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * (half + BODY.radius + 0.3)
        points = np.insert(centre + away, 1, floor, axis=1)
        found, moved = self.ground.snap(points)
        found = np.asarray(found, dtype=np.float64).round(3)
        close = box_distance(thing, found[:, [0, 2]]) < REACH
        right = close & (self.layout.rooms_at(found) == thing.room) & (np.asarray(moved) < 0.4)
        if not right.any():
            return None
        order = np.where(right, np.linalg.norm(found[:, [0, 2]] - centre, axis=1).round(3), np.inf)
        return found[int(order.argmin())]

    def _in_front(self, thing: SceneObject, position: np.ndarray) -> bool:
        """Whether an object has its back to a wall and one stands across from that wall."""
        offset = position[[0, 2]] - np.array([thing.centre[0], thing.centre[2]])
        half = (np.array(thing.high) - np.array(thing.low))[[0, 2]] / 2
        axis = int((np.abs(offset) / half).argmax())
        direction = np.zeros(2)
        direction[axis] = np.sign(offset[axis])
        return self.layout.wall_behind(thing, -direction)

    def _room_goal(self) -> Goal | None:
        """Just behind a door of a room, or in the middle of a room; which door is decided by the way."""
        rooms = self.layout.scene.rooms
        room = self._draw(len(rooms))
        if not self.layout.exits[room]:
            return None
        if self._numbers.random() < 0.35 and self.layout.rectangular(room):
            place, wanted = "middle", self.layout.middle(room)
        else:
            way = self.layout.exits[room][self._draw(len(self.layout.exits[room]))]
            place, wanted = "inside", way.centre - way.outward * 0.8
        found, moved = self.ground.snap(np.array([[wanted[0], rooms[room].floor, wanted[1]]]))
        position = np.asarray(found, dtype=np.float64)[0].round(3)
        if float(np.asarray(moved)[0]) > 0.5 or int(self.layout.rooms_at(position[None])[0]) != room:
            return None
        return Goal(position, Stop("middle" if place == "middle" else "inside", room=self.layout.category(room)), -1)

    def _task(self, goal: Goal) -> Task | None:
        """A way to a goal with its instructions; None where nothing proves unique."""
        start = self._start(goal)
        if start is None or not self._has_distractors(goal):
            return None
        path = np.asarray(self.ground.shortest_path(start, goal.position), dtype=np.float64)
        path[0], path[-1] = start, goal.position
        room = int(self.layout.rooms_at(start[None])[0])
        heading = round(float(self._numbers.random() * 2 - 1) * np.pi, 4)
        route = describe(self.layout, path, heading, goal.stop, self._named, goal.target)
        if route is None:
            return None
        told = self._tell(route, goal, room)
        return Task(heading, path.round(3), self._target(goal), told) if told else None

    def _start(self, goal: Goal) -> np.ndarray | None:
        """(3,) a start, every distance of the level as likely as the house allows; None where there is none."""
        straight = np.linalg.norm(self._starts - goal.position, axis=1)
        near = self._starts[(straight < self.level.longest) & self._beginnings(goal)]
        near = np.roll(near, self._draw(len(near)), axis=0)[:LOOKED_AT]
        away = np.asarray(self.ground.field(goal.position).distance(near))
        fit = np.flatnonzero((away > self.level.shortest) & (away < self.level.longest))
        if not len(fit):
            return None
        wanted = away[fit].min() + self._numbers.random() * float(np.ptp(away[fit]))
        nearest = fit[np.argsort(np.abs(away[fit] - wanted), kind="stable")[:SIMILAR]]
        return near[nearest[self._draw(len(nearest))]]

    def _beginnings(self, goal: Goal) -> np.ndarray:
        """(STARTS,) bool, which starts are in a room that a way to a goal may start in."""
        if not self.level.one_room:
            return np.ones(len(self._starts), bool)
        return self._start_rooms == self.layout.rooms_at(goal.position[None])[0]

    def _has_distractors(self, goal: Goal) -> bool:
        """Whether there is enough else to stop at, as far from the goal as to fail and as near as the start may be."""
        objects, one_room = self.layout.scene.objects, self.level.one_room
        room = int(self.layout.rooms_at(goal.position[None])[0])
        others = [objects[number] for numbers in self._targets.values() for number in numbers]
        others = [thing for thing in others if not one_room or thing.room == room]
        points = np.array([thing.centre for thing in others]).reshape(-1, 3)
        away = np.linalg.norm(points[:, [0, 2]] - goal.position[[0, 2]], axis=1)
        near = (away > (APART_IN_ROOM if one_room else APART)) & (away < self.level.longest)
        return int(near.sum()) >= DISTRACTORS

    def _tell(self, route: Route, goal: Goal, room: int) -> tuple[Told, ...]:
        """One to three instructions, each in its own style."""
        wanted, found = 1 + int(self._words.random() * 3), list[Told]()
        styles = [style for style in STYLES.values() if style.name != HELD_OUT]
        while styles and len(found) < wanted:
            if self.unseen and self._words.random() < HELD_OUT_SHARE and all(each.style != HELD_OUT for each in found):
                style = STYLES[HELD_OUT]
            else:
                style = styles.pop(int(self._words.random() * len(styles)))
            told = self._in_style(route, style, goal, room)
            if told and all(each.text != told.text for each in found):
                found.append(told)
        return tuple(found)

    def _in_style(self, route: Route, style: Style, goal: Goal, room: int) -> Told | None:
        """An instruction in a style, of the least detail that proves the goal, and of a length to be read."""
        for plan in plans(route, style, self._words, self.level.goal_only):
            if (goal.stop.place == "inside" and not _comes_in(plan)) or not self._proven(plan, goal, room):
                continue
            for shorter in (plan, plan, tuple(clause for clause in plan if not isinstance(clause, Pass))):
                text = write_instruction(shorter, style, self._words)
                if WORDS[0] <= len(split_words(text)) <= self.level.words:
                    return Told(text, style.name, shorter)
        return None

    def _proven(self, plan: Route, goal: Goal, room: int) -> bool:
        """Whether a plan leads to the goal and to nothing else."""
        meant = goals(plan, self.layout, room)
        if goal.target >= 0:
            return meant == {goal.target}
        return meant == {int(self.layout.rooms_at(goal.position[None])[0])}

    def _target(self, goal: Goal) -> str:
        """What is to be reached, for people."""
        if goal.stop.thing is None:
            return goal.stop.room
        return f"{goal.stop.thing.colour} {goal.stop.thing.category}".strip()


def _comes_in(route: Sequence[Clause]) -> bool:
    """Whether a route goes through a door last, so that "inside" has one meaning."""
    return any(isinstance(clause, Enter | Leave) for clause in route)
