"""The outcome of an episode for an agent, as words, marks and colours."""

from vln.replay import style
from vln.replay.episode import Replay

WORDS = {True: "success", False: "failure"}
SIGNS = {True: "✔", False: "✘"}
# Mark and word distinguish outcomes too, not only colour.
COLOURS = {True: "#1a7f37", False: "#c4262e"}


def outcome_mark(replay: Replay, agent: int) -> str:
    """Return a check mark for success, a cross for failure, and nothing if the goal is unknown."""
    succeeded = replay.succeeded(agent)
    return "" if succeeded is None else SIGNS[succeeded]


def outcome_colour(replay: Replay, agent: int) -> str:
    """Return the colour of success, of failure, or of text if the goal is unknown."""
    succeeded = replay.succeeded(agent)
    return style.INK if succeeded is None else COLOURS[succeeded]


def outcome(replay: Replay, agent: int) -> str:
    """Return success or failure with its mark; empty if the goal is unknown."""
    succeeded = replay.succeeded(agent)
    return "" if succeeded is None else f"{SIGNS[succeeded]} {WORDS[succeeded]}"


def ending(replay: Replay, agent: int) -> str:
    """Describe the end of an agent's trajectory: "✘ failure: stopped after 12 steps"."""
    steps = replay.trajectories[agent].steps
    how = "ended" if not steps else "stopped" if steps[-1].choice == "stop" else "out of time"
    text = f"{how} after {len(steps)} step{'' if len(steps) == 1 else 's'}"
    return ": ".join(filter(None, (outcome(replay, agent), text)))
