"""Registries: what can be chosen by name, and added to by users, such as tasks, simulators, policies and learners."""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar, cast, overload

from vln.errors import InputError, guess, unknown_name

T = TypeVar("T")
V = TypeVar("V")


class Registry(Generic[T]):
    """Values of one kind by name. A name with a colon, `module:attribute`, is imported instead of looked up."""

    def __init__(self, kind: str, lazy: Mapping[str, str] | None = None) -> None:
        """An empty registry of a kind, named for people ("task"); `lazy` names are imported when first looked up."""
        self.kind = kind
        self._values: dict[str, T] = {}
        self._lazy = dict(lazy or {})

    @overload
    def register(self, name: str, value: T) -> T: ...

    @overload
    def register(self, name: str) -> Callable[[V], V]: ...

    def register(self, name: str, value: T | None = None) -> T | Callable[[Any], Any]:
        """Add a value under a name, or decorate the function or class that is to be added."""
        if not name or ":" in name:
            raise InputError(f"{self.kind} '{name}'", "is no name to register", "choose a name without a colon")
        if name in self.names():
            raise InputError(f"{self.kind} '{name}'", "is registered already", "choose another name")
        if value is None:
            return lambda decorated: self.register(name, decorated)
        self._values[name] = value
        return value

    def find(self, name: str) -> T:
        """Return the value of a name."""
        if name not in self._values and name in self._lazy:
            self._values[name] = imported(self.kind, self._lazy[name])
        if name in self._values:
            return self._values[name]
        if ":" in name:
            return cast(T, imported(self.kind, name))
        raise unknown_name(self.kind, name, [*self.names(), "module:attribute", "what --import MODULE registers"])

    def name_of(self, value: T) -> str:
        """Return a name that `find` takes for a value: the one it is registered under, or its `module:attribute`."""
        path = f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"
        found = [name for name, each in self._values.items() if each is value]
        found += [name for name, each in self._lazy.items() if each == path]
        return found[0] if found else path

    def names(self) -> tuple[str, ...]:
        """All registered names, the built-in ones first, in the order of their registration."""
        return tuple(dict.fromkeys([*self._lazy, *self._values]))


def imported(kind: str, name: str) -> Any:
    """Import `module:attribute`, for a thing of a kind ("task")."""
    module_name, _, attribute = name.partition(":")
    module = import_module(module_name, f"{kind} '{name}'")
    if not hasattr(module, attribute):
        public = [each for each in vars(module) if not each.startswith("_")] or ["nothing"]
        fix = f"name something that is in it{guess(attribute, public)}"
        raise InputError(f"{kind} '{name}'", f"module '{module_name}' has no '{attribute}'", fix)
    return getattr(module, attribute)


def import_module(name: str, source: object) -> ModuleType:
    """Import a module, also one in the current folder; `source` is what asked for it ("--import")."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except InputError:
        raise  # such as that of a registration, which says more
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        fix = "correct the module, or the name, or add its folder to PYTHONPATH"
        raise InputError(source, f"module '{name}' cannot be imported ({reason})", fix) from error
