"""The renderer against recordings of habitat-sim 0.3.3."""

import numpy as np
import pytest
from PIL import Image

from envs.glb import load_glb
from envs.render import Camera, Renderer, pack
from tests.golden import golden

EYE = 1.25
VIEWS = 24


@pytest.fixture(scope="module", params=["apartment", "simple_room"])
def rendered(request):
    """Its recorded folder, and the same views rendered."""
    folder = golden()
    scene = pack(load_glb(folder / f"{request.param}.glb"))
    views = np.load(folder / request.param / "views.npz")
    renderer = Renderer(Camera(128, 128), VIEWS)
    renderer.render([scene] * VIEWS, views["position"] + np.float32([0, EYE, 0]), views["heading"])
    return folder / request.param, renderer


def test_depth(rendered):
    folder, renderer = rendered
    off = np.abs(renderer.depth[..., 0] - np.load(folder / "views.npz")["depth"])
    assert np.median(off) <= 0.01
    assert (off <= 0.03).mean() >= 0.99
    assert (off <= 0.03).mean((1, 2)).min() >= 0.97


def test_colours(rendered):
    folder, renderer = rendered
    recorded = np.stack([np.asarray(Image.open(folder / "rgb" / f"{i:02}.png").convert("RGB")) for i in range(VIEWS)])
    assert (recorded == renderer.rgb).all(-1).mean() >= 0.98
