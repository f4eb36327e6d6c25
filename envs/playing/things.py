"""The things that sentences of people name."""

import re

from envs.houses.categories import COLOURS, LANDMARKS
from envs.scene import Scene
from vln.errors import InputError
from vln.instructions.words import NOUNS

NAMED = 8  # things of a house that an error names
NAMES = {noun: category for category in LANDMARKS for noun in {category, *NOUNS.get(category, ())}}
THING = re.compile(rf"\b(?:({'|'.join(COLOURS)}) )?({'|'.join(sorted(NAMES, key=len, reverse=True))})\b")


def named_thing(sentence: str) -> tuple[str, str] | None:
    """Return colour and category of the thing that a sentence names last; the colour is empty if it says none."""
    found = THING.findall(sentence.lower())
    return (found[-1][0], NAMES[found[-1][1]]) if found else None


def has_thing(thing: tuple[str, str], scene: Scene) -> bool:
    """Return whether a house has a thing of a colour, any if it is empty, and category."""
    colour, category = thing
    return any(each.category == category and colour in ("", each.colour) for each in scene.objects)


def check_thing(thing: tuple[str, str], scene: Scene) -> None:
    """Raise an InputError if a house has no such thing."""
    if has_thing(thing, scene):
        return
    names = {f"{each.colour} {each.category}" for each in scene.objects if each.category in LANDMARKS and each.colour}
    same = sorted(each for each in names if each.endswith(f" {thing[1]}")) or sorted(names)
    problem = f"names a {' '.join(filter(None, thing))}, which is not in this house"
    raise InputError("--instruction", problem, f"name something in it, such as {', '.join(same[:NAMED])}")
