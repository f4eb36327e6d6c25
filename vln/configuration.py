"""Configurations as JSON: nested frozen dataclasses, written with all their fields and read back strictly."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from vln.errors import InputError
from vln.schema import convert_value

Config = TypeVar("Config")
FIX = "use the version of vln that wrote it"
KIND = "kind"  # of a field whose class is one of a registry (`metadata={"registry": ...}`): the name of the class there


def as_json(config: Any) -> dict[str, Any]:
    """Return a dataclass as JSON has it: objects, lists, and plain values."""
    found = {}
    for each in fields(config):
        value, registry = getattr(config, each.name), each.metadata.get("registry")
        kind = {KIND: registry.name_of(type(value))} if registry else {}
        plain = _plain(value)
        found[each.name] = {**kind, **plain} if kind else plain
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return as_json(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def from_json(kind: type[Config], values: Any, source: object, prefix: str = "", fix: str = FIX) -> Config:
    """Read a configuration back; a field that came later than the file (`metadata={"later": True}`) has its default.

    In errors the names of fields begin with `prefix`.
    """
    if not isinstance(values, Mapping):
        where = f"configuration field '{prefix.rstrip('.')}'" if prefix else "the configuration"
        raise InputError(source, f"{where} is {type(values).__name__}, not an object", fix)
    types, known = get_type_hints(kind), {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    found = set(values)
    came_later = {name for name, each in known.items() if each.metadata.get("later")}
    for name in sorted((known.keys() - came_later - found) | (found - known.keys())):
        problem = f"configuration field '{prefix}{name}' is {'missing' if name in known else 'unknown'}"
        raise InputError(source, problem, fix)
    read = {}
    for name, value in values.items():
        registry, wanted, given = known[name].metadata.get("registry"), types[name], value
        type_of = known[name].metadata.get("type_of")
        if type_of and isinstance(value, Mapping):
            begins = {key: f"{prefix}{name}.{key}." for key in value}
            read[name] = {
                key: from_json(type_of(each, source, begins[key]), each, source, begins[key], fix)
                for key, each in value.items()
            }
            continue
        if registry and isinstance(value, Mapping):
            default = known[name].default  # which stands for files from before there was a choice
            chosen = KIND in value or default is MISSING
            wanted = registry.find(str(value.get(KIND))) if chosen else type(default)
            given = {key: each for key, each in value.items() if key != KIND}
        read[name] = _setting(wanted, given, source, prefix + name, fix)
    return kind(**read)


def _setting(kind: Any, value: Any, source: object, name: str, fix: str) -> Any:
    """Read the value of a field, which may be a configuration itself, or a list of them."""
    if is_dataclass(kind):
        return from_json(kind, value, source, f"{name}.", fix)  # type: ignore[arg-type]
    inner = next(iter(get_args(kind)), None)
    if is_dataclass(inner) and isinstance(value, list):
        return tuple(_setting(inner, each, source, f"{name}[{place}]", fix) for place, each in enumerate(value))
    return convert_value(value, kind, source, fix, f"configuration field '{name}'")


class Difference(NamedTuple):
    """A setting in which two configurations differ, by its dotted name."""

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        """Say it."""
        return f"field '{self.name}' is {self.before!r}, not {self.now!r}"


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Difference | None:
    """Return the first setting, by name, in which two nested configurations differ; None if they are the same."""
    for name in sorted(before.keys() | now.keys()):
        here, there = before.get(name), now.get(name)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            found = first_difference(here, there, f"{prefix}{name}.")
            if found:
                return found
        elif here != there:
            return Difference(prefix + name, here, there)
    return None
