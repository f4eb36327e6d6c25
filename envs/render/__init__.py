"""First-person images of scenes: a batched rasteriser for the CPU."""

from envs.render.camera import Camera
from envs.render.packed import PackedScene, pack
from envs.render.renderer import Renderer, panorama

__all__ = ["Camera", "PackedScene", "Renderer", "pack", "panorama"]
