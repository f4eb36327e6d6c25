"""Placing furniture in a room: against walls, in groups, on walls, on the ceiling."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from envs.houses import furniture_kitchen, furniture_living, furniture_other
from envs.houses.assemble import Assembly
from envs.houses.palette import Palette
from envs.houses.piece import Footprint, Piece, Pose
from envs.houses.space import GAP, FreeSpace, Stretch

Maker = Callable[[Palette], Piece]
TRIES = 24  # poses tried before a piece is left out


@dataclass
class Furnisher:
    """Places pieces in one room where they fit."""

    assembly: Assembly  # collects the parts of the house
    space: FreeSpace  # of the room
    height: float  # of the ceiling above the floor, metres
    has_dining_room: bool  # in the house
    floor: float  # height, metres
    first: int  # index of the storey's first room among the rooms of the house

    def place(self, piece: Piece, pose: Pose) -> None:
        """Add a piece to the house at a pose relative to the room's floor."""
        lifted = pose._replace(y=pose.y + self.floor)
        self.assembly.place(piece, lifted, self.first + self.space.room, self.floor)

    def stand(self, piece: Piece, pose: Pose, access: float | None = None) -> bool:
        """Put a piece on the floor; returns whether it fits."""
        if not self.space.fits(piece, pose, access):
            return False
        self.space.stand(piece, pose, access)
        self.place(piece, pose)
        return True

    def against_wall(self, piece: Piece, spot: str) -> bool:
        """Put a piece against a wall; returns whether there is space."""
        return self.wall_pose(piece, spot) is not None

    def wall_pose(self, piece: Piece, spot: str) -> Pose | None:
        """Put a piece against a wall and return its pose; None if there is no space."""
        half = piece.width / 2
        tries = 0
        for index, along, pose in self.space.wall_poses(piece.width, spot):
            if not self.space.blank(index, along - half, along + half, 0.0, piece.reach):
                continue
            tries += 1
            if tries > TRIES:
                return None
            if self.stand(piece, pose):
                return pose
        return None

    def _middle(self) -> tuple[float, float, float, float]:
        """Return the largest rectangle of the room."""
        rects = self.space.plan.rooms[self.space.room].rects
        return max(rects, key=lambda rect: (rect[2] - rect[0]) * (rect[3] - rect[1]))

    def centre(self, maker: Maker) -> bool:
        """Put a piece near the middle of the room, along the longer side; returns whether it fits."""
        palette = self.space.palette
        x0, z0, x1, z1 = self._middle()
        piece = maker(palette)
        long = 0.0 if x1 - x0 > z1 - z0 else math.pi / 2
        for part in range(14):
            yaw = long if part % 3 else long + math.pi / 2
            spread = 0.07 * part
            x = (x0 + x1) / 2 + (palette.rng.random() - 0.5) * spread * (x1 - x0)
            z = (z0 + z1) / 2 + (palette.rng.random() - 0.5) * spread * (z1 - z0)
            pose = Pose(x, 0.0, z, yaw).compose(Pose(0.0, 0.0, -piece.depth / 2, 0.0))
            pose = pose._replace(x=round(pose.x, 3), z=round(pose.z, 3))
            if self.stand(piece, pose, 0.0):
                return True
        return False

    def kitchen_island(self) -> None:
        """Put a kitchen island into a large kitchen."""
        palette = self.space.palette
        x0, z0, x1, z1 = self._middle()
        if min(x1 - x0, z1 - z0) > 3.4 and palette.chance(0.6):
            named = palette.painted_wood()
            self.centre(lambda palette: furniture_kitchen.island(palette, named, furniture_kitchen.worktop(palette)))

    def seating(self) -> None:
        """Put down a television, a sofa facing it, a coffee table and a rug between, and an armchair beside."""
        palette = self.space.palette
        stand = furniture_living.tv_stand(palette)
        screen = self.wall_pose(stand, "middle")
        sofa = furniture_living.sofa(palette)
        pose = self._facing(screen, stand, sofa) if screen else None
        pose = pose or self.wall_pose(sofa, "middle")
        if pose is None:
            return
        table = furniture_living.coffee_table(palette)
        at = pose.compose(Pose(0.0, 0.0, sofa.depth + 0.4, 0.0))
        placed = self._stand_close(table, at)
        width, depth = palette.size(2.0, 2.6), palette.size(1.4, 1.8)
        self.lay(furniture_living.rug(palette, width, depth), pose.compose(Pose(0.0, 0.0, sofa.depth - 0.1, 0.0)))
        if placed and palette.chance(0.7):
            chair = furniture_living.armchair(palette)
            side = 1 if palette.chance(0.5) else -1
            for sign in (side, -side):
                beside = Pose(sign * (table.width / 2 + 0.45 + chair.depth), 0.0, sofa.depth + 0.5, -sign * math.pi / 2)
                if self.stand(chair, pose.compose(beside), 0.0):
                    break

    def _stand_close(self, piece: Piece, pose: Pose) -> bool:
        """Put a piece in front of the last one, on the floor that was reserved for access to that one."""
        space = self.space
        kept, space.reserved = space.reserved, space.reserved[:-1]
        entry = space.entries.pop()
        fine = self.stand(piece, pose, 0.0)
        space.reserved = kept
        if not fine:
            space.entries.append(entry)
        return fine

    def _facing(self, screen: Pose, stand: Piece, sofa: Piece) -> Pose | None:
        """Put a sofa opposite a television, against the far wall or free-standing; returns its pose."""
        for far in (4.6, 4.2, 3.8, 3.4, 3.1, 2.8):
            distance = self._to_wall(screen, far)
            if distance - sofa.depth - stand.depth < 1.2:
                continue
            pose = screen.compose(Pose(0.0, 0.0, distance - GAP, math.pi))
            pose = pose._replace(x=round(pose.x, 3), z=round(pose.z, 3))
            if self.stand(sofa, pose, 0.35):
                return pose
        return None

    def _to_wall(self, pose: Pose, far: float) -> float:
        """Return the distance in metres from a pose to the wall ahead, at most `far`."""
        for step in range(10, int(far * 20)):
            x, z = pose.point(0.0, step / 20)
            if not self.space.contains((x - 0.01, z - 0.01, x + 0.01, z + 0.01)):
                return self._exact(pose, step / 20)
        return far

    def _exact(self, pose: Pose, near: float) -> float:
        """Return the exact distance to the wall that lies just before `near` metres ahead."""
        x, z = pose.point(0.0, near)
        axis = 0 if abs(pose.turn[1]) > 0.5 else 1
        ways = [
            abs(edge.start[axis] - (pose.x, pose.z)[axis])
            for edge in self.space.edges
            if (edge.direction[axis] == 0 and abs(edge.start[axis] - (x, z)[axis]) < 0.12)
        ]
        return min(ways, key=lambda way: abs(way - near), default=near - 0.1)

    def lay(self, rug: Piece, pose: Pose) -> bool:
        """Lay a rug if it lies inside the room; returns whether it does."""
        if not self.space.contains(pose.footprint(rug.width, rug.depth)):
            return False
        self.place(rug, pose)
        return True

    def carpet(self) -> None:
        """Lay a rug in the middle of the room."""
        palette = self.space.palette
        x0, z0, x1, z1 = self._middle()
        width, depth = (x1 - x0) * palette.size(0.35, 0.5), (z1 - z0) * palette.size(0.35, 0.5)
        rug = furniture_living.rug(palette, round(width, 2), round(depth, 2))
        self.lay(rug, Pose((x0 + x1) / 2, 0.0, (z0 + z1) / 2 - depth / 2, 0.0))

    def hang(self, piece: Piece) -> None:
        """Hang a piece on a free wall at eye height."""
        bottom = round(min(1.65 - piece.height / 2, 1.3), 3)
        for index, along, pose in self.space.wall_poses(piece.width + 0.1, "middle"):
            half, top = piece.width / 2 + 0.04, bottom + piece.height + 0.05
            if self.space.blank(index, along - half, along + half, bottom - 0.05, top):
                self.space.covered.append(Stretch(index, along - half, along + half, bottom - 0.05, top))
                self.place(piece, pose.compose(Pose(0.0, bottom, 0.002 - GAP, 0.0)))
                return

    def curtains(self) -> None:
        """Hang curtains of one colour at all windows."""
        palette = self.space.palette
        named = palette.fabric()
        for index, edge in enumerate(self.space.edges):
            for low, high, opening in edge.openings:
                if opening.kind != "window":
                    continue
                for side, along in ((-1, low - 0.02), (1, high + 0.02)):
                    if not 0.28 < along < edge.length - 0.28:
                        continue
                    piece = furniture_other.curtain(side, opening.low + 0.05, opening.high + 0.12, named)
                    self.place(piece, edge.pose(along))
                stretch = Stretch(index, low - 0.32, high + 0.32, opening.low + 0.05, opening.high + 0.2)
                self.space.covered.append(stretch)

    def radiators(self) -> None:
        """Put radiators under windows where the wall is free."""
        palette = self.space.palette
        for index, edge in enumerate(self.space.edges):
            for low, high, opening in edge.openings:
                if opening.kind != "window" or opening.low < 0.85 or palette.chance(0.4):
                    continue
                width = round(min(high - low, 1.2), 2)
                middle = (low + high) / 2
                if self.space.blank(index, middle - width / 2, middle + width / 2, 0.0, 0.68):
                    self.stand(furniture_other.radiator(width), edge.pose(middle, GAP), 0.0)

    def ceiling_lamp(self, rect: Footprint | None = None) -> None:
        """Hang a lamp from the ceiling above the middle of a rectangle, by default of the room."""
        x0, z0, x1, z1 = rect or self._middle()
        lamp = furniture_other.ceiling_lamp(self.space.palette)
        self.place(lamp, Pose((x0 + x1) / 2, self.height, (z0 + z1) / 2, 0.0))
