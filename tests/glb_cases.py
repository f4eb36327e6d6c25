"""GLB files of every kind that is read, made by code: a wall of 1 x 1 m at z = 0, or several, facing +z."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from glb_files import put_together
from PIL import Image

KINDS = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 0], [1, 1], [0, 1]], np.float32)  # x and y of two triangles
WALL = np.column_stack([SQUARE, np.zeros(6, np.float32)])
REPEAT, MIRROR, CLAMP = 10497, 33648, 33071
STRIP, FAN = 5, 6


class Gltf:
    """A file in the making: one node that shows one mesh, until told otherwise."""

    def __init__(self) -> None:
        self.binary = b""
        self.header: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"name": "wall", "primitives": []}],
            "accessors": [],
            "bufferViews": [],
            "buffers": [{}],
        }

    def view(self, content: bytes, **fields: Any) -> int:
        """A buffer view of its own."""
        self.binary += bytes(-len(self.binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content), **fields}
        self.header["bufferViews"].append(view)
        self.binary += content
        return len(self.header["bufferViews"]) - 1

    def accessor(self, array: np.ndarray, **fields: Any) -> int:
        """An accessor of a view of its own."""
        array = np.atleast_2d(array.T).T
        kind = {"componentType": KINDS[array.dtype.name], "count": len(array), "type": WIDTHS[array.shape[1]]}
        if "bufferView" not in fields:
            fields["bufferView"] = self.view(array.tobytes())
        self.header["accessors"].append(kind | fields)
        return len(self.header["accessors"]) - 1

    def primitive(self, positions: np.ndarray | int, indices: np.ndarray | None = None, **fields: Any) -> None:
        """Triangles; other attributes by their names in capitals, as arrays or accessors."""
        given = {"POSITION": positions} | {name: fields.pop(name) for name in list(fields) if name.isupper()}
        entry = {
            "attributes": {name: a if isinstance(a, int) else self.accessor(a) for name, a in given.items()},
            **({} if indices is None else {"indices": self.accessor(indices)}),
        }
        self.header["meshes"][0]["primitives"].append(entry | fields)

    def extend(self, name: str, required: bool = False) -> None:
        """Say that an extension is used."""
        for field in ("extensionsUsed", *(["extensionsRequired"] if required else [])):
            self.header.setdefault(field, []).append(name)

    def material(self, **fields: Any) -> None:
        """The only material."""
        self.header["materials"] = [fields]

    def textured(
        self, picture: Image.Image, uv: np.ndarray = SQUARE, wrap: tuple[int, int] | None = None, **fields: Any
    ) -> "Gltf":
        """A wall with a picture, and with what else the material says."""
        self.header["images"], self.header["textures"] = [{"uri": data_uri(picture)}], [{"source": 0}]
        if wrap:
            self.header["textures"][0]["sampler"] = 0
            self.header["samplers"] = [{"wrapS": wrap[0], "wrapT": wrap[1]}]
        self.header["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}, **fields}]
        self.primitive(WALL, TEXCOORD_0=np.asarray(uv, np.float32), material=0)
        return self

    def write(self, path: Path) -> Path:
        """Write it."""
        self.header["buffers"][0]["byteLength"] = len(self.binary)
        return put_together(path, self.header, self.binary)


def data_uri(picture: Image.Image) -> str:
    """A picture inside the header."""
    stream = io.BytesIO()
    picture.save(stream, "png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def wall(**fields: Any) -> Gltf:
    """A wall, with attributes."""
    gltf = Gltf()
    gltf.primitive(WALL, **fields)
    return gltf


def halves(**channels: int) -> Image.Image:
    """64 x 64 pixels, red to the left and green to the right, of alpha `left` and `right`."""
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = 255, 0, 0, channels.get("left", 255)
    pixels[:, 32:] = 0, 255, 0, channels.get("right", 255)
    return Image.fromarray(pixels)


def quarters() -> Image.Image:
    """8 x 8 pixels of four colours."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :4], pixels[:4, 4:], pixels[4:, :4], pixels[4:, 4:] = [255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]
    return Image.fromarray(pixels)


def indexed() -> Gltf:
    gltf = Gltf()
    corners = np.array([[9, 9, 9], [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)  # the first is not used
    gltf.primitive(corners, np.array([1, 2, 3, 1, 3, 4], np.uint8))
    return gltf


def strip() -> Gltf:
    gltf = wall()
    zigzag = np.array([[2, 0, 0], [2, 1, 0], [3, 0, 0], [3, 1, 0], [4, 0, 0]], np.float32)
    gltf.primitive(zigzag, mode=STRIP)
    return gltf


def fan() -> Gltf:
    gltf = wall()
    gltf.primitive(np.array([[2, 0, 0], [3, 0, 0], [3.5, 0.5, 0], [3, 1, 0], [2, 1, 0]], np.float32), mode=FAN)
    return gltf


def interleaved() -> Gltf:
    gltf = Gltf()
    colours = np.tile(np.array([200, 100, 50, 255], np.uint8), (6, 1))
    rows = np.concatenate([WALL.view(np.uint8).reshape(6, 12), colours], axis=1)
    view = gltf.view(rows.tobytes(), byteStride=16)
    positions = gltf.accessor(WALL, bufferView=view)
    colour = gltf.accessor(colours, bufferView=view, byteOffset=12, normalized=True)
    gltf.primitive(positions, COLOR_0=colour)
    return gltf


def sparse() -> Gltf:
    gltf = Gltf()
    flat = np.array([[0, 0, 0], [1, 0, 0], [1, 0.5, 0]] * 2, np.float32)
    places, values = np.array([2, 3, 4, 5], np.uint16), WALL[2:]
    indices = {"bufferView": gltf.view(places.tobytes()), "componentType": KINDS["uint16"]}
    given = {"count": 4, "indices": indices, "values": {"bufferView": gltf.view(values.tobytes())}}
    gltf.primitive(gltf.accessor(flat, sparse=given))
    return gltf


def sparse_of_nothing() -> Gltf:
    gltf = sparse()
    del gltf.header["accessors"][0]["bufferView"]
    return gltf


def quantised() -> Gltf:
    gltf = Gltf()
    whole = np.round(WALL * 16383).astype(np.uint16)
    rows = np.column_stack([whole, np.zeros(6, np.uint16)])
    view = gltf.view(rows.tobytes(), byteStride=8)
    gltf.primitive(gltf.accessor(whole, bufferView=view))
    gltf.header["nodes"][0] |= {"scale": [1 / 16383] * 3, "translation": [0.25, 0, 0]}
    gltf.extend("KHR_mesh_quantization", required=True)
    return gltf


def normalised() -> Gltf:
    gltf = Gltf()
    units = np.round((2 * WALL - 1) * 127).astype(np.int8)
    rows = np.column_stack([units, np.zeros(6, np.int8)])
    view = gltf.view(rows.tobytes(), byteStride=4)
    gltf.primitive(gltf.accessor(units, bufferView=view, normalized=True))
    gltf.extend("KHR_mesh_quantization", required=True)
    return gltf


def instanced() -> Gltf:
    gltf = wall()
    turn = np.array([[0, 0, 0, 1], [0, 0, 0.6, 0.8], [0.6, 0, 0.8, 0], [0, 0.28, 0, 0.96]], np.float32)
    attributes = {
        "TRANSLATION": gltf.accessor(np.array([[0, 0, 0], [2, 0, 0], [4, 0, 1], [0, 3, 0]], np.float32)),
        "ROTATION": gltf.accessor(np.round(turn * 127).astype(np.int8), normalized=True),
        "SCALE": gltf.accessor(np.array([[1, 1, 1], [1, 2, 1], [-1, 1, 1], [0.5, 0.5, 2]], np.float32)),
    }
    gltf.header["nodes"] = [{"translation": [0, 0, -2], "children": [1]}, {"mesh": 0, "rotation": [0, 0.6, 0, 0.8]}]
    gltf.header["nodes"][1]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    gltf.extend("EXT_mesh_gpu_instancing", required=True)
    return gltf


def instanced_in_a_row() -> Gltf:
    gltf = wall()
    places = gltf.accessor(np.array([[0, 0, 0], [2, 0, 0], [4, 1, 0]], np.float32))
    gltf.header["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": places}}}
    gltf.extend("EXT_mesh_gpu_instancing", required=True)
    return gltf


def nested() -> Gltf:
    gltf = wall()
    matrix = np.array([[0, -2, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    gltf.header["nodes"] = [{"matrix": matrix.T.ravel().tolist(), "children": [1, 2]}, {"mesh": 0}]
    gltf.header["nodes"].append({"mesh": 0, "translation": [0, 2, 0], "scale": [-1, 1, 1]})
    return gltf


def glossy(texture: bool) -> Gltf:
    gltf = Gltf().textured(quarters())
    diffuse = {"diffuseFactor": [1, 0.5, 0.25, 1]} | ({"diffuseTexture": {"index": 0}} if texture else {})
    gltf.material(extensions={"KHR_materials_pbrSpecularGlossiness": diffuse})
    gltf.extend("KHR_materials_pbrSpecularGlossiness", required=True)
    return gltf


def masked_by_factor() -> Gltf:
    gltf = wall(material=0, COLOR_0=np.repeat(np.array([[1, 0, 0, 0.9], [0, 1, 0, 0.1]], np.float32), 3, axis=0))
    gltf.material(alphaMode="MASK", alphaCutoff=0.6, pbrMetallicRoughness={"baseColorFactor": [1, 1, 1, 0.8]})
    return gltf


def grey_of_16_bits() -> Image.Image:
    return Image.fromarray(np.linspace(2000, 60000, 64).astype(np.uint16).reshape(8, 8))


def palette() -> Image.Image:
    picture = Image.fromarray(np.repeat(np.array([[0, 1]], np.uint8), 32, axis=1).repeat(64, axis=0), mode="P")
    picture.putpalette([250, 20, 20, 20, 20, 250])
    picture.info["transparency"] = 0
    return picture


FAR = SQUARE * [3, 2] - [1, 0.5]  # texture coordinates that leave the picture on every side

CASES: dict[str, Callable[[], Gltf]] = {
    "wall": wall,
    "indexed": indexed,
    "strip": strip,
    "fan": fan,
    "interleaved": interleaved,
    "sparse": sparse,
    "sparse of nothing": sparse_of_nothing,
    "quantised": quantised,
    "normalised": normalised,
    "instanced": instanced,
    "instanced in a row": instanced_in_a_row,
    "nested": nested,
    "glossy": lambda: glossy(texture=False),
    "glossy texture": lambda: glossy(texture=True),
    "repeat": lambda: Gltf().textured(quarters(), FAR),
    "clamp": lambda: Gltf().textured(quarters(), FAR, (CLAMP, CLAMP)),
    "mirror": lambda: Gltf().textured(quarters(), FAR, (MIRROR, MIRROR)),
    "clamp and repeat": lambda: Gltf().textured(quarters(), FAR, (CLAMP, REPEAT)),
    "mirror and clamp": lambda: Gltf().textured(quarters(), FAR - 7, (MIRROR, CLAMP)),
    "mask, all of it": lambda: Gltf().textured(halves(left=0, right=0), alphaMode="MASK"),
    "mask, a half": lambda: Gltf().textured(halves(left=0), alphaMode="MASK"),
    "mask, mirrored": lambda: Gltf().textured(halves(right=90), FAR, (MIRROR, CLAMP), alphaMode="MASK"),
    "mask, low cutoff": lambda: Gltf().textured(halves(right=60), alphaMode="MASK", alphaCutoff=0.2),
    "mask by factors": masked_by_factor,
    "mask of a palette": lambda: Gltf().textured(palette(), alphaMode="MASK"),
    "blend": lambda: Gltf().textured(halves(left=0, right=99), alphaMode="BLEND"),
    "16 bits": lambda: Gltf().textured(grey_of_16_bits()),
    "palette": lambda: Gltf().textured(palette()),
}
