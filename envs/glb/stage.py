"""The frame of a scene file: its up axis, front and units, from habitat's `<name>.stage_config.json` or a flag."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vln.errors import InputError
from vln.files import read_json

SUFFIX = ".stage_config.json"
Up = str | Sequence[float]


@dataclass(frozen=True, eq=False)
class Stage:
    """A scene file and its frame."""

    asset: Path
    name: str
    rotation: np.ndarray  # (3, 3), from the file's frame to y up and front along -z
    scale: np.ndarray  # (3,) metres per unit along the file's axes
    units_known: bool  # given by the stage_config or the caller


def find_stage(path: Path, up: Up | None, scale: float | None) -> Stage:
    """Find the frame of a scene file: from the arguments, else from the stage_config, else y up and metres.

    The path is that of a GLB or glTF file, or of a `*.stage_config.json` that names one. `up` is an axis, "y" or "-z",
    or a vector in the file's frame; `scale` is metres per unit.
    """
    direct = path.name.endswith(SUFFIX)
    config_path = path if direct else path.with_name(path.stem + SUFFIX)
    config: dict[str, Any] = _read_config(config_path) if direct or config_path.is_file() else {}
    asset = path.parent / config["render_asset"] if direct else path
    if up is not None:
        rotation = _rotation("up", _axis("--up", up), None)
    else:
        front = _axis(f"{config_path}: front", config["front"]) if "front" in config else None
        rotation = _rotation(config_path, _axis(f"{config_path}: up", config.get("up", (0, 1, 0))), front)
    stated = {"units_to_meters", "scale"} & set(config)
    factor = _scale("--scale", scale) if scale is not None else _config_scale(config_path, config)
    return Stage(asset, asset.stem, rotation, factor, scale is not None or bool(stated))


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path)
    if not isinstance(config, dict):
        raise InputError(path, "is no JSON object", "write a habitat stage_config")
    if path.name.endswith(SUFFIX) and not isinstance(config.get("render_asset", ""), str):
        raise InputError(path, "field 'render_asset' is no file name", "name the .glb file")
    config.setdefault("render_asset", path.name.removesuffix(SUFFIX) + ".glb")
    return config


def _config_scale(path: Path, config: dict[str, Any]) -> np.ndarray:
    units = _scale(f"{path}: units_to_meters", config.get("units_to_meters", 1.0))
    return units * _scale(f"{path}: scale", config.get("scale", 1.0))


def _scale(source: str, scale: Any) -> np.ndarray:
    """Return metres per unit along each axis, (3,), from one positive number or three."""
    try:
        factor = np.broadcast_to(np.asarray(scale, dtype=np.float64), 3)
    except (TypeError, ValueError, OverflowError):
        factor = np.zeros(3)
    if not (np.isfinite(factor) & (factor > 0)).all():
        raise InputError(source, f"{scale!r} is no positive number", "give metres per unit, e.g. 0.01 for centimetres")
    return factor


def _axis(source: str, axis: Any) -> np.ndarray:
    """Convert the name or the vector of an axis to a unit vector."""
    fix = "give x, y or z, with a minus sign for the opposite, or three numbers"
    if isinstance(axis, str):
        if not re.fullmatch(r"[+-]?[xyzXYZ]", axis):
            raise InputError(source, f"{axis!r} is no axis", fix)
        vector = np.zeros(3)
        vector["xyz".index(axis[-1].lower())] = -1.0 if axis[0] == "-" else 1.0
        return vector
    try:
        vector = np.asarray(axis, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(source, f"{axis!r} is no axis", fix) from None
    largest = np.abs(vector).max() if vector.shape == (3,) else 0.0
    if not 1e-6 < largest < np.inf:
        raise InputError(source, f"{axis!r} is no axis", fix)
    return vector / largest / np.linalg.norm(vector / largest)  # no square overflows


def _rotation(source: object, up: np.ndarray, front: np.ndarray | None) -> np.ndarray:
    """Return the rotation (3, 3) of `up` to +y and `front` to -z; the default front is a horizontal +y or -z."""
    if front is None:
        front = np.array([0.0, 1.0, 0.0]) if abs(up[2]) > 0.7 else np.array([0.0, 0.0, -1.0])
        front = front - up * (front @ up)
        front /= np.linalg.norm(front)
    if abs(up @ front) > 1e-3:
        raise InputError(source, "'up' and 'front' are not at right angles", "correct one of them")
    return np.stack([np.cross(front, up), up, -front])
