"""How an episode ended for an agent, in words and signs: failure is told as loudly as success."""

from vln.replay import style
from vln.replay.episode import Replay

WORDS = {True: "success", False: "failure"}
SIGNS = {True: "✔", False: "✘"}
# Told apart by sign and word as well as by colour.
COLOURS = {True: "#1a7f37", False: "#c4262e"}


def outcome_mark(replay: Replay, agent: int) -> str:
    """A check mark for success, a cross for failure, nothing where the goal is unknown."""
    succeeded = replay.succeeded(agent)
    return "" if succeeded is None else SIGNS[succeeded]


def outcome_colour(replay: Replay, agent: int) -> str:
    """The colour of success, of failure, or of text."""
    succeeded = replay.succeeded(agent)
    return style.INK if succeeded is None else COLOURS[succeeded]


def outcome(replay: Replay, agent: int) -> str:
    """Success or failure with its sign, nothing where the goal is unknown."""
    succeeded = replay.succeeded(agent)
    return "" if succeeded is None else f"{SIGNS[succeeded]} {WORDS[succeeded]}"


def ending(replay: Replay, agent: int) -> str:
    """How an agent ended: "✘ failure: stopped after 12 steps"."""
    steps = replay.trajectories[agent].steps
    how = "ended" if not steps else "stopped" if steps[-1].choice == "stop" else "out of time"
    told = f"{how} after {len(steps)} step{'' if len(steps) == 1 else 's'}"
    return ": ".join(filter(None, (outcome(replay, agent), told)))
