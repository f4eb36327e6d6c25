"""Floor plans of scenes and rendered views, for replays of continuous worlds."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from envs.continuous.scenes import BODY
from envs.continuous.settings import Sensors
from envs.houses.categories import COLOURS, LANDMARKS
from envs.navigation import Ground, build_ground
from envs.render import Camera, PackedScene, Renderer, pack
from envs.scene import Room, Scene, SceneObject
from vln.floors import Floors, find_floors
from vln.replay.layout import Window
from vln.replay.plan import Colour, Corner, FloorPlan, Picture, PlanBox, PlanDoor, PlanRoom, Views
from vln.trajectory import Pose

MARGIN = 0.25  # metres around a scene
CUT = 1.9  # metres above the floor; higher triangles are left out of a picture from above
PIXELS = 900  # longer side of a picture from above
AWAY = 30.0  # height of the camera as a multiple of the extent; nearly an orthographic projection
SHOWN = {*LANDMARKS, "stairs"} - {"painting", "clock", "mirror"}  # objects on walls are invisible from above
SAMPLE = 400  # random floor points from which the storeys of a mesh without rooms are found
BATCH = 16  # views rendered at a time
SIDE = 256  # pixels, side of a view


def floor_plan(scene: Scene, ground: Ground | None = None) -> FloorPlan:
    """Make the floor plan of a scene. A mesh without rooms gets pictures rendered from above instead of outlines.

    The walkable area is computed for the default body if absent. A mesh must have some, or an InputError is raised.
    """
    (low_x, _, low_z), (high_x, _, high_z) = scene.bounds.tolist()
    window = Window(low_x - MARGIN, -high_z - MARGIN, high_x + MARGIN, -low_z + MARGIN)
    floors = _storeys(scene.rooms)
    if floors is None:
        ground = ground or build_ground(scene, BODY)
        floors = find_floors(ground.sample(np.random.default_rng(0), SAMPLE)[:, 1])
        pictures = tuple(_picture(scene, ground, window, height) for height in floors.heights.tolist())
        return FloorPlan(scene.name, scene.content_hash, floors, window, pictures=pictures)
    return FloorPlan(
        scene.name,
        scene.content_hash,
        floors,
        window,
        tuple(PlanRoom(room.category, _outline(room), room.storey) for room in scene.rooms),
        tuple(_doors(scene)),
        tuple(sorted(_boxes(scene, floors), key=lambda box: box.top)),
    )


def render_views(scene: PackedScene, poses: list[Pose], side: int = SIDE, sensors: Sensors | None = None) -> Views:
    """Render the view at each pose of a trajectory, `side` pixels wide and high, with the camera of some sensors."""
    sensors = sensors or Sensors()
    rgb = np.zeros((len(poses), side, side, 3), np.uint8)
    depth = np.zeros((len(poses), side, side), np.float32)
    count = min(BATCH, len(poses))
    renderer = Renderer(Camera(side, side, sensors.hfov), count)
    places = np.array([pose.position for pose in poses]) + np.array([0, sensors.eye, 0])
    headings = np.array([pose.heading for pose in poses])
    for first in range(0, len(poses), count):
        rows = np.minimum(np.arange(first, first + count), len(poses) - 1)
        renderer.render([scene] * count, places[rows], headings[rows])
        rgb[rows], depth[rows] = renderer.rgb, renderer.depth[..., 0]
    return Views(rgb, depth)


def _storeys(rooms: tuple[Room, ...]) -> Floors | None:
    """Compute the storeys from the floors of rooms; None without rooms."""
    if not rooms:
        return None
    numbers = range(max(room.storey for room in rooms) + 1)
    levels = [[room.floor for room in rooms if room.storey == number] or [0.0] for number in numbers]
    heights = np.array([float(np.median(each)) for each in levels])
    return Floors(heights, (heights[1:] + heights[:-1]) / 2)


def _outline(room: Room) -> tuple[Corner, ...]:
    return tuple((x, -z) for x, z in room.polygon)


def _doors(scene: Scene) -> Iterator[PlanDoor]:
    for door in scene.doors:
        x, _, z = door.centre
        room = scene.rooms[door.rooms[0]]
        yield PlanDoor((x, -z), _along((x, -z), _outline(room)), door.width, room.storey)


def _along(place: Corner, outline: tuple[Corner, ...]) -> Corner:
    """Return the unit vector along the side of an outline that is nearest to a point."""

    def apart(side: tuple[np.ndarray, np.ndarray]) -> float:
        start, way = side[0], side[1] - side[0]
        share = np.clip(np.dot(place - start, way) / max(np.dot(way, way), 1e-9), 0, 1)
        return float(np.hypot(*(place - start - share * way)))

    corners = np.array(outline)
    start, end = min(zip(corners, np.roll(corners, -1, 0), strict=True), key=apart)
    x, y = (end - start) / np.hypot(*(end - start))
    return float(x), float(y)


def _boxes(scene: Scene, floors: Floors) -> Iterator[PlanBox]:
    for number, thing in enumerate(scene.objects, start=1):
        if thing.category in SHOWN:
            (x0, y0, z0), (x1, y1, z1) = thing.low, thing.high
            storey = scene.rooms[thing.room].storey if thing.room >= 0 else int(floors.of(y0))
            name = f"{thing.colour} {thing.category}".strip()
            top = y1 - float(floors.heights[storey])
            yield PlanBox(thing.category, name, _colour(scene, number, thing), (x0, -z1), (x1, -z0), top, storey)


def _colour(scene: Scene, number: int, thing: SceneObject) -> Colour:
    """Return the mean of the named colour's range, or of the object's vertex colours."""
    if thing.colour in COLOURS:
        shades = np.array(COLOURS[thing.colour])
    else:
        shades = scene.colours[scene.triangles[scene.object_ids == number]].reshape(-1, 3)
    red, green, blue = shades.mean(0).astype(int).tolist()
    return red, green, blue


def _picture(scene: Scene, ground: Ground, window: Window, height: float) -> Picture:
    """Render a storey of a mesh from above, without the triangles higher than `CUT`."""
    scale = PIXELS / max(window.width, window.height)
    width, rows = max(1, round(window.width * scale)), max(1, round(window.height * scale))
    middles = scene.vertices[scene.triangles].mean(1)[:, 1]
    kept = middles < height + CUT
    cut = {name: getattr(scene, name)[kept] for name in ("triangles", "texture", "object_ids")}
    above = AWAY * max(window.width, window.height)
    camera = Camera(width, rows, math.degrees(2 * math.atan(window.width / 2 / above)), pitch=-90)
    renderer = Renderer(camera, 1)
    x, y = (window.left + window.right) / 2, (window.bottom + window.top) / 2
    renderer.render([pack(replace(scene, **cut))], np.array([[x, height + above, -y]]), np.zeros(1))
    image = np.where(renderer.depth[0] > 0, renderer.rgb[0], 255).astype(np.uint8)
    return Picture(window, image, _walkable(ground, window, height, (rows, width), scene.bounds[0]))


def _walkable(ground: Ground, window: Window, height: float, shape: tuple[int, int], low: np.ndarray) -> np.ndarray:
    """Return which pixels of a picture are walkable, (H, W) bool."""
    cells = ground.topdown(height)
    z = -(window.top - (np.arange(shape[0]) + 0.5) * window.height / shape[0])
    x = window.left + (np.arange(shape[1]) + 0.5) * window.width / shape[1]
    row, column = (np.floor((at - start) / ground.body.cell).astype(int) for at, start in ((z, low[2]), (x, low[0])))
    inside = ((row >= 0) & (row < cells.shape[0]))[:, None] & ((column >= 0) & (column < cells.shape[1]))
    return inside & cells[np.clip(row, 0, cells.shape[0] - 1)[:, None], np.clip(column, 0, cells.shape[1] - 1)]
