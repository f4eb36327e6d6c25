"""Faces of floors, walls and ceilings of a plan, with holes for doors, and the light that is baked into colours."""

import math
from dataclasses import dataclass, field

import numpy as np

from envs.houses.parts import Paint
from envs.houses.piece import Pose
from envs.houses.plan import DOOR_HEIGHT, WALL, Opening, Plan, inset

FRAME = 0.06  # metres, width of a door's frame
HOLE = 0.04  # metres by which a hole exceeds its door on each side, hidden by the frame
BAND = 0.35  # metres from a corner to full light
CLOSE = 0.02  # metres, least distance between two cuts of a face
SKIRTING = (0.08, 0.012)  # height and depth, metres
SIDE = np.array([0.80, 0.90, 0.85, 0.95])  # light on faces towards -x, +x, -z, +z
UP, DOWN = 1.0, 0.66
CORNER_DEPTH = 0.16  # fraction of light lost where surfaces meet
CORNER_REACH = 0.3  # metres, decay length of the darkening


@dataclass(frozen=True)
class Edge:
    """One straight face of a wall; from start to end, the room in front of it is to the left."""

    room: int  # in front of the face, -1 for the outside
    start: tuple[float, float]  # x, z
    direction: tuple[float, float]  # x, z of the unit vector along the face, parallel to an axis
    length: float  # metres
    openings: tuple[tuple[float, float, Opening], ...]  # (start, end, opening) along the face, metres from its start

    @property
    def normal(self) -> tuple[float, float]:
        """x, z of the unit normal into the room."""
        return -self.direction[1], self.direction[0]

    def point(self, along: float, out: float = 0.0) -> tuple[float, float]:
        """Return x, z of the point `along` the face and `out` into the room."""
        (x, z), (dx, dz) = self.start, self.direction
        return x + dx * along - dz * out, z + dz * along + dx * out

    def pose(self, along: float, out: float = 0.0, y: float = 0.0) -> Pose:
        """Return the pose at that point, facing into the room."""
        x, z = self.point(along, out)
        return Pose(x, y, z, math.atan2(*self.normal))


def face_light(normals: np.ndarray) -> np.ndarray:
    """Return the light (...,) on faces from their unit normals (..., 3)."""
    square = normals * normals
    side_x = np.where(normals[..., 0] > 0, SIDE[1], SIDE[0])
    side_z = np.where(normals[..., 2] > 0, SIDE[3], SIDE[2])
    level = np.where(normals[..., 1] > 0, UP, DOWN)
    return square[..., 0] * side_x + square[..., 1] * level + square[..., 2] * side_z


def corner_light(distance: np.ndarray) -> np.ndarray:
    """Return the factor of light at a distance in metres from a corner, where surfaces meet."""
    return 1.0 - CORNER_DEPTH * np.exp(-np.maximum(distance, 0.0) / CORNER_REACH)


def edges_of(corners: list[tuple[float, float]], room: int, openings: list[Opening]) -> list[Edge]:
    """Return the wall faces along an outline."""
    edges = []
    for (x0, z0), (x1, z1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        length = abs(x1 - x0) + abs(z1 - z0)
        direction = (round((x1 - x0) / length), round((z1 - z0) / length))
        along = 0 if direction[0] else 1
        found = []
        for opening in openings:
            segment = opening.segment
            across = z0 if along == 0 else x0
            if segment.along != along or room not in segment.rooms or abs(segment.at - across) > WALL:
                continue
            middle = (opening.centre - (x0, z0)[along]) * direction[along]
            if 0 < middle < length:
                found.append((middle - opening.width / 2, middle + opening.width / 2, opening))
        edges.append(Edge(room, (x0, z0), direction, length, tuple(sorted(found, key=lambda one: one[0]))))
    return edges


@dataclass
class Shell:
    """Collects the faces of the building; each array has one texture and one object id."""

    corners: list[np.ndarray] = field(default_factory=list)  # (n, 4, 3) each
    uv: list[np.ndarray] = field(default_factory=list)  # (n, 4, 2)
    colours: list[np.ndarray] = field(default_factory=list)  # (n, 4, 3), with baked light
    texture: list[int] = field(default_factory=list)
    object_id: list[int] = field(default_factory=list)

    def add(self, corners: np.ndarray, uv: np.ndarray, light: np.ndarray, paint: Paint, object_id: int) -> None:
        """Add faces (n, 4, 3) with texture coordinates in metres (n, 4, 2) and light (n, 4)."""
        self.corners.append(corners)
        self.uv.append(uv / paint.scale)
        self.colours.append(light[..., None] * np.array(paint[:3]))
        self.texture.append(paint.texture)
        self.object_id.append(object_id)


def _patches(u: np.ndarray, v: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return corners (n, 4, 2) of the kept cells (len(u) - 1, len(v) - 1) of a grid, counter-clockwise with v up."""
    column, row = np.nonzero(keep)
    low_u, high_u, low_v, high_v = u[column], u[column + 1], v[row], v[row + 1]
    across = np.stack([low_u, high_u, high_u, low_u], 1)
    return np.stack([across, np.stack([low_v, low_v, high_v, high_v], 1)], 2)


def _splits(ends: list[float]) -> np.ndarray:
    """Return the ends of rectangles along an axis, and the places where the light of corners ends, sorted."""
    margin, low, high = BAND + WALL / 2, min(ends), max(ends)
    values = [*ends, *(value + margin for value in ends), *(value - margin for value in ends)]
    inside = [value for value in values if low + CLOSE < value < high - CLOSE]
    return np.array(sorted({low, high, *(round(value, 4) for value in inside)}))


def add_wall(shell: Shell, edge: Edge, floor: float, height: float, paint: Paint, object_id: int) -> None:
    """Add one wall face with holes for doors. All walls are split at the same heights, so that corners have no gaps."""
    holes = [(low - HOLE, high + HOLE, opening) for low, high, opening in edge.openings if opening.passable]
    ends = [end for low, high, _ in holes for end in (low, high)]
    fixed = {0.0, edge.length, *ends}
    bands = [at for at in (BAND, edge.length - BAND) if 0 < at < edge.length]
    u = np.array(sorted(fixed | {at for at in bands if min(abs(at - end) for end in fixed) > CLOSE}))
    door_top = DOOR_HEIGHT + HOLE
    y = np.array([0.0, BAND, door_top, height])
    keep = np.ones((len(u) - 1, 3), dtype=bool)
    middle = (u[1:] + u[:-1]) / 2
    for low, high, _ in holes:
        keep[(middle > low) & (middle < high), :2] = False
    patch = _patches(u, y, keep)
    along, up = patch[..., 0], patch[..., 1]
    (x, z), (dx, dz) = edge.start, edge.direction
    corners = np.stack([x + dx * along, floor + up, z + dz * along], 2)
    light = corner_light(np.minimum(along, edge.length - along)) * corner_light(up) * corner_light(height - up)
    light = light * face_light(np.array([edge.normal[0], 0.0, edge.normal[1]]))
    shell.add(corners, np.stack([along, height - up], 2), light, paint, object_id)


def add_skirting(shell: Shell, edge: Edge, floor: float, paint: Paint, object_id: int) -> None:
    """Add skirting boards along a wall, between its doors."""
    high, deep = SKIRTING
    gaps = [(low - FRAME, top + FRAME) for low, top, opening in edge.openings if opening.kind != "window"]
    starts, ends = [0.0, *(top for _, top in gaps)], [*(low for low, _ in gaps), edge.length]
    faces = []
    for start, end in zip(starts, ends, strict=True):
        if end - start < 0.05:
            continue
        (x0, z0), (x1, z1) = edge.point(start, deep), edge.point(end, deep)
        (x2, z2), (x3, z3) = edge.point(end), edge.point(start)
        faces.append([(x0, 0.0, z0), (x1, 0.0, z1), (x1, high, z1), (x0, high, z0)])
        faces.append([(x0, high, z0), (x1, high, z1), (x2, high, z2), (x3, high, z3)])
    if faces:
        corners = np.array(faces)
        corners[..., 1] += floor
        light = np.full(corners.shape[:2], 0.9)
        shell.add(corners, corners[..., [0, 1]], light, paint, object_id)


def add_level(
    shell: Shell,
    rects: list[tuple[float, float, float, float]],
    inner: list[tuple[float, float]],
    y: float,
    paint: Paint,
    object_id: int,
    *,
    ceiling: bool,
) -> None:
    """Add a floor or a ceiling over rectangles; `inner` is the outline of the surrounding wall faces."""
    xs = _splits([value for rect in rects for value in (rect[0], rect[2])])
    zs = _splits([value for rect in rects for value in (rect[1], rect[3])])
    middle_x, middle_z = (xs[1:] + xs[:-1]) / 2, (zs[1:] + zs[:-1]) / 2
    keep = np.zeros((len(middle_x), len(middle_z)), dtype=bool)
    for x0, z0, x1, z1 in rects:
        keep |= ((middle_x > x0) & (middle_x < x1))[:, None] & ((middle_z > z0) & (middle_z < z1))
    patch = _patches(xs, zs, keep)
    if not ceiling:
        patch = patch[:, ::-1]  # counter-clockwise with x to the right and z up is seen from below
    x, z = patch[..., 0], patch[..., 1]
    corners = np.stack([x, np.full(x.shape, y), z], 2)
    light = corner_light(_to_outline(x, z, inner)) * face_light(np.array([0.0, -1.0 if ceiling else 1.0, 0.0]))
    light = light * (1.44 if ceiling else 0.97)
    shell.add(corners, patch, light, paint, object_id)


def _to_outline(x: np.ndarray, z: np.ndarray, outline: list[tuple[float, float]]) -> np.ndarray:
    """Return the distance in metres from points to an axis-parallel outline."""
    one = np.array(outline)
    two = np.roll(one, -1, 0)
    low, high = np.minimum(one, two), np.maximum(one, two)
    out_x = np.maximum(np.maximum(low[:, 0] - x[..., None], x[..., None] - high[:, 0]), 0)
    out_z = np.maximum(np.maximum(low[:, 1] - z[..., None], z[..., None] - high[:, 1]), 0)
    return np.hypot(out_x, out_z).min(-1)


def outside(plan: Plan) -> list[Edge]:
    """Return the outer faces of the outer walls."""
    return edges_of(inset(plan.outline, WALL / 2), -1, plan.openings)


def inside(plan: Plan, room: int) -> list[Edge]:
    """Return the wall faces of a room."""
    return edges_of(plan.rooms[room].inner, room, plan.openings)
