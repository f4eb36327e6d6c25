"""Assigning categories to the rooms of a plan."""

from collections.abc import Sequence

import numpy as np

from envs.houses.blocks import Blocks

# Category -> smallest and largest area in square metres, weight, largest number in a house.
EXTRAS = {
    "bedroom": (8.5, 30.0, 3.0, 2),
    "dining room": (9.0, 30.0, 2.0, 1),
    "office": (7.0, 18.0, 1.6, 1),
    "kids room": (8.5, 22.0, 1.6, 1),
    "nursery": (7.5, 16.0, 1.1, 1),
    "laundry room": (5.0, 13.0, 3.0, 1),
    "library": (8.0, 22.0, 1.1, 1),
    "gym": (9.0, 26.0, 1.1, 1),
    "storage room": (4.5, 12.0, 2.0, 1),
    "garage": (13.5, 40.0, 2.6, 1),
    "music room": (11.0, 26.0, 1.1, 1),
    "bathroom": (4.5, 9.0, 1.0, 1),
}
GROUND = ("dining room", "garage")
"""Categories that are never on an upper storey."""


def assign(
    rng: np.random.Generator,
    blocks: Blocks,
    walls: Sequence[tuple[tuple[int, int], float]],
    areas: list[float],
    *,
    upper: bool = False,
) -> list[str]:
    """Return the category of every room: at least a living room, a kitchen and a bathroom; upstairs a bathroom.

    Walls are given by the rooms on their sides and their length in metres, rooms by their area.
    """
    stairs = "landing" if upper else "stairwell"
    roles = {"hall": "hallway", "entry": "entryway", "bath": "bathroom", "stairs": stairs}
    categories = [roles.get(space.role, "") for space in blocks.rooms]
    free = [index for index, space in enumerate(blocks.rooms) if not space.role]
    hosts = [space.host for space in blocks.rooms if space.role == "bath"]

    def take(index: int, category: str) -> None:
        free.remove(index)
        categories[index] = category

    if not hosts or rng.random() < 0.4:
        living = max(free, key=lambda index: (index not in hosts, areas[index]))
        take(min(free, key=lambda index: (index in hosts, index == living, areas[index])), "bathroom")
    if not upper:
        living = max(free, key=lambda index: (index not in hosts, areas[index]))
        take(living, "living room")
    for index in [host for host in hosts if host in free][: len(free) - (0 if upper else 1)]:
        take(index, "bedroom")
    if not upper:
        beside = [index for index in free if any({index, living} == set(on) and size >= 1.5 for on, size in walls)]
        take(max(beside or free, key=lambda index: (areas[index] >= 7, index in beside, rng.random())), "kitchen")
    if not hosts and free:
        take(max(free, key=lambda index: areas[index]), "bedroom")
    left = dict.fromkeys(EXTRAS, 0)
    for index in tuple(free):
        fits = [
            name
            for name, (low, high, _, most) in EXTRAS.items()
            if low <= areas[index] <= high and left[name] < most and not (upper and name in GROUND)
        ]
        fits = fits or (["storage room"] if areas[index] < 9 else ["bedroom"])
        weights = np.array([EXTRAS[name][2] for name in fits])
        name = fits[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random()))]
        left[name] += 1
        take(index, name)
    return categories
