"""Packages of other projects: those that extras bring, and those that have the names of ours."""

import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vln.errors import InputError


def import_extra(package: str, extra: str, source: object) -> Any:
    """Import a package that an extra of this project brings, for what `source` names."""
    try:
        return import_module(package)
    except ImportError:
        fix = f"install it with pip install vln[{extra}]"
        raise InputError(source, f"the package '{package}' is not installed", fix) from None


def warn_of_another(name: str) -> None:
    """Warn if Python would import another package of a name than the one that belongs to this project."""
    root = Path(__file__).resolve().parents[1]
    spec = find_spec(name)
    if spec and spec.origin and Path(spec.origin).resolve() != root / name / "__init__.py":
        problem = f"{spec.origin} is what Python imports as '{name}', not vln's package of that name"
        warnings.warn(f"{problem}; put {root} before it on PYTHONPATH, or run `vln doctor`", stacklevel=3)
