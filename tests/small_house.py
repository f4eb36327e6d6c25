"""Two rooms, a door between them and a sofa: scenes for tests that need no generated house, and episodes in them."""

import numpy as np

from envs.scene import Door, Room, Scene, SceneObject
from vln.episodes import Episode

WIDTH, DEPTH, HEIGHT = 8.0, 5.0, 2.5  # metres
WALL, DOOR = 0.1, 1.0
COLOURS = {"floor": (150, 120, 90), "ceiling": (250, 250, 250), "wall": (200, 190, 180), "red": (200, 40, 30)}
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
# Two triangles a side, counter-clockwise seen from outside: -x, +x, -y, +y, -z, +z.
SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
BOX = np.array([triangle for a, b, c, d in SIDES for triangle in ((a, b, c), (a, c, d))])


def small_house(name: str) -> Scene:
    """A house; the name decides where its door and its sofa are."""
    random = np.random.default_rng(list(name.encode()))
    door = random.uniform(1, DEPTH - 1)
    sofa = np.array([random.uniform(1, 2.5), 0, random.uniform(1.5, DEPTH - 2)])
    sofa_end = sofa + np.array([0.9, 0.8, 1.6])
    far = np.array([WIDTH, HEIGHT, DEPTH])
    boxes = [
        ((0, -0.1, 0), (WIDTH, 0, DEPTH), "floor", 0),
        ((0, HEIGHT, 0), (WIDTH, HEIGHT + 0.1, DEPTH), "ceiling", 0),
        *(((at - WALL, 0, 0), (at, HEIGHT, DEPTH), "wall", 0) for at in (0.0, WIDTH + WALL)),
        *(((0, 0, at - WALL), (WIDTH, HEIGHT, at), "wall", 0) for at in (0.0, DEPTH + WALL)),
        ((WIDTH / 2, 0, 0), (WIDTH / 2 + WALL, HEIGHT, door - DOOR / 2), "wall", 0),
        ((WIDTH / 2, 0, door + DOOR / 2), (WIDTH / 2 + WALL, HEIGHT, DEPTH), "wall", 0),
        (sofa, sofa_end, "red", 1),
    ]
    low, high = (np.array([box[end] for box in boxes], float) for end in (0, 1))
    vertices = (low[:, None] + CORNERS * (high - low)[:, None]).reshape(-1, 3)
    thing = SceneObject("sofa", "red", 0, tuple(sofa.tolist()), tuple(sofa_end.tolist()))
    halves = ((0.0, WIDTH / 2), (WIDTH / 2 + WALL, far[0]))
    rooms = tuple(
        Room(category, ((left, 0.0), (right, 0.0), (right, DEPTH), (left, DEPTH)))
        for category, (left, right) in zip(("living room", "kitchen"), halves, strict=True)
    )
    return Scene(
        name,
        vertices.astype(np.float32),
        np.concatenate([BOX + 8 * number for number in range(len(boxes))]).astype(np.int32),
        np.repeat(np.array([COLOURS[box[2]] for box in boxes], np.uint8), 8, 0),
        np.zeros((len(vertices), 2), np.float32),
        np.full(12 * len(boxes), -1, np.int32),
        np.repeat(np.array([box[3] for box in boxes], np.int32), 12),
        objects=(thing,),
        rooms=rooms,
        doors=(Door((0, 1), (WIDTH / 2 + WALL / 2, 0.0, float(door)), DOOR),),
    )


def places(name: str, count: int) -> list[tuple[float, float, float]]:
    """Places to stand in a house, away from walls and from the sofa."""
    sofa = small_house(name).objects[0]
    random, found = np.random.default_rng(count), []
    while len(found) < count:
        x, z = random.uniform(0.4, WIDTH - 0.4), random.uniform(0.4, DEPTH - 0.4)
        beside_sofa = not (sofa.low[0] - 0.4 < x < sofa.high[0] + 0.4 and sofa.low[2] - 0.4 < z < sofa.high[2] + 0.4)
        if beside_sofa and abs(x - WIDTH / 2) > 0.5:
            found.append((round(x, 3), 0.0, round(z, 3)))
    return found


def small_episodes(name: str, count: int, withheld: bool = False) -> list[Episode]:
    """Episodes between places of a house."""
    ends = places(name, 2 * count)
    headings = np.random.default_rng(count).uniform(0, 2 * np.pi, count).round(3).tolist()
    words = ("sofa", "kitchen", "door", "wall")
    return [
        Episode(
            f"{name}-{number}_0",
            name,
            "made",
            f"Go to the {words[number % len(words)]} {'and stop ' * (number % 3)}.",
            (),
            headings[number],
            positions=(ends[2 * number],) if withheld else (ends[2 * number], ends[2 * number + 1]),
        )
        for number in range(count)
    ]
