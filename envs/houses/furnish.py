"""Furnishing the rooms of a storey by room category."""

from envs.houses import furniture_kitchen as kitchen
from envs.houses import furniture_living as living
from envs.houses import furniture_other as other
from envs.houses import furniture_sleep as sleep
from envs.houses.arrange import Furnisher, Maker
from envs.houses.assemble import Assembly
from envs.houses.kitchen_run import kitchen_run
from envs.houses.palette import Palette
from envs.houses.space import FreeSpace
from envs.houses.storey import Storey

Recipe = tuple[tuple[Maker, float, str], ...]
"""Pieces to try in order: maker, probability, and place along the walls."""

FLOOR: dict[str, Recipe] = {
    "hallway": (
        (other.shoe_cabinet, 0.7, "any"),
        (other.coat_rack, 0.4, "corner"),
        (living.plant, 0.7, "corner"),
        (living.grandfather_clock, 0.35, "any"),
        (living.plant, 0.3, "corner"),
    ),
    "entryway": (
        (other.coat_rack, 0.8, "corner"),
        (other.shoe_cabinet, 0.7, "any"),
        (other.bench, 0.4, "any"),
    ),
    "living room": (
        (living.fireplace, 0.45, "middle"),
        (living.bookshelf, 0.6, "any"),
        (living.armchair, 0.5, "corner"),
        (living.plant, 0.9, "corner"),
        (living.floor_lamp, 0.8, "corner"),
        (living.aquarium, 0.2, "any"),
        (living.sideboard, 0.4, "any"),
        (living.plant, 0.4, "corner"),
        (living.ottoman, 0.4, "any"),
    ),
    "dining room": (
        (living.sideboard, 0.9, "middle"),
        (living.plant, 0.8, "corner"),
        (living.grandfather_clock, 0.3, "any"),
        (living.aquarium, 0.2, "any"),
        (living.floor_lamp, 0.4, "corner"),
    ),
    "kitchen": (
        (other.trash_can, 0.8, "corner"),
        (living.plant, 0.4, "corner"),
    ),
    "bedroom": (
        (sleep.bed, 1.0, "middle"),
        (sleep.wardrobe, 0.95, "corner"),
        (sleep.dresser, 0.6, "any"),
        (sleep.desk, 0.3, "any"),
        (living.armchair, 0.3, "corner"),
        (living.plant, 0.5, "corner"),
        (living.floor_lamp, 0.3, "corner"),
        (kitchen.laundry_basket, 0.3, "corner"),
    ),
    "kids room": (
        (sleep.bunk_bed, 0.8, "corner"),
        (sleep.toy_chest, 0.95, "any"),
        (sleep.desk, 0.6, "any"),
        (sleep.shelf, 0.8, "any"),
        (sleep.wardrobe, 0.5, "corner"),
        (sleep.teddy_bear, 0.8, "corner"),
        (sleep.ball, 0.6, "corner"),
    ),
    "nursery": (
        (sleep.crib, 1.0, "middle"),
        (sleep.dresser, 0.9, "any"),
        (living.armchair, 0.7, "corner"),
        (sleep.toy_chest, 0.6, "any"),
        (sleep.teddy_bear, 0.8, "corner"),
        (sleep.shelf, 0.6, "any"),
        (living.floor_lamp, 0.4, "corner"),
    ),
    "bathroom": (
        (kitchen.toilet, 1.0, "any"),
        (kitchen.sink, 1.0, "any"),
        (kitchen.bathtub, 0.65, "corner"),
        (kitchen.shower, 0.6, "corner"),
        (kitchen.laundry_basket, 0.4, "corner"),
        (kitchen.washing_machine, 0.15, "corner"),
        (other.trash_can, 0.3, "corner"),
        (living.plant, 0.25, "corner"),
    ),
    "laundry room": (
        (kitchen.washing_machine, 1.0, "any"),
        (kitchen.dryer, 0.9, "any"),
        (kitchen.laundry_basket, 0.9, "corner"),
        (other.rack, 0.7, "any"),
        (kitchen.sink, 0.4, "any"),
    ),
    "office": (
        (sleep.desk, 1.0, "any"),
        (living.bookshelf, 0.9, "any"),
        (sleep.shelf, 0.5, "any"),
        (living.sofa, 0.3, "any"),
        (living.plant, 0.7, "corner"),
        (living.floor_lamp, 0.5, "corner"),
        (other.trash_can, 0.4, "corner"),
    ),
    "library": (
        (living.bookshelf, 1.0, "any"),
        (living.bookshelf, 1.0, "any"),
        (living.armchair, 0.95, "any"),
        (living.bookshelf, 0.9, "any"),
        (living.floor_lamp, 0.9, "corner"),
        (living.bookshelf, 0.7, "any"),
        (sleep.desk, 0.4, "any"),
        (living.plant, 0.4, "corner"),
        (living.grandfather_clock, 0.3, "any"),
    ),
    "gym": (
        (other.treadmill, 0.95, "any"),
        (other.exercise_bike, 0.8, "any"),
        (other.weight_bench, 0.8, "any"),
        (other.bench, 0.5, "any"),
        (other.rack, 0.4, "any"),
        (sleep.ball, 0.7, "corner"),
    ),
    "storage room": (
        (other.rack, 1.0, "any"),
        (other.box, 0.9, "corner"),
        (other.box, 0.9, "any"),
        (other.rack, 0.7, "any"),
        (other.bicycle, 0.3, "any"),
        (other.box, 0.6, "any"),
    ),
    "garage": (
        (other.car, 0.95, "any"),
        (other.workbench, 0.9, "any"),
        (other.rack, 0.8, "any"),
        (other.bicycle, 0.8, "any"),
        (other.trash_can, 0.7, "corner"),
        (other.box, 0.8, "corner"),
        (other.box, 0.5, "any"),
    ),
    "music room": (
        (living.piano, 1.0, "middle"),
        (living.bookshelf, 0.6, "any"),
        (living.sofa, 0.7, "any"),
        (living.armchair, 0.6, "corner"),
        (living.floor_lamp, 0.7, "corner"),
        (living.plant, 0.7, "corner"),
    ),
}

WALLS: dict[str, tuple[tuple[Maker, float], ...]] = {
    "hallway": ((other.painting, 0.9), (other.painting, 0.6), (kitchen.mirror, 0.5), (other.clock, 0.3)),
    "entryway": ((kitchen.mirror, 0.7), (other.painting, 0.4)),
    "bathroom": ((kitchen.towel, 0.9), (kitchen.towel, 0.4)),
    "kitchen": ((other.clock, 0.7), (other.painting, 0.3)),
    "laundry room": ((other.clock, 0.3), (kitchen.towel, 0.4)),
    "gym": ((kitchen.mirror, 0.9), (other.clock, 0.5)),
    "garage": (),
    "storage room": (),
}
PICTURES = ((other.painting, 0.95), (other.painting, 0.5), (other.clock, 0.2), (kitchen.mirror, 0.2))
CURTAINED = ("living room", "bedroom", "dining room", "kids room", "nursery", "office", "library", "music room")
UNHEATED = ("garage", "storage room", "kitchen")
CARPETED = {"bedroom": 0.6, "kids room": 0.8, "nursery": 0.8, "office": 0.5, "library": 0.7, "music room": 0.6}


def _table(furnisher: Furnisher) -> bool:
    """Put a table with chairs in the middle of a room, a small one if no other fits; returns whether one fits."""
    return furnisher.centre(living.dining_table) or furnisher.centre(
        lambda palette: living.dining_table(palette, small=True)
    )


def _centrepiece(furnisher: Furnisher, category: str) -> None:
    """Place the main furniture of a room first."""
    if category == "kitchen":
        kitchen_run(furnisher)
        if furnisher.has_dining_room or not _table(furnisher):
            furnisher.kitchen_island()
    elif category == "dining room":
        _table(furnisher)
    elif category == "living room":
        furnisher.seating()


def _room(furnisher: Furnisher, category: str) -> None:
    """Furnish one room."""
    palette = furnisher.space.palette
    if category in CURTAINED and palette.chance(0.6):
        furnisher.curtains()
    _centrepiece(furnisher, category)
    for maker, chance, spot in FLOOR.get(category, ()):
        if palette.chance(chance) and not furnisher.against_wall(maker(palette), spot) and maker is sleep.bed:
            furnisher.against_wall(sleep.bed(palette, single=True), "any")
    if palette.chance(CARPETED.get(category, 0.0)):
        furnisher.carpet()
    for maker, chance in WALLS.get(category, PICTURES):
        if palette.chance(chance):
            furnisher.hang(maker(palette))
    if category not in UNHEATED and palette.chance(0.6):
        furnisher.radiators()
    furnisher.ceiling_lamp()


def furnish(assembly: Assembly, storey: Storey, palette: Palette) -> None:
    """Furnish every room of a storey."""
    dining = any(room.category == "dining room" for room in storey.plan.rooms)
    for index, room in enumerate(storey.plan.rooms):
        space = FreeSpace(storey.plan, index, palette)
        furnisher = Furnisher(assembly, space, storey.height, dining, storey.floor, storey.first)
        if not storey.is_well(index):
            _room(furnisher, room.category)
        elif storey.stairwell and storey.level == 1:
            furnisher.ceiling_lamp(storey.stairwell.strip(0.0))  # above the landing of the upper storey
