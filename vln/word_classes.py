"""Classes of words in instructions: landmarks, directions, numbers.

They serve to measure what an agent uses of each class (Zhu et al. 2022, "Diagnosing Vision-and-Language Navigation:
What Really Matters"). The lists cover the vocabulary of generated houses and the frequent words of Room-to-Room. A name
may be several words ("tv stand"), so that a word which is also a verb ("stand", "can") counts only within the name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from vln.instructions.words import plural

Phrase = tuple[str, ...]

_OBJECTS = """
air conditioner, alcove, altar, aquarium, arch, arches, archway, armchair, armoire, art, artwork, baby bed, balcony
door, ball, banister, bannister, bar, bar stool, barstool, basin, basket, bath, bathtub, beam, bear statue, bed,
bedside table, bench, bicycle, bike, billiard, bin, blanket, blind, board, book, bookcase, bookshelf, bottle, bowl,
box, bunk bed, bush, bushes, bust, cabinet, candle, car, cardboard box, carpet, cart, case, ceiling, ceiling lamp,
chair, chaise, chandelier, chest, chest of drawers, chimney, christmas tree, clock, closet door, clothes, clothing,
coat hanger, coat rack, coffee machine, coffee maker, coffee table, column, computer, conference table, console,
cooker, couch, counter, counter top, countertop, credenza, crib, cup, cupboard, curio, curtain, cushion, desk, dining
table, dishwasher, display, display case, divider, dog, door, door frame, doorframe, doormat, doorway, drawer,
dresser, drum, dryer, easel, elevator, elliptical, equipment, exercise ball, exercise bike, exercise machine,
extinguisher, fan, faucet, fence, fire extinguisher, fire place, fireplace, fish tank, flag, floor, floor lamp,
flower, foosball table, footstool, fountain, frame, freezer, fridge, fruit bowl, furniture, gate, glass door, globe,
grandfather clock, grass, grill, guitar, gym equipment, hammock, hand rail, handrail, horse, hot tub, hutch, ironing
board, island, jacuzzi, jar, kitchen cabinet, kitchen counter, kitchen island, kitchen sink, knob, ladder, lamp,
lantern, laptop, lattice, laundry basket, lawn, ledge, light, locker, lounger, love seat, loveseat, machine, mantel,
mantle, massage bed, massage chair, massage table, mat, microwave, mirror, monitor, mosaic, night stand, nightstand,
office chair, organ, ottoman, oven, painting, palm, panel, partition, pedestal, pew, photo, photograph, piano,
picture, piece of art, pillar, pillow, ping pong table, plant, planter, podium, pool table, portrait, poster, pot,
potted plant, printer, projector, radiator, rail, railing, recliner, refrigerator, rock, rocking chair, rope, rug,
runner, sauna bench, screen, sculpture, seat, seating, shelf, shelving, shoe, shoe cabinet, shoe rack, shower, shower
door, side table, sideboard, sign, sink, sky light, skylight, sofa, speaker, stage, stair, stair case, staircase,
stairs, stairway, statue, steps, stone, stool, stove, stove top, sun bed, swing, table, tablecloth, tapestry, teddy
bear, telephone, television, television stand, thermostat, tile, toilet, toilet seat, towel, towel rack, toy chest,
trash bin, trash can, treadmill, tree, trunk, tub, tv, tv stand, urn, vanity, vase, vent, wall, wardrobe, washer,
washing machine, water fountain, weight bench, welcome mat, wheel chair, wheelchair, window, wine rack, workbench,
wreath
"""
_ROOMS = """
aisle, area, attic, auditorium, balcony, ball room, ballroom, basement, bath room, bathroom, bed room, bedroom,
billiard room, building, cellar, chapel, church, classroom, closet, conference room, corridor, courtyard, deck, den,
dining area, dining hall, dining room, dinner room, dinning room, dressing room, entrance, entrance hall, entrance
way, entry, entry hall, entry way, entryway, exercise room, family room, foyer, game room, garage, garden, guest room,
gym, hall, hall way, hallway, home office, house, kids room, kitchen, kitchenette, landing, laundry, laundry room,
library, living area, living room, lobby, loft, lounge, massage room, master bedroom, meeting room, movie theater,
mudroom, music room, nook, nursery, office, office area, pantry, passage, passageway, path, pathway, patio, playroom,
pool, pool area, pool room, porch, powder room, rec room, reception, reception area, restroom, room, sauna, seating
area, shower room, sitting area, sitting room, spa, stairwell, storage room, store room, study, suite, sun room,
sunroom, terrace, theater, theatre, tv room, utility room, veranda, walkway, washroom, water closet, wine cellar, work
room, workout room, yard
"""
_COLOURS = """
red, orange, yellow, green, turquoise, blue, purple, pink, brown, beige, black, grey, gray, white, gold, golden,
silver, tan
"""
_TURNS = "left, right, around, turn, turns, turning, turned, veer, veering, u turn, rotate, face, facing"
_WAYS = """
straight, forward, forwards, ahead, onward, back, backward, backwards, behind, up, upward, upwards, upstairs, down,
downward, downwards, downstairs, clockwise, counterclockwise, diagonally, north, south, east, west
"""
_NUMBERS = """
zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen,
seventeen, eighteen, nineteen, twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety, hundred, first, second,
third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, twice, both, half
"""
_DIGITS = re.compile(r"\d+(st|nd|rd|th)?")
_TOKEN = re.compile(r"\w+|[^\w\s]")


def _names(text: str) -> frozenset[Phrase]:
    """Split a comma-separated list into names, each a tuple of words."""
    return frozenset(tuple(name.split()) for name in text.split(",") if name.strip())


def _countable(text: str) -> frozenset[Phrase]:
    """Return the names of a list in singular and plural."""
    return frozenset(tuple(form.split()) for name in _names(text) for form in (" ".join(name), plural(" ".join(name))))


OBJECTS, ROOMS = _countable(_OBJECTS), _countable(_ROOMS)
COLOURS, TURNS, NUMBERS = _names(_COLOURS), _names(_TURNS), _names(_NUMBERS)
CLASSES: Mapping[str, frozenset[Phrase]] = {
    "object": OBJECTS,
    "room": ROOMS,
    "landmark": OBJECTS | ROOMS,
    "colour": COLOURS,
    "turn": TURNS,
    "direction": TURNS | _names(_WAYS),
    "number": NUMBERS,
}
"""Map from class to names. Landmarks are objects and rooms; directions include turns. Digits count as numbers."""


def word_classes(tokens: Sequence[str]) -> dict[str, np.ndarray]:
    """Find the words of each class of `CLASSES` among L lower-case words and marks, (L,) bool each."""
    return {kind: _mask(tokens, kind) for kind in CLASSES}


def _mask(tokens: Sequence[str], kind: str) -> np.ndarray:
    """Return (L,) bool, true for tokens that are part of a name of a class."""
    mask = np.zeros(len(tokens), dtype=bool)
    starts = _by_first_word(kind)
    for place, token in enumerate(tokens):
        for name in starts.get(token, ()):
            if tuple(tokens[place : place + len(name)]) == name:
                mask[place : place + len(name)] = True
        if kind == "number" and _DIGITS.fullmatch(token):
            mask[place] = True
    return mask


@cache
def _by_first_word(kind: str) -> dict[str, list[Phrase]]:
    """Return the names of a class, grouped by their first word."""
    found: dict[str, list[Phrase]] = {}
    for name in sorted(CLASSES[kind]):
        found.setdefault(name[0], []).append(name)
    return found


def masked(text: str, kind: str, blank: Callable[[str], str]) -> str:
    """Replace every word of one of `CLASSES` in a text by what `blank` maps it to; everything else stays as it is."""
    found = list(_TOKEN.finditer(text))
    hidden = _mask([each[0].lower() for each in found], kind)
    pieces, end = [], 0
    for each, hide in zip(found, hidden.tolist(), strict=True):
        pieces += [text[end : each.start()], blank(each[0]) if hide else each[0]]
        end = each.end()
    return "".join([*pieces, text[end:]])
