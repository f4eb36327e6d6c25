"""Primitive solids of furniture, collected one by one and converted to faces all at once.

The local frame of a piece has x to the right, y up and z to the front. The back of the piece is at z = 0, its middle
at x = 0, the floor at y = 0.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

Point = tuple[float, float, float]
Rect = tuple[float, float, float, float]

# Corner c of a box has x from bit 0, y from bit 1, z from bit 2; faces +x, -x, +y, -y, +z, -z.
# Faces run counter-clockwise seen from outside.
BOX_FACES = np.array([[5, 1, 3, 7], [0, 4, 6, 2], [2, 6, 7, 3], [0, 1, 5, 4], [4, 5, 7, 6], [1, 0, 2, 3]])
# Local axes of u and v on a face whose normal is x, y or z.
U_AXIS, V_AXIS = np.array([2, 0, 0]), np.array([1, 2, 1])
SIDES = (8, 12)
BALL_SIDES = 8
BALL_RINGS = np.radians([-80.0, -32.0, 20.0, 72.0])


class Paint(NamedTuple):
    """Colour and texture of a surface."""

    red: float  # 0 to 255
    green: float
    blue: float
    texture: int = -1  # index into the textures of all houses, -1 for none
    scale: float = 1.0  # metres covered by one repetition of the texture

    def textured(self, texture: int, scale: float = 1.0) -> "Paint":
        """Return the same colour with a texture."""
        return Paint(self.red, self.green, self.blue, texture, scale)

    def shaded(self, factor: float) -> "Paint":
        """Return the paint with its colour multiplied by a factor."""
        red, green, blue = (min(255.0, channel * factor) for channel in self[:3])
        return Paint(red, green, blue, self.texture, self.scale)


@dataclass
class Parts:
    """The parts of one piece in its local frame. Every list holds rows of numbers that end with the paint."""

    boxes: list[tuple[float, ...]] = field(default_factory=list)
    soft: list[tuple[float, ...]] = field(default_factory=list)
    tubes: dict[int, list[tuple[float, ...]]] = field(default_factory=lambda: {sides: [] for sides in SIDES})
    balls: list[tuple[float, ...]] = field(default_factory=list)
    panels: list[tuple[float, ...]] = field(default_factory=list)

    def box(self, low: Point, high: Point, paint: Paint) -> None:
        """Add a box between two corners."""
        rect = (low[0], low[2], high[0], high[2])
        self.boxes.append((*rect, *rect, low[1], high[1], *paint))

    def taper(self, bottom: Rect, top: Rect, y: tuple[float, float], paint: Paint) -> None:
        """Add a solid between two horizontal rectangles (x0, z0, x1, z1): tapered legs, slanted backs, lamp shades."""
        self.boxes.append((*bottom, *top, *y, *paint))

    def cushion(self, low: Point, high: Point, paint: Paint, bevel: float = 0.03) -> None:
        """Add a box with bevelled edges; the bevel must be less than half the smallest side."""
        self.soft.append((*low, *high, bevel, *paint))

    def tube(
        self,
        base: Point,
        length: float,
        radius: float,
        paint: Paint,
        *,
        top: float | None = None,
        axis: int = 1,
        flat: float = 1.0,
        sides: int = 8,
    ) -> None:
        """Add a cylinder or truncated cone from the centre of its first end along an axis: 0 is x, 1 is y, 2 is z.

        `top` is the radius of the other end, the same if None. `flat` is a factor of the radius along the second
        direction: z, x or y for axis y, z or x. The number of sides is one of `SIDES`.
        """
        other = radius if top is None else top
        self.tubes[sides].append((*base, length, radius, other, flat, axis, *paint))

    def ball(self, centre: Point, radii: Point, paint: Paint) -> None:
        """Add an ellipsoid."""
        self.balls.append((*centre, *radii, *paint))

    def front_panel(self, x: tuple[float, float], y: tuple[float, float], z: float, paint: Paint) -> None:
        """Add a rectangle that faces the front and shows a whole texture."""
        (x0, x1), (y0, y1) = x, y
        self.panels.append((x0, y0, z, x1, y0, z, x1, y1, z, x0, y1, z, *paint))

    def top_panel(self, x: tuple[float, float], z: tuple[float, float], y: float, paint: Paint) -> None:
        """Add a rectangle that faces up and shows a whole texture, its lower edge to the front."""
        (x0, x1), (z0, z1) = x, z
        self.panels.append((x0, y, z1, x1, y, z1, x1, y, z0, x0, y, z0, *paint))


class Quads(NamedTuple):
    """Quadrilateral faces, counter-clockwise seen from outside."""

    corners: np.ndarray  # (n, 4, 3) metres
    normals: np.ndarray  # (n, 4, 3) unit vectors, for light
    uv: np.ndarray  # (n, 4, 2) texture coordinates
    row: np.ndarray  # (n,) int64, row of the part of each face
    paint: np.ndarray  # (n, 4) red, green, blue, texture


def face_normals(corners: np.ndarray) -> np.ndarray:
    """Return unit normals (n, 3) of flat faces (n, 4, 3), from the diagonals so that two corners may coincide."""
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _flat(corners: np.ndarray, row: np.ndarray, rows: np.ndarray) -> Quads:
    """Return flat faces with texture coordinates along the axes."""
    normal = face_normals(corners)
    axis = np.abs(normal).argmax(1)
    scale = rows[row, -1, None]
    u = np.take_along_axis(corners, U_AXIS[axis][:, None, None], 2)[..., 0] / scale
    v = -np.take_along_axis(corners, V_AXIS[axis][:, None, None], 2)[..., 0] / scale
    normals = np.repeat(normal[:, None], 4, 1)
    return Quads(corners, normals, np.stack([u, v], 2), row, rows[row, -5:-1])


def box_quads(rows: np.ndarray) -> Quads:
    """Return the faces of boxes and tapers."""
    corner = np.empty((len(rows), 8, 3))
    for index in range(8):
        level = 4 if index & 2 else 0
        corner[:, index, 0] = rows[:, level + (2 if index & 1 else 0)]
        corner[:, index, 1] = rows[:, 9 if index & 2 else 8]
        corner[:, index, 2] = rows[:, level + (3 if index & 4 else 1)]
    corners = corner[:, BOX_FACES].reshape(-1, 4, 3)
    row = np.repeat(np.arange(len(rows)), 6)
    return _flat(corners, row, rows)


def _bevel_faces() -> np.ndarray:
    """Return the faces (26, 4) of a bevelled box; corner 3 c + a belongs to box corner c and the face across axis a."""
    faces = [[3 * corner + side // 2 for corner in quad] for side, quad in enumerate(BOX_FACES.tolist())]
    solid = np.array([[corner >> axis & 1 for axis in range(3)] for corner in range(8)]) - 0.5
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        for start in (corner for corner in range(8) if not corner >> axis & 1):
            end = start | 1 << axis
            quad = [3 * start + one, 3 * end + one, 3 * end + two, 3 * start + two]
            faces.append(quad[::-1] if solid[start][one] * solid[start][two] > 0 else quad)
    for corner in range(8):
        odd = solid[corner].prod() > 0
        tip = [3 * corner, 3 * corner + 1, 3 * corner + 2]
        tip = tip if odd else tip[::-1]
        faces.append([*tip, tip[2]])
    return np.array(faces)


BEVEL_FACES = _bevel_faces()


def soft_quads(rows: np.ndarray) -> Quads:
    """Return the faces of bevelled boxes; a bevelled corner is a quad whose last two corners coincide."""
    low, high, bevel = rows[:, 0:3], rows[:, 3:6], rows[:, 6]
    corner = np.empty((len(rows), 24, 3))
    for index in range(8):
        for axis in range(3):
            for part in range(3):
                far = index >> part & 1
                inset = bevel * (0 if part == axis else -1 if far else 1)
                corner[:, 3 * index + axis, part] = (high if far else low)[:, part] + inset
    corners = corner[:, BEVEL_FACES].reshape(-1, 4, 3)
    return _flat(corners, np.repeat(np.arange(len(rows)), len(BEVEL_FACES)), rows)


def _rings(centre: np.ndarray, radius: np.ndarray, height: np.ndarray, sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Build closed solids of revolution about y from k rings with flat ends: corners and smooth normals.

    From centres (n, 3), radii (n, k, 2) of the rings along x and along z, and heights (n, k) above the centre come
    corners and unit normals, (n, faces, 4, 3) each. The number of sides is even.
    """
    angle = np.arange(sides) * (2 * np.pi / sides)
    around = np.stack([np.cos(angle), np.sin(angle)], 1)
    count, rings = height.shape
    point = np.empty((count, rings, sides, 3))
    point[..., 0] = radius[:, :, None, 0] * around[:, 0]
    point[..., 1] = height[:, :, None]
    point[..., 2] = radius[:, :, None, 1] * around[:, 1]
    slope = np.diff(height, axis=1), np.diff(radius.mean(2), axis=1)
    here, there = np.arange(sides), (np.arange(sides) + 1) % sides
    bands, leans = [], []
    for ring in range(rings - 1):
        up, out = point[:, ring], point[:, ring + 1]
        bands.append(np.stack([up[:, here], out[:, here], out[:, there], up[:, there]], 2))
        lean = np.empty((count, sides, 3))
        lean[..., 0], lean[..., 2] = around[:, 0], around[:, 1]
        lean[..., 1] = (-slope[1][:, ring] / np.maximum(slope[0][:, ring], 1e-9))[:, None]
        leans.append(np.stack([lean[:, here], lean[:, here], lean[:, there], lean[:, there]], 2))
    fan = np.array([[0, i, i + 1, i + 2] for i in range(1, sides - 1, 2)])
    for end, order, way in ((0, fan, -1.0), (rings - 1, fan[:, ::-1], 1.0)):
        bands.append(point[:, end][:, order])
        leans.append(np.broadcast_to(np.array([0.0, way, 0.0]), bands[-1].shape))
    corners = np.concatenate(bands, 1) + centre[:, None, None]
    normals = np.concatenate(leans, 1)
    return corners, normals / np.linalg.norm(normals, axis=3, keepdims=True)


def _round(corners: np.ndarray, normals: np.ndarray, rows: np.ndarray) -> Quads:
    """Return faces with texture coordinates along the axes and the given smooth normals."""
    row = np.repeat(np.arange(len(rows)), corners.shape[1])
    flat = _flat(corners.reshape(-1, 4, 3), row, rows)
    return flat._replace(normals=normals.reshape(-1, 4, 3))


def tube_quads(rows: np.ndarray, sides: int) -> Quads:
    """Return the faces of cylinders and truncated cones along any axis."""
    count = len(rows)
    radius = rows[:, 4:6, None] * np.stack([np.ones(count), rows[:, 6]], 1)[:, None]
    height = np.stack([np.zeros(count), rows[:, 3]], 1)
    corners, normals = _rings(np.zeros((count, 3)), radius, height, sides)
    # A cyclic permutation of axes is a rotation, so faces keep their winding: y becomes the tube's axis.
    turn = (np.arange(3)[None] + 1 - rows[:, 7:8].astype(np.int64)) % 3
    turn = turn[:, None, None]
    corners = np.take_along_axis(corners, turn, 3) + rows[:, None, None, 0:3]
    return _round(corners, np.take_along_axis(normals, turn, 3), rows)


def ball_quads(rows: np.ndarray) -> Quads:
    """Return the faces of ellipsoids."""
    ring = np.stack([np.cos(BALL_RINGS), np.sin(BALL_RINGS)], 1)
    radius = rows[:, None, [3, 5]] * ring[None, :, :1]
    return _round(*_rings(rows[:, 0:3], radius, rows[:, 4:5] * ring[None, :, 1], BALL_SIDES), rows)


def panel_quads(rows: np.ndarray) -> Quads:
    """Return rectangles that show a whole texture."""
    flat = _flat(rows[:, :12].reshape(-1, 4, 3), np.arange(len(rows)), rows)
    whole = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    return flat._replace(uv=np.broadcast_to(whole, flat.uv.shape))
