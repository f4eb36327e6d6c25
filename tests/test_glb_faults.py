"""Bad scene files: each raises an error of one sentence with file and fix."""

import io
import json
import struct
import zlib
from contextlib import suppress
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
from glb_cases import CASES, Gltf, quarters, wall
from glb_files import edit, put_together, sentence, small_scene, take_apart, write_triangles
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from envs.glb import load_glb, save_glb
from envs.glb.container import MAX_TRIANGLES
from envs.scene import Scene
from vln.errors import InputError

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 3]], np.float32)


@pytest.fixture
def good(tmp_path) -> Path:
    return write_triangles(tmp_path / "a.glb", CORNERS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return save_glb(small_scene(), tmp_path_factory.mktemp("exported"))


def test_a_missing_file(tmp_path):
    assert "does not exist" in sentence(tmp_path / "a.glb")
    assert "cannot be read" in sentence(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"solid cube", b"\x89PNG", b"{", b"[1]", b"{}", b'{"asset": {"version": "1.0"}}']
)
def test_no_gltf(tmp_path, content):
    path = tmp_path / "a.glb"
    path.write_bytes(content)
    assert str(path) in sentence(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_truncated_anywhere(tmp_path_factory, data):
    path = write_triangles(tmp_path_factory.mktemp("cut") / "a.glb", CORNERS)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(4, len(content) - 1))])
    assert "truncated" in sentence(path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_refused_or_harmless(tmp_path_factory, data):
    path = save_glb(small_scene(), tmp_path_factory.mktemp("damaged"))
    for other in path.parent.glob("*.json"):
        other.unlink()
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(InputError):
        assert isinstance(load_glb(path, scale=1), Scene)


def places(content: object, place: tuple = ()) -> list[tuple]:
    """The ways into nested dictionaries and lists."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place, *(deeper for key, value in entries for deeper in places(value, (*place, key)))]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=st.sampled_from([None, -1, 0, 1, 9999, 10**12, 1.5, True, "x", [], [1], {}, {"a": 1}]))
def test_a_header_that_makes_no_sense_is_refused_or_harmless(exported, data, value):
    kind = data.draw(st.sampled_from([None, *CASES]))
    header, binary = take_apart(CASES[kind]().write(exported.with_name("kind.glb")) if kind else exported)
    *way, last = data.draw(st.sampled_from(places(header)[1:]))
    reduce(getitem, way, header)[last] = value
    with suppress(InputError):
        assert isinstance(load_glb(put_together(exported.with_name("broken.glb"), header, binary), scale=1), Scene)


def test_another_version(good):
    good.write_bytes(good.read_bytes()[:4] + b"\x01\0\0\0" + good.read_bytes()[8:])
    assert "glTF 1" in sentence(good)


def test_no_triangles(good):
    edit(good, lambda header: header["meshes"][0]["primitives"][0].update(mode=1))
    assert "no triangles" in sentence(good)
    edit(good, lambda header: header.pop("meshes"))
    assert "no triangles" in sentence(good)


def test_meshes_that_no_node_places(good):
    edit(good, lambda header: header["nodes"][0].pop("mesh"))
    assert "no triangles" in sentence(good)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vertices_that_are_not_finite(tmp_path, value):
    corners = CORNERS.copy()
    corners[1, 2] = value
    text = sentence(write_triangles(tmp_path / "a.glb", corners))
    assert "vertex 1 of mesh 'wall'" in text
    assert "not finite" in text


def test_triangles_of_vertices_that_are_not_there(tmp_path):
    path = save_glb(small_scene(), tmp_path)
    (tmp_path / "small.house.json").unlink()
    header, binary = take_apart(path)
    view = header["bufferViews"][header["accessors"][header["meshes"][0]["primitives"][0]["indices"]]["bufferView"]]
    start = view.get("byteOffset", 0)
    put_together(path, header, binary[:start] + b"\xff\0\0\0" + binary[start + 4 :])
    assert "vertices that are not there" in sentence(path)


def test_missing_files_are_named(good):
    def texture(header):
        header["images"], header["textures"] = [{"uri": "walls/red%20paint.png"}], [{"source": 0}]
        header["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]

    edit(good, texture)
    assert "texture 'walls/red paint.png' is missing" in sentence(good)
    edit(good, lambda header: header["buffers"][0].update(uri="all.bin"))
    assert "buffer 'all.bin' is missing" in sentence(good)
    (good.parent / "all.bin").write_bytes(bytes(5))
    edit(good, lambda header: header.update(images=[], textures=[], materials=[]))
    assert "'all.bin' is truncated" in sentence(good)


def test_pictures_that_cannot_be_read(good):
    def texture(header):
        header["images"], header["textures"] = [{"uri": "a.png"}], [{"source": 0}]
        header["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
        header["meshes"][0]["primitives"][0]["material"] = 0

    edit(good, texture)
    (good.parent / "a.png").write_bytes(b"no picture")
    assert "texture 'a.png' is no picture" in sentence(good)
    edit(good, lambda header: header["images"][0].update(mimeType="image/ktx2"))
    assert "KTX2" in sentence(good)


@pytest.mark.parametrize("name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_compressed_geometry(good, name):
    assert name in sentence(edit(good, lambda header: header.update(extensionsRequired=[name])))


@pytest.mark.parametrize(("factor", "unit"), [(100, "centimetres"), (1000, "millimetres")])
def test_other_units(tmp_path, factor, unit):
    room = np.array([[0, 0, 0], [4, 2.5, 0], [0, 0, 3]])
    path = write_triangles(tmp_path / "a.glb", room * factor)
    text = sentence(path)
    assert unit in text
    assert f"scale={1 / factor}" in text
    assert load_glb(path, scale=1 / factor).bounds[1].tolist() == pytest.approx([4, 2.5, 3])
    assert load_glb(path, scale=1).bounds[1, 0] == 4 * factor


@pytest.mark.parametrize("size", [(1000, 40, 1000), (50, 300, 50)])
def test_large_scenes_in_metres(tmp_path, size):
    load_glb(write_triangles(tmp_path / "a.glb", np.diag(size)))


@pytest.mark.parametrize("scale", [0, -1, np.nan])
def test_a_scale_that_is_none(good, scale):
    assert "scale" in sentence(good, scale=scale)


@pytest.mark.parametrize("up", ["w", "", "yy", (0, 0, 0), (1, 2), (0, np.nan, 1), 5])
def test_an_axis_that_is_none(good, up):
    assert "axis" in sentence(good, up=up)


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        '{"up": "w"}',
        '{"up": [0, 1, 0], "front": [0, 1, 0]}',
        '{"render_asset": 3}',
        '{"units_to_meters": "cm"}',
        '{"scale": [1, 2]}',
        '{"scale": -1}',
    ],
)
def test_a_bad_stage_config(good, config):
    (good.parent / "a.stage_config.json").write_text(config)
    assert "a.stage_config.json" in sentence(good)


def test_a_stage_config_of_a_missing_file(tmp_path):
    (tmp_path / "a.stage_config.json").write_text('{"render_asset": "b.glb"}')
    assert "b.glb" in sentence(tmp_path / "a.stage_config.json")
    assert "does not exist" in sentence(tmp_path / "b.stage_config.json")


def test_too_many_triangles_before_they_are_read(good):
    edit(good, lambda header: header["accessors"][0].update(count=3 * MAX_TRIANGLES + 3))
    assert f"more than {MAX_TRIANGLES:,}" in sentence(good)


@pytest.mark.parametrize("change", [{"format": "x"}, {"object_ids": []}, {"object_ids": [[9, 10]]}, {"rooms": [1]}])
def test_a_damaged_description(tmp_path, change):
    path = save_glb(small_scene(), tmp_path)
    house = tmp_path / "small.house.json"
    house.write_text(json.dumps(json.loads(house.read_text()) | change))
    assert "small.house.json" in sentence(path)


def test_an_export_changed_by_others(tmp_path):
    path = save_glb(small_scene(), tmp_path)
    edit(path, lambda header: header["asset"].update(generator="another"))
    assert "has changed" in sentence(path)


def test_an_export_is_not_to_be_turned(tmp_path):
    path = save_glb(small_scene(), tmp_path)
    assert "leave out" in sentence(path, up="z")
    assert "leave out" in sentence(path, scale=2)


@pytest.mark.parametrize("text", ["", "something else\n", 'HM3D Semantic Annotations\n1,red,"sofa",0\n'])
def test_a_bad_semantic_text(tmp_path, text):
    path = save_glb(small_scene(), tmp_path)
    (tmp_path / "small.house.json").unlink()
    (tmp_path / "small.semantic.txt").write_text(text)
    assert "small.semantic.txt" in sentence(path)


# Places


@pytest.mark.parametrize("part", ["translation", "rotation", "scale", "matrix"])
@pytest.mark.parametrize("value", [np.inf, np.nan, "x"])
def test_places_that_are_not_finite(good, part, value):
    numbers = [1.0] * {"rotation": 4, "matrix": 16}.get(part, 3)
    numbers[1] = value
    edit(good, lambda header: header["nodes"][0].update({part: numbers, "name": "door"}))
    text = sentence(good)
    assert str(good) in text
    if value != "x":
        assert f"the {part} of node 'door' is not" in text


def test_places_whose_product_is_not_finite(good):
    def change(header):
        header["nodes"] = [{"scale": [1e200] * 3, "children": [1]}, {"scale": [1e200] * 3, "mesh": 0}]

    assert "the place of node 1 is not finite" in sentence(edit(good, change))


@pytest.mark.parametrize("scale", [1e7, 1e30, 1e300])
def test_places_far_beyond_any_home(good, scale):
    edit(good, lambda header: header["nodes"][0].update(scale=[scale] * 3))
    assert "more than 1,000,000 m from the origin" in sentence(good, scale=1)


def test_a_rotation_of_no_length(good):
    assert "no quaternion" in sentence(edit(good, lambda header: header["nodes"][0].update(rotation=[0, 0, 0, 0])))


@pytest.mark.parametrize("children", [[[0]], [[1], [0]], [[1, 1], []]])
def test_nodes_that_are_in_the_scene_twice(good, children):
    edit(good, lambda header: header.update(nodes=[{"mesh": 0, "children": below} for below in children]))
    assert "is in the scene twice" in sentence(good)


def test_nodes_as_deep_as_can_be(good):
    def change(header):
        header["nodes"] = [{"children": [number + 1]} for number in range(5000)] + [{"mesh": 0}]

    assert len(load_glb(edit(good, change)).triangles) == 1


def test_a_scene_that_is_not_there(good):
    assert "'scenes'" in sentence(edit(good, lambda header: header.update(scene=3)))


@pytest.mark.parametrize("count", [4, 0])
def test_instances_that_do_not_agree(tmp_path, count):
    gltf = wall()
    attributes = {name: gltf.accessor(np.ones((3, 3), np.float32)) for name in ("TRANSLATION", "SCALE")}
    gltf.header["accessors"][attributes["SCALE"]]["count"] = count
    gltf.header["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    text = sentence(gltf.write(tmp_path / "a.glb"))
    assert "the instances of node 0 are" in text


def test_more_instances_than_can_be_drawn(tmp_path):
    gltf = wall()
    places = gltf.accessor(np.zeros((1, 3), np.float32))
    del gltf.header["accessors"][places]["bufferView"]  # zeros take no place in the file
    gltf.header["accessors"][places]["count"] = MAX_TRIANGLES
    gltf.header["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": places}}}
    assert "more than" in sentence(gltf.write(tmp_path / "a.glb"))


# Numbers


@pytest.mark.parametrize("index", [-1, 7, 1.0, True, "0", None])
def test_entries_that_are_not_there(good, index):
    edit(good, lambda header: header["meshes"][0]["primitives"][0]["attributes"].update(POSITION=index))
    assert str(good) in sentence(good)


@pytest.mark.parametrize("fields", [{"count": 4}, {"byteOffset": 4}, {"byteOffset": -4}, {"type": "VEC4"}])
def test_accessors_that_reach_past_their_view(good, fields):
    edit(good, lambda header: header["accessors"][0].update(fields))
    assert "accessor 0" in sentence(good)


@pytest.mark.parametrize("fields", [{"byteLength": 400}, {"byteOffset": 400}, {"byteOffset": -4}, {"byteStride": 900}])
def test_views_that_reach_past_their_buffer(good, fields):
    edit(good, lambda header: header["bufferViews"][0].update(fields))
    assert "buffer view" in sentence(good)


@pytest.mark.parametrize("change", [{"count": 9}, {"values": {"bufferView": 0}}])
def test_sparse_accessors_that_do_not_fit(tmp_path, change):
    gltf = CASES["sparse"]()
    gltf.header["accessors"][0]["sparse"] |= change
    assert "accessor 0" in sentence(gltf.write(tmp_path / "a.glb"))


def test_attributes_of_fewer_vertices(tmp_path):
    path = write_triangles(tmp_path / "a.glb", CORNERS, COLOR_0=np.zeros((2, 4), np.uint8))
    assert "fewer vertices" in sentence(path)


@pytest.mark.parametrize(
    "change",
    [
        {"pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1]}},
        {"pbrMetallicRoughness": {"baseColorFactor": [1, 1, np.inf, 1]}},
        {"alphaMode": "MASK", "alphaCutoff": np.nan},
    ],
)
def test_materials_of_numbers_that_are_none(tmp_path, change):
    gltf = wall(material=0)
    gltf.material(**change)
    assert "material 0" in sentence(gltf.write(tmp_path / "a.glb"))


# Files beside it


@pytest.mark.parametrize(
    "uri",
    [
        "../a.bin",
        "sub/../../a.bin",
        "/etc/passwd",
        "%2e%2e/a.bin",
        "..\\a.bin",
        "file:///etc/passwd",
        "C:\\a.bin",
        "http://example.com/a.bin",
        "\\\\host\\a.bin",
    ],
)
@pytest.mark.parametrize("what", ["buffer", "texture"])
def test_files_outside_the_folder(tmp_path, uri, what):
    folder = tmp_path / "scenes"
    folder.mkdir()
    gltf = Gltf().textured(quarters())
    path = gltf.write(folder / "a.glb")
    (tmp_path / "a.bin").write_bytes(gltf.binary)
    edit(path, lambda header: header[{"buffer": "buffers", "texture": "images"}[what]][0].update(uri=uri))
    assert f"its {what} " in sentence(path)
    assert "is outside its folder" in sentence(path)


def test_links_to_files_are_followed(tmp_path):
    # Caches of data sets keep files under other names, and link them.
    (tmp_path / "blobs").mkdir()
    (tmp_path / "scene").mkdir()
    header, binary = take_apart(wall().write(tmp_path / "a.glb"))
    header["buffers"][0]["uri"] = "a.bin"
    for name, content in {"a.bin": binary, "a.gltf": json.dumps(header).encode()}.items():
        (tmp_path / "blobs" / name[::-1]).write_bytes(content)
        (tmp_path / "scene" / name).symlink_to(tmp_path / "blobs" / name[::-1])
    assert len(load_glb(tmp_path / "scene" / "a.gltf").triangles) == 2


def test_buffers_without_bytes(good):
    edit(good, lambda header: header["buffers"].append({"byteLength": 4}))
    assert len(load_glb(good).triangles) == 1  # nothing needs it
    edit(good, lambda header: header["bufferViews"][0].update(buffer=1))
    assert "buffer 1 has no bytes" in sentence(good)


# Pictures


def png(width: int, height: int, colour: int = 2) -> bytes:
    """A picture of zeros, of which only the beginning is there unless it is small."""
    content = bytes(min((1 + width * {0: 1, 2: 3, 6: 4}[colour]) * height, 1 << 16))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(content))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


def with_picture(path: Path, content: bytes) -> Path:
    """A wall with a picture beside it."""
    gltf = Gltf().textured(quarters())
    gltf.header["images"] = [{"uri": "a.png"}]
    (path.parent / "a.png").write_bytes(content)
    return gltf.write(path)


@pytest.mark.parametrize("size", [(16384, 16384), (200_000, 200_000), (2**31 - 1, 2**31 - 1), (60_000_000, 2)])
def test_pictures_larger_than_memory(tmp_path, size):
    path = with_picture(tmp_path / "a.glb", png(*size))
    text = sentence(path)
    assert "texture 'a.png'" in text
    assert "more than" in text or "is no picture" in text


def test_a_large_jpeg_is_scaled_down_as_it_is_decoded(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (16384, 64), (200, 30, 30)).save(stream, "jpeg")
    (texture,) = load_glb(with_picture(tmp_path / "a.glb", stream.getvalue())).textures
    assert texture.shape == (64, 1024, 3)
    assert abs(texture.reshape(-1, 3).mean(0) - [200, 30, 30]).max() < 3


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", png(64, 64)[:60], b"\xff\xd8\xff\xe0", b"RIFF\4\0\0\0WEBP", b"BM"]
)
def test_damaged_pictures(tmp_path, content):
    assert "texture 'a.png' is" in sentence(with_picture(tmp_path / "a.glb", content))


@pytest.mark.parametrize("uri", ["data:image/png;base64,@", "data:image/png;base64,AAAAA", "data:,abc", "data:"])
def test_damaged_data_uris(tmp_path, uri):
    gltf = Gltf().textured(quarters())
    gltf.header["images"] = [{"uri": uri}]
    assert str(tmp_path) in sentence(gltf.write(tmp_path / "a.glb"))
