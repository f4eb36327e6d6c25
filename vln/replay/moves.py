"""Descriptions of steps for readers of a map."""

import math

from vln.trajectory import Pose, Step, Trajectory

AHEAD = math.radians(15)  # smaller turns are not mentioned
CLIMB = 0.3  # metres: smaller differences in height come from the camera's tripod
STILL = 1e-3  # metres


def turn_between(start: float, end: float) -> float:
    """Return the smaller angle from one heading to another in radians, positive clockwise (to the right)."""
    return (end - start + math.pi) % (2 * math.pi) - math.pi


def bearing(start: Pose, end: Pose) -> float:
    """Return the direction from one pose to another in radians, clockwise from +y."""
    return math.atan2(end.position[0] - start.position[0], end.position[1] - start.position[1])


def moved(start: Pose, end: Pose) -> bool:
    """Whether the position changed, not only the heading."""
    return math.dist(start.position, end.position) > STILL


def describe_step(before: Pose, step: Step) -> str:
    """Describe a step from a pose as "left 60°, 2.3 m", "turn right 30°", "look up 30°", "stop" or "blocked"."""
    if step.choice == "stop":
        return "stop"
    if not step.pose.viewpoint and step.choice == "forward":
        return _walk(before, step)
    if moved(before, step.pose):
        return _travel(before, step.pose)
    if step.collided:
        return "blocked"
    turn = turn_between(before.heading, step.pose.heading)
    if abs(turn) > math.radians(1):
        return f"turn {_side(turn)} {_degrees(turn)}"
    tilt = step.pose.elevation - before.elevation
    if abs(tilt) > math.radians(1):
        return f"look {'up' if tilt > 0 else 'down'} {_degrees(tilt)}"
    return "stay"


def chosen_probability(step: Step) -> float | None:
    """Return the agent's probability of the action it took; None if it recorded none."""
    chances = dict(zip(step.choices, step.probabilities, strict=True))
    return chances.get(step.choice)


def group_steps(trajectory: Trajectory) -> list[tuple[int, int]]:
    """Group consecutive steps of one kind, as (first, one past the last); on a graph every step is a group."""
    steps = trajectory.steps
    if trajectory.start.viewpoint:
        return [(number, number + 1) for number in range(len(steps))]
    kinds = [(step.choice, step.collided) for step in steps]
    starts = [number for number, kind in enumerate(kinds) if not number or kinds[number - 1] != kind]
    return list(zip(starts, [*starts[1:], len(steps)], strict=True))


def describe_group(trajectory: Trajectory, first: int, behind: int) -> str:
    """Describe a group of steps: "forward x 6, 1.5 m", "turn left 45°"."""
    poses, step = trajectory.poses, trajectory.steps[first]
    if behind == first + 1:
        return describe_step(poses[first], step)
    if step.choice == "forward":
        metres = sum(math.dist(poses[n].position, poses[n + 1].position) for n in range(first, behind))
        return f"forward x {behind - first}, {'blocked, ' if step.collided else ''}{metres:.1f} m"
    turned = sum(turn_between(poses[n].heading, poses[n + 1].heading) for n in range(first, behind))
    return f"turn {_side(turned)} {_degrees(turned)}"


def _walk(before: Pose, step: Step) -> str:
    """Describe a short step in a continuous world, which may slide along an obstacle."""
    if not step.collided:
        return "forward"
    return "forward, sliding" if moved(before, step.pose) else "blocked"


def _travel(before: Pose, after: Pose) -> str:
    turn = turn_between(before.heading, bearing(before, after))
    climb = after.position[2] - before.position[2]
    direction = "ahead" if abs(turn) < AHEAD else f"{_side(turn)} {_degrees(turn)}"
    stairs = f", {'up' if climb > 0 else 'down'} {abs(climb):.1f} m" if abs(climb) > CLIMB else ""
    return f"{direction}, {math.dist(before.position, after.position):.1f} m{stairs}"


def _side(turn: float) -> str:
    return "right" if turn > 0 else "left"


def _degrees(angle: float) -> str:
    """Format degrees to a tenth, as 15° or 22.5°."""
    return f"{round(abs(math.degrees(angle)), 1):g}°"
