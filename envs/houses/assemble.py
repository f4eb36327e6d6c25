"""Building the mesh of a house from its shell and its placed pieces."""

from dataclasses import dataclass, field

import numpy as np

from envs.houses.parts import SIDES, Quads, ball_quads, box_quads, panel_quads, soft_quads, tube_quads
from envs.houses.piece import Piece, Pose
from envs.houses.walls import Shell, corner_light, face_light
from envs.scene import Scene, SceneObject

Row = tuple[float, ...]
NOISE = 1e-9  # smaller texture coordinates are rounding errors of sines and cosines; files do not preserve them


@dataclass
class Assembly:
    """Collects the parts of a house."""

    shell: Shell = field(default_factory=Shell)
    names: list[tuple[str, str, int]] = field(default_factory=list)  # category, colour, room; the first has id 1
    rows: dict[str, list[Row]] = field(default_factory=dict)  # numbers of all parts by kind, see `envs.houses.parts`
    owner: dict[str, list[int]] = field(default_factory=dict)  # index into `placed` of every row, by kind
    placed: list[Row] = field(default_factory=list)  # (cosine, sine, x, y, z, floor, object id) of every piece

    def name(self, category: str, colour: str, room: int) -> int:
        """Register an object and return its id."""
        self.names.append((category, colour, room))
        return len(self.names)

    def place(self, piece: Piece, pose: Pose, room: int, floor: float = 0.0) -> None:
        """Add a piece and its members to the house. A piece without a category is only a group of members."""
        if piece.category:
            self.add_parts(piece, pose, self.name(piece.category, piece.colour, room), floor)
        for member, inner in piece.members:
            self.place(member, pose.compose(inner), room, floor)

    def add_parts(self, piece: Piece, pose: Pose, object_id: int, floor: float = 0.0) -> None:
        """Add the parts of a piece to an object of the house."""
        index = len(self.placed)
        self.placed.append((*pose.turn, pose.x, pose.y, pose.z, floor, object_id))
        parts = piece.parts
        kinds = {"box": parts.boxes, "soft": parts.soft, "ball": parts.balls, "panel": parts.panels}
        kinds |= {f"tube {sides}": parts.tubes[sides] for sides in SIDES}
        for kind, rows in kinds.items():
            if rows:
                self.rows.setdefault(kind, []).extend(rows)
                self.owner.setdefault(kind, []).extend([index] * len(rows))


def _quads(kind: str, rows: np.ndarray) -> Quads:
    """Return the faces of all parts of one kind."""
    if kind.startswith("tube"):
        return tube_quads(rows, int(kind.split()[1]))
    return {"box": box_quads, "soft": soft_quads, "ball": ball_quads, "panel": panel_quads}[kind](rows)


def _turn(vectors: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Rotate vectors (n, 4, 3) about +y."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], -1)


Faces = tuple[np.ndarray, ...]


def _furniture(assembly: Assembly) -> list[Faces]:
    """Return corners, uv, colours, textures and object ids of the faces of all parts, by kind."""
    placed = np.array(assembly.placed)
    faces = []
    for kind, rows in assembly.rows.items():
        quads = _quads(kind, np.array(rows))
        pose = placed[np.array(assembly.owner[kind])[quads.row]]
        cos, sin = pose[:, 0:1], pose[:, 1:2]
        corners = _turn(quads.corners, cos, sin) + pose[:, None, 2:5]
        light = face_light(_turn(quads.normals, cos, sin)) * corner_light(corners[..., 1] - pose[:, 5:6])
        colours = light[..., None] * quads.paint[:, None, :3]
        face = (corners, quads.uv, colours, quads.paint[:, 3].astype(np.int32), pose[:, 6].astype(np.int32))
        lifted = corners[..., 1].max(1) > pose[:, 5] + 1e-6  # faces that lie on the floor are never visible
        faces.append(tuple(array[lifted] for array in face))
    return faces


def _building(shell: Shell) -> Faces:
    """Return corners, uv, colours, textures and object ids of the shell."""
    counts = [len(corners) for corners in shell.corners]
    texture = np.repeat(np.array(shell.texture, np.int32), counts)
    object_ids = np.repeat(np.array(shell.object_id, np.int32), counts)
    return np.concatenate(shell.corners), np.concatenate(shell.uv), np.concatenate(shell.colours), texture, object_ids


def build(assembly: Assembly) -> Scene:
    """Convert the collected parts to a scene that has no name, textures, rooms and doors yet."""
    groups = [_building(assembly.shell), *_furniture(assembly)]
    corners, uv, colours, texture, object_ids = (np.concatenate(arrays) for arrays in zip(*groups, strict=True))
    order = np.argsort(object_ids, kind="stable")
    corners, uv, colours, texture, object_ids = (array[order] for array in (corners, uv, colours, texture, object_ids))
    vertices = np.ascontiguousarray(corners.reshape(-1, 3), np.float32)
    first = np.arange(len(corners), dtype=np.int32)[:, None] * 4
    triangles = (first + np.array([[0, 1, 2, 0, 2, 3]], np.int32)).reshape(-1, 3)
    # The bevelled corner of a cushion is a quad whose last two corners coincide: one triangle.
    whole = (corners[:, 2] != corners[:, 3]).any(1)
    proper = np.stack([np.ones_like(whole), whole], 1).reshape(-1)
    return Scene(
        name="",
        vertices=vertices,
        triangles=triangles[proper],
        colours=np.rint(np.clip(colours.reshape(-1, 3), 0, 255)).astype(np.uint8),
        uv=np.ascontiguousarray(np.where(np.abs(uv) < NOISE, 0.0, uv).reshape(-1, 2), np.float32),
        texture=np.repeat(texture, 2)[proper],
        object_ids=np.repeat(object_ids, 2)[proper],
        objects=_objects(assembly, vertices, object_ids),
    )


def _objects(assembly: Assembly, vertices: np.ndarray, object_ids: np.ndarray) -> tuple[SceneObject, ...]:
    """Return the objects with their bounding boxes; faces (n,) are sorted by object id."""
    starts = np.searchsorted(object_ids, np.arange(1, len(assembly.names) + 1)) * 4
    low = np.minimum.reduceat(vertices, starts).tolist()
    high = np.maximum.reduceat(vertices, starts).tolist()
    return tuple(
        SceneObject(*named, tuple(least), tuple(most))
        for named, least, most in zip(assembly.names, low, high, strict=True)
    )
