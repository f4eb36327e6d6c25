"""Small scenes to look at, and rays cast at them without tricks."""

from dataclasses import replace

import numpy as np

from envs.render import Camera
from envs.render.camera import axes
from envs.scene import Scene

NEAR = 0.02


def mesh(corners, colours=255, object_ids=0, two_sided=True) -> Scene:
    """A scene of triangles (T, 3, 3) that share no corners; colours and ids as broadcast to (T, 3, 3) and (T,)."""
    count = len(corners)
    return Scene(
        name="mesh",
        vertices=np.asarray(corners, np.float32).reshape(-1, 3),
        triangles=np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
        colours=np.broadcast_to(np.asarray(colours, np.uint8), (count, 3, 3)).reshape(-1, 3),
        uv=np.zeros((3 * count, 2), np.float32),
        texture=np.full(count, -1, np.int32),
        object_ids=np.broadcast_to(np.asarray(object_ids, np.int32), count),
        two_sided=two_sided,
    )


def soup(seed, count=40, extent=2.0, **options) -> Scene:
    """Triangles anywhere around the origin, each of its own colour and object id."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-extent, extent, (count, 1, 3)) + rng.uniform(-1, 1, (count, 3, 3))
    colours = rng.integers(0, 256, (count, 1, 3))
    return mesh(corners, colours, np.arange(count), **options)


def wall(distance, size=20.0, texture=None, repeat=1.0) -> Scene:
    """A square at z = -distance, facing the origin, repeating a texture so many times a metre; v = 0 is its middle."""
    x, y = np.array([-1, 1, 1, -1]) * size / 2, np.array([-1, -1, 1, 1]) * size / 2
    points = np.stack([x, y, np.full(4, -distance)], 1)
    scene = mesh(points[[[0, 1, 2], [0, 2, 3]]], two_sided=False)
    if texture is None:
        return scene
    uv = scene.vertices[:, :2] * np.float32([repeat, -repeat])
    return replace(scene, uv=uv, texture=np.zeros(2, np.int32), textures=(np.asarray(texture, np.uint8),))


def cast(scene, camera: Camera, position, heading, pitch=0.0):
    """Depth (H, W) and triangle (H, W), -1 where nothing is, of a ray through the middle of every pixel."""
    right, up, forward = axes(np.array([heading]), np.array([pitch]))[0]
    x = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
    y = (camera.height / 2 - np.arange(camera.height) - 0.5) / camera.focal
    rays = (forward + x[None, :, None] * right + y[:, None, None] * up).reshape(-1, 1, 3)
    corners = scene.vertices[scene.triangles].astype(np.float64)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    to_eye = np.asarray(position, np.float64) - corners[:, 0]
    across = np.cross(rays, second)
    determinant = (across * first).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (across * to_eye).sum(-1) / determinant
        v = (rays * np.cross(to_eye, first)).sum(-1) / determinant
        depth = (second * np.cross(to_eye, first)).sum(-1) / determinant
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > NEAR)
    if not scene.two_sided:
        hit &= determinant > 0
    depth = np.where(hit, depth, np.inf)
    nearest = depth.argmin(1)
    found = depth[np.arange(len(depth)), nearest]
    shape = (camera.height, camera.width)
    return np.where(np.isinf(found), 0, found).reshape(shape), np.where(np.isinf(found), -1, nearest).reshape(shape)
