"""What is inside a GLB or glTF file, checked before trimesh reads it, so that each fault is one clear sentence."""

import base64
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from vln.errors import InputError

MAX_TRIANGLES = 20_000_000
_MAGIC, _JSON, _BINARY = b"glTF", 0x4E4F534A, 0x004E4942
_TRIANGLES, _STRIP = 4, 5
_COMPRESSIONS = ("KHR_draco_mesh_compression", "EXT_meshopt_compression")
_CONVERT = "write it again without, e.g. `npx @gltf-transform/core copy in.glb out.glb`"
_AGAIN = "export or download it again"


@dataclass(frozen=True)
class Container:
    """A checked file.

    Attributes:
        path: Where it is.
        header: The glTF JSON.
        binary: The binary chunk of a GLB; empty in a glTF.
        files: What the header refers to beside it, by URI.
    """

    path: Path
    header: dict[str, Any]
    binary: bytes
    files: dict[str, bytes]

    def primitives(self) -> list[dict[str, Any]]:
        """The groups of triangles, in the order of the file."""
        every = (primitive for mesh in self.header.get("meshes", []) for primitive in mesh["primitives"])
        return [primitive for primitive in every if primitive.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP)]

    def image(self, index: int) -> bytes:
        """The bytes of an image."""
        entry = self.header["images"][index]
        if "bufferView" not in entry:
            return self._fetch(entry["uri"])
        view = self.header["bufferViews"][entry["bufferView"]]
        buffer = self.header["buffers"][view["buffer"]]
        content = self._fetch(buffer["uri"]) if "uri" in buffer else self.binary
        start = view.get("byteOffset", 0)
        return content[start : start + view["byteLength"]]

    def image_name(self, index: int) -> str:
        """What people know an image by: its file, else its name, else its number."""
        entry = self.header["images"][index]
        uri = unquote(entry.get("uri", "data:"))
        return repr(entry.get("name", index) if uri.startswith("data:") else uri)

    def _fetch(self, uri: str) -> bytes:
        return base64.b64decode(uri.partition("base64,")[2]) if uri.startswith("data:") else self.files[uri]

    def material(self, primitive: dict[str, Any]) -> dict[str, Any]:
        """The material of a primitive; empty where it has none."""
        return self.header["materials"][primitive["material"]] if "material" in primitive else {}


def read_container(path: Path) -> Container:
    """Read a file and check all that can be told from its header.

    Raises:
        InputError: If the file is missing, truncated, no glTF 2.0, refers to missing files, is compressed in a way
            that trimesh cannot read or has more than `MAX_TRIANGLES` triangles.
    """
    header, binary = _parse(path, _read(path))
    container = Container(path, header, binary, _files(path, header))
    _check_buffers(container)
    _check_features(container)
    _check_size(container)
    return container


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Within the block, what breaks on a file whose parts do not fit each other is an `InputError`."""
    try:
        yield
    except InputError:
        raise
    # A header may be wrong in endless ways, and trimesh asserts, looks up and converts what it says without a check.
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NameError, OSError) as error:
        raise InputError(path, f"is damaged ({error!r})", _AGAIN) from None
    except (RecursionError, SyntaxError, TypeError, ValueError) as error:
        raise InputError(path, f"is damaged ({error!r})", _AGAIN) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(path, "the file does not exist", "check the path") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None


def _parse(path: Path, content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the binary chunk."""
    if not content:
        raise InputError(path, "is empty", _AGAIN)
    if not content.startswith(_MAGIC):
        if content.lstrip().startswith(b"{"):
            return _parse_header(path, content), b""
        raise InputError(path, "is no GLB or glTF file", "convert it to .glb, e.g. with Blender")
    if len(content) < 20:
        raise InputError(path, f"is truncated after {len(content)} bytes", _AGAIN)
    version, length, header_length, kind = struct.unpack("<4I", content[4:20])
    if version != 2:
        raise InputError(path, f"is glTF {version}, only 2 can be read", "convert it to glTF 2.0")
    if len(content) < length or 20 + header_length > len(content):
        raise InputError(path, f"is truncated: {len(content):,} of {length:,} bytes are there", _AGAIN)
    if kind != _JSON:
        raise InputError(path, "does not begin with a glTF header", _AGAIN)
    return _parse_header(path, content[20 : 20 + header_length]), _binary(path, content, 20 + header_length)


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(path, f"its glTF header is truncated or not JSON ({error})", _AGAIN) from None
    if not isinstance(header, dict) or not isinstance(header.get("asset"), dict):
        raise InputError(path, "is JSON but no glTF (field 'asset' is missing)", "give a .glb or .gltf file")
    version = str(header["asset"].get("version", "2.0"))
    if not version.startswith("2"):
        raise InputError(path, f"is glTF {version}, only 2 can be read", "convert it to glTF 2.0")
    return header


def _binary(path: Path, content: bytes, start: int) -> bytes:
    """The first binary chunk from byte `start` on."""
    while start + 8 <= len(content):
        length, kind = struct.unpack("<2I", content[start : start + 8])
        start += 8
        if start + length > len(content):
            raise InputError(path, f"is truncated: a chunk needs {length:,} bytes", _AGAIN)
        if kind == _BINARY:
            return content[start : start + length]
        start += length
    return b""


def _files(path: Path, header: dict[str, Any]) -> dict[str, bytes]:
    """Bytes of the buffers and base colour images that lie beside the file, by URI."""
    wanted = [("buffer", buffer) for buffer in header.get("buffers", [])]
    wanted += [("texture", header["images"][index]) for index in sorted(_base_images(header))]
    files = {}
    for what, entry in wanted:
        uri = entry.get("uri", "data:")
        if uri.startswith("data:"):
            continue
        file = path.parent / unquote(uri)
        if not file.is_file():
            raise InputError(path, f"its {what} {unquote(uri)!r} is missing", f"put it at {file}")
        files[uri] = file.read_bytes()
    return files


def _base_images(header: dict[str, Any]) -> set[int]:
    """Indices of the images that colour a surface; nothing else of a material is drawn."""
    textures = [base_texture(material) for material in header.get("materials", [])]
    entries = [header["textures"][texture["index"]] for texture in textures if texture]
    return {source for entry in entries if (source := image_of(entry)) is not None}


def base_texture(material: dict[str, Any]) -> dict[str, Any]:
    """The reference to a material's colour texture; empty where it has none."""
    return material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})


def image_of(texture: dict[str, Any]) -> int | None:
    """The index of a texture's image, in a format that pillow reads; None where there is none."""
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    return webp.get("source", texture.get("source"))


def _check_buffers(container: Container) -> None:
    for index, buffer in enumerate(container.header.get("buffers", [])):
        uri = buffer.get("uri", "")
        if uri.startswith("data:"):
            continue
        there = len(container.files[uri]) if uri else len(container.binary)
        if there < buffer["byteLength"]:
            problem = f"buffer {uri or index!r} is truncated: {there:,} of {buffer['byteLength']:,} bytes are there"
            raise InputError(container.path, problem, _AGAIN)
    sizes = [buffer["byteLength"] for buffer in container.header.get("buffers", [])]
    for index, view in enumerate(container.header.get("bufferViews", [])):
        if view.get("byteOffset", 0) + view["byteLength"] > sizes[view["buffer"]]:
            raise InputError(container.path, f"buffer view {index} reaches past its buffer", _AGAIN)


def _check_features(container: Container) -> None:
    """Whether trimesh and pillow read everything that is drawn."""
    header, path = container.header, container.path
    required = header.get("extensionsRequired", [])
    for name in _COMPRESSIONS:
        if name in required:
            raise InputError(path, f"its geometry is compressed ({name}), which is not supported", _CONVERT)
    for material in header.get("materials", []):
        if texture := base_texture(material):
            entry = header["textures"][texture["index"]]
            image = image_of(entry)
            if image is None or header["images"][image].get("mimeType") == "image/ktx2":
                problem = f"texture {texture['index']} is KTX2 (Basis) or has no image"
                raise InputError(path, problem, "convert its textures to PNG or JPEG")
    for primitive in container.primitives():
        used = [primitive["attributes"]["POSITION"], primitive.get("indices")]
        for accessor in (header["accessors"][index] for index in used if index is not None):
            if "sparse" in accessor or (accessor.get("normalized") and accessor["type"] == "VEC3"):
                raise InputError(path, "its geometry is sparse or quantised, which is not supported", _CONVERT)


def _check_size(container: Container) -> None:
    accessors = container.header.get("accessors", [])
    corners = (
        accessors[primitive.get("indices", primitive["attributes"]["POSITION"])]["count"]
        for primitive in container.primitives()
    )
    check_count(container.path, sum(corners) // 3)


def check_count(path: Path, triangles: int) -> None:
    """Whether so many triangles can be drawn.

    Raises:
        InputError: If there are none, or more than `MAX_TRIANGLES`.
    """
    if triangles == 0:
        raise InputError(path, "holds no triangles", "export a mesh, not points, lines or an empty scene")
    if triangles > MAX_TRIANGLES:
        problem = f"holds {triangles:,} triangles, more than {MAX_TRIANGLES:,}"
        raise InputError(path, problem, "decimate it or cut it into scenes")
