"""Every kind of GLB file loads as a second reader loads it, or raises an error of one sentence."""

import logging
from pathlib import Path

import numpy as np
import pytest
from glb_cases import CASES, FAN, SQUARE, WALL, Gltf, halves, quarters, wall
from glb_files import sentence
from gltf_reader import read_gltf

from envs.continuous.scenes import BODY
from envs.glb import load_glb, save_glb
from envs.glb.alpha import has_visible_texel
from envs.glb.load import triangulate
from envs.navigation import build_ground
from envs.render import Camera, Renderer, pack
from envs.scene import Sampler, Scene, Wrap

OWN = Path(__file__).parent / "cases" / "glb"
TURNED = {"instanced"}  # not all of it faces +z
SIZE = 192  # pixels


def look_at(scene: Scene, low: np.ndarray, high: np.ndarray) -> tuple[float, np.ndarray]:
    """The area that is drawn of walls at z = 0 between two corners, and its mean colour, seen from the front."""
    extent = 1.05 * float((high - low)[:2].max())
    camera = Camera(SIZE, SIZE, hfov=60.0)
    distance = extent / 2 / np.tan(np.radians(30))
    renderer = Renderer(camera, 1)
    eye = (low + high) / 2 + [0, 0, distance]
    renderer.render([pack(scene)], eye[None].astype(np.float32), np.zeros(1))
    seen = renderer.depth[0, ..., 0] > 0
    colour = renderer.rgb[0][seen].mean(0) if seen.any() else np.zeros(3)
    return seen.mean() * extent**2, colour


@pytest.mark.parametrize("name", CASES)
def test_a_scene_is_what_another_reader_finds(tmp_path, name):
    path = CASES[name]().write(tmp_path / "a.glb")
    scene, other = load_glb(path), read_gltf(path)
    assert len(scene.triangles) == len(other.triangles)
    ours = scene.vertices[scene.triangles]
    if not len(other.triangles):
        assert look_at(scene, np.zeros(3), np.ones(3))[0] == 0
        return
    np.testing.assert_allclose(sorted_corners(ours), sorted_corners(other.triangles), atol=1e-5)
    np.testing.assert_allclose(normals(ours), normals(other.triangles), atol=1e-4)
    if name not in TURNED:
        corners = other.triangles.reshape(-1, 3)
        area, colour = look_at(scene, corners.min(0), corners.max(0))
        assert area == pytest.approx(other.area, rel=0.03)
        np.testing.assert_allclose(colour, other.colour, atol=4)


def sorted_corners(triangles: np.ndarray) -> np.ndarray:
    """(t, 9) whatever the order of the triangles, and the corner that each begins with."""
    turned = []
    for triangle in np.round(triangles, 4).tolist():
        first = triangle.index(min(triangle))
        turned.append(np.ravel(triangle[first:] + triangle[:first]).tolist())
    return np.array(sorted(turned))


def normals(triangles: np.ndarray) -> np.ndarray:
    """The sum of what sides show: a triangle that is turned over changes it."""
    triangles = np.asarray(triangles, np.float64)
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]).sum(0)


def test_the_triangles_of_strips_and_fans():
    corners = np.arange(5) + 10
    assert triangulate(corners, 4).tolist() == [[10, 11, 12]]
    assert triangulate(corners, 5).tolist() == [[10, 11, 12], [11, 13, 12], [12, 13, 14]]
    assert triangulate(corners, FAN).tolist() == [[10, 11, 12], [10, 12, 13], [10, 13, 14]]
    assert [len(triangulate(corners[:2], mode)) for mode in (4, 5, 6)] == [0, 0, 0]


def test_points_and_lines_are_said_to_be_left_out(tmp_path, caplog):
    gltf = wall()
    for mode in (0, 1, 3):
        gltf.primitive(WALL, mode=mode)
    with caplog.at_level(logging.WARNING):
        scene = load_glb(gltf.write(tmp_path / "a.glb"))
    assert len(scene.triangles) == 2
    assert "a.glb: its line strips and lines and points are left out" in caplog.text


def test_values_of_the_recorded_cases(tmp_path):
    assert load_glb(CASES["glossy"]().write(tmp_path / "a.glb")).colours.tolist() == [[255, 128, 64]] * 6
    scene = load_glb(CASES["clamp"]().write(tmp_path / "a.glb"))
    assert scene.samplers == (Sampler(Wrap.CLAMP, Wrap.CLAMP),)
    assert load_glb(CASES["repeat"]().write(tmp_path / "a.glb")).samplers == ()
    assert (load_glb(CASES["16 bits"]().write(tmp_path / "a.glb")).textures[0][0, 0] == 2000 >> 8).all()
    assert load_glb(CASES["mask, low cutoff"]().write(tmp_path / "a.glb")).samplers == ()


# Alpha


def test_what_alpha_cuts_away_is_nothing_to_bump_into(tmp_path):
    # Two walls with the same picture: one lies on its transparent half, one on all of it.
    gltf = Gltf().textured(halves(left=0), SQUARE * [0.5, 1], alphaMode="MASK")
    uv = gltf.accessor(SQUARE)
    gltf.primitive(WALL + np.float32([2, 0, 0]), TEXCOORD_0=uv, material=0)
    scene = load_glb(gltf.write(tmp_path / "a.glb"))
    assert scene.vertices[scene.triangles][..., 0].min() == 2
    assert len(scene.triangles) == 2
    assert scene.textures[0].shape == (64, 64, 4)
    assert scene.samplers == (Sampler(cutoff=128),)


@pytest.mark.parametrize("wrap", list(Wrap))
def test_triangles_are_cut_away_where_no_texel_under_them_is_drawn(wrap):
    random = np.random.default_rng(0)
    alpha = np.where(random.random((8, 16)) < 0.06, 255, 0).astype(np.uint8)
    uv = random.uniform(-1.5, 2.5, (300, 1, 2)) + random.uniform(-0.2, 0.2, (300, 3, 2))
    shown = has_visible_texel(uv, alpha, Sampler(wrap, wrap, 128))
    shares = random.dirichlet(np.ones(3), 4000)
    texels = np.floor(np.einsum("sk,tkc->tsc", shares, uv) * [16, 8]).astype(int)
    for axis, size in enumerate((16, 8)):
        around = texels[..., axis] % (2 * size)
        texels[..., axis] = {
            Wrap.REPEAT: texels[..., axis] % size,
            Wrap.MIRROR: np.minimum(around, 2 * size - 1 - around),
            Wrap.CLAMP: np.clip(texels[..., axis], 0, size - 1),
        }[wrap]
    expected = (alpha[texels[..., 1], texels[..., 0]] > 0).any(1)
    assert 0.1 < expected.mean() < 0.9
    assert shown[expected].all()
    assert shown.mean() - expected.mean() < 0.05  # corners of texels that no sample met


def test_depth_and_labels_end_where_a_mask_does(tmp_path):
    # A door of bars, with a wall 1 m behind: what is seen through it is the wall.
    gltf = Gltf().textured(halves(left=0), alphaMode="MASK")
    gltf.primitive(4 * WALL - np.float32([1.5, 1.5, 1]))
    scene = load_glb(gltf.write(tmp_path / "a.glb"))
    renderer = Renderer(Camera(64, 64, hfov=53.13), 1)
    renderer.render([pack(scene)], np.float32([[0.5, 0.5, 1]]), np.zeros(1))
    depth = renderer.depth[0, ..., 0]
    np.testing.assert_allclose(depth[:, :31], 2, rtol=1e-4)
    np.testing.assert_allclose(depth[:, 33:], 1, rtol=1e-4)


def test_a_mask_is_cut_before_the_eye_too(tmp_path):
    # A floor through the camera's plane crosses the near plane: such triangles go another way.
    gltf = Gltf().textured(halves(left=0), SQUARE, alphaMode="MASK")
    gltf.header["nodes"][0] |= {"rotation": [-np.sqrt(0.5), 0, 0, np.sqrt(0.5)], "scale": [4, 4, 4]}
    scene = load_glb(gltf.write(tmp_path / "a.glb"))
    renderer = Renderer(Camera(64, 64), 1)
    renderer.render([pack(scene)], np.float32([[2, 0.5, -1]]), np.zeros(1))
    lower = renderer.depth[0, 40:, :, 0] > 0
    assert not lower[:, :31].any()
    assert lower[:, 33:].all()


def test_samplers_and_masks_survive_an_export(tmp_path):
    for name in ("mirror and clamp", "mask, mirrored"):
        scene = load_glb(CASES[name]().write(tmp_path / "a.glb"))
        back = load_glb(save_glb(scene, tmp_path / "out"))
        assert back.content_hash == scene.content_hash
        assert back.samplers == scene.samplers != ()


def test_a_scene_that_wraps_otherwise_is_another(tmp_path):
    names = ("repeat", "clamp", "mirror")
    assert len({load_glb(CASES[name]().write(tmp_path / "a.glb")).content_hash for name in names}) == 3


# Compressed


@pytest.mark.parametrize(
    ("file", "extension"),
    [("BoxDraco.gltf", "KHR_draco_mesh_compression"), ("BoxMeshopt.glb", "EXT_meshopt_compression")],
)
def test_the_cure_for_compressed_geometry_works(file, extension):
    told = sentence(OWN / file)
    assert f"is compressed ({extension})" in told
    assert "`npx @gltf-transform/cli copy in.glb out.glb`" in told
    cured = OWN / (Path(file).stem + ".copied.glb")  # see README.md beside it
    scene, other = load_glb(cured), read_gltf(cured)
    assert len(scene.triangles) == len(other.triangles) == 12
    np.testing.assert_allclose(scene.bounds, [[-0.5] * 3, [0.5] * 3], atol=1e-4)
    assert np.unique(scene.colours, axis=0).tolist() == [[204, 0, 0]]


def test_a_copy_that_is_not_compressed_is_read(tmp_path):
    gltf = wall()
    primitive = gltf.header["meshes"][0]["primitives"][0]
    primitive["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    gltf.extend("KHR_draco_mesh_compression")
    assert len(load_glb(gltf.write(tmp_path / "a.glb")).triangles) == 2


@pytest.mark.parametrize("required", [True, False])
def test_textures_of_basis(tmp_path, required):
    gltf = Gltf().textured(quarters())
    gltf.header["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    gltf.extend("KHR_texture_basisu", required)
    told = sentence(gltf.write(tmp_path / "a.glb"))
    assert "KTX2 (KHR_texture_basisu)" in told
    assert "`npx @gltf-transform/cli ktxdecompress in.glb out.glb`, which needs KTX-Software" in told


def test_a_picture_beside_one_of_basis_is_read(tmp_path):
    gltf = Gltf().textured(quarters())
    gltf.header["textures"][0]["extensions"] = {"KHR_texture_basisu": {"source": 7}}
    gltf.extend("KHR_texture_basisu")
    assert load_glb(gltf.write(tmp_path / "a.glb")).textures[0].shape == (8, 8, 3)


def test_an_unknown_extension_is_refused_by_its_name(tmp_path):
    gltf = wall()
    gltf.extend("MADE_up", required=True)
    gltf.extend("KHR_materials_made_up", required=True)
    gltf.extend("KHR_lights_punctual", required=True)
    gltf.extend("KHR_materials_unlit", required=True)
    assert "requires KHR_materials_made_up, MADE_up, which are not read" in sentence(gltf.write(tmp_path / "a.glb"))
    gltf.header["extensionsRequired"].remove("KHR_materials_made_up")
    assert "requires MADE_up, which is not read" in sentence(gltf.write(tmp_path / "a.glb"))
    gltf.header["extensionsRequired"].remove("MADE_up")
    assert len(load_glb(gltf.write(tmp_path / "a.glb")).triangles) == 2


def test_shared_vertices_are_read_once_for_each_that_uses_them(tmp_path):
    gltf = Gltf()
    many = gltf.accessor(np.random.default_rng(0).random((1000, 3), np.float32))
    for start in range(0, 300, 3):
        gltf.primitive(many, np.arange(start, start + 3, dtype=np.uint16))
    assert load_glb(gltf.write(tmp_path / "a.glb")).vertices.shape == (300, 3)


def test_a_body_walks_through_what_alpha_cuts_away(tmp_path):
    # A hall of 8 x 4 m, and across it a wall whose picture is transparent, or not.
    floor = 4 * WALL[:, [0, 2, 1]] * np.float32([2, 1, -1])
    across = 4 * WALL[:, [2, 1, 0]] + np.float32([4, 0, -4])
    paths = {}
    for mode in ("MASK", "OPAQUE"):
        gltf = Gltf().textured(halves(left=0, right=0), alphaMode=mode)
        gltf.header["meshes"][0]["primitives"] = []
        gltf.primitive(across, TEXCOORD_0=SQUARE.astype(np.float32), material=0)
        gltf.primitive(floor)
        ground = build_ground(load_glb(gltf.write(tmp_path / "a.glb")), BODY)
        paths[mode] = ground.island(np.float32([[1, 0, -2], [7, 0, -2]]))
    assert paths["MASK"][0] == paths["MASK"][1]
    assert paths["OPAQUE"][0] != paths["OPAQUE"][1]
