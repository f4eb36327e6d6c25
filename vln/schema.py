"""What the JSON files of the project may hold, and the one place that tells what is wrong with one.

Each kind of file is described by types, as msgspec reads them: by a dataclass where it is a format of ours, which has
no other fields, and by a `msgspec.Struct` where it is one of others, whose further fields are ignored. Numbers are
finite, as JSON knows no others. The names below add ranges; a Struct may check more in `__post_init__`.
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
    """Null where there is no way, as JSON knows no infinity; its reader makes it that."""
Radians = Annotated[float, Meta(ge=-1e6, le=1e6)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Sentence = Annotated[str, Meta(pattern=_BLANK)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NAME)]
"""What may be a part of a file's name, such as a scan."""
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
_LONGEST = 300  # characters of what a message quotes from a file


def parse(content: Text, kind: type[T], source: object, fix: str, place: str = "") -> T:
    """JSON as the kind of thing that it should be.

    Args:
        content: The text, as UTF-8 if bytes.
        kind: What it should be; a type that msgspec knows.
        source: The file, for the message.
        fix: What to do about a bad one, for the message.
        place: Which part of the file it is ("line 3"), for the message.

    Raises:
        InputError: If it is not JSON, or not of that kind.
    """
    try:
        decoded: T = _decoder(kind).decode(content)  # type: ignore[arg-type] # types can be hashed
        if is_dataclass(kind):
            _names(kind).decode(content)
        return decoded
    except msgspec.ValidationError as error:
        problem = malformed(error, place)
    except RecursionError:
        problem = _said(place, "is nested too deeply")
    except MemoryError:
        problem = _said(place, "does not fit into memory")
    except UnicodeDecodeError:
        problem, fix = _said(place, f"byte {_first_foreign(bytes(content))} is not UTF-8"), "save the file as UTF-8"  # type: ignore[arg-type]
    except (ValueError, OverflowError) as error:
        problem = _not_json(content, str(error), place)
    raise InputError(source, problem, fix)


def convert_value(value: Any, kind: type[T], source: object, fix: str, place: str = "") -> T:
    """A value that is parsed already as the kind of thing that it should be; see `parse`."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(source, malformed(error, place), fix) from None
    except RecursionError:
        raise InputError(source, _said(place, "is nested too deeply"), fix) from None


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


@cache
def _names(kind: type) -> "msgspec.json.Decoder[Any]":
    """What tells fields that a dataclass does not have."""
    return msgspec.json.Decoder(_outline(kind))


def _outline(kind: Any) -> Any:
    """The fields of a dataclass, whatever is in them but for those of dataclasses."""
    hints = get_type_hints(kind)
    held = [(each.name, _held(hints[each.name]), msgspec.UNSET) for each in fields(kind)]
    return msgspec.defstruct(kind.__name__, held, forbid_unknown_fields=True)


def _held(hint: Any) -> Any:
    """What stands for the type of a field in an outline."""
    if is_dataclass(hint):
        return _outline(hint)
    inner: Any = next(iter(get_args(hint)), None)
    return GenericAlias(tuple, (_outline(inner), ...)) if is_dataclass(inner) else msgspec.Raw


def malformed(error: msgspec.ValidationError, place: str = "") -> str:
    """What does not fit a type, in words that follow the name of the file."""
    told, _, path = str(error).rpartition(" - at `")
    if not told:
        told, path = path, ""
    where = _where(path.removesuffix("`").removeprefix("key in ").removeprefix("$"), place)
    lacking = re.fullmatch(r"Object missing required field `(.*)`", told, re.DOTALL)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", told, re.DOTALL)
    if lacking:
        return _said(where, f"lacks the field '{lacking[1]}'")
    if unknown:
        return _said(where, f"has the unknown field '{unknown[1][:_LONGEST]}'")
    return _said(where, f"is malformed ({_in_words(told[:_LONGEST])})")


def _where(path: str, place: str) -> str:
    """A path such as `[3].steps[0]` in words, and the place it is in."""
    found = re.match(r"(?:\[(\d+)\])?\.?(.*)", path, re.DOTALL)
    entry, field = found.groups() if found else (None, path)
    parts = f"field '{field[:_LONGEST]}'" if field else "", f"entry {entry}" if entry else "", place
    return " of ".join(part for part in parts if part)


def _said(where: str, what: str) -> str:
    """What is the matter with a part of a file, or with all of it."""
    return f"{where} {what}" if where else what


def _in_words(told: str) -> str:
    """A message of msgspec in the words of the project's other messages."""
    for pattern, words in _PATTERNS.items():
        told = told.replace(f"matching regex {pattern!r}", words)
    told = re.sub(
        r"`([^`]*)`", lambda found: " or ".join(_WORDS.get(each, each) for each in found[1].split(" | ")), told
    )
    return told[:1].lower() + told[1:]


def _not_json(content: Text, told: str, place: str) -> str:
    """What is wrong with a text that is not JSON: the line and column, or the field that is no number."""
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else bytes(content)
    text = raw.decode(errors="replace")
    number = _number_that_is_none(text)
    if number is not None:
        return _said(_where(number[0], place), f"is malformed ({number[1]} is not a finite number)")
    at = re.search(r"\(byte (\d+)\)", told)
    before = raw[: int(at[1])].decode(errors="replace") if at else text
    told = re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", told)
    if place:
        return f"{place} is truncated or not JSON ({told})"
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"is truncated or not JSON at line {line}, column {column} ({told})"


def _first_foreign(content: bytes) -> int:
    """The first byte that is not UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _number_that_is_none(text: str) -> tuple[str, float] | None:
    """Where a NaN or infinity stands in what is not quite JSON, and which; None if there is none."""
    try:
        return _search(json.loads(text), "")
    except (ValueError, RecursionError, MemoryError):
        return None


def _search(value: Any, path: str) -> tuple[str, float] | None:
    """The first number of a value that is not finite, and its path."""
    if isinstance(value, float) and not math.isfinite(value):
        return path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        found = _search(each, f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]")
        if found:
            return found
    return None
