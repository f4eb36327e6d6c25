"""Agents by name: the registered ones, and any class `module:Class` of a user, checked and ready to act."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from agents.agent import Agent, OwnAgent
from agents.data import TaskData
from agents.registry import AGENTS
from vln.errors import InputError, guess

DEFAULT_BATCH = 64  # episodes at a time of an agent that does not say how many


def is_own(name: str) -> bool:
    """Return whether a name is that of an agent, rather than the folder of a run."""
    return ":" in name or name in AGENTS.names()


def read_options(given: Sequence[str]) -> dict[str, Any]:
    """Read options `key=value`; values are JSON where they can be read as such, else text."""
    options = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not key.isidentifier() or not equals:
            raise InputError("--agent-options", f"'{each}' is no option", "give key=value")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options


def find_agent(name: str, options: Mapping[str, Any]) -> Any:
    """Find the class of an agent, and check that it acts and takes these options; no data are needed for that."""
    kind: Any = AGENTS.find(name)
    source = f"agent '{name}'"
    if not callable(getattr(kind, "act", None)):
        raise InputError(source, "has no method 'act'", "name a class with act(observation, infos), see docs/extend.md")
    check_options(source, kind, options)
    return kind


def data_options_of(name: str) -> dict[str, Any]:
    """Return how an agent wants its data to be opened: `data_options` of its class, as of `envs.source.Options`."""
    return dict(getattr(AGENTS.find(name), "data_options", {}))


def make_agent(
    name: str, data: TaskData, split: str, options: Mapping[str, Any], num_envs: int | None = None, **shown: Any
) -> tuple[Agent, Any]:
    """Make an agent and the environment that it wants to act in; `shown` are options of its environment, e.g. `blind`.

    Its class is called with an environment of the task, if it takes one, and the options as keyword arguments. It may
    have `action_space`, and `num_envs`, the episodes at a time that it wants if none are given.
    """
    kind = find_agent(name, options)
    given = [data.make_env(split, 1, record=True, **shown)] if takes_env(kind) else []
    agent = kind(*given, **options)
    batch = num_envs or int(getattr(agent, "num_envs", DEFAULT_BATCH))
    env = data.make_env(split, batch, record=True, **shown)
    space = getattr(agent, "action_space", env.single_action_space)
    if space != env.single_action_space:
        problem = f"is for actions {space}, those of '{data.task.name}' are {env.single_action_space}"
        raise InputError(f"agent '{name}'", problem, "evaluate it on a task with its actions")
    return OwnAgent(agent, name.rpartition(":")[2]), env


def takes_env(kind: Any) -> bool:
    """Return whether a class takes an environment: whether it has any positional parameter."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(kind).parameters.values()
    return any(each.kind in (*positional, inspect.Parameter.VAR_POSITIONAL) for each in parameters)


def check_options(source: str, kind: Any, options: Mapping[str, Any]) -> None:
    """Raise an InputError unless a class can be called with an environment and these options."""
    parameters = inspect.signature(kind).parameters
    given = [None] if takes_env(kind) else []
    names = [each.name for each in parameters.values()][len(given) :]
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for key in options:
        if key not in names and not takes_all:
            fix = f"give {', '.join(names) or 'none'}{guess(key, names)}"
            raise InputError("--agent-options", f"{source} takes no option '{key}'", fix)
    try:
        inspect.signature(kind).bind(*given, **options)
    except TypeError as error:
        raise InputError(source, f"cannot be made ({error})", "give its arguments with --agent-options") from None
