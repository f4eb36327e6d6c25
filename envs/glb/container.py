"""Reading the container of a GLB or glTF file: header, buffers and external files."""

import base64
import binascii
import json
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from vln.errors import InputError

MAX_TRIANGLES = 20_000_000
EXPORT_AGAIN = "export or download it again"
_MAGIC, _JSON, _BINARY = b"glTF", 0x4E4F534A, 0x004E4942
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # also C: of Windows


@dataclass(frozen=True, eq=False)
class Container:
    """A parsed file. The header, the glTF JSON, is not trusted: the methods check every index and range."""

    path: Path
    header: dict[str, Any]
    binary: bytes | None  # the binary chunk of a GLB
    buffers: dict[int, memoryview] = field(default_factory=dict)  # cache by index

    def count(self, kind: str) -> int:
        """Return the length of a list of the header."""
        return len(self.header.get(kind, ()))

    def entry(self, kind: str, index: Any) -> dict[str, Any]:
        """Return an entry of a list of the header: `entry("meshes", 0)`."""
        entries = self.header.get(kind, [])
        if not is_index(index, len(entries)) or not isinstance(entries[index], dict):
            raise InputError(self.path, f"refers to entry {index!r} of {kind!r}, which is not there", EXPORT_AGAIN)
        entry: dict[str, Any] = entries[index]
        return entry

    def view(self, index: Any) -> memoryview:
        """Return the bytes of a buffer view."""
        view = self.entry("bufferViews", index)
        number = view["buffer"]
        if number not in self.buffers:
            self.buffers[number] = self._buffer(number)
        buffer = self.buffers[number]
        start, length = view.get("byteOffset", 0), view["byteLength"]
        if not is_index(start, len(buffer) + 1) or not is_index(length, len(buffer) - start + 1):
            raise InputError(self.path, f"buffer view {index} reaches past its buffer", EXPORT_AGAIN)
        return buffer[start : start + length]

    def image(self, index: Any) -> bytes:
        """Return the encoded bytes of an image."""
        entry = self.entry("images", index)
        if "bufferView" in entry:
            return bytes(self.view(entry["bufferView"]))
        uri = entry["uri"]
        return self._data(uri) if uri.startswith("data:") else _read(external_file(self.path, "texture", uri))

    def image_name(self, index: int) -> str:
        """Return a label of an image for messages: its file, else its name, else its index."""
        entry = self.entry("images", index)
        uri = entry.get("uri", "data:")
        return repr(entry.get("name", index) if uri.startswith("data:") else unquote(uri))

    def _buffer(self, index: Any) -> memoryview:
        """Return the bytes of a buffer, cut to the length in the header."""
        entry = self.entry("buffers", index)
        uri = entry.get("uri")
        if uri is None:
            there = self.binary if index == 0 else None
        elif uri.startswith("data:"):
            there = self._data(uri)
        else:
            there = _read(external_file(self.path, "buffer", uri))
        label = index if uri is None or uri.startswith("data:") else unquote(uri)
        if there is None:
            raise InputError(self.path, f"buffer {label!r} has no bytes", EXPORT_AGAIN)
        length = entry["byteLength"]
        if not is_index(length, len(there) + 1):
            problem = f"buffer {label!r} is truncated: {len(there):,} of {length:,} bytes are there"
            raise InputError(self.path, problem, EXPORT_AGAIN)
        return memoryview(there)[:length]

    def _data(self, uri: str) -> bytes:
        """Decode a data: URI."""
        kind, _, text = uri.partition(",")
        try:
            return base64.b64decode(text) if kind.endswith(";base64") else unquote_to_bytes(text)
        except binascii.Error as error:
            raise InputError(self.path, f"a data: URI is damaged ({error})", EXPORT_AGAIN) from None


def is_index(value: Any, length: int) -> bool:
    """Return whether a value of the header is an integer with 0 <= value < length."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length


def external_file(path: Path, what: str, uri: str) -> Path:
    """Return the file that a URI of a glTF file names; it must exist below the folder of the glTF file.

    `what` is its role, "buffer" or "texture". Symbolic links are followed, since caches of data sets link every file; a
    glTF file cannot create links.
    """
    name = unquote(uri)
    parts = PurePosixPath(name.replace("\\", "/"))
    if _SCHEME.match(name) or parts.is_absolute() or ".." in parts.parts:
        raise InputError(path, f"its {what} {name!r} is outside its folder", f"put the {what} beside it and name that")
    file = path.parent / name
    if "\0" in name or not file.is_file():
        raise InputError(path, f"its {what} {name!r} is missing", f"put it at {file}")
    return file


def read_container(path: Path) -> Container:
    """Read a file and parse its header; an InputError if it is missing, truncated or not glTF 2.0."""
    return Container(path, *_parse(path, _read(path)))


def check_count(path: Path, triangles: int) -> None:
    """Raise an InputError if the number of triangles is zero or more than `MAX_TRIANGLES`."""
    if triangles == 0:
        raise InputError(path, "holds no triangles", "export a mesh, not points, lines or an empty scene")
    if triangles > MAX_TRIANGLES:
        problem = f"holds {triangles:,} triangles, more than {MAX_TRIANGLES:,}"
        raise InputError(path, problem, "decimate it or cut it into scenes")


@contextmanager
def as_input_errors(path: Path) -> Iterator[None]:
    """Convert exceptions inside the block, which inconsistent files cause, to `InputError`."""
    try:
        yield
    except InputError:
        raise
    # A header can have values of a wrong type, unlimited nesting, or sizes beyond the memory.
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError) as error:
        raise InputError(path, f"is damaged ({error!r})", EXPORT_AGAIN) from None
    except (RecursionError, TypeError, ValueError) as error:
        raise InputError(path, f"is damaged ({error!r})", EXPORT_AGAIN) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(path, "the file does not exist", "check the path") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None


def _parse(path: Path, content: bytes) -> tuple[dict[str, Any], bytes | None]:
    """Return the header and the binary chunk."""
    if not content:
        raise InputError(path, "is empty", EXPORT_AGAIN)
    if not content.startswith(_MAGIC):
        if content.lstrip().startswith(b"{"):
            return _parse_header(path, content), None
        raise InputError(path, "is no GLB or glTF file", "convert it to .glb, e.g. with Blender")
    if len(content) < 20:
        raise InputError(path, f"is truncated after {len(content)} bytes", EXPORT_AGAIN)
    version, length, header_length, kind = struct.unpack("<4I", content[4:20])
    if version != 2:
        raise InputError(path, f"is glTF {version}, only 2 can be read", "convert it to glTF 2.0")
    if len(content) < length or 20 + header_length > len(content):
        raise InputError(path, f"is truncated: {len(content):,} of {length:,} bytes are there", EXPORT_AGAIN)
    if kind != _JSON:
        raise InputError(path, "does not begin with a glTF header", EXPORT_AGAIN)
    return _parse_header(path, content[20 : 20 + header_length]), _binary(path, content, 20 + header_length)


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(path, f"its glTF header is truncated or not JSON ({error})", EXPORT_AGAIN) from None
    if not isinstance(header, dict) or not isinstance(header.get("asset"), dict):
        raise InputError(path, "is JSON but no glTF (field 'asset' is missing)", "give a .glb or .gltf file")
    version = str(header["asset"].get("version", "2.0"))
    if not version.startswith("2"):
        raise InputError(path, f"is glTF {version}, only 2 can be read", "convert it to glTF 2.0")
    return header


def _binary(path: Path, content: bytes, start: int) -> bytes | None:
    """Return the first binary chunk after byte `start`."""
    while start + 8 <= len(content):
        length, kind = struct.unpack("<2I", content[start : start + 8])
        start += 8
        if start + length > len(content):
            raise InputError(path, f"is truncated: a chunk needs {length:,} bytes", EXPORT_AGAIN)
        if kind == _BINARY:
            return content[start : start + length]
        start += length
    return None
