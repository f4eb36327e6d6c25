"""Episodes in the Room-to-Room format (Anderson et al. 2018, section 3): R2R, R4R and Fine-Grained R2R."""

import ast
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, convert

from vln.data import split_file
from vln.errors import InputError, guess
from vln.files import read_json
from vln.graph import NavigationGraph
from vln.schema import Name, NonBlank, Radians, Whole

REFETCH = "correct the entry or fetch the file again"
REAL = -1  # number of the unaltered environment
MAX_ENVIRONMENT = 2**31 - 2  # largest number of an altered environment

KnownPart = Literal["start", "goal", "way"]
"""The part of an episode that its data set publishes: the start; the start and the goal; or the whole path ("way")."""


class HasId(Protocol):
    """An episode, or what was done in one."""

    @property
    def episode_id(self) -> str:
        """Id of the episode."""


Identified = TypeVar("Identified", bound=HasId)


@dataclass(frozen=True, slots=True)
class SubInstruction:
    """A clause of an instruction and the part of the path that it describes (Fine-Grained R2R, Hong et al. 2020)."""

    words: tuple[str, ...]  # words of the clause, tokenised and lemmatised by the authors of the data set
    start: int  # index of the clause's first viewpoint in the episode's path, from 0
    end: int  # index of the clause's last viewpoint, inclusive


@dataclass(frozen=True, slots=True)
class Episode:
    """One instruction to follow from one start pose."""

    episode_id: str  # `<path_id>_<index of the instruction>`, the `instr_id` of the R2R evaluator
    scan: str
    split: str  # name of the split that the episode came from
    instruction: str
    # Viewpoints of the demonstration, from the start. Holds the start alone if the goal is withheld (test) or if the
    # start is the goal. Empty in a continuous world.
    path: tuple[str, ...]
    # Initial heading in radians, in the world's frame: clockwise from +y on graphs, counter-clockwise from -z in
    # continuous worlds
    heading: float
    sub_instructions: tuple[SubInstruction, ...] = ()  # clauses aligned to the path; empty if the data set has none
    # Counterpart of `path` in a continuous world: positions of the feet in metres, x, y, z with y up
    positions: tuple[tuple[float, float, float], ...] = ()
    target: str = ""  # description of the goal for people ("red sofa"); empty if the data set has none
    # Number of the altered environment, in which some view features are hidden (Tan et al. 2019, section 3.4), that the
    # instruction was generated for; -1 for the real one.
    environment: int = REAL
    # Published part of the episode. None stands for "start" if the path is one place, and for "way" otherwise. For
    # "goal" the path is the start and the goal, which is no demonstration.
    known: KnownPart | None = None
    task: str = ""  # name of its task, where it is not the one that is evaluated but another one of a mixture

    @property
    def withheld(self) -> bool:
        """Whether the goal is withheld, on a graph or in a continuous world."""
        return goal_withheld(self.known, self.path or self.positions)

    @property
    def has_demonstration(self) -> bool:
        """Whether the whole path is published, not only its end."""
        return not self.withheld and self.known != "goal"

    @property
    def path_key(self) -> Hashable:
        """A key that the instructions of one path share. Their successes are correlated, so statistics group by it."""
        return self.scan, self.path, self.positions

    def without_goal(self) -> "Episode":
        """Return the episode with the same instruction and start, but with nothing that gives the goal away."""
        start, place = self.path[:1], self.positions[:1]
        return replace(self, path=start, positions=place, sub_instructions=(), target="", known="start")

    @property
    def start(self) -> str:
        """The viewpoint the episode starts at."""
        return self.path[0]

    @property
    def goal(self) -> str | None:
        """The last viewpoint of the demonstration, or None if it is withheld."""
        return None if self.withheld else self.path[-1]


def goal_withheld(known: KnownPart | None, places: Sequence[object]) -> bool:
    """Whether the goal of a path through the given places is withheld; see `Episode.known`."""
    return known == "start" if known else len(places) < 2


_Clauses = tuple[tuple[Annotated[tuple[NonBlank, ...], Meta(min_length=1)], ...], ...]


class _Entry(Struct):
    """An entry of a file in R2R format: a path and its instructions."""

    scan: Name
    path: Annotated[tuple[NonBlank, ...], Meta(min_length=1)]
    heading: Radians
    instructions: Annotated[tuple[NonBlank, ...], Meta(min_length=1)]
    path_id: Whole | str | UnsetType = UNSET
    distance: object = UNSET
    environment: Annotated[int, Meta(ge=REAL, le=MAX_ENVIRONMENT)] = REAL
    new_instructions: str | _Clauses | UnsetType = UNSET
    chunk_view: tuple[tuple[tuple[Whole, Whole], ...], ...] = ()


def load_split(data: Path, split: str, dataset: str = "r2r") -> list[Episode]:
    """Load the episodes of a split in file order, so that the instructions of a path are neighbours."""
    return load_episodes(split_file(data, dataset, split), split)


def load_episodes(path: Path, split: str) -> list[Episode]:
    """Load the episodes of a file in R2R format, one for each instruction."""
    entries = read_json(path, list[_Entry], REFETCH)
    episodes = [episode for number, entry in enumerate(entries) for episode in _parse(path, split, number, entry)]
    if not all(episode.withheld for episode in episodes):
        _check_goals(path, entries)
        episodes = [replace(each, known="way") if each.withheld else each for each in episodes]
    seen: set[str] = set()
    for episode in episodes:
        if episode.episode_id in seen:
            raise InputError(path, f"instr_id '{episode.episode_id}' occurs twice", "give every path its own path_id")
        seen.add(episode.episode_id)
    return episodes


def _check_goals(source: Path, entries: Sequence[_Entry]) -> None:
    """Check that every entry has a goal.

    An entry whose path is one viewpoint needs the field `distance` if any other entry has it.
    """
    if all(entry.distance is UNSET for entry in entries):
        return
    for number, entry in enumerate(entries):
        if len(entry.path) == 1 and entry.distance is UNSET:
            path_id = number if entry.path_id is UNSET else entry.path_id
            problem = f"entry {number} (path_id {path_id}) has no goal, though others have one"
            fix = "take it out, or give it field 'distance' if it ends where it starts"
            raise InputError(source, problem, fix)


def select_ids(source: object, known: Iterable[Identified], wanted: Sequence[str]) -> list[Identified]:
    """Return what has the episode ids `wanted`, in their order; everything if no id is given."""
    by_id = {each.episode_id: each for each in known}
    for name in wanted:
        if name not in by_id:
            fix = f"use its ids, such as {', '.join([*by_id][:3])}{guess(name, by_id)}"
            raise InputError(source, f"has no episode '{name}'", fix)
    if not by_id:
        raise InputError(source, "has no episodes", "give a file of trajectories")
    return [by_id[name] for name in wanted or by_id]


def check_episodes(source: Path, episodes: Iterable[Episode], graphs: Mapping[str, NavigationGraph]) -> None:
    """Check that every path runs along edges of its building's navigation graph."""
    for episode in episodes:
        where = f"episode '{episode.episode_id}'"
        if episode.scan not in graphs:
            raise InputError(source, f"field 'scan' of {where} is the unknown scan '{episode.scan}'", REFETCH)
        graph = graphs[episode.scan]
        step = graph.first_break(episode.path)
        if step is not None:
            problem = f"field 'path' of {where} breaks at step {step}: {graph.explain(episode.path, step)}"
            raise InputError(source, problem, REFETCH)


def check_instructions(episodes: Iterable[Episode]) -> None:
    """Check that no instruction is empty."""
    for episode in episodes:
        if not episode.instruction.strip():
            raise InputError(f"episode '{episode.episode_id}'", "its instruction is empty", "give it a sentence")


def _parse(source: Path, split: str, number: int, entry: _Entry) -> list[Episode]:
    """Build the episodes of one entry of an R2R file."""
    # R4R as published joins two R2R paths and has no 'path_id' of its own in some releases.
    path_id = number if entry.path_id is UNSET else entry.path_id
    clauses = _sub_instructions(source, number, entry)
    return [
        Episode(
            f"{path_id}_{index}",
            entry.scan,
            split,
            text,
            entry.path,
            entry.heading,
            clauses[index],
            environment=entry.environment,
        )
        for index, text in enumerate(entry.instructions)
    ]


def _sub_instructions(source: Path, number: int, entry: _Entry) -> list[tuple[SubInstruction, ...]]:
    """Return Fine-Grained R2R's clauses of each instruction; empty tuples if the entry has none."""
    if entry.new_instructions is UNSET:
        return [()] * len(entry.instructions)
    try:
        clauses = [
            tuple(_sub_instruction(words, span, len(entry.path)) for words, span in zip(text, spans, strict=True))
            for text, spans in zip(_clauses(entry.new_instructions), entry.chunk_view, strict=True)
        ]
        if len(clauses) > len(entry.instructions):
            raise ValueError
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        problem = f"fields 'new_instructions' and 'chunk_view' of entry {number} do not align with its path"
        raise InputError(source, problem, REFETCH) from None
    # A path of val_seen has a fourth instruction that was never annotated.
    return clauses + [()] * (len(entry.instructions) - len(clauses))


def _clauses(field: str | _Clauses) -> _Clauses:
    """Return the words by instruction and clause; the published files hold them as a Python literal in a string."""
    return convert(ast.literal_eval(field), _Clauses) if isinstance(field, str) else field


def _sub_instruction(words: tuple[str, ...], span: tuple[int, int], path_length: int) -> SubInstruction:
    first, last = span
    if not 1 <= first <= last <= path_length:
        raise ValueError
    # The published spans count viewpoints from 1.
    return SubInstruction(words, first - 1, last - 1)
