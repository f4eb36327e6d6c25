"""Making tasks in a house: start, goal, shortest path, and instructions verified to have only this goal."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.houses.categories import LANDMARKS
from envs.houses.layout import Layout, box_distance, box_gap
from envs.houses.route import FLAT, describe_path
from envs.houses.verify import BESIDE, possible_goals
from envs.navigation import Body, Ground, build_ground
from envs.scene import Scene, SceneObject
from vln.instructions.clauses import Clause, Enter, Leave, Pass, Route, Stop, Thing
from vln.instructions.plans import plans
from vln.instructions.styles import HELD_OUT, STYLES, Style, write_instruction
from vln.language import split_words
from vln.tasks import find_task

_BODY = find_task("houses").body
BODY = Body(_BODY.radius, _BODY.height)
LENGTHS = (6, 40)  # least and largest number of tokens of an instruction, with punctuation
DISTRACTOR_DISTANCE = 3.0  # metres, least distance of a distractor from the goal
DISTRACTOR_DISTANCE_ROOM = 2.5  # the same for tasks in one room
DISTRACTORS = 3  # least number of distractors: other possible goals where stopping fails
ROOM_GOALS = 0.15  # fraction of tasks whose goal is a room
HELD_OUT_SHARE = 0.25  # fraction of instructions in unseen houses in the held-out style
STARTS = 400  # points of a house that starts are drawn from
STARTS_PER_GOAL = 80  # starts considered for each goal
CANDIDATE_STARTS = 5  # starts of about the same distance to choose from
TRIES = 12  # goals tried per task
STOP_DISTANCE = 0.9  # metres, greatest distance of the stop from the goal object
NO_GOALS = (*FLAT, "painting", "clock", "mirror")  # objects on the floor, or on walls where a body may not fit below


@dataclass(frozen=True)
class Level:
    """The difficulty of tasks."""

    shortest: float  # least length of the path, metres
    longest: float  # greatest length of the path, metres
    goal_only: float  # probability of an instruction that names only the goal, where that is unambiguous
    words: int = LENGTHS[1]  # largest number of tokens of an instruction
    one_room: bool = False  # whether the goal is an object in the room of the start


LEVELS = {
    "houses-short": Level(2.0, 5.0, goal_only=0.5, one_room=True),
    "houses": Level(4.0, 10.0, goal_only=0.1),
    "houses-long": Level(9.0, 20.0, goal_only=0.05, words=56),
}


@dataclass(frozen=True)
class Instruction:
    """An instruction: the sentence, the name of its style, and its clauses."""

    text: str
    style: str
    route: Route


@dataclass(frozen=True)
class HouseTask:
    """A path through a house with instructions."""

    heading: float  # at the start, radians
    positions: np.ndarray  # (k, 3) float64, corners of the path, metres rounded to millimetres
    target: str  # name of the goal, "red sofa" or "kitchen"
    instructions: tuple[Instruction, ...]  # one to three in different styles


@dataclass(frozen=True)
class Goal:
    """The goal of a task."""

    position: np.ndarray  # (3,) float64, metres
    stop: Stop  # the last clause in full detail
    target: int  # index of the object, -1 if the goal is a room


def held_out(category: str, colour: str) -> bool:
    """Return whether a pair of object and colour is named only in unseen houses: about one in ten, by hash."""
    return hashlib.sha256(f"{colour} {category}".encode()).digest()[0] < 26


class TaskMaker:
    """Makes the tasks of one house; the held-out style and pairs are allowed in an unseen one."""

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
        self._goals = self._targets  # which of them tasks lead to

    def tasks(self, count: int) -> Iterator[HouseTask]:
        """Iterate over up to `count` tasks; fewer if not enough are found."""
        made = 0
        for _ in range(count * TRIES):
            if made == count or not len(self._starts):
                return
            goal = self._room_goal() if self._numbers.random() < self._room_goals else self._thing_goal()
            task = self._task(goal) if goal else None
            if task:
                made += 1
                yield task

    def keep_goals(self, colour: str, category: str) -> None:
        """Keep only goals of a category, and of a colour unless it is empty."""
        things = self.layout.scene.objects
        found = [each for each in self._targets.get(category, ()) if colour in ("", things[each].colour)]
        self._goals = {category: found} if found else {}

    def _candidates(self) -> dict[str, list[int]]:
        """Return the objects that may be goals, by category."""
        found: dict[str, list[int]] = {}
        for number, thing in enumerate(self.layout.scene.objects):
            if thing.category not in LANDMARKS or thing.category in NO_GOALS or thing.room < 0 or not thing.colour:
                continue
            if self.unseen or not held_out(thing.category, thing.colour):
                found.setdefault(thing.category, []).append(number)
        return found

    def _named(self, number: int) -> Thing:
        """Return the name of an object, without its colour if the pair is held out of training."""
        thing = self.layout.scene.objects[number]
        hidden = not self.unseen and held_out(thing.category, thing.colour)
        return Thing(thing.category, "" if hidden else thing.colour)

    def _draw(self, count: int) -> int:
        return int(self._numbers.random() * count)

    def _thing_goal(self) -> Goal | None:
        """Draw a goal in front of or beside an object; categories are equally likely."""
        if not self._goals:
            return None
        categories = sorted(self._goals)
        numbers = self._goals[categories[self._draw(len(categories))]]
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
            and 0 < box_gap(thing, each) < BESIDE - 0.1
        ]
        beside = self._named(near[self._draw(len(near))]) if near else None
        stop = Stop(place, self._named(number), self.layout.category(thing.room), beside)
        return Goal(position, stop, number)

    def _beside(self, thing: SceneObject) -> np.ndarray | None:
        """Return the walkable point nearest to an object, (3,), out of one for the middle of each side."""
        floor = self.layout.scene.rooms[thing.room].floor
        half = (np.array(thing.high) - np.array(thing.low))[[0, 2]] / 2
        centre = np.array([thing.centre[0], thing.centre[2]])
        away = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * (half + BODY.radius + 0.3)
        points = np.insert(centre + away, 1, floor, axis=1)
        found, moved = self.ground.snap(points)
        found = np.asarray(found, dtype=np.float64).round(3)
        close = box_distance(thing, found[:, [0, 2]]) < STOP_DISTANCE
        right = close & (self.layout.rooms_at(found) == thing.room) & (np.asarray(moved) < 0.4)
        if not right.any():
            return None
        order = np.where(right, np.linalg.norm(found[:, [0, 2]] - centre, axis=1).round(3), np.inf)
        return found[int(order.argmin())]

    def _in_front(self, thing: SceneObject, position: np.ndarray) -> bool:
        """Return whether an object has its back to a wall and a position is on the opposite side."""
        offset = position[[0, 2]] - np.array([thing.centre[0], thing.centre[2]])
        half = (np.array(thing.high) - np.array(thing.low))[[0, 2]] / 2
        axis = int((np.abs(offset) / half).argmax())
        direction = np.zeros(2)
        direction[axis] = np.sign(offset[axis])
        return self.layout.wall_behind(thing, -direction)

    def _room_goal(self) -> Goal | None:
        """Draw a goal just behind a door of a room, or in the middle of a room."""
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

    def _task(self, goal: Goal) -> HouseTask | None:
        """Make a task with a goal; None if no instruction is unambiguous."""
        start = self._start(goal)
        if start is None or not self._has_distractors(goal):
            return None
        path = np.asarray(self.ground.shortest_path(start, goal.position), dtype=np.float64)
        path[0], path[-1] = start, goal.position
        room = int(self.layout.rooms_at(start[None])[0])
        heading = round(float(self._numbers.random() * 2 - 1) * np.pi, 4)
        route = describe_path(self.layout, path, heading, goal.stop, self._named, goal.target)
        if route is None:
            return None
        instructions = self._instructions(route, goal, room)
        return HouseTask(heading, path.round(3), self._target(goal), instructions) if instructions else None

    def _start(self, goal: Goal) -> np.ndarray | None:
        """Draw a start, (3,), with distances of the level as uniform as the house allows; None if there is none."""
        straight = np.linalg.norm(self._starts - goal.position, axis=1)
        near = self._starts[(straight < self.level.longest) & self._allowed_starts(goal)]
        near = np.roll(near, self._draw(len(near)), axis=0)[:STARTS_PER_GOAL]
        away = np.asarray(self.ground.field(goal.position).distance(near))
        fit = np.flatnonzero((away > self.level.shortest) & (away < self.level.longest))
        if not len(fit):
            return None
        wanted = away[fit].min() + self._numbers.random() * float(np.ptp(away[fit]))
        nearest = fit[np.argsort(np.abs(away[fit] - wanted), kind="stable")[:CANDIDATE_STARTS]]
        return near[nearest[self._draw(len(nearest))]]

    def _allowed_starts(self, goal: Goal) -> np.ndarray:
        """Return which starts are in a room where a path to a goal may begin, (STARTS,) bool."""
        if not self.level.one_room:
            return np.ones(len(self._starts), bool)
        return self._start_rooms == self.layout.rooms_at(goal.position[None])[0]

    def _has_distractors(self, goal: Goal) -> bool:
        """Return whether enough other goals are far enough to fail, and no further than the longest path."""
        objects, one_room = self.layout.scene.objects, self.level.one_room
        room = int(self.layout.rooms_at(goal.position[None])[0])
        others = [objects[number] for numbers in self._targets.values() for number in numbers]
        others = [thing for thing in others if not one_room or thing.room == room]
        points = np.array([thing.centre for thing in others]).reshape(-1, 3)
        away = np.linalg.norm(points[:, [0, 2]] - goal.position[[0, 2]], axis=1)
        near = (away > (DISTRACTOR_DISTANCE_ROOM if one_room else DISTRACTOR_DISTANCE)) & (away < self.level.longest)
        return int(near.sum()) >= DISTRACTORS

    def _instructions(self, route: Route, goal: Goal, room: int) -> tuple[Instruction, ...]:
        """Make one to three instructions in different styles."""
        wanted, found = 1 + int(self._words.random() * 3), list[Instruction]()
        styles = [style for style in STYLES.values() if style.name != HELD_OUT]
        while styles and len(found) < wanted:
            if self.unseen and self._words.random() < HELD_OUT_SHARE and all(each.style != HELD_OUT for each in found):
                style = STYLES[HELD_OUT]
            else:
                style = styles.pop(int(self._words.random() * len(styles)))
            instruction = self._in_style(route, style, goal, room)
            if instruction and all(each.text != instruction.text for each in found):
                found.append(instruction)
        return tuple(found)

    def _in_style(self, route: Route, style: Style, goal: Goal, room: int) -> Instruction | None:
        """Make an instruction in a style with the least detail that identifies the goal; None if it is too long."""
        for plan in plans(route, style, self._words, self.level.goal_only):
            if (goal.stop.place == "inside" and not _passes_door(plan)) or not self._is_unique(plan, goal, room):
                continue
            for shorter in (plan, plan, tuple(clause for clause in plan if not isinstance(clause, Pass))):
                text = write_instruction(shorter, style, self._words)
                if LENGTHS[0] <= len(split_words(text)) <= self.level.words:
                    return Instruction(text, style.name, shorter)
        return None

    def _is_unique(self, plan: Route, goal: Goal, room: int) -> bool:
        """Return whether a plan leads to the goal and to nothing else."""
        meant = possible_goals(plan, self.layout, room)
        if goal.target >= 0:
            return meant == {goal.target}
        return meant == {int(self.layout.rooms_at(goal.position[None])[0])}

    def _target(self, goal: Goal) -> str:
        """Return the name of the goal."""
        if goal.stop.thing is None:
            return goal.stop.room
        return f"{goal.stop.thing.colour} {goal.stop.thing.category}".strip()


def _passes_door(route: Sequence[Clause]) -> bool:
    """Return whether a route goes through a door, so that "inside" is unambiguous."""
    return any(isinstance(clause, Enter | Leave) for clause in route)
