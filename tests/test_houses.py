"""Generated houses: the same bytes everywhere, closed, walkable, furniture without overlaps, nameable colours."""

import builtins
import itertools
import math
import subprocess
import sys
from functools import lru_cache

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.houses import SEEDS, house_name, make_house, storeys_of
from envs.houses.categories import CATEGORIES, COLOURS, LANDMARKS, ROOM_CATEGORIES, STRUCTURE
from envs.houses.parts import Paint, Parts, ball_quads, box_quads, face_normals, soft_quads, tube_quads
from envs.houses.plan import make_plan
from envs.houses.textures import textures
from envs.navigation import Body, build_ground
from envs.scene import Scene, SceneObject
from vln.errors import InputError

SAMPLE = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 144, 987, 6765, 75025, 999_999)
# Groups that belong together and may reach into each other's boxes; what lies flat or stands on other things.
GROUPS = ({"dining table", "chair"}, {"desk", "office chair"}, {"piano", "stool"}, {"kitchen counter", "stool"})
LOOSE = {"rug", "cushion", "curtain", "ceiling lamp", "kitchen cabinet", *STRUCTURE}

house = lru_cache(maxsize=None)(make_house)


@pytest.fixture(params=SAMPLE, ids=house_name)
def scene(request) -> Scene:
    return house(request.param)


def test_the_same_seed_is_the_same_house():
    assert make_house(7).content_hash == make_house(7).content_hash
    assert make_house(7).objects == make_house(7).objects
    assert len({house(seed).content_hash for seed in SAMPLE}) == len(SAMPLE)


def test_another_process_builds_the_same_bytes():
    program = "from envs.houses import make_house; print(*(make_house(seed).content_hash for seed in (3, 55, 987)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [house(seed).content_hash for seed in (3, 55, 987)]


def test_every_python_builds_the_same_house(monkeypatch):
    """From Python 3.12 on `sum` rounds floats once, at the end, which made another house of 800014."""
    before = [make_house(seed).content_hash for seed in (800_014, 3)]

    def summed(values, start=0, plain=sum):
        listed = list(values)
        return math.fsum(listed) if any(isinstance(value, float) for value in listed) else plain(listed, start)

    monkeypatch.setattr(builtins, "sum", summed)
    assert [make_house(seed).content_hash for seed in (800_014, 3)] == before


@pytest.mark.parametrize("seed", [-1, SEEDS, 10**9])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(InputError, match=f"house {seed}: the seed is not in 0..999999; choose one that is"):
        make_house(seed)


def test_sizes(scene):
    low, high = scene.bounds
    assert 4 <= len(scene.rooms) <= 18
    assert (high - low)[[0, 2]].max() <= 14
    assert (high - low)[[0, 2]].min() >= 7.5
    storeys = len({room.storey for room in scene.rooms})
    assert storeys == storeys_of(int(scene.name.removeprefix("house-")))
    assert 5_000 <= len(scene.triangles) <= (15_000 if storeys == 1 else 22_000)
    assert 50 <= len(scene.objects) <= 400


def test_arrays(scene):
    count, faces = len(scene.vertices), len(scene.triangles)
    assert scene.vertices.dtype == scene.uv.dtype == np.float32
    assert scene.triangles.dtype == scene.texture.dtype == scene.object_ids.dtype == np.int32
    assert scene.colours.dtype == np.uint8
    assert scene.vertices.shape == scene.colours.shape == (count, 3)
    assert scene.uv.shape == (count, 2)
    assert scene.texture.shape == scene.object_ids.shape == (faces,)
    assert np.isfinite(scene.vertices).all()
    assert np.isfinite(scene.uv).all()
    assert scene.triangles.min() >= 0
    assert scene.triangles.max() < count
    assert scene.texture.max() < len(scene.textures)
    assert scene.object_ids.min() == 1
    assert scene.object_ids.max() == len(scene.objects)
    corners = scene.vertices[scene.triangles].astype(float)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert area.min() > 1e-8


def test_names_are_known(scene):
    assert {item.category for item in scene.objects} <= set(CATEGORIES)
    assert {item.colour for item in scene.objects} <= set(COLOURS)
    assert {room.category for room in scene.rooms} <= set(ROOM_CATEGORIES)
    assert {"hallway", "kitchen", "bathroom", "living room"} <= {room.category for room in scene.rooms}


def test_boxes_hold_the_triangles(scene):
    corners = scene.vertices[scene.triangles]
    for index, item in enumerate(scene.objects):
        mine = corners[scene.object_ids == index + 1].reshape(-1, 3)
        assert np.array_equal(mine.min(0), np.float32(item.low))
        assert np.array_equal(mine.max(0), np.float32(item.high))


def inside(polygon: tuple[tuple[float, float], ...], x: float, z: float) -> bool:
    crossed = False
    for (x0, z0), (x1, z1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (z0 > z) != (z1 > z) and x < x0 + (x1 - x0) * (z - z0) / (z1 - z0):
            crossed = not crossed
    return crossed


def test_objects_are_in_their_rooms(scene):
    for item in scene.objects:
        if item.category in STRUCTURE:
            continue
        room = scene.rooms[item.room]
        for x in (item.low[0] + 0.005, item.high[0] - 0.005):
            for z in (item.low[2] + 0.005, item.high[2] - 0.005):
                assert inside(room.polygon, x, z), (scene.name, item, room)


def share(one: SceneObject, two: SceneObject, slack: float = 0.012) -> bool:
    return all(a < d - slack and c < b - slack for a, b, c, d in zip(one.low, one.high, two.low, two.high, strict=True))


def test_objects_do_not_overlap(scene):
    solid = [item for item in scene.objects if item.category not in LOOSE]
    for one, two in itertools.combinations(solid, 2):
        if any({one.category, two.category} <= group for group in GROUPS):
            continue
        assert not (one.room == two.room and share(one, two)), (scene.name, one, two)


def test_doors_join_rooms(scene):
    reached, edges = {0}, [door.rooms for door in scene.doors]
    for _ in edges:
        reached |= {b for a, b in edges if a in reached} | {a for a, b in edges if b in reached}
    assert reached == set(range(len(scene.rooms)))
    for door in scene.doors:
        assert 0.9 <= door.width <= 2.7


def rays(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Origins before every door at the height of a camera, and directions all around."""
    rng = np.random.default_rng(0)
    starts = []
    for door in scene.doors:
        level = scene.rooms[door.rooms[0]].storey == scene.rooms[door.rooms[1]].storey
        for room in door.rooms if level else ():
            for dx, dz in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)):
                x, z = door.centre[0] + dx, door.centre[2] + dz
                if all(inside(scene.rooms[room].polygon, x + a, z + b) for a in (-0.1, 0.1) for b in (-0.1, 0.1)):
                    starts.append((x, door.centre[1] + 1.25, z))
    origins = np.repeat(np.array(starts), 200, 0)
    directions = rng.normal(size=origins.shape)
    return origins, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_a_camera_sees_front_faces_alone(scene):
    mesh = trimesh.Trimesh(scene.vertices, scene.triangles, process=False)
    origins, directions = rays(scene)
    triangle, ray = mesh.ray.intersects_id(origins, directions, multiple_hits=False)
    assert len(ray) == len(origins), "some ray leaves the house"
    towards = (mesh.face_normals[triangle] * directions[ray]).sum(1)
    assert (towards < 1e-6).mean() > 0.9999, scene.objects[scene.object_ids[triangle[towards.argmax()]] - 1]


def test_some_houses_have_stairs():
    assert 150 < sum(storeys_of(seed) == 2 for seed in range(1000)) < 250
    scene = next(house(seed) for seed in SAMPLE if storeys_of(seed) == 2)
    stairs = [door for door in scene.doors if scene.rooms[door.rooms[0]].storey != scene.rooms[door.rooms[1]].storey]
    assert [[scene.rooms[room].category for room in door.rooms] for door in stairs] == [["stairwell", "landing"]]
    assert {room.floor for room in scene.rooms if room.storey == 0} == {0.0}
    (floor,) = {room.floor for room in scene.rooms if room.storey == 1}
    assert 2.6 < floor < 2.9
    assert sum(item.category == "stairs" for item in scene.objects) == 1


def test_one_can_walk_from_every_door_to_every_other():
    for seed in range(30):
        scene = make_house(seed)
        ground = build_ground(scene, Body(radius=0.15))
        snapped, moved = ground.snap(np.array([door.centre for door in scene.doors], np.float32))
        assert moved.max() < 0.2, scene.name
        assert len(set(ground.island(snapped).tolist())) == 1, scene.name
        assert np.isfinite(ground.field(snapped[0]).distance(snapped)).all(), scene.name


@settings(max_examples=40, deadline=None)
@given(st.integers(0, SEEDS - 1))
def test_plans_fill_their_outline(seed):
    plan = make_plan(np.random.default_rng(seed))

    def area(corners):
        x, z = np.array(corners).T
        return abs((x * np.roll(z, -1) - np.roll(x, -1) * z).sum()) / 2

    assert area(plan.outline) == pytest.approx(sum(room.area for room in plan.rooms))
    for room in plan.rooms:
        assert area(room.polygon) == pytest.approx(room.area)
        assert room.category


def volume(corners: np.ndarray) -> float:
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    return float((triangles[:, 0] * np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6)


def test_solids_are_wound_outwards():
    paint, parts = Paint(1, 2, 3), Parts()
    parts.box((0, 1, 0), (1, 2, 3), paint)
    assert volume(box_quads(np.array(parts.boxes)).corners) == pytest.approx(3)
    parts.cushion((0, 1, 0), (1, 2, 3), paint, 0.1)
    assert 2.8 < volume(soft_quads(np.array(parts.soft)).corners) < 3
    parts.ball((0, 1, 0), (1, 1, 1), paint)
    assert 2.5 < volume(ball_quads(np.array(parts.balls)).corners) < 4.19


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_tubes_run_along_their_axis(axis):
    parts = Parts()
    parts.tube((1, 2, 3), 2.0, 0.5, Paint(1, 2, 3), axis=axis, sides=12)
    quads = tube_quads(np.array(parts.tubes[12]), 12)
    assert volume(quads.corners) == pytest.approx(1.5)
    size = np.ptp(quads.corners.reshape(-1, 3), axis=0)
    assert size == pytest.approx([2 if other == axis else 1 for other in range(3)])
    assert (face_normals(quads.corners)[:, None] * quads.normals).sum(2).min() > 0.9


def test_textures_are_shared_and_of_powers_of_two():
    one, two = house(0).textures, house(1).textures
    assert all(a is b for a, b in zip(one, two, strict=True))
    for image in textures():
        assert image.dtype == np.uint8
        assert image.shape == (128, 128, 3)
        assert not image.flags.writeable


def test_shades_are_nearest_to_their_own_name():
    names = list(COLOURS)
    dark, light = (np.array([COLOURS[name][end] for name in names], float) for end in (0, 1))
    span = light - dark
    for row, name in enumerate(names):
        for part in np.linspace(0, 1, 11):
            shade = dark[row] + part * span[row]
            along = np.clip(((shade - dark) * span).sum(1) / (span**2).sum(1), 0, 1)
            distance = np.linalg.norm(dark + along[:, None] * span - shade, axis=1)
            distance[row] = np.inf
            assert distance.min() > 25, (name, names[int(distance.argmin())])


def test_categories():
    assert CATEGORIES[0] == "nothing"
    assert len(set(CATEGORIES)) == len(CATEGORIES) <= 256
    assert set(STRUCTURE) | set(LANDMARKS) < set(CATEGORIES)
    assert not set(STRUCTURE) & set(LANDMARKS)
    found = {item.category for seed in SAMPLE for item in house(seed).objects}
    assert len(found - set(STRUCTURE)) >= 50
    assert len({room.category for seed in SAMPLE for room in house(seed).rooms}) >= 10
