"""The ways people write instructions: seven that training shows, and one that only unseen houses do."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vln.instructions.clauses import Route
from vln.instructions.patterns import APPROACH, PLACES, TERSE
from vln.instructions.phrases import Phrase, Speaker, gerund, imperative, without_repetition
from vln.instructions.words import pick

AFTER = 0.3  # how often one of two things to do is told as what comes before the other


@dataclass(frozen=True)
class Style:
    """A way of writing.

    Attributes:
        name: What it is called.
        write: From the person and the clauses to the text.
        passes: Most landmarks beside the way that it names.
        detail: How likely it names each thing it could leave out.
    """

    name: str
    write: Callable[[Speaker, Route], str]
    passes: int
    detail: float


def tell(route: Route, style: Style, rng: random.Random) -> str:
    """An instruction that says every clause of a route.

    Args:
        route: The clauses, in the order of walking; the last is the goal.
        style: How to say them.
        rng: Makes the choices.
    """
    return style.write(Speaker(rng), route)


def join(sentences: Sequence[str]) -> str:
    """Sentences with capital letters and full stops, each of them without."""
    return " ".join(
        f"{text[0].upper()}{text[1:]}." for text in (re.sub(r"\s+", " ", part).strip() for part in sentences)
    )


def _orders(speaker: Speaker, route: Route, pairing: float, opening: float) -> list[Phrase]:
    """The route as things to do; a goal without a way is something to go to."""
    if len(route) == 1 or all(clause.form == "pass" for clause in route[:-1]):
        before = speaker.phrases(route[:-1])
        return [*before, Phrase(speaker.say(APPROACH, route[-1]))]
    return speaker.phrases(route, pairing, opening)


def _group(speaker: Speaker, phrases: Sequence[Phrase], most: int) -> list[str]:
    """The phrases as sentences of up to `most` of them."""
    sentences: list[str] = []
    position = 0
    while position < len(phrases):
        size = 1 + int(speaker.rng.random() * most)
        group = [phrases[position]]
        for phrase in phrases[position + 1 : position + size]:
            if phrase.opened:
                break
            group.append(phrase)
        sentences.append(_sentence(speaker, group))
        position += len(group)
    return sentences


def _sentence(speaker: Speaker, group: Sequence[Phrase]) -> str:
    """Things to do as one sentence."""
    if len(group) == 2 and not group[0].opened and speaker.rng.random() < AFTER:
        return f"after {gerund(group[0].text)}, {imperative(group[1].text)}"
    return _listed(speaker, [imperative(phrase.text) for phrase in group])


def _listed(speaker: Speaker, parts: list[str]) -> str:
    """One, two and three."""
    if len(parts) == 1:
        return parts[0]
    last = speaker.fill("[ and|, then| and then|, and|, and then]")
    return ", ".join(parts[:-1]) + f"{last} {parts[-1]}"


def _plain(speaker: Speaker, route: Route) -> str:
    sentences = _group(speaker, _orders(speaker, route, pairing=0.5, opening=0.25), most=3)
    openers = "[||||then |next, |now |from there, |after that, ]"
    return join([sentences[0], *(speaker.fill(openers) + sentence for sentence in sentences[1:])])


def _landmarks(speaker: Speaker, route: Route) -> str:
    return join(_group(speaker, _orders(speaker, route, pairing=0.2, opening=0.6), most=2))


def _terse(speaker: Speaker, route: Route) -> str:
    parts = [speaker.say(TERSE, clause) for clause in without_repetition(route)]
    if speaker.rng.random() < 0.4:
        parts = [re.sub(r"\b(the|your) (?!(left|right|end|middle)\b)", "", part) for part in parts]
    mark = pick(speaker.rng, (", ", ", ", ". "))
    if mark == ". ":
        return join(parts)
    return join([", ".join(parts)])


def _goal_first(speaker: Speaker, route: Route) -> str:
    place = speaker.say(PLACES, route[-1])
    heads = [f"[you should end up|your goal is to stop|please go and wait] {place}"]
    if goal := speaker.goal(route[-1]):
        heads += [
            f"[your goal is|you are looking for|find|look for|go to|the goal is] {goal}",
            f"[go to|find] {goal} and stop there",
        ]
    head = speaker.fill(pick(speaker.rng, heads))
    if len(route) == 1:
        return join([head])
    orders = _group(speaker, speaker.phrases(route[:-1], 0.5, 0.2), most=3)
    orders[0] = speaker.fill("[to get there, |||first, |from where you are, ]") + orders[0]
    return join([head, *orders])


def _chatty(speaker: Speaker, route: Route) -> str:
    ends = (
        "you are there when you are {0}",
        "then you just have to stop {0}",
        "please stop {0}",
        "you can stop when you are {0}",
        "stop {0} and you are done",
    )
    end = pick(speaker.rng, ends).format(speaker.say(PLACES, route[-1]))
    if len(route) == 1:
        return join([speaker.fill(f"[okay, |so, |]{end.removeprefix('then ')}")])
    phrases = speaker.phrases(route[:-1], 0.4, 0.0)
    if speaker.rng.random() < 0.3:
        sentences = [speaker.fill("[okay, |so, |]start by ") + gerund(phrases[0].text)]
    else:
        begin = speaker.fill("[okay, |so, |][you want to|you need to|you have to|please] ")
        sentences = [begin + imperative(phrases[0].text)]
    links = ["then you", "now you", "after that you", "and then you", "next you will", "from there you"]
    for phrase in phrases[1:]:
        link = pick(speaker.rng, links)
        links = [other for other in links if other != link] or links
        sentences.append(f"{link} {imperative(phrase.text)}")
    return join([*sentences, end])


def _sequence(speaker: Speaker, route: Route) -> str:
    sentences = _group(speaker, _orders(speaker, route, pairing=0.5, opening=0.0), most=2)
    if len(sentences) == 1:
        return join(sentences)
    middle = [f"{pick(speaker.rng, ('then', 'next,', 'after that,', 'now'))} {text}" for text in sentences[1:-1]]
    return join(
        [f"first, {sentences[0]}", *middle, speaker.fill("[finally|at last|last|in the end], ") + sentences[-1]]
    )


def _numbered(speaker: Speaker, route: Route) -> str:
    sentences = _group(speaker, _orders(speaker, route, pairing=0.4, opening=0.1), most=1)
    if len(sentences) == 1:
        return join(sentences)
    return " ".join(f"{number}. {join([text])}" for number, text in enumerate(sentences, start=1))


def _backwards(speaker: Speaker, route: Route) -> str:
    """The goal first, and then how one gets there in one breath."""
    place = speaker.say(PLACES, route[-1])
    if len(route) == 1:
        return join([speaker.fill(f"{place} is where you [should|have to|need to] [stop|wait|end up]")])
    means = [gerund(phrase.text) for phrase in speaker.phrases(route[:-1], 0.3, 0.0)]
    way = _listed(speaker, means)
    ends = (
        f"{place} is where you [should|have to|need to] [stop|wait], and you get there by {way}",
        f"you [should|will] end up {place} by {way}",
        f"by {way}, you [should|will] [get to|come to|reach] your goal {place}",
    )
    return join([speaker.fill(pick(speaker.rng, ends))])


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
"""The style that only unseen houses show."""
