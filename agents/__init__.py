"""The learners of vln: agents, policies, what they learn by, and how they are trained, loaded and evaluated."""

from typing import Any

from vln.packages import warn_of_another

warn_of_another("envs")
_DOORS = {"load_run": "agents.runs", "evaluate": "agents.evaluation"}


def __getattr__(name: str) -> Any:
    """Import `load_run` and `evaluate` when they are first asked for, since torch takes its time."""
    if name not in _DOORS:
        raise AttributeError(f"module 'agents' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_DOORS[name]), name)
