"""Adding floors, walls, ceilings, doors and windows in the materials of a house."""

import math

from envs.houses.assemble import Assembly
from envs.houses.palette import NamedPaint, Palette
from envs.houses.parts import Paint, Parts
from envs.houses.piece import Piece, Pose
from envs.houses.plan import WALL, Opening
from envs.houses.storey import Storey
from envs.houses.textures import TEXTURE
from envs.houses.walls import FRAME, Edge, add_level, add_skirting, add_wall, inside, outside

WET = ("bathroom", "laundry room")
SKY = Paint(255, 255, 255, TEXTURE["outside"])
MUTED = 0.4  # fraction of grey in a floor's colour, so that objects on it stand out


def _muted(paint: Paint) -> Paint:
    """A less saturated, lighter paint."""
    red, green, blue = (channel * (1 - MUTED) + 176 * MUTED for channel in paint[:3])
    return Paint(red, green, blue, paint.texture, paint.scale)


def _floor(palette: Palette, category: str) -> NamedPaint:
    """Choose the material of a floor."""
    if category in {"garage", "storage room"} and palette.chance(0.7):
        name, paint = palette.colour("grey")
        return name, paint.textured(TEXTURE["concrete"], 2.0)
    if category in {*WET, "kitchen"} or (category == "entryway" and palette.chance(0.6)):
        name, paint = palette.colour("white", "grey", "beige", "black", "blue", "green", "beige", "white")
        pattern = palette.one("tiles", "tiles", "checker", "marble")
        return name, _muted(paint).textured(TEXTURE[pattern], palette.size(0.6, 1.2))
    soft = category in {"bedroom", "kids room", "nursery", "library", "music room"}
    if soft and palette.chance(0.5):
        name, paint = palette.colour("grey", "beige", "blue", "green", "red", "brown", "purple")
        return name, _muted(paint).textured(TEXTURE["carpet"], 1.0)
    if category == "gym":
        name, paint = palette.colour("black", "grey", "blue", "red")
        return name, _muted(paint).textured(TEXTURE["leather"], 1.0)
    name, paint = palette.wood()
    return name, paint.textured(TEXTURE[palette.one("planks", "planks", "parquet")], palette.size(1.0, 1.4))


def _walls(palette: Palette, category: str) -> NamedPaint:
    """Choose the material of walls."""
    if category in {"stairwell", "landing"}:
        return palette.stair_walls
    if category in WET and palette.chance(0.7):
        name, paint = palette.wall("white", "blue", "green", "beige", "grey", "turquoise", "pink")
        return name, paint.textured(TEXTURE[palette.one("tiles", "subway")], palette.size(0.5, 0.8))
    if category in {"garage", "storage room"} and palette.chance(0.6):
        name, paint = palette.wall("white", "grey", "beige")
        return name, paint.textured(TEXTURE[palette.one("concrete", "brick")], 1.6)
    if category in {"kids room", "nursery"}:
        name, paint = palette.wall("yellow", "green", "blue", "pink", "purple", "turquoise", "orange")
        return name, paint.textured(TEXTURE[palette.one("dots", "stripes", "plaster")], 1.0)
    name, paint = palette.wall()
    pattern = palette.one(*["plaster"] * 5, "stripes", "damask", "dots")
    return name, paint.textured(TEXTURE[pattern], palette.size(0.8, 1.4))


def _frame(width: float, high: float, deep: float, paint: Paint, frame: float) -> Parts:
    """Return the frame of an opening, centred at z = 0."""
    parts = Parts()
    half, top = width / 2, high + frame
    parts.box((-half - frame, 0, -deep), (-half, top, deep), paint)
    parts.box((half, 0, -deep), (half + frame, top, deep), paint)
    parts.box((-half, high, -deep), (half, top, deep), paint)
    return parts


def _leaf(parts: Parts, palette: Palette, x: float, z: float, along: int, paint: Paint, width: float) -> None:
    """Add a door leaf with two panels and a knob, 4 cm thick, along x (0) or z (1) from (x, z)."""
    thick = 0.02
    fields = ((0.14, 0.95), (1.1, 1.9))

    def slab(start: float, end: float, low: float, high: float, half: float, colour: Paint) -> None:
        if along == 0:
            parts.box((x + start, low, z - half), (x + end, high, z + half), colour)
        else:
            parts.box((x - half, low, z + start), (x + half, high, z + end), colour)

    slab(0, width, 0.01, 2.03, thick, paint)
    for low, high in fields:
        slab(0.14, width - 0.14, low, high, thick + 0.01, paint.shaded(0.86))
    slab(width - 0.1, width - 0.05, 1.0, 1.05, thick + 0.05, palette.metal)


def _doorway(assembly: Assembly, palette: Palette, opening: Opening, storey: Storey) -> None:
    """Add the frame of a door, or of an arch."""
    if opening.kind == "arch":
        parts, name = _frame(opening.width, opening.high, WALL / 2 + 0.006, palette.trim, FRAME), "white"
    else:
        name, paint = palette.door
        parts = _frame(opening.width, opening.high, WALL / 2 + 0.02, paint, FRAME)
    (x, z), yaw = opening.point, 0.0 if opening.segment.along == 0 else math.pi / 2
    piece = Piece("door", name, parts, opening.width, WALL, opening.high)
    object_id = assembly.name("door", name, storey.first + max(opening.segment.rooms))
    assembly.add_parts(piece, Pose(x, storey.floor, z, yaw), object_id, storey.floor)


def _entrance(palette: Palette, opening: Opening) -> Parts:
    """Return one side of the closed front door with its frame."""
    parts = _frame(opening.width, opening.high, 0.03, palette.trim, 0.08)
    _leaf(parts, palette, -opening.width / 2, 0.0, 0, palette.front_door[1], opening.width)
    return parts


def _window(palette: Palette, opening: Opening, *, plain: bool) -> Parts:
    """Return one side of a window: frame, bars, sill and a picture of the outside; only frame and pane if plain."""
    parts = Parts()
    half, low, high = opening.width / 2, opening.low, opening.high
    trim = palette.trim
    if plain:
        parts.box((-half - 0.06, low - 0.06, -0.01), (half + 0.06, high + 0.06, 0.02), trim)
        parts.front_panel((-half, half), (low, high), 0.024, SKY)
        return parts
    parts.front_panel((-half, half), (low, high), 0.008, SKY)
    for left, right in ((-half - 0.06, -half), (half, half + 0.06)):
        parts.box((left, low - 0.06, -0.01), (right, high + 0.06, 0.035), trim)
    parts.box((-half, high, -0.01), (half, high + 0.06, 0.035), trim)
    parts.box((-half - 0.1, low - 0.06, -0.01), (half + 0.1, low, 0.09), trim)
    parts.box((-0.02, low, -0.01), (0.02, high, 0.025), trim)
    if opening.high - opening.low > 0.9:
        middle = (low * 2 + high * 3) / 5
        parts.box((-half, middle - 0.015, -0.01), (half, middle + 0.015, 0.025), trim)
    return parts


def _on_edge(assembly: Assembly, palette: Palette, edge: Edge, storey: Storey) -> None:
    """Add windows and the front door on one face of a wall."""
    for low, high, opening in edge.openings:
        if opening.passable:
            continue
        window = opening.kind == "window"
        parts = _window(palette, opening, plain=edge.room < 0) if window else _entrance(palette, opening)
        colour = "white" if window else palette.front_door[0]
        room = edge.room if edge.room < 0 else storey.first + edge.room
        piece = Piece(opening.kind, colour, parts, opening.width, 0.1, opening.high)
        object_id = assembly.name("window" if window else "door", colour, room)
        assembly.add_parts(piece, edge.pose((low + high) / 2, 0.0, storey.floor), object_id, storey.floor)


def _surfaces(assembly: Assembly, storey: Storey, palette: Palette, index: int, ceiling: NamedPaint) -> None:
    """Add floor, walls and ceiling of a room."""
    category, inner, shell = storey.plan.rooms[index].category, storey.plan.rooms[index].inner, assembly.shell
    (floor_name, floor_paint), (wall_name, wall_paint) = _floor(palette, category), _walls(palette, category)
    room = storey.first + index
    floor_id = assembly.name("floor", floor_name, room)
    wall_id = assembly.name("wall", wall_name, room)
    ceiling_id = assembly.name("ceiling", ceiling[0], room)
    low, high = (storey.level_rects(index, ceiling=upper) for upper in (False, True))
    add_level(shell, low, inner, storey.floor, floor_paint, floor_id, ceiling=False)
    add_level(shell, high, inner, storey.floor + storey.height, ceiling[1], ceiling_id, ceiling=True)
    for edge in inside(storey.plan, index):
        add_wall(shell, edge, storey.floor, storey.wall_height(index), wall_paint, wall_id)
        if not storey.is_well(index):
            add_skirting(shell, edge, storey.floor, palette.trim, wall_id)
        _on_edge(assembly, palette, edge, storey)


def facade(palette: Palette) -> NamedPaint:
    """Choose the material of the outer walls."""
    name, paint = palette.wall()
    return name, paint.textured(TEXTURE[palette.one("brick", "plaster", "brick")], 2.0)


def finish(assembly: Assembly, storey: Storey, palette: Palette, cover: NamedPaint) -> None:
    """Add floors, walls, ceilings, doors and windows of a storey; `cover` is the material of the outer walls."""
    name, paint = palette.colour("white")
    ceiling = (name, paint.textured(TEXTURE["plaster"], 1.5))
    for index in range(len(storey.plan.rooms)):
        _surfaces(assembly, storey, palette, index, ceiling)
    cover_id = assembly.name("wall", cover[0], -1)
    # The outer wall of the lower storey extends to the floor above.
    height = storey.stairwell.rise if storey.stairwell and storey.level == 0 else storey.height
    for edge in outside(storey.plan):
        add_wall(assembly.shell, edge, storey.floor, height, cover[1], cover_id)
        _on_edge(assembly, palette, edge, storey)
    for opening in storey.plan.doors:
        _doorway(assembly, palette, opening, storey)
    if storey.stairwell and storey.level == 0:
        room = storey.first + storey.stairwell.room
        assembly.place(storey.stairwell.build(palette), storey.stairwell.pose, room)
