"""Reading the colour properties of glTF materials: factor, texture, wrap modes and alpha cutoff.

Metalness, roughness, normals and emission are ignored because nothing is lit. `alphaMode: BLEND` is drawn opaque.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.glb.container import Container
from envs.scene import Wrap
from vln.errors import InputError

_GLOSSY = "KHR_materials_pbrSpecularGlossiness"
WRAPS = {10497: Wrap.REPEAT, 33648: Wrap.MIRROR, 33071: Wrap.CLAMP}


@dataclass(frozen=True)
class Material:
    """The colour properties of a material."""

    factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # red, green, blue, alpha: of texture and vertices
    image: int | None = None  # index in the file; None without a texture
    coordinates: str = "TEXCOORD_0"  # name of the attribute with the texture coordinates
    wrap: tuple[Wrap, Wrap] = (Wrap.REPEAT, Wrap.REPEAT)  # along u and v
    uv_transform: np.ndarray | None = None  # (3, 2) matrix of `KHR_texture_transform`, applied to (u, v, 1)
    cutoff: float | None = None  # alpha below which nothing is drawn; None ignores alpha


def read_material(container: Container, index: Any) -> Material:
    """Read a material of the file; an InputError if its factor or cutoff is no number, or a reference is invalid."""
    entry = container.entry("materials", index)
    glossy = entry.get("extensions", {}).get(_GLOSSY)
    plain = entry.get("pbrMetallicRoughness", {}).get("baseColorFactor")
    base = plain if glossy is None else glossy.get("diffuseFactor")
    factor = _numbers(container, index, "colour factor", (1, 1, 1, 1) if base is None else base, 4)
    cutoff = _numbers(container, index, "alphaCutoff", [entry.get("alphaCutoff", 0.5)], 1)[0]
    masked = cutoff if entry.get("alphaMode") == "MASK" else None
    colour = (factor[0], factor[1], factor[2], factor[3])
    if not (reference := texture_of(entry)):
        return Material(colour, cutoff=masked)
    texture = container.entry("textures", reference["index"])
    moved = reference.get("extensions", {}).get("KHR_texture_transform", {})
    return Material(
        factor=colour,
        image=image_of(texture),
        coordinates=f"TEXCOORD_{moved.get('texCoord', reference.get('texCoord', 0))}",
        wrap=_wrap(container, texture),
        uv_transform=_uv_transform(container, index, moved) if moved else None,
        cutoff=masked,
    )


def texture_of(material: dict[str, Any]) -> dict[str, Any]:
    """Return the reference to a material's colour texture; empty if it has none."""
    glossy = material.get("extensions", {}).get(_GLOSSY)
    if glossy is not None:
        reference: dict[str, Any] = glossy.get("diffuseTexture", {})
        return reference
    return material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})


def image_of(texture: dict[str, Any]) -> int | None:
    """Return the index of a texture's image in a format that pillow reads; None if there is none."""
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    return webp.get("source", texture.get("source"))


def _wrap(container: Container, texture: dict[str, Any]) -> tuple[Wrap, Wrap]:
    sampler = container.entry("samplers", texture["sampler"]) if "sampler" in texture else {}
    across, down = (sampler.get(axis, 10497) for axis in ("wrapS", "wrapT"))
    if across not in WRAPS or down not in WRAPS:
        problem = f"sampler {texture['sampler']} wraps by {across!r} and {down!r}"
        raise InputError(container.path, problem, f"give it {', '.join(map(str, WRAPS))} as glTF has them")
    return WRAPS[across], WRAPS[down]


def _uv_transform(container: Container, index: Any, moved: dict[str, Any]) -> np.ndarray:
    """Return the matrix of a texture transform, (3, 2), see `Material.uv_transform`."""
    angle = _numbers(container, index, "texture rotation", [moved.get("rotation", 0.0)], 1)[0]
    scale = np.array(_numbers(container, index, "texture scale", moved.get("scale", (1, 1)), 2))
    offset = _numbers(container, index, "texture offset", moved.get("offset", (0, 0)), 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([scale[:, None] * turn, [offset]])


def _numbers(container: Container, index: Any, what: str, values: Any, count: int) -> list[float]:
    """Return `count` finite numbers, or raise an InputError."""
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        problem = f"the {what} of material {index} is {values!r}"
        raise InputError(container.path, problem, f"give {count} finite number{'s' * (count > 1)}")
    return [float(number) for number in numbers]
