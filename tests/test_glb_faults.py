"""Bad scene files: each is refused with one sentence that names the file and what to do."""

import json
from contextlib import suppress
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
import pytest
from glb_files import edit, put_together, small_scene, take_apart, write_triangles
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.glb import load_glb, save_glb
from envs.glb.container import MAX_TRIANGLES
from envs.scene import Scene
from envs.scenes import load_scene
from vln.errors import InputError

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 3]], np.float32)


@pytest.fixture
def good(tmp_path) -> Path:
    return write_triangles(tmp_path / "a.glb", CORNERS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return save_glb(small_scene(), tmp_path_factory.mktemp("exported"))


def sentence(path: object, **options: object) -> str:
    """What the file is refused with."""
    with pytest.raises(InputError) as caught:
        load_scene(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


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
    header, binary = take_apart(exported)
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


def test_quantised_geometry(good):
    edit(good, lambda header: header["accessors"][0].update(normalized=True, componentType=5122))
    assert "quantised" in sentence(good)


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
