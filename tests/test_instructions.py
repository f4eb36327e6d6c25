"""The grammar of instructions: every fact of a route is expressed, in clean English."""

import random
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.houses.categories import COLOURS, LANDMARKS, ROOM_CATEGORIES
from vln.instructions.clauses import ORDINALS, Along, Climb, Cross, Enter, Face, Leave, Pass, Stop, Thing, Turn
from vln.instructions.phrases import expand
from vln.instructions.plans import plans
from vln.instructions.styles import HELD_OUT, STYLES, write_instruction
from vln.instructions.words import NOUNS, NUMBERS, ROOMS, article, plural
from vln.language import split_words

rooms = st.sampled_from(ROOM_CATEGORIES)
sides = st.sampled_from(("left", "right"))
things = st.builds(Thing, st.sampled_from(LANDMARKS), st.sampled_from(("", *COLOURS)))
several = st.builds(Thing, st.sampled_from(LANDMARKS), st.sampled_from(tuple(COLOURS)), st.integers(1, 3))
doors = st.one_of(
    st.builds(Enter, rooms, st.sampled_from(("", "left", "right", "ahead"))),
    st.builds(Enter, st.one_of(st.just(""), rooms), sides, st.integers(1, 5)),
)
steps = st.one_of(
    st.builds(Leave, rooms, st.one_of(st.just(""), rooms)),
    st.builds(Turn, sides, st.one_of(st.none(), things)),
    st.builds(Along, rooms, st.booleans()),
    st.builds(Cross, rooms),
    st.builds(Pass, several, sides),
    doors,
    st.builds(Climb, st.sampled_from(("up", "down"))),
)
faces = st.lists(st.builds(Face, st.sampled_from(("left", "right", "around"))), max_size=1)
stops = st.one_of(
    st.builds(
        Stop, st.sampled_from(("front", "by")), things, st.one_of(st.just(""), rooms), st.one_of(st.none(), things)
    ),
    st.builds(Stop, st.sampled_from(("inside", "middle")), st.none(), rooms),
)


def possible(face, clauses, stop):
    """A route in which a room that is crossed or followed right after a door is the room behind that door."""
    clauses = list(clauses)
    for number, (before, clause) in enumerate(pairwise(clauses)):
        entered = before.into if isinstance(before, Leave) else before.room if isinstance(before, Enter) else ""
        if entered and isinstance(clause, Along | Cross):
            clauses[number + 1] = replace(clause, room=entered)
    return (*face, *clauses, stop)


routes = st.builds(possible, faces, st.lists(steps, max_size=6), stops)
styles = st.sampled_from(tuple(STYLES.values()))
seeds = st.integers(0, 2**32)


def has(text, options):
    return any(re.search(rf"\b{re.escape(option)}\b", text) for option in options)


def names_thing(text, thing):
    nouns = NOUNS.get(thing.category, (thing.category,))
    if thing.count > 1:
        nouns = [f"{NUMBERS[thing.count]} {thing.colour} {plural(noun)}" for noun in nouns]
    elif thing.colour:
        nouns = [f"{thing.colour} {noun}" for noun in nouns]
    return has(text, nouns)


def expresses(text, clause):
    """Whether every fact of a clause is in a text."""
    categories = [category for field in ("room", "into") if (category := getattr(clause, field, ""))]
    things = [thing for field in ("thing", "near") if (thing := getattr(clause, field, None))]
    facts = [has(text, ROOMS.get(category, (category,))) for category in categories]
    facts += [names_thing(text, thing) for thing in things]
    if (side := getattr(clause, "side", "")) and side != "ahead":
        facts.append(has(text, (side, "behind") if side == "around" else (side,)))
    if isinstance(clause, Enter) and clause.ordinal:
        facts.append(has(text, (ORDINALS[clause.ordinal],)))
    if isinstance(clause, Climb):
        facts.append(has(text, (clause.direction, f"{clause.direction}stairs")))
    if isinstance(clause, Stop) and clause.place == "middle":
        facts.append("middle" in text)
    if isinstance(clause, Stop) and clause.place == "inside":
        facts.append(has(text, ("inside", "as soon as", "there", "behind the door")))
    return all(facts)


@given(routes, styles, seeds)
def test_every_clause_is_said(route, style, seed):
    text = write_instruction(route, style, random.Random(seed)).lower()
    missing = [clause for clause in route if not expresses(text, clause)]
    assert not missing, (text, missing)


@given(routes, styles, seeds)
def test_the_text_is_clean(route, style, seed):
    text = write_instruction(route, style, random.Random(seed))
    assert not re.search(r"[\[\]{}~|_]|  | [.,]|,,|\.\.|\.,|,\.|None|the the|\ba a|\ba [aeiou]|\ban [^aeiou]", text), (
        text
    )
    assert text.endswith(".")
    assert re.match(r"[A-Z]|1\. [A-Z]", text)
    assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in text[:-1].split(". "))


@given(routes, styles, seeds)
def test_the_same_seed_says_the_same(route, style, seed):
    assert write_instruction(route, style, random.Random(seed)) == write_instruction(route, style, random.Random(seed))


@given(routes, styles, seeds)
def test_plans_leave_out_and_never_add(route, style, seed):
    told = list(plans(route, style, random.Random(seed), goal_only=0.3))
    for plan in told:
        left = iter(route)
        assert all(any(narrows(clause, whole) for whole in left) for clause in plan), (plan, route)
    without = [clause for clause in route if not isinstance(clause, Pass)]
    assert [clause for clause in told[-1] if not isinstance(clause, Pass)] == without
    assert sum(isinstance(clause, Pass) for clause in told[-1]) <= style.passes


def narrows(clause, whole):
    """Whether a clause is another one, perhaps with facts left out."""
    if type(clause) is not type(whole):
        return False
    if isinstance(clause, Stop) and clause.thing and whole.thing and not clause.thing.colour:
        whole = replace(whole, thing=replace(whole.thing, colour=""))
    fields = clause.__slots__
    return all(getattr(clause, field) in ("", 0, None, getattr(whole, field)) for field in fields)


def test_sides_are_left_out_with_the_turn_that_gives_them_meaning():
    route = (Leave("bedroom", "hallway"), Turn("left"), Enter("kitchen", "right", 2), Stop("inside", None, "kitchen"))
    for seed in range(200):
        for plan in plans(route, STYLES["plain"], random.Random(seed)):
            door = next(clause for clause in plan if isinstance(clause, Enter))
            assert route[1] in plan or (door.side == "" and door.ordinal == 0)


def test_a_lexicon_keeps_its_words():
    route = (Pass(Thing("sofa", "red"), "left"), Stop("by", Thing("sofa", "blue")))
    for seed in range(100):
        text = write_instruction(route, STYLES["sequence"], random.Random(seed))
        assert ("sofa" in text) != ("couch" in text)


def test_styles_differ_and_vary():
    route = (
        Face("left"),
        Leave("bedroom", "hallway"),
        Along("hallway"),
        Enter("kitchen"),
        Stop("by", Thing("stove", "white")),
    )
    texts = {
        name: {write_instruction(route, style, random.Random(seed)) for seed in range(50)}
        for name, style in STYLES.items()
    }
    assert all(len(found) > 25 for found in texts.values())
    assert len(set.union(*texts.values())) > 0.97 * sum(map(len, texts.values()))


def test_the_held_out_style_has_few_words_of_its_own():
    def words(names):
        rng = random.Random(1)
        route = (
            Face("left"),
            Leave("bedroom", "hallway"),
            Turn("left"),
            Pass(Thing("plant"), "left"),
            Enter("kitchen"),
        )
        stop = Stop("by", Thing("stove", "white"), "kitchen")
        return {
            word
            for name in names
            for _ in range(300)
            for word in split_words(write_instruction((*route, stop), STYLES[name], rng))
        }

    new = words([HELD_OUT]) - words(set(STYLES) - {HELD_OUT})
    assert len(new) < 15


def test_the_vocabulary_can_be_learned():
    rng = random.Random(0)
    words = set()
    for category in LANDMARKS:
        for name in STYLES:
            route = (Leave(rng.choice(ROOM_CATEGORIES)), Stop("by", Thing(category, rng.choice(list(COLOURS)))))
            words |= set(split_words(write_instruction(route, STYLES[name], rng)))
    assert len(words) < 300


@pytest.mark.parametrize(("word", "expected"), [("orange sofa", "an orange sofa"), ("red sofa", "a red sofa")])
def test_articles(word, expected):
    assert article(word) == expected


@pytest.mark.parametrize(("noun", "expected"), [("chair", "chairs"), ("shelf", "shelves"), ("bench", "benches")])
def test_plurals(noun, expected):
    assert plural(noun) == expected


def test_choices_nest():
    found = {expand("[a|b[c|d]]", random.Random(seed)) for seed in range(50)}
    assert found == {"a", "bc", "bd"}
