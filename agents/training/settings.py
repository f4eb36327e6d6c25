"""The settings of a training run: read from the command line, saved in its folder, loaded again by `--resume`.

`config.json` of a run holds its configuration and, under "arguments", all other arguments that it was started with.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_type_hints

import msgspec
import tyro

from agents.config import PhaseConfig, PolicyConfig
from agents.registry import LEARNERS, POLICIES
from agents.training.checkpoint import ARGUMENTS, RECORD, import_recorded
from agents.training.runs import check_folder
from vln.cli import check_subcommand, extract_flag, import_modules
from vln.configuration import Difference, as_json, first_difference, from_json
from vln.errors import InputError
from vln.files import read_json, write_json
from vln.tasks import REWARDS, Reward, find_task, with_data_folder

# Place, speed and log of a run.
CHANGEABLE = ("out", "resume", "data", "device", "threads", "habitat_python", "json", "log")
FIX = "leave it out, or start another run"
BY_NAME = (
    "Also: --task NAME, --policy NAME, --reward NAME, --phase PHASE=LEARNER (adds or replaces a "
    "phase), --import MODULE. Names are registered ones or module:attribute, see docs/extend.md."
)


class Settings(Protocol):
    """Arguments of a command that trains; a frozen dataclass."""

    @property
    def config(self) -> Any:
        """The configuration."""

    @property
    def out(self) -> Path:
        """Folder of the run."""

    @property
    def preset(self) -> str | None:
        """Name of the preset that the configuration was made from; None if there was none."""


Kind = TypeVar("Kind", bound=Settings)


def read_settings(kind: type[Kind], presets: Mapping[str, Callable[[], Any]]) -> Kind:
    """Read the command line of a command whose subcommands are presets; to resume a run no preset is needed."""
    imports = import_modules()
    phases, sys.argv[1:] = extract_flag("--phase", sys.argv[1:])
    policies, sys.argv[1:] = extract_flag("--policy", sys.argv[1:])
    task, sys.argv[1:] = extract_flag("--task", sys.argv[1:])
    rewards, sys.argv[1:] = extract_flag("--reward", sys.argv[1:])
    check_subcommand(presets)
    given = sys.argv[1:]
    named = given[:1] if given and given[0] in presets else []
    flags = given[len(named) :]
    folder = folder_to_resume(kind, flags)
    if folder:
        recorded = load_settings(kind, folder)
        if task and find_task(task[-1]).name != recorded.config.task.name:
            raise InputError("--task", f"the run learns '{recorded.config.task.name}', not '{task[-1]}'", FIX)
        asked = with_reward(with_policy(with_phases(recorded.config, phases), policies), rewards)
        _check_equal(first_difference(parts_of(recorded.config), parts_of(asked)))
        if recorded.preset or not named:
            check_same_preset(named, recorded.preset)
            return with_flags(recorded, flags)
    if not named and not {"-h", "--help"} & set(given) and not any(flag.startswith("--tyro") for flag in given):
        fix = f"begin with one of {', '.join(presets)}, or pass --resume with the run's --out"
        raise InputError(Path(sys.argv[0]).name, "no preset is given", fix)
    choices = {}
    for name, preset in presets.items():
        config = with_reward(with_task(with_policy(with_phases(preset(), phases), policies), task), rewards)
        about = [preset.__doc__ or "", *([BY_NAME] if named else [])]
        choices[name] = "\n\n".join(about), kind(config)  # type: ignore[call-arg]
    found = with_absolute_dataset(tyro.extras.overridable_config_cli(choices, description=BY_NAME))
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    extra = {"preset": named[0] if named else None, "imports": imports}
    return replace(found, **{name: value for name, value in extra.items() if name in known})  # type: ignore[type-var]


def with_task(config: Any, names: Sequence[str]) -> Any:
    """Return a configuration of the task that was named last, or of its own if none was."""
    return replace(config, task=find_task(names[-1])) if names else config


def with_reward(config: Any, names: Sequence[str]) -> Any:
    """Return a configuration whose task has the reward of a name, if one is given, with its default settings."""
    for name in names:
        kind: Any = REWARDS.find(name)
        if not isinstance(kind, type) or not issubclass(kind, Reward):
            raise InputError("--reward", f"'{name}' is no reward", "name a subclass of vln.tasks.Reward")
        config = replace(config, task=replace(config.task, reward=kind()))
    return config


def with_absolute_dataset(settings: Kind) -> Kind:
    """Return settings whose data set, if it is a folder, is found from any working directory."""
    if not hasattr(settings.config, "task"):
        return settings
    task = with_data_folder(settings.config.task, getattr(settings, "data", None))
    return replace(settings, config=replace(settings.config, task=task))  # type: ignore[type-var]


def with_policy(config: Any, names: Sequence[str]) -> Any:
    """Return a configuration with the policy of a name, if one is given, and its default settings."""
    for name in names:
        kind: Any = POLICIES.find(name)
        if not isinstance(kind, type) or not issubclass(kind, PolicyConfig) or not hasattr(config, "policy"):
            raise InputError("--policy", f"'{name}' is no configuration of a policy", "name a subclass of PolicyConfig")
        config = replace(config, policy=kind())
    return config


def with_phases(config: Any, wanted: Sequence[str]) -> Any:
    """Return a configuration with phases added or replaced, each given as `name=learner`.

    One that takes the place of another keeps its updates and step size.
    """
    for each in wanted:
        name, _, learner = each.partition("=")
        if not name.isidentifier() or not learner or not hasattr(config, "phases"):
            raise InputError("--phase", f"'{each}' adds no phase", "give a name and a learner, such as tuning=ppo")
        before = config.phases.get(name, PhaseConfig())
        kept = {field.name: getattr(before, field.name) for field in fields(PhaseConfig)} | {"learner": learner}
        phase = replace(LEARNERS.find(learner).config_type(), **kept)
        config = replace(config, phases={**config.phases, name: phase})
    return config


def resumed_settings(kind: type[Kind], flags: Sequence[str]) -> Kind | None:
    """Return the settings of the run that flags ask to resume; None if there is nothing to resume, or none saved."""
    folder = folder_to_resume(kind, flags)
    return with_flags(load_settings(kind, folder), flags) if folder else None


def folder_to_resume(kind: type[Settings], flags: Sequence[str]) -> Path | None:
    """Return the folder of the run that flags ask to resume; None if they do not, or ask for help."""
    if "--resume" not in flags or {"-h", "--help"} & set(flags):
        return None
    default: Any = next(each.default for each in fields(kind) if each.name == "out")  # type: ignore[arg-type]
    folder = check_folder(Path(_value("--out", flags) or default), resume=True)
    return folder if (folder / RECORD).is_file() else None


def _value(flag: str, flags: Sequence[str]) -> str | None:
    """Return the last value of a flag; None if it is not given."""
    found = [flags[place + 1] for place, each in enumerate(flags[:-1]) if each == flag]
    found += [each.split("=", 1)[1] for each in flags if each.startswith(f"{flag}=")]
    return found[-1] if found else None


def load_settings(kind: type[Kind], folder: Path) -> Kind:
    """Load the settings of a run; fields that its version did not have take their defaults."""
    source = folder / RECORD
    values = read_json(source)
    import_recorded(values, source)
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


def save_settings(settings: Settings) -> None:
    """Save the settings of a run in its folder."""
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}  # type: ignore[arg-type]
    arguments = {name: _plain(value) for name, value in values.items() if name not in ("config", "out", "resume")}
    write_json(settings.out / RECORD, {**as_json(settings.config), ARGUMENTS: arguments})


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it; paths become absolute."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value.resolve()) if isinstance(value, Path) else value


def parts_of(config: Any) -> dict[str, str]:
    """Return the names of what a configuration is put together from, by the flags that choose it."""
    parts = {"reward": REWARDS.name_of(type(config.task.reward))}
    if hasattr(config, "policy"):
        parts["policy"] = POLICIES.name_of(type(config.policy))
    return parts | {f"phase {name}": phase.learner for name, phase in getattr(config, "phases", {}).items()}


def check_same_preset(named: Sequence[str], recorded: str | None) -> None:
    """Raise an InputError if a preset is given that is not the one that a run was started with."""
    if named and named[0] != recorded:
        raise InputError(named[0], f"the run was started with the preset '{recorded}'", FIX)


def with_flags(recorded: Kind, flags: Sequence[str]) -> Kind:
    """Return the settings of a run with the flags that are given again; only `CHANGEABLE` ones may differ."""
    read = tyro.cli(type(recorded), args=flags, default=recorded, config=(tyro.conf.AvoidSubcommands,))
    given = with_absolute_dataset(read)
    for each in fields(recorded):  # type: ignore[arg-type]
        before, now = getattr(recorded, each.name), getattr(given, each.name)
        if each.name == "config":
            _check_equal(first_difference(as_json(before), as_json(now)))
        elif each.name not in CHANGEABLE and not _same(before, now):
            _check_equal(Difference(each.name, before, now))
    return given


def _check_equal(difference: Difference | None) -> None:
    if difference:
        name, before, now = difference
        problem = f"the run has {_plain(before)!r}, not {_plain(now)!r}"
        flag = name.removeprefix("phases.").replace("_", "-")  # of a phase by its own name
        raise InputError(f"--{flag}", problem, FIX)


def _same(before: Any, now: Any) -> bool:
    """Return whether two values of a setting are equal; a path that no longer exists may have moved."""
    if isinstance(before, Path) and isinstance(now, Path):
        return before.resolve() == now.resolve() or not before.exists()
    if isinstance(before, tuple):
        return len(before) == len(now) and all(_same(*pair) for pair in zip(before, now, strict=True))
    return bool(before == now)
