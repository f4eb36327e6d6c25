"""First-person images of scenes: a batched rasteriser for the CPU."""

from pathlib import Path

from envs.compiled import forget_stale

forget_stale(Path(__file__).parent)  # the cache refers to classes by name: a renamed one could not be loaded

# ruff: noqa: E402
from envs.render.camera import Camera
from envs.render.packed import PackedScene, pack
from envs.render.renderer import Renderer, panorama

__all__ = ["Camera", "PackedScene", "Renderer", "pack", "panorama"]
