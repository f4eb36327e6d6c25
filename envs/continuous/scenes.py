"""Scenes made ready for bodies, the most recent ones kept."""

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
from vln.continuous_datasets import CONTINUOUS_DATASETS

BODY = Body(CONTINUOUS_DATASETS["houses"].radius, CONTINUOUS_DATASETS["houses"].height)
MEMORY = 2 * 1024**3  # bytes
INDICES = {category: index for index, category in enumerate(CATEGORIES)}
COLOUR_NAMES = ("nothing", *COLOURS)  # what the numbers of a colour image are for
ROOM_NAMES = ("nowhere", *ROOM_CATEGORIES)  # what the numbers of a room image are for


@dataclass(frozen=True)
class SceneLabels:
    """What things are called in a scene.

    Attributes:
        content_hash: Of the scene.
        categories: (1 + objects,) uint8, index into `CATEGORIES` of each object id.
        colours: (1 + objects,) uint8, index into `COLOUR_NAMES` of each object id.
        rooms: (1 + objects,) uint8, index into `ROOM_NAMES` of the room that each object id is in.
        names: (1 + objects,) str, what each object id is called, "red sofa"; "" for 0.
        belongs: (1 + objects,) int16, index of the room that each object id is in, -1 where there is none.
        layout: Its rooms and doors; None where it has none.
    """

    content_hash: str
    categories: np.ndarray
    colours: np.ndarray
    rooms: np.ndarray
    names: np.ndarray
    belongs: np.ndarray
    layout: Layout | None

    @classmethod
    def of(cls, scene: Scene) -> Self:
        """Those of a scene."""
        return cls(**_labels(scene))

    def called(self, name: str) -> np.ndarray:
        """(1 + objects,) uint8, 1 for the ids of objects that are called so, or are in a room that is."""
        in_room = ROOM_NAMES.index(name) if name in ROOM_CATEGORIES else len(ROOM_NAMES)
        return ((self.names == name) | (self.rooms == in_room)).astype(np.uint8)


@dataclass(frozen=True)
class LoadedScene(SceneLabels):
    """A scene as the embedded simulator uses it.

    Attributes:
        ground: Where bodies can be.
        packed: What is drawn; None where nothing is to be.
    """

    ground: Ground
    packed: PackedScene | None

    @property
    def nbytes(self) -> int:
        """Bytes of memory, without textures, which houses share."""
        return self.ground.nbytes + (self.packed.nbytes if self.packed else 0)

    @property
    def picture(self) -> PackedScene:
        """What is drawn, of a scene that is to be."""
        assert self.packed is not None
        return self.packed


class SceneCache:
    """Scenes by name, loaded when first asked for; those used longest ago make room for new ones."""

    def __init__(
        self,
        load: Callable[[str], Scene] = load_scene,
        body: Body = BODY,
        *,
        drawn: bool = True,
        memory: int = MEMORY,
    ) -> None:
        """An empty cache.

        Args:
            load: Makes the scene of a name.
            body: Says where one can walk.
            drawn: Whether scenes are to be drawn.
            memory: Bytes that are kept; the latest scene is, however large.
        """
        self.body, self.drawn, self.memory = body, drawn, memory
        self._load = load
        self._kept: OrderedDict[str, tuple[LoadedScene, int]] = OrderedDict()
        self._hashes: dict[str, str] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: str) -> LoadedScene:
        """A scene.

        Raises:
            InputError: If there is none of that name, or no body can be in it.
        """
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
        """The scene itself, which is not kept.

        Raises:
            InputError: If there is none of that name.
        """
        return self._load(name)

    def content_hash(self, name: str) -> str:
        """Hash of a scene; remembered after the scene itself is not."""
        return self._hashes.get(name) or self.get(name).content_hash

    def _make(self, scene: Scene) -> LoadedScene:
        labels = _labels(scene)
        packed = pack(scene, labels["categories"]) if self.drawn else None
        return LoadedScene(**labels, ground=build_ground(scene, self.body), packed=packed)


def _labels(scene: Scene) -> dict[str, Any]:
    """The fields of `SceneLabels`."""
    return {
        "content_hash": scene.content_hash,
        "categories": categories(scene),
        "colours": colours(scene),
        "rooms": rooms(scene),
        "names": names(scene),
        "belongs": np.array([-1, *(each.room for each in scene.objects)], dtype=np.int16),
        "layout": Layout(scene.without_mesh()) if scene.rooms else None,
    }


def categories(scene: Scene) -> np.ndarray:
    """(1 + objects,) uint8, index into `CATEGORIES` of each object id; 0 where there is none."""
    return np.array([0, *(INDICES.get(each.category, 0) for each in scene.objects)], dtype=np.uint8)


def colours(scene: Scene) -> np.ndarray:
    """(1 + objects,) uint8, index into `COLOUR_NAMES` of each object id; 0 for what is not furniture."""
    named = ("" if each.category in STRUCTURE else each.colour for each in scene.objects)
    return np.array([0, *(COLOUR_NAMES.index(name) if name in COLOURS else 0 for name in named)], dtype=np.uint8)


def rooms(scene: Scene) -> np.ndarray:
    """(1 + objects,) uint8, index into `ROOM_NAMES` of the room that each object id is in; 0 where there is none."""
    of_rooms = [ROOM_NAMES.index(room.category) if room.category in ROOM_CATEGORIES else 0 for room in scene.rooms]
    return np.array([0, *(of_rooms[each.room] if each.room >= 0 else 0 for each in scene.objects)], dtype=np.uint8)


def names(scene: Scene) -> np.ndarray:
    """(1 + objects,) str, what each object id is called: colour and category; "" for 0."""
    return np.array(["", *(f"{each.colour} {each.category}".strip() for each in scene.objects)])
