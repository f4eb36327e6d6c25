"""The settings of a run on the command line: a preset with flags, or what the run that is resumed has recorded.

`config.json` of a run holds its configuration and, under "arguments", whatever else it was started with.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_type_hints

import msgspec
import tyro

from agents.config import from_json
from agents.training.checkpoint import as_json
from agents.training.trainer import LATEST
from vln.cli import check_subcommand
from vln.errors import InputError
from vln.files import read_json, write_json

RECORD, ARGUMENTS = "config.json", "arguments"
ANEW = ("out", "resume", "data", "device", "threads", "habitat_python", "json")  # where and how fast, but not what
FIX = "leave it out, or start another run"


class Settings(Protocol):
    """Arguments of a script that trains; a frozen dataclass."""

    @property
    def config(self) -> Any:
        """What to learn and how."""

    @property
    def out(self) -> Path:
        """Folder of the run."""

    @property
    def preset(self) -> str | None:
        """Name of the preset that the configuration was made from, if it was."""


Kind = TypeVar("Kind", bound=Settings)


def read_settings(kind: type[Kind], presets: Mapping[str, Callable[[], Any]]) -> Kind:
    """The settings on the command line of a script whose subcommands are presets; none is needed to resume a run.

    Raises:
        InputError: If there is no such preset, or none, or a setting given again is not that of the run to resume.
    """
    check_subcommand(presets)
    given = sys.argv[1:]
    named = given[:1] if given and given[0] in presets else []
    flags = given[len(named) :]
    folder = folder_to_resume(kind, flags)
    if folder:
        recorded = recorded_settings(kind, folder)
        if recorded.preset or not named:
            check_preset(named, recorded.preset)
            return agreeing(recorded, flags)
    if not named and not {"-h", "--help"} & set(given) and not any(flag.startswith("--tyro") for flag in given):
        fix = f"begin with one of {', '.join(presets)}, or pass --resume with the run's --out"
        raise InputError(Path(sys.argv[0]).name, "no preset is given", fix)
    told = {name: (preset.__doc__ or "", kind(preset(), preset=name)) for name, preset in presets.items()}  # type: ignore[call-arg]
    return tyro.extras.overridable_config_cli(told)


def resumed_settings(kind: type[Kind], flags: Sequence[str]) -> Kind | None:
    """The settings of the run that flags ask to resume, with those that they give again; None if it has no record.

    Raises:
        InputError: If there is no run, or it has a setting otherwise.
    """
    folder = folder_to_resume(kind, flags)
    return agreeing(recorded_settings(kind, folder), flags) if folder else None


def folder_to_resume(kind: type[Settings], flags: Sequence[str]) -> Path | None:
    """The folder of the run that flags ask to resume; None if they do not, or ask for help.

    Raises:
        InputError: If there is no run in it.
    """
    if "--resume" not in flags or {"-h", "--help"} & set(flags):
        return None
    default: Any = next(each.default for each in fields(kind) if each.name == "out")  # type: ignore[arg-type]
    folder = check_folder(Path(_value("--out", flags) or default), resume=True)
    return folder if (folder / RECORD).is_file() else None


def _value(flag: str, flags: Sequence[str]) -> str | None:
    """The last value of a flag among others; None if there is none."""
    found = [flags[place + 1] for place, each in enumerate(flags[:-1]) if each == flag]
    found += [each.split("=", 1)[1] for each in flags if each.startswith(f"{flag}=")]
    return found[-1] if found else None


def recorded_settings(kind: type[Kind], folder: Path) -> Kind:
    """The settings that a run has recorded; what its version did not record yet has its default.

    Raises:
        InputError: If they are damaged, or another script's.
    """
    source = folder / RECORD
    values = read_json(source)
    arguments = values.pop(ARGUMENTS, {}) if isinstance(values, dict) else {}
    types = get_type_hints(kind)
    try:
        found = {
            name: msgspec.convert(value, types[name], dec_hook=lambda wanted, each: wanted(each))
            for name, value in arguments.items()
        }
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise InputError(source, f"field '{ARGUMENTS}' is damaged ({error})", "give a preset and its flags") from None
    return kind(**{**found, "config": from_json(types["config"], values, source), "out": folder, "resume": True})


def record(settings: Settings) -> None:
    """Write the settings of a run into its folder."""
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}  # type: ignore[arg-type]
    arguments = {name: _plain(value) for name, value in values.items() if name not in ("config", "out", "resume")}
    write_json(settings.out / RECORD, {**as_json(settings.config), ARGUMENTS: arguments})


def _plain(value: Any) -> Any:
    """A setting for JSON; paths hold wherever the run is resumed from."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value.resolve()) if isinstance(value, Path) else value


def check_preset(named: Sequence[str], recorded: str | None) -> None:
    """Check that a preset, if one is named, is the one that a run was started with.

    Raises:
        InputError: If it is not.
    """
    if named and named[0] != recorded:
        raise InputError(named[0], f"the run was started with the preset '{recorded}'", FIX)


def agreeing(recorded: Kind, flags: Sequence[str]) -> Kind:
    """The settings of a run, with flags that are given again.

    Raises:
        InputError: If one says otherwise, naming the flag; places and devices may.
    """
    given = tyro.cli(type(recorded), args=flags, default=recorded, config=(tyro.conf.AvoidSubcommands,))
    for each in fields(recorded):  # type: ignore[arg-type]
        before, now = getattr(recorded, each.name), getattr(given, each.name)
        if each.name == "config":
            _refuse(_first_setting(as_json(before), as_json(now)))
        elif each.name not in ANEW and not _same(before, now):
            _refuse((each.name, before, now))
    return given


def _first_setting(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> tuple[str, Any, Any] | None:
    """Name and values of the first setting in which two nested configurations differ."""
    for name in before:
        if isinstance(before[name], Mapping):
            found = _first_setting(before[name], now[name], f"{prefix}{name}.")
            if found:
                return found
        elif before[name] != now[name]:
            return f"{prefix}{name}", before[name], now[name]
    return None


def _refuse(difference: tuple[str, Any, Any] | None) -> None:
    if difference:
        name, before, now = difference
        raise InputError(f"--{name.replace('_', '-')}", f"the run has {_shown(before)}, not {_shown(now)}", FIX)


def _shown(value: Any) -> str:
    return repr(_plain(value))


def _same(before: Any, now: Any) -> bool:
    """Whether two values of a setting mean the same; what has moved may be given where it is now."""
    if isinstance(before, Path) and isinstance(now, Path):
        return before.resolve() == now.resolve() or not before.exists()
    if isinstance(before, tuple):
        return len(before) == len(now) and all(_same(*pair) for pair in zip(before, now, strict=True))
    return bool(before == now)


def check_folder(out: Path, resume: bool) -> Path:
    """The run's folder, which must hold a run to resume, and none otherwise.

    Raises:
        InputError: If it is not so.
    """
    if not resume and (out / LATEST).exists():
        raise InputError(out, f"the folder already holds a run ({LATEST})", "pass --resume, or another --out")
    if resume and not (out / LATEST).exists():
        raise InputError(out, f"there is no {LATEST} to resume from", "train without --resume, or correct --out")
    return out
