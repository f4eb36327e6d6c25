"""Checks that a glTF file needs no unsupported extension or image format."""

from typing import Any

from envs.glb.container import Container, external_file
from envs.glb.materials import image_of, texture_of
from envs.glb.nodes import INSTANCING
from vln.errors import InputError

_DRACO = "KHR_draco_mesh_compression"
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_TOOL = "npx @gltf-transform/cli"
_DECOMPRESS = f"write it again without, e.g. `{_TOOL} copy in.glb out.glb`"  # tried with version 4.5.1
_PICTURES = f"write its textures as PNG or JPEG, e.g. `{_TOOL} ktxdecompress in.glb out.glb`, which needs KTX-Software"
_READ = {INSTANCING, "EXT_texture_webp", "KHR_mesh_quantization", "KHR_texture_transform"}
# These add light sources, which are not rendered, or metadata. The rest of the file is valid without them.
_HARMLESS = {"EXT_lights_ies", "EXT_lights_image_based", "KHR_lights_punctual", "KHR_xmp", "KHR_xmp_json_ld"}
_MATERIALS = (
    "anisotropy clearcoat diffuse_transmission dispersion emissive_strength ior iridescence pbrSpecularGlossiness sheen"
    " specular transmission unlit variants volume"
)
_READ |= _HARMLESS | {f"KHR_materials_{name}" for name in _MATERIALS.split()}


def check_features(container: Container) -> None:
    """Raise an InputError unless all geometry and colour textures can be read.

    Geometry may be compressed if there is an uncompressed fallback; no unsupported extension may be required.
    """
    required = set(container.header.get("extensionsRequired", ()))
    for name in (_DRACO, *_MESHOPT):
        if name in required or _is_needed(container, name):
            raise InputError(container.path, f"its geometry is compressed ({name}), which is not read", _DECOMPRESS)
    if "KHR_texture_basisu" in required:
        raise InputError(container.path, "its textures are KTX2 (KHR_texture_basisu), which is not read", _PICTURES)
    unknown = sorted(str(name) for name in required - _READ)
    if unknown:
        problem = f"requires {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'} not read"
        raise InputError(container.path, problem, "write it again without, e.g. with Blender")
    for buffer in container.header.get("buffers", ()):
        _check_file(container, "buffer", buffer)
    _check_textures(container)


def _is_needed(container: Container, name: str) -> bool:
    """Return whether some geometry exists only in compressed form."""
    if name == _DRACO:
        return any(
            name in primitive.get("extensions", {}) and _is_empty(container, primitive["attributes"]["POSITION"])
            for mesh in container.header.get("meshes", ())
            for primitive in mesh["primitives"]
        )
    fallbacks = {
        number
        for number, buffer in enumerate(container.header.get("buffers", ()))
        if name in buffer.get("extensions", {}) and "uri" not in buffer and not (number == 0 and container.binary)
    }
    return any(view["buffer"] in fallbacks for view in container.header.get("bufferViews", ()))


def _is_empty(container: Container, accessor: Any) -> bool:
    return not {"bufferView", "sparse"} & set(container.entry("accessors", accessor))


def _check_textures(container: Container) -> None:
    """Check that the colour texture of every material has an image in a format that pillow reads."""
    for number in range(container.count("materials")):
        if not (reference := texture_of(container.entry("materials", number))):
            continue
        image = image_of(container.entry("textures", reference["index"]))
        if image is None or container.entry("images", image).get("mimeType") == "image/ktx2":
            problem = f"texture {reference['index']} is KTX2 (KHR_texture_basisu) or has no image"
            raise InputError(container.path, problem, _PICTURES)
        _check_file(container, "texture", container.entry("images", image))


def _check_file(container: Container, what: str, entry: dict[str, Any]) -> None:
    """Check that the external file of a buffer or an image exists, if it has one."""
    uri = entry.get("uri", "data:")
    if not uri.startswith("data:"):
        external_file(container.path, what, uri)
