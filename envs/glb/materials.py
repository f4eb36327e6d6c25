"""What glTF materials say about colour: a factor, a texture, how that repeats, and where alpha cuts it.

Light is not drawn: metalness, roughness, normals and emission are left out, and so is blending, `alphaMode: BLEND`
being drawn opaque.
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
    """The part of a material that is drawn.

    Attributes:
        factor: Red, green, blue and alpha, 0 to 1, that everything is multiplied by.
        image: Index of its image in the file; None where it has none.
        coordinates: The attribute that places the image.
        wrap: How the image goes on to the right and downwards.
        move: (3, 2) from texture coordinates and 1 to those after `KHR_texture_transform`; None where it has none.
        cutoff: Alpha below which nothing is drawn; None where alpha does not count.
    """

    factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    image: int | None = None
    coordinates: str = "TEXCOORD_0"
    wrap: tuple[Wrap, Wrap] = (Wrap.REPEAT, Wrap.REPEAT)
    move: np.ndarray | None = None
    cutoff: float | None = None


def read_material(container: Container, index: Any) -> Material:
    """A material of the file.

    Raises:
        InputError: If its factor or cutoff is no number, or it refers to what is not there.
    """
    entry = container.entry("materials", index)
    glossy = entry.get("extensions", {}).get(_GLOSSY)
    base = (
        entry.get("pbrMetallicRoughness", {}).get("baseColorFactor") if glossy is None else glossy.get("diffuseFactor")
    )
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
        move=_move(container, index, moved) if moved else None,
        cutoff=masked,
    )


def texture_of(material: dict[str, Any]) -> dict[str, Any]:
    """The reference to a material's colour texture; empty where it has none."""
    glossy = material.get("extensions", {}).get(_GLOSSY)
    if glossy is not None:
        reference: dict[str, Any] = glossy.get("diffuseTexture", {})
        return reference
    return material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})


def image_of(texture: dict[str, Any]) -> int | None:
    """The index of a texture's image, in a format that pillow reads; None where there is none."""
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    return webp.get("source", texture.get("source"))


def _wrap(container: Container, texture: dict[str, Any]) -> tuple[Wrap, Wrap]:
    sampler = container.entry("samplers", texture["sampler"]) if "sampler" in texture else {}
    across, down = (sampler.get(axis, 10497) for axis in ("wrapS", "wrapT"))
    if across not in WRAPS or down not in WRAPS:
        problem = f"sampler {texture['sampler']} wraps by {across!r} and {down!r}"
        raise InputError(container.path, problem, f"give it {', '.join(map(str, WRAPS))} as glTF has them")
    return WRAPS[across], WRAPS[down]


def _move(container: Container, index: Any, moved: dict[str, Any]) -> np.ndarray:
    """(3, 2), see `Material`."""
    angle = _numbers(container, index, "texture rotation", [moved.get("rotation", 0.0)], 1)[0]
    scale = np.array(_numbers(container, index, "texture scale", moved.get("scale", (1, 1)), 2))
    offset = _numbers(container, index, "texture offset", moved.get("offset", (0, 0)), 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([scale[:, None] * turn, [offset]])


def _numbers(container: Container, index: Any, what: str, values: Any, count: int) -> list[float]:
    """So many finite numbers.

    Raises:
        InputError: If they are not.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        problem = f"the {what} of material {index} is {values!r}"
        raise InputError(container.path, problem, f"give {count} finite number{'s' * (count > 1)}")
    return [float(number) for number in numbers]
