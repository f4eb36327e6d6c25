"""A second reader of glTF, to compare with: pygltflib takes the file apart, and plain loops read it. Slow and short."""

import base64
import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pygltflib
from PIL import Image

FORMATS = {5120: ("b", 127), 5121: ("B", 255), 5122: ("h", 32767), 5123: ("H", 65535), 5125: ("I", 0), 5126: ("f", 0)}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
STEPS = 48  # samples of a triangle along an edge


@dataclass
class Reading:
    """Triangles (t, 3, 3) that are drawn at all, the area that is drawn, and its mean colour, 0 to 255."""

    triangles: np.ndarray
    area: float
    colour: np.ndarray


def read_gltf(path: Path) -> Reading:
    """What a file shows."""
    gltf = pygltflib.GLTF2().load(str(path))
    triangles, areas, colours = [], [], []
    for node in gltf.scenes[gltf.scene or 0].nodes:
        for mesh, matrix in nodes_below(gltf, node, np.eye(4)):
            for primitive in gltf.meshes[mesh].primitives:
                for corners, drawn, colour in primitive_triangles(gltf, primitive, matrix):
                    area = np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0])) / 2
                    if drawn > 0:
                        triangles.append(corners)
                        areas.append(area * drawn)
                        colours.append(colour)
    mean = np.average(colours, axis=0, weights=areas) if areas else np.zeros(3)
    return Reading(np.array(triangles).reshape(-1, 3, 3), sum(areas), mean)


def nodes_below(gltf, index, parent):
    node = gltf.nodes[index]
    if node.matrix is not None:
        local = np.array(node.matrix).reshape(4, 4).T
    else:
        local = compose(node.translation or (0, 0, 0), node.rotation or (0, 0, 0, 1), node.scale or (1, 1, 1))
    world = parent @ local
    if node.mesh is not None:
        instancing = (node.extensions or {}).get("EXT_mesh_gpu_instancing")
        if instancing is None:
            yield node.mesh, world
        else:
            given = {name: numbers(gltf, accessor) for name, accessor in instancing["attributes"].items()}
            for i in range(len(next(iter(given.values())))):
                defaults = {"TRANSLATION": (0, 0, 0), "ROTATION": (0, 0, 0, 1), "SCALE": (1, 1, 1)}
                parts = [given[name][i] if name in given else default for name, default in defaults.items()]
                yield node.mesh, world @ compose(*parts)
    for child in node.children or []:
        yield from nodes_below(gltf, child, world)


def compose(translation, rotation, scale):
    """Of quaternions as products: the columns are q e q* for the three axes."""
    x, y, z, w = np.array(rotation) / np.linalg.norm(rotation)  # integers round it
    axes = []
    for axis in np.eye(3):
        vector = np.array([x, y, z])
        axes.append(axis + 2 * np.cross(vector, np.cross(vector, axis) + w * axis))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(axes).T @ np.diag(scale)
    matrix[:3, 3] = translation
    return matrix


def primitive_triangles(gltf, primitive, matrix):
    """Corners, the share that is drawn and its mean colour, of every triangle."""
    positions = [matrix @ [*each, 1] for each in numbers(gltf, primitive.attributes.POSITION)]
    order = range(len(positions))
    if primitive.indices is not None:
        order = [int(each[0]) for each in numbers(gltf, primitive.indices)]
    order, mode = list(order), primitive.mode if primitive.mode is not None else 4
    if mode == 4:
        corners = [order[i : i + 3] for i in range(0, len(order) - 2, 3)]
    elif mode == 5:
        corners = [[order[i], order[i + 1 + i % 2], order[i + 2 - i % 2]] for i in range(len(order) - 2)]
    elif mode == 6:
        corners = [[order[i + 1], order[i + 2], order[0]] for i in range(len(order) - 2)]
    else:
        return
    look = Look(gltf, primitive)
    for triangle in corners:
        mirrored = np.linalg.det(matrix[:3, :3]) < 0  # glTF 2.0, section 3.7.4: a mirror turns the winding round
        placed = [positions[i][:3] for i in (triangle[::-1] if mirrored else triangle)]
        yield np.array(placed), *look.of(triangle)


class Look:
    """The colours of a primitive."""

    def __init__(self, gltf, primitive):
        material = gltf.materials[primitive.material] if primitive.material is not None else pygltflib.Material()
        glossy = (material.extensions or {}).get("KHR_materials_pbrSpecularGlossiness")
        plain = material.pbrMetallicRoughness or pygltflib.PbrMetallicRoughness()
        if glossy is not None:
            self.factor, texture = glossy.get("diffuseFactor", [1, 1, 1, 1]), glossy.get("diffuseTexture")
        else:
            texture = plain.baseColorTexture and {"index": plain.baseColorTexture.index}
            self.factor = plain.baseColorFactor or [1, 1, 1, 1]
        self.cutoff = (material.alphaCutoff if material.alphaCutoff is not None else 0.5) if (
            material.alphaMode == "MASK"
        ) else -1  # fmt: skip
        attributes = primitive.attributes
        self.colours = None if attributes.COLOR_0 is None else numbers(gltf, attributes.COLOR_0, True)
        self.uv = None if attributes.TEXCOORD_0 is None else numbers(gltf, attributes.TEXCOORD_0, True)
        self.pixels, self.wraps = None, (10497, 10497)
        if texture is not None:
            entry = gltf.textures[texture["index"]]
            self.pixels = pixels_of(gltf, gltf.images[entry.source])
            if entry.sampler is not None:
                self.wraps = gltf.samplers[entry.sampler].wrapS, gltf.samplers[entry.sampler].wrapT

    def of(self, triangle):
        """Share that is drawn, and its mean colour."""
        seen = []
        for i in range(STEPS):
            for j in range(STEPS - i):
                shares = np.array([i + 1 / 3, j + 1 / 3]) / STEPS
                seen.append(self.at(triangle, [1 - shares.sum(), *shares]))
        drawn = [colour[:3] for colour in seen if colour[3] >= self.cutoff - 1e-9]
        return len(drawn) / len(seen), 255 * np.mean(drawn, axis=0) if drawn else np.zeros(3)

    def at(self, triangle, shares):
        colour = np.array(self.factor, float)
        if self.colours is not None:
            mixed = sum(share * np.array(self.colours[i]) for share, i in zip(shares, triangle, strict=True))
            colour[: len(mixed)] *= mixed
        if self.pixels is not None:
            u, v = sum(share * np.array(self.uv[i]) for share, i in zip(shares, triangle, strict=True))
            height, width = self.pixels.shape[:2]
            column, row = wrapped(u, width, self.wraps[0]), wrapped(v, height, self.wraps[1])
            colour *= self.pixels[row, column]
        return colour


def wrapped(coordinate, size, mode):
    texel = int(np.floor(coordinate * size))
    if mode == 33071:
        return min(max(texel, 0), size - 1)
    if mode == 33648:
        texel %= 2 * size
        return texel if texel < size else 2 * size - 1 - texel
    return texel % size


def pixels_of(gltf, image):
    """(h, w, 4) 0 to 1."""
    if image.uri is not None:
        content = base64.b64decode(image.uri.partition(",")[2])
    else:
        view = gltf.bufferViews[image.bufferView]
        content = gltf.binary_blob()[view.byteOffset or 0 :][: view.byteLength]
    picture = Image.open(io.BytesIO(content))
    if picture.mode == "I;16":
        grey = np.asarray(picture).astype(float)[..., None] / 65535
        return np.concatenate([grey, grey, grey, np.ones_like(grey)], axis=2)
    return np.asarray(picture.convert("RGBA")).astype(float) / 255


def numbers(gltf, index, unit=False):
    """Elements of an accessor, one by one."""
    accessor = gltf.accessors[index]
    form, largest = FORMATS[accessor.componentType]
    width = WIDTHS[accessor.type]

    def element(view_index, offset, i, form, width):
        view = gltf.bufferViews[view_index]
        size = struct.calcsize("<" + form) * width
        start = (view.byteOffset or 0) + (offset or 0) + i * (view.byteStride or size)
        return struct.unpack_from(f"<{width}{form}", gltf.binary_blob(), start)

    elements = [(0,) * width] * accessor.count
    if accessor.bufferView is not None:
        elements = [element(accessor.bufferView, accessor.byteOffset, i, form, width) for i in range(accessor.count)]
    if accessor.sparse is not None:
        places, values = accessor.sparse.indices, accessor.sparse.values
        for i in range(accessor.sparse.count):
            (place,) = element(places.bufferView, places.byteOffset, i, FORMATS[places.componentType][0], 1)
            elements[place] = element(values.bufferView, values.byteOffset, i, form, width)
    if largest and (accessor.normalized or unit):
        elements = [tuple(max(each / largest, -1) for each in element) for element in elements]
    return elements
