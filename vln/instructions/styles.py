"""Styles of writing instructions: seven of them in training, and one that only unseen houses have."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vln.instructions.clauses import Route
from vln.instructions.patterns import APPROACH, PLACES, TERSE
from vln.instructions.phrases import Phrase, Writer, gerund, imperative, without_repetition
from vln.instructions.words import pick

AFTER = 0.3  # how often two phrases become "after doing one, do the other"


@dataclass(frozen=True)
class Style:
    """A style of writing."""

    name: str
    write: Callable[[Writer, Route], str]  # writes the text of a route's clauses
    passes: int  # largest number of landmarks beside the route that it mentions
    detail: float  # probability of mentioning each fact that may be left out


def write_instruction(route: Route, style: Style, rng: random.Random) -> str:
    """Write an instruction that expresses every clause of a route."""
    return style.write(Writer(rng), route)


def join(sentences: Sequence[str]) -> str:
    """Join sentences, each given without capital letter and full stop."""
    return " ".join(
        f"{text[0].upper()}{text[1:]}." for text in (re.sub(r"\s+", " ", part).strip() for part in sentences)
    )


def _orders(writer: Writer, route: Route, pairing: float, opening: float) -> list[Phrase]:
    """Return the route as phrases; a route of only a goal becomes a phrase to approach it."""
    if len(route) == 1 or all(clause.form == "pass" for clause in route[:-1]):
        before = writer.phrases(route[:-1])
        return [*before, Phrase(writer.phrase(APPROACH, route[-1]))]
    return writer.phrases(route, pairing, opening)


def _group(writer: Writer, phrases: Sequence[Phrase], most: int) -> list[str]:
    """Group phrases into sentences of up to `most` phrases."""
    sentences: list[str] = []
    position = 0
    while position < len(phrases):
        size = 1 + int(writer.rng.random() * most)
        group = [phrases[position]]
        for phrase in phrases[position + 1 : position + size]:
            if phrase.opened:
                break
            group.append(phrase)
        sentences.append(_sentence(writer, group))
        position += len(group)
    return sentences


def _sentence(writer: Writer, group: Sequence[Phrase]) -> str:
    """Join phrases into one sentence."""
    if len(group) == 2 and not group[0].opened and writer.rng.random() < AFTER:
        return f"after {gerund(group[0].text)}, {imperative(group[1].text)}"
    return _listed(writer, [imperative(phrase.text) for phrase in group])


def _listed(writer: Writer, parts: list[str]) -> str:
    """Join parts as "one, two and three"."""
    if len(parts) == 1:
        return parts[0]
    last = writer.fill("[ and|, then| and then|, and|, and then]")
    return ", ".join(parts[:-1]) + f"{last} {parts[-1]}"


def _plain(writer: Writer, route: Route) -> str:
    sentences = _group(writer, _orders(writer, route, pairing=0.5, opening=0.25), most=3)
    openers = "[||||then |next, |now |from there, |after that, ]"
    return join([sentences[0], *(writer.fill(openers) + sentence for sentence in sentences[1:])])


def _landmarks(writer: Writer, route: Route) -> str:
    return join(_group(writer, _orders(writer, route, pairing=0.2, opening=0.6), most=2))


def _terse(writer: Writer, route: Route) -> str:
    parts = [writer.phrase(TERSE, clause) for clause in without_repetition(route)]
    if writer.rng.random() < 0.4:
        parts = [re.sub(r"\b(the|your) (?!(left|right|end|middle)\b)", "", part) for part in parts]
    mark = pick(writer.rng, (", ", ", ", ". "))
    if mark == ". ":
        return join(parts)
    return join([", ".join(parts)])


def _goal_first(writer: Writer, route: Route) -> str:
    place = writer.phrase(PLACES, route[-1])
    heads = [f"[you should end up|your goal is to stop|please go and wait] {place}"]
    if goal := writer.goal(route[-1]):
        heads += [
            f"[your goal is|you are looking for|find|look for|go to|the goal is] {goal}",
            f"[go to|find] {goal} and stop there",
        ]
    head = writer.fill(pick(writer.rng, heads))
    if len(route) == 1:
        return join([head])
    orders = _group(writer, writer.phrases(route[:-1], 0.5, 0.2), most=3)
    orders[0] = writer.fill("[to get there, |||first, |from where you are, ]") + orders[0]
    return join([head, *orders])


def _chatty(writer: Writer, route: Route) -> str:
    ends = (
        "you are there when you are {0}",
        "then you just have to stop {0}",
        "please stop {0}",
        "you can stop when you are {0}",
        "stop {0} and you are done",
    )
    end = pick(writer.rng, ends).format(writer.phrase(PLACES, route[-1]))
    if len(route) == 1:
        return join([writer.fill(f"[okay, |so, |]{end.removeprefix('then ')}")])
    phrases = writer.phrases(route[:-1], 0.4, 0.0)
    if writer.rng.random() < 0.3:
        sentences = [writer.fill("[okay, |so, |]start by ") + gerund(phrases[0].text)]
    else:
        begin = writer.fill("[okay, |so, |][you want to|you need to|you have to|please] ")
        sentences = [begin + imperative(phrases[0].text)]
    links = ["then you", "now you", "after that you", "and then you", "next you will", "from there you"]
    for phrase in phrases[1:]:
        link = pick(writer.rng, links)
        links = [other for other in links if other != link] or links
        sentences.append(f"{link} {imperative(phrase.text)}")
    return join([*sentences, end])


def _sequence(writer: Writer, route: Route) -> str:
    sentences = _group(writer, _orders(writer, route, pairing=0.5, opening=0.0), most=2)
    if len(sentences) == 1:
        return join(sentences)
    middle = [f"{pick(writer.rng, ('then', 'next,', 'after that,', 'now'))} {text}" for text in sentences[1:-1]]
    return join([f"first, {sentences[0]}", *middle, writer.fill("[finally|at last|last|in the end], ") + sentences[-1]])


def _numbered(writer: Writer, route: Route) -> str:
    sentences = _group(writer, _orders(writer, route, pairing=0.4, opening=0.1), most=1)
    if len(sentences) == 1:
        return join(sentences)
    return " ".join(f"{number}. {join([text])}" for number, text in enumerate(sentences, start=1))


def _backwards(writer: Writer, route: Route) -> str:
    """Write the goal first, then the route to it in one sentence."""
    place = writer.phrase(PLACES, route[-1])
    if len(route) == 1:
        return join([writer.fill(f"{place} is where you [should|have to|need to] [stop|wait|end up]")])
    means = [gerund(phrase.text) for phrase in writer.phrases(route[:-1], 0.3, 0.0)]
    listed = _listed(writer, means)
    ends = (
        f"{place} is where you [should|have to|need to] [stop|wait], and you get there by {listed}",
        f"you [should|will] end up {place} by {listed}",
        f"by {listed}, you [should|will] [get to|come to|reach] your goal {place}",
    )
    return join([writer.fill(pick(writer.rng, ends))])


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style("plain", _plain, passes=1, detail=0.5),
        Style("landmarks", _landmarks, passes=3, detail=0.8),
        Style("terse", _terse, passes=0, detail=0.4),
        Style("goal first", _goal_first, passes=1, detail=0.5),
        Style("chatty", _chatty, passes=2, detail=0.6),
        Style("sequence", _sequence, passes=1, detail=0.5),
        Style("numbered", _numbered, passes=1, detail=0.5),
        Style("backwards", _backwards, passes=1, detail=0.5),
    )
}
HELD_OUT = "backwards"
"""The style that only unseen houses have."""
