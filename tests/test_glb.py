"""Scenes from GLB files and back."""

import base64
import json
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from glb_files import edit, put_together, small_scene, take_apart, write_triangles
from golden import golden
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from envs.glb import habitat, is_saved, load_glb, save_glb
from envs.glb.images import MAX_TEXTURE, TEXTURE_BYTES
from envs.scene import Scene
from envs.scenes import load_scene

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 3]], np.float32)


def of_corners(scene: Scene) -> list[np.ndarray]:
    """What the triangles look like, whatever the order of the vertices."""
    return [array[scene.triangles] for array in (scene.vertices, scene.colours, scene.uv)]


def picture(pixels: np.ndarray) -> str:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def textured(path: Path, pixels: np.ndarray, uv: np.ndarray, **reference: object) -> Path:
    """A triangle with a texture, at 25 % of its colour."""
    write_triangles(path, CORNERS, TEXCOORD_0=uv)

    def change(header):
        colour = {"index": 0, **reference}
        header["materials"] = [
            {"pbrMetallicRoughness": {"baseColorTexture": colour, "baseColorFactor": [0.2, 0.4, 0.6, 1]}}
        ]
        header["images"], header["textures"] = [{"uri": picture(pixels)}], [{"source": 0}]
        header["meshes"][0]["primitives"][0]["material"] = 0

    return edit(path, change)


# Export and back


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_an_exported_scene_comes_back_as_it_was(seed):
    scene = small_scene(seed)
    with tempfile.TemporaryDirectory() as folder:
        back = load_glb(save_glb(scene, folder))
    assert back.content_hash == scene.content_hash
    assert (back.name, back.two_sided) == (scene.name, scene.two_sided)
    assert (back.objects, back.rooms, back.doors) == (scene.objects, scene.rooms, scene.doors)


def test_vertices_of_several_textures_are_split_but_look_the_same(tmp_path):
    scene = small_scene(shared=True)
    back = load_glb(save_glb(scene, tmp_path))
    assert all(np.array_equal(one, other) for one, other in zip(of_corners(scene), of_corners(back), strict=True))
    assert np.array_equal(back.object_ids, scene.object_ids)
    assert np.array_equal(back.texture, scene.texture)


def test_the_same_scene_gives_the_same_bytes(tmp_path):
    for folder in "ab":
        save_glb(small_scene(), tmp_path / folder)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in "ab")
    assert first == second
    ends = (".glb", ".stage_config.json", ".semantic.glb", ".semantic.txt", ".house.json")
    assert set(first) == {"small" + end for end in ends}


def test_a_scene_is_saved_when_all_of_it_is(tmp_path):
    scene = small_scene()
    assert not is_saved(scene, tmp_path)
    save_glb(scene, tmp_path)
    assert is_saved(scene, tmp_path)
    assert not is_saved(small_scene(1), tmp_path)
    (tmp_path / "small.semantic.txt").unlink()
    assert not is_saved(scene, tmp_path)


def test_materials_are_unlit(tmp_path):
    header, _ = take_apart(save_glb(small_scene(), tmp_path))
    assert all("KHR_materials_unlit" in material["extensions"] for material in header["materials"])
    assert header["extensionsUsed"] == ["KHR_materials_unlit"]


def test_habitats_description_alone_gives_objects_and_rooms(tmp_path):
    scene = small_scene()
    save_glb(scene, tmp_path)
    (tmp_path / "small.house.json").unlink()
    back = load_glb(tmp_path / "small.stage_config.json")
    order = np.argsort(scene.texture, kind="stable")
    assert np.array_equal(back.object_ids, scene.object_ids[order])
    assert [(thing.category, thing.room) for thing in back.objects] == [("sofa", 0), ("tv, 40' wide", 1), ("bed", -1)]
    corners = scene.vertices[scene.triangles[scene.object_ids == 3]].reshape(-1, 3)
    assert back.objects[2].low == tuple(corners.min(0).tolist())
    assert len(back.rooms) == 2


def test_a_semantic_mesh_of_other_triangles_is_left_aside(tmp_path):
    save_glb(small_scene(), tmp_path)
    (tmp_path / "small.house.json").unlink()
    write_triangles(tmp_path / "small.semantic.glb", CORNERS)
    assert load_glb(tmp_path / "small.glb").objects == ()


def test_semantic_colours_differ_after_habitats_conversion():
    colours = habitat.to_srgb(habitat.colours(20_000))
    assert len(np.unique(colours, axis=0)) == 20_001
    assert not colours[0].any()


def test_semantic_files_agree_on_colours(tmp_path):
    save_glb(small_scene(), tmp_path)
    header, *lines = (tmp_path / "small.semantic.txt").read_text().splitlines()
    assert header == "HM3D Semantic Annotations"
    told = {line.split(",")[1] for line in lines}
    mesh = load_glb(tmp_path / "small.semantic.glb")
    painted = {bytes(colour).hex().upper() for colour in np.unique(habitat.to_srgb(mesh.colours), axis=0)}
    assert painted == told | {"000000"}


# Files of others


@pytest.mark.parametrize(("name", "triangles"), [("apartment", 1882), ("simple_room", 84)])
def test_recorded_scenes_have_habitats_bounds(name, triangles):
    scene = load_glb(golden() / f"{name}.glb")
    info = json.loads((golden() / name / "info.json").read_text())
    assert len(scene.triangles) == triangles
    assert scene.bounds == pytest.approx(np.array(info["bounds"]), abs=1e-5)
    assert scene.content_hash == load_glb(golden() / f"{name}.stage_config.json").content_hash


def test_colours_are_factors_times_255():
    assert {tuple(colour) for colour in load_glb(golden() / "simple_room.glb").colours.tolist()} == {
        (204, 204, 204),
        (255, 255, 255),
    }


@pytest.mark.parametrize(
    ("up", "turned"),
    [
        ("y", [0, 2, 3]),
        ("+Y", [0, 2, 3]),
        ("z", [0, 3, -2]),
        ("-z", [0, -3, -2]),
        ("x", [-2, 0, 3]),
        ((0, 0, 5), [0, 3, -2]),
    ],
)
def test_the_axis_that_points_up_can_be_chosen(tmp_path, up, turned):
    path = write_triangles(tmp_path / "a.glb", CORNERS)
    scene = load_glb(path, up=up)
    assert scene.vertices[2].tolist() == pytest.approx(turned)
    moved = scene.vertices[1:] - scene.vertices[0]
    normal = np.cross(*(CORNERS[1:] - CORNERS[0]))
    assert np.linalg.norm(np.cross(*moved)) == pytest.approx(np.linalg.norm(normal))


def test_the_stage_config_beside_a_file_tells_axes_and_units(tmp_path):
    path = write_triangles(tmp_path / "a.glb", CORNERS)
    config = {"up": [0, 0, 1], "front": [0, 1, 0], "units_to_meters": 0.5}
    (tmp_path / "a.stage_config.json").write_text(json.dumps(config))
    assert load_glb(path).vertices[2].tolist() == [0, 1.5, -1]
    assert load_glb(path, up="y").vertices[2].tolist() == [0, 1, 1.5]
    assert load_glb(path, scale=2).vertices[2].tolist() == [0, 6, -4]


def test_nodes_place_meshes_and_mirrors_keep_the_outside_out(tmp_path):
    path = write_triangles(tmp_path / "a.glb", CORNERS)

    def change(header):
        header["nodes"] = [
            {"translation": [0, 0, 10], "children": [1, 2]},
            {"mesh": 0, "scale": [-2, 1, 1]},
            {"mesh": 0, "rotation": [0, 1, 0, 0]},
        ]

    scene = load_glb(edit(path, change))
    placed = sorted(scene.vertices[scene.triangles].round(6).tolist())
    assert placed == [[[0, 0, 10], [-1, 0, 10], [0, 2, 7]], [[0, 2, 13], [-2, 0, 10], [0, 0, 10]]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_vertex_colours_of_any_type(tmp_path, kind):
    colours = (np.array([[1.0, 0.5, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]]) * np.iinfo(kind).max).astype(kind)
    scene = load_glb(write_triangles(tmp_path / "a.glb", CORNERS, COLOR_0=colours))
    assert scene.colours.tolist() == [[255, 127, 0], [0, 255, 0], [0, 0, 255]]


def test_texels_are_kept_and_factors_are_colours(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 3), dtype=np.uint8)
    uv = np.array([[0, 0], [0.25, 7], [0.75, -1]], np.float32)
    scene = load_glb(textured(tmp_path / "a.glb", pixels, uv))
    assert np.array_equal(scene.textures[0], pixels)
    assert np.array_equal(scene.uv, uv)
    assert scene.texture.tolist() == [0]
    assert scene.colours.tolist() == [[51, 102, 153]] * 3


def test_coordinates_as_integers_and_moved_textures(tmp_path):
    uv = np.array([[0, 0], [65535, 0], [0, 65535]], np.uint16)
    moved = {"offset": [0.5, 0], "scale": [2, 1], "rotation": np.pi / 2}
    path = textured(tmp_path / "a.glb", np.zeros((4, 4, 3), np.uint8), uv, extensions={"KHR_texture_transform": moved})
    assert load_glb(path).uv == pytest.approx(np.array([[0.5, 0], [0.5, -2], [1.5, 0]]), abs=1e-6)


@pytest.mark.parametrize(("size", "kept"), [((3, 100), (4, 128)), ((1, 1), (1, 1)), ((2000, 2), (MAX_TEXTURE, 2))])
def test_textures_become_powers_of_two(tmp_path, size, kept):
    path = textured(tmp_path / "a.glb", np.full((*size, 3), 77, np.uint8), np.zeros((3, 2), np.float32))
    (texture,) = load_glb(path).textures
    assert texture.shape == (*kept, 3)
    assert (texture == 77).all()


def test_many_textures_share_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("envs.glb.images.TEXTURE_BYTES", 3 * 16 * 16)
    path = textured(tmp_path / "a.glb", np.zeros((64, 64, 3), np.uint8), np.zeros((3, 2), np.float32))
    assert load_glb(path).textures[0].shape == (16, 16, 3)
    assert TEXTURE_BYTES >= 3 * MAX_TEXTURE**2


def test_a_gltf_finds_its_files(tmp_path):
    header, binary = take_apart(textured(tmp_path / "a.glb", np.full((2, 2, 3), 9, np.uint8), np.zeros((3, 2), "f4")))
    header["buffers"][0]["uri"], header["images"][0]["uri"] = "a%20b.bin", "t.png"
    (tmp_path / "a b.bin").write_bytes(binary)
    Image.fromarray(np.full((2, 2, 3), 8, np.uint8)).save(tmp_path / "t.png")
    (tmp_path / "b.gltf").write_text(json.dumps(header))
    scene = load_glb(tmp_path / "b.gltf")
    assert scene.name == "b"
    assert scene.vertices.tolist() == CORNERS.tolist()
    assert (scene.textures[0] == 8).all()


@pytest.mark.parametrize(("sides", "both"), [((), True), ((None,), True), ((False,), False), ((False, True), True)])
def test_both_sides_are_drawn_unless_all_materials_forbid_it(tmp_path, sides, both):
    materials = [{} if side is None else {"doubleSided": side} for side in sides]
    path = edit(write_triangles(tmp_path / "a.glb", CORNERS), lambda header: header.update(materials=materials))
    assert load_glb(path).two_sided is both


def test_lines_and_points_are_left_out(tmp_path):
    def change(header):
        header["meshes"][0]["primitives"] += [{**header["meshes"][0]["primitives"][0], "mode": mode} for mode in (0, 1)]

    assert len(load_glb(edit(write_triangles(tmp_path / "a.glb", CORNERS), change)).triangles) == 1


def test_a_file_is_a_scene_by_its_path(tmp_path):
    scene = load_scene(str(write_triangles(tmp_path / "a.glb", CORNERS)), up="z", scale=2)
    assert scene.vertices[2].tolist() == [0, 6, -4]


def test_a_chunk_of_another_kind_is_passed_over(tmp_path):
    path = put_together(tmp_path / "a.glb", *take_apart(write_triangles(tmp_path / "a.glb", CORNERS)))
    path.write_bytes(path.read_bytes() + b"\x04\0\0\0JUNK0000")
    assert len(load_glb(path).triangles) == 1
