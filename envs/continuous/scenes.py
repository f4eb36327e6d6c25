"""Scenes prepared for simulation, and a cache of the most recent ones."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from envs.houses.categories import CATEGORIES, COLOURS, ROOM_CATEGORIES, STRUCTURE
from envs.houses.layout import Layout
from envs.navigation import Body, Ground, build_ground
from envs.render import PackedScene, pack
from envs.scene import Scene
from envs.scenes import load_scene
from vln.tasks import Task, find_task


def body_of(task: Task) -> Body:
    """Return the body that walks in a task."""
    return Body(task.body.radius, task.body.height)


BODY = body_of(find_task("houses"))
MEMORY = 2 * 1024**3  # bytes
INDICES = {category: index for index, category in enumerate(CATEGORIES)}
COLOUR_NAMES = ("nothing", *COLOURS)  # names of the values of a colour image
ROOM_NAMES = ("nowhere", *ROOM_CATEGORIES)  # names of the values of a room image


@dataclass(frozen=True)
class SceneLabels:
    """Labels of a scene: lookup tables by object id."""

    content_hash: str
    categories: np.ndarray  # (1 + objects,) uint8, indices into `CATEGORIES`
    colours: np.ndarray  # (1 + objects,) uint8, indices into `COLOUR_NAMES`
    rooms: np.ndarray  # (1 + objects,) uint8, category of the object's room, index into `ROOM_NAMES`
    names: np.ndarray  # (1 + objects,) str, "red sofa"; "" for id 0
    room_indices: np.ndarray  # (1 + objects,) int16; -1 for none
    layout: Layout | None  # None without rooms

    @classmethod
    def of(cls, scene: Scene) -> Self:
        """Build the labels of a scene."""
        return cls(**_labels(scene))

    def mask_of(self, name: str) -> np.ndarray:
        """Return a mask by object id, (1 + objects,) uint8: 1 if the object or its room has the name."""
        in_room = ROOM_NAMES.index(name) if name in ROOM_CATEGORIES else len(ROOM_NAMES)
        return ((self.names == name) | (self.rooms == in_room)).astype(np.uint8)


@dataclass(frozen=True)
class LoadedScene(SceneLabels):
    """A scene prepared for the embedded simulator; it is packed if it is to be rendered."""

    ground: Ground
    packed: PackedScene | None

    @property
    def nbytes(self) -> int:
        """Memory in bytes, without textures, which houses share."""
        return self.ground.nbytes + (self.packed.nbytes if self.packed else 0)

    @property
    def mesh(self) -> PackedScene:
        """The mesh for the renderer; the scene must have been loaded for rendering."""
        assert self.packed is not None
        return self.packed


class SceneCache:
    """A cache of loaded scenes by name, limited in bytes; the least recently used are dropped."""

    def __init__(
        self, load: Callable[[str], Scene] = load_scene, body: Body = BODY, *, drawn: bool = True, memory: int = MEMORY
    ) -> None:
        """Create an empty cache of at most `memory` bytes; the latest scene is kept even if it is larger.

        `drawn` scenes are prepared for rendering; the walkable area is that of `body`.
        """
        self.body, self.drawn, self.memory = body, drawn, memory
        self._load = load
        self._kept: OrderedDict[str, tuple[LoadedScene, int]] = OrderedDict()
        self._hashes: dict[str, str] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str) -> LoadedScene:
        """Return a scene, loaded if it is not in the cache."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name][0]
        loaded = self._make(self._load(name))
        self._hashes[name] = loaded.content_hash
        size = loaded.nbytes
        self._kept[name] = loaded, size
        self.bytes += size
        while self.bytes > self.memory and len(self._kept) > 1:
            _, (_, size) = self._kept.popitem(last=False)
            self.bytes -= size
        return loaded

    def scene(self, name: str) -> Scene:
        """Load the scene itself, without the cache."""
        return self._load(name)

    def content_hash(self, name: str) -> str:
        """Return the hash of a scene; hashes stay known after the scene is dropped."""
        return self._hashes.get(name) or self.get(name).content_hash

    def _make(self, scene: Scene) -> LoadedScene:
        labels = _labels(scene)
        packed = pack(scene, labels["categories"]) if self.drawn else None
        return LoadedScene(**labels, ground=build_ground(scene, self.body), packed=packed)


def _labels(scene: Scene) -> dict[str, Any]:
    """Compute the fields of `SceneLabels`."""
    return {
        "content_hash": scene.content_hash,
        "categories": categories(scene),
        "colours": colours(scene),
        "rooms": rooms(scene),
        "names": names(scene),
        "room_indices": np.array([-1, *(each.room for each in scene.objects)], dtype=np.int16),
        "layout": Layout(scene.without_mesh()) if scene.rooms else None,
    }


def categories(scene: Scene) -> np.ndarray:
    """Return the category of each object id, (1 + objects,) uint8, index into `CATEGORIES`; 0 if unknown."""
    return np.array([0, *(INDICES.get(each.category, 0) for each in scene.objects)], dtype=np.uint8)


def colours(scene: Scene) -> np.ndarray:
    """Return the colour of each object id, (1 + objects,) uint8, index into `COLOUR_NAMES`; 0 if not furniture."""
    named = ("" if each.category in STRUCTURE else each.colour for each in scene.objects)
    return np.array([0, *(COLOUR_NAMES.index(name) if name in COLOURS else 0 for name in named)], dtype=np.uint8)


def rooms(scene: Scene) -> np.ndarray:
    """Return the room category of each object id, (1 + objects,) uint8, index into `ROOM_NAMES`; 0 if unknown."""
    of_rooms = [ROOM_NAMES.index(room.category) if room.category in ROOM_CATEGORIES else 0 for room in scene.rooms]
    return np.array([0, *(of_rooms[each.room] if each.room >= 0 else 0 for each in scene.objects)], dtype=np.uint8)


def names(scene: Scene) -> np.ndarray:
    """Return the name of each object id, (1 + objects,) str: colour and category; "" for id 0."""
    return np.array(["", *(f"{each.colour} {each.category}".strip() for each in scene.objects)])
