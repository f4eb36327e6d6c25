"""Types for the content of JSON files, and the conversion of a mismatch into one sentence.

Each kind of file is described by types that msgspec reads: a dataclass for a format of ours, in which unknown fields
are errors, and a `msgspec.Struct` for a format of others, whose further fields are ignored. Numbers are finite, since
JSON has no others. The names below add ranges; a Struct may check more in `__post_init__`.
"""

import json
import math
import re
from dataclasses import fields, is_dataclass
from functools import cache
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from vln.errors import InputError

_BLANK, _NAME = r"\S", r"^[^/\\\x00-\x1f\x7f]*$"
_PATTERNS = {_BLANK: "that is not blank", _NAME: "without slashes and control characters"}

Metres = Annotated[float, Meta(ge=-1e6, le=1e6)]
Distance = Annotated[float, Meta(ge=0, le=1e6)]
if TYPE_CHECKING:
    OpenDistance = float
else:
    OpenDistance = Distance | None
    """A distance that may be null, for an unreachable place: JSON has no infinity, so readers convert null to it."""
Radians = Annotated[float, Meta(ge=-1e6, le=1e6)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
NonBlank = Annotated[str, Meta(pattern=_BLANK)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NAME)]
"""A name that may be part of a file name, such as a scan."""
Place = tuple[Metres, Metres, Metres]

T = TypeVar("T")
Text = bytes | bytearray | memoryview | msgspec.Raw | str
_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a string",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_MAX_QUOTE = 300  # characters that a message quotes from a file


def parse(content: Text, kind: type[T], source: object, fix: str, place: str = "") -> T:
    """Parse JSON, whose bytes are UTF-8, and check it against a type that msgspec supports.

    Errors name the source, the place in it ("line 3") and the fix.
    """
    try:
        decoded: T = _decoder(kind).decode(content)  # type: ignore[arg-type] # types can be hashed
        if is_dataclass(kind):
            _field_checker(kind).decode(content)
        return decoded
    except msgspec.ValidationError as error:
        problem = malformed(error, place)
    except RecursionError:
        problem = _sentence(place, "is nested too deeply")
    except MemoryError:
        problem = _sentence(place, "does not fit into memory")
    except UnicodeDecodeError:
        byte = _first_invalid_byte(bytes(content))  # type: ignore[arg-type]
        problem, fix = _sentence(place, f"byte {byte} is not UTF-8"), "save the file as UTF-8"
    except (ValueError, OverflowError) as error:
        problem = _not_json(content, str(error), place)
    raise InputError(source, problem, fix)


def convert_value(value: Any, kind: type[T], source: object, fix: str, place: str = "") -> T:
    """Convert a parsed value to a type; see `parse`."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(source, malformed(error, place), fix) from None
    except RecursionError:
        raise InputError(source, _sentence(place, "is nested too deeply"), fix) from None


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


@cache
def _field_checker(kind: type) -> "msgspec.json.Decoder[Any]":
    """Return a decoder that rejects fields which a dataclass does not have; msgspec ignores them by default."""
    return msgspec.json.Decoder(_outline(kind))


def _outline(kind: Any) -> Any:
    """Return a Struct with the fields of a dataclass, which checks their names and not their values."""
    hints = get_type_hints(kind)
    types = [(each.name, _outline_type(hints[each.name]), msgspec.UNSET) for each in fields(kind)]
    return msgspec.defstruct(kind.__name__, types, forbid_unknown_fields=True)


def _outline_type(hint: Any) -> Any:
    """Return the type of a field of an outline: another outline for dataclasses and lists of them, else anything."""
    if is_dataclass(hint):
        return _outline(hint)
    inner: Any = next(iter(get_args(hint)), None)
    return GenericAlias(tuple, (_outline(inner), ...)) if is_dataclass(inner) else msgspec.Raw


def malformed(error: msgspec.ValidationError, place: str = "") -> str:
    """Describe a mismatch between content and type, as a phrase that follows the name of the file."""
    message, _, path = str(error).rpartition(" - at `")
    if not message:
        message, path = path, ""
    where = _where(path.removesuffix("`").removeprefix("key in ").removeprefix("$"), place)
    lacking = re.fullmatch(r"Object missing required field `(.*)`", message, re.DOTALL)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL)
    if lacking:
        return _sentence(where, f"lacks the field '{lacking[1]}'")
    if unknown:
        return _sentence(where, f"has the unknown field '{unknown[1][:_MAX_QUOTE]}'")
    return _sentence(where, f"is malformed ({_in_words(message[:_MAX_QUOTE])})")


def _where(path: str, place: str) -> str:
    """Describe a path such as `[3].steps[0]` and its place in words."""
    found = re.match(r"(?:\[(\d+)\])?\.?(.*)", path, re.DOTALL)
    entry, field = found.groups() if found else (None, path)
    parts = f"field '{field[:_MAX_QUOTE]}'" if field else "", f"entry {entry}" if entry else "", place
    return " of ".join(part for part in parts if part)


def _sentence(where: str, what: str) -> str:
    """Join subject and predicate; without a subject the sentence is about the whole file."""
    return f"{where} {what}" if where else what


def _in_words(message: str) -> str:
    """Translate a message of msgspec into the wording of the project's messages."""
    for pattern, words in _PATTERNS.items():
        message = message.replace(f"matching regex {pattern!r}", words)
    message = re.sub(
        r"`([^`]*)`", lambda found: " or ".join(_WORDS.get(each, each) for each in found[1].split(" | ")), message
    )
    return message[:1].lower() + message[1:]


def _not_json(content: Text, message: str, place: str) -> str:
    """Describe the error in a text that is not JSON: its line and column, or the number that is not finite."""
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else bytes(content)
    text = raw.decode(errors="replace")
    number = _non_finite_number(text)
    if number is not None:
        return _sentence(_where(number[0], place), f"is malformed ({number[1]} is not a finite number)")
    at = re.search(r"\(byte (\d+)\)", message)
    before = raw[: int(at[1])].decode(errors="replace") if at else text
    message = re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", message)
    if place:
        return f"{place} is truncated or not JSON ({message})"
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"is truncated or not JSON at line {line}, column {column} ({message})"


def _first_invalid_byte(content: bytes) -> int:
    """Return the index of the first byte that is not UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _non_finite_number(text: str) -> tuple[str, float] | None:
    """Return the path and value of the first NaN or infinity in a text that Python's parser accepts; else None."""
    try:
        return _search(json.loads(text), "")
    except (ValueError, RecursionError, MemoryError):
        return None


def _search(value: Any, path: str) -> tuple[str, float] | None:
    """Return the path and value of the first number that is not finite; None if there is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        found = _search(each, f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]")
        if found:
            return found
    return None
