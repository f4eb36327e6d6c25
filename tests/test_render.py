"""The renderer agrees with ray casting, and its result is independent of batch and order."""

import gc
import weakref
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.render import Camera, Renderer, pack, panorama
from envs.render.textures import HEADER, shared_texture
from tests.meshes import NEAR, cast, mesh, soup, wall
from vln.errors import InputError

few = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 10**6)
ORIGIN = np.zeros((1, 3), np.float32)
AHEAD = np.zeros(1)


SMALL = Camera(32, 32)


def look(scene, camera=SMALL, position=ORIGIN, heading=AHEAD, **options):
    renderer = Renderer(camera, 1)
    renderer.render([pack(scene)], np.reshape(position, (1, 3)), np.reshape(heading, 1), **options)
    return renderer


@few
@given(seeds, st.booleans(), st.floats(-3.2, 3.2), st.floats(-80, 80), st.sampled_from([30.0, 90.0, 140.0]))
def test_depth_and_triangles_agree_with_rays_inside_a_soup(seed, two_sided, heading, pitch, hfov):
    scene = soup(seed, two_sided=two_sided)
    camera = Camera(48, 32, hfov, pitch)
    renderer = look(scene, camera, heading=heading, semantic=True)
    depth, triangle = cast(scene, camera, (0, 0, 0), heading, np.radians(pitch))
    seen = renderer.depth[0, ..., 0]
    agree = np.abs(seen - depth) <= 0.005 + 0.005 * depth
    assert agree.mean() > 0.985  # pixels cut by an edge may differ
    assert (renderer.semantic[0] == np.maximum(triangle, 0))[agree].mean() > 0.985


@few
@given(seeds)
def test_many_small_triangles_agree_with_rays(seed):
    # Several clusters, some hidden behind a wall: culling must not show.
    rng = np.random.default_rng(seed)
    middles = rng.uniform([-4, -2, -9], [4, 2, 1], (700, 3))
    small = middles[:, None] + rng.uniform(-0.15, 0.15, (700, 3, 3))
    walls = wall(4.0, 5.0).vertices.reshape(2, 3, 3)
    scene = mesh(np.concatenate([small, walls]))
    depth, _ = cast(scene, Camera(48, 48), (0, 0, 0), 0.0)
    off = np.abs(look(scene, Camera(48, 48)).depth[0, ..., 0] - depth)
    assert (off < 0.01).mean() > 0.97


def test_floor_through_the_camera_plane():
    floor = mesh([[[-50, 0, 50], [50, 0, 50], [0, 0, -80]]])
    camera = Camera(64, 64)
    depth = look(floor, camera, (0, 1.25, 0)).depth[0, :, 32, 0]
    below = np.arange(32, 64) + 0.5 - 32
    np.testing.assert_allclose(depth[32:][below > 1], 32 * 1.25 / below[below > 1], rtol=1e-3)
    assert (depth[:32] == 0).all()


@pytest.mark.parametrize("distance", [0.05, 0.5, 30.0])
def test_depth_is_along_the_view_axis(distance):
    np.testing.assert_allclose(look(wall(distance, 100.0)).depth[0], distance, rtol=1e-4)


def test_nothing_nearer_than_the_near_plane():
    assert (look(wall(NEAR / 2)).depth == 0).all()


def test_behind_is_not_seen_and_nothing_is_black():
    renderer = look(wall(2.0), heading=np.pi, semantic=True)
    assert not renderer.depth.any()
    assert not renderer.rgb.any()
    assert not renderer.semantic.any()


def test_backs_are_seen_of_two_sided_scenes_only():
    back = (0.0, 0.0, -4.0)
    assert not look(wall(2.0), position=back, heading=np.pi).depth.any()
    np.testing.assert_allclose(
        look(replace(wall(2.0), two_sided=True), position=back, heading=np.pi).depth, 2.0, rtol=1e-5
    )


def test_heading_turns_left_and_pitch_up():
    left = mesh([[[-2, -1, 1], [-2, -1, -1], [-2, 1, 0]]])
    assert look(left, heading=np.pi / 2).depth[0, 16, 16, 0] == pytest.approx(2.0, rel=1e-3)
    above = mesh([[[-1, 2, -2], [1, 2, -2], [0, 3, -2]]])
    assert look(above, Camera(32, 32, 90.0, 45.0)).depth[0, 10:22, 14:18].any()
    assert not look(above, Camera(32, 32, 40.0, -45.0)).depth.any()


def test_plain_colours_are_exact():
    scene = mesh(wall(2.0).vertices.reshape(2, 3, 3), colours=(10, 200, 77))
    assert (look(scene).rgb == (10, 200, 77)).all()


def test_colours_between_corners_are_in_perspective():
    # A floor that goes from black at the camera to white 20 m ahead.
    corners = np.array([[-30.0, 0, 0], [30, 0, 0], [30, 0, -20], [-30, 0, -20]])
    shades = np.array([0, 0, 255, 255])
    order = np.array([[0, 1, 2], [0, 2, 3]])
    scene = mesh(corners[order], np.repeat(shades[order][:, :, None], 3, 2))
    renderer = look(scene, Camera(64, 64), (0, 1.0, 0))
    ahead = renderer.depth[0, ..., 0]
    np.testing.assert_allclose(renderer.rgb[0, 36:, :, 1], ahead[36:] / 20 * 255, atol=1.0)


def test_textures_lie_the_right_way_round():
    texture = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]]
    wide = look(wall(1.0, 4.0, texture, 1 / 2), Camera(64, 64)).rgb[0]
    # u and v are 0 in the middle and grow to the right and downwards: texel centres at 0.5 m.
    assert wide[48, 48].tolist() == pytest.approx([255, 0, 0], abs=12)
    assert wide[48, 16].tolist() == pytest.approx([0, 255, 0], abs=12)
    assert wide[16, 48].tolist() == pytest.approx([0, 0, 255], abs=12)
    assert wide[16, 16].tolist() == pytest.approx([255, 255, 255], abs=12)


def test_textures_are_multiplied_by_colours():
    texture = np.full((4, 4, 3), (255, 128, 0))
    scene = replace(wall(2.0, texture=texture), colours=np.full((6, 3), (100, 255, 200), np.uint8))
    assert (look(scene).rgb == (100, 128, 0)).all()


def test_far_textures_are_averaged():
    texture = np.zeros((64, 64, 3))
    texture[::2] = 255
    shades = look(wall(40.0, 200.0, texture, 4.0)).rgb
    assert np.abs(shades.astype(int) - 128).max() <= 4


def test_textures_need_not_be_square():
    texture = np.zeros((2, 16, 3))
    texture[:, :8] = 255
    shades = look(wall(1.0, 4.0, texture, 1 / 2), Camera(64, 64)).rgb[0, :, :, 0]
    assert (shades[:, 36:60] > 250).all()
    assert (shades[:, 4:28] < 5).all()


def test_object_ids_and_categories():
    near, far = wall(2.0, 1.0).vertices.reshape(2, 3, 3), wall(5.0, 40.0).vertices.reshape(2, 3, 3)
    scene = mesh(np.concatenate([near, far]), object_ids=[2, 2, 1, 1])
    renderer = Renderer(Camera(32, 32), 1)
    renderer.render([pack(scene, np.array([9, 4, 7]))], ORIGIN, AHEAD, semantic=True, category=True)
    assert (renderer.semantic[0, 15:17, 15:17] == 2).all()
    assert (renderer.semantic[0, :4] == 1).all()
    assert (renderer.category[0] == np.array([9, 4, 7])[renderer.semantic[0]]).all()


def test_categories_for_every_object():
    with pytest.raises(InputError, match="2 categories for 3 object ids"):
        pack(mesh(np.eye(3)[None], object_ids=2), np.zeros(2, np.uint8))


def views(count):
    rng = np.random.default_rng(5)
    scenes = [pack(soup(seed)) for seed in range(3)]
    return (
        [scenes[row % 3] for row in range(count)],
        rng.uniform(-1, 1, (count, 3)).astype(np.float32),
        rng.uniform(-3, 3, count),
    )


def test_rows_do_not_depend_on_each_other():
    scenes, positions, headings = views(7)
    batch = Renderer(Camera(32, 24), 7)
    batch.render(scenes, positions, headings, semantic=True)
    for row in range(7):
        single = Renderer(Camera(32, 24), 1)
        single.render([scenes[row]], positions[row : row + 1], headings[row : row + 1], semantic=True)
        assert (single.rgb[0] == batch.rgb[row]).all()
        assert (single.depth[0] == batch.depth[row]).all()
        assert (single.semantic[0] == batch.semantic[row]).all()


def test_only_the_rows_asked_for_are_drawn():
    scenes, positions, headings = views(6)
    renderer = Renderer(Camera(16, 16), 6)
    renderer.render(scenes, positions, headings)
    before = renderer.rgb.copy(), renderer.depth.copy()
    rows = np.array([1, 4])
    moved = positions + 0.3
    renderer.render(scenes, moved, headings, rows=rows)
    everything = Renderer(Camera(16, 16), 6)
    everything.render(scenes, moved, headings)
    for row in range(6):
        source = (everything.rgb, everything.depth) if row in rows else before
        assert (renderer.rgb[row] == source[0][row]).all()
        assert (renderer.depth[row] == source[1][row]).all()


def test_no_rows_at_all():
    scenes, positions, headings = views(2)
    renderer = Renderer(Camera(16, 16), 2)
    renderer.render(scenes, positions, headings, rows=np.array([], np.int64))
    assert not renderer.rgb.any()


def test_images_do_not_depend_on_the_number_of_threads():
    scenes, positions, headings = views(9)
    threads = numba.get_num_threads()
    images = []
    try:
        for count in (1, min(2, threads)):
            numba.set_num_threads(count)
            renderer = Renderer(Camera(40, 40), 9)
            renderer.render(scenes, positions, headings)
            images.append((renderer.rgb, renderer.depth))
    finally:
        numba.set_num_threads(threads)
    assert (images[0][0] == images[1][0]).all()
    assert (images[0][1] == images[1][1]).all()


def test_larger_scenes_may_come_later():
    renderer = Renderer(Camera(16, 16), 1)
    renderer.render([pack(wall(2.0))], ORIGIN, AHEAD)
    renderer.render([pack(soup(1, 5000))], ORIGIN, AHEAD)
    depth, _ = cast(soup(1, 5000), Camera(16, 16), (0, 0, 0), 0.0)
    assert (np.abs(renderer.depth[0, ..., 0] - depth) < 0.01).mean() > 0.95


def test_a_scene_without_solid_triangles_is_empty():
    renderer = look(mesh(np.zeros((2, 3, 3))))
    assert not renderer.depth.any()


def test_odd_sizes():
    for size in ((1, 1), (7, 3), (3, 129)):
        depth = look(wall(2.0, 800.0), Camera(*size, hfov=60.0)).depth
        np.testing.assert_allclose(depth, 2.0, rtol=1e-3)


def test_textures_are_shared_and_let_go():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    first, second = (pack(wall(2.0, texture=image)) for _ in range(2))
    assert first.textures[0] is second.textures[0]
    held = weakref.ref(first.textures[0])
    assert (first.textures[0].words[HEADER : HEADER + 64] & 255 == image[..., 0].ravel()).all()
    del first, second
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("shape", [(3, 4), (4, 6), (0, 4), (1 << 15, 1)])
def test_textures_have_sides_of_powers_of_two(shape):
    with pytest.raises(InputError, match=f"a texture is {shape[1]} x {shape[0]} texels"):
        shared_texture(np.zeros((*shape, 3), np.uint8), "scene")


def test_panorama_goes_right_from_below():
    scene = pack(soup(3))
    camera = Camera(24, 16, 60.0)
    rgb, depth = panorama(scene, np.zeros(3), camera, heading=0.4)
    assert rgb.shape == (36, 16, 24, 3)
    assert depth.shape == (36, 16, 24, 1)
    for view, (turn, pitch) in {0: (0, -30.0), 13: (1, 0.0), 35: (11, 30.0)}.items():
        expected = Renderer(Camera(24, 16, 60.0, pitch), 1)
        expected.render([scene], ORIGIN, np.array([0.4 - turn * np.pi / 6]))
        assert (expected.rgb[0] == rgb[view]).all(-1).mean() > 0.98


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, 64), "camera: an image width of 0 pixels is not possible; give 1 to 4096, for instance 64."),
        ((64, -3), "camera: an image height of -3 pixels is not possible; give 1 to 4096, for instance 64."),
        ((64, 5000), "camera: an image height of 5000 pixels is not possible; give 1 to 4096, for instance 64."),
        ((64, 64, 0), "a horizontal field of view of 0 degrees is not possible"),
        ((64, 64, 180), "a horizontal field of view of 180 degrees is not possible"),
        ((64, 64, float("nan")), "a horizontal field of view of nan degrees is not possible"),
        ((64, 64, 90, 91), "a pitch of 91 degrees is not possible"),
    ],
)
def test_impossible_cameras(arguments, sentence):
    with pytest.raises(InputError) as caught:
        Camera(*arguments)
    assert sentence in str(caught.value)


def test_an_empty_batch():
    with pytest.raises(InputError, match="a batch of 0 views is not possible"):
        Renderer(Camera(), 0)
