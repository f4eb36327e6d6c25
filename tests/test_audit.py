"""Ablations of instructions, and the sentences that describe their effect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import episode

from vln.audit import (
    Ablation,
    describe_ablations,
    format_points,
    mask_word_class,
    shuffle_instructions,
    subset,
    unknown_word_maker,
)
from vln.errors import InputError
from vln.language import UNK, Vocabulary
from vln.statistics import Interval

PATHS = ("abc", "bcd", "cde", "edc")


def told(counts: list[int]):
    """Episodes of several paths, some instructions each, all different."""
    found = []
    for way, count in enumerate(counts):
        for number in range(count):
            one = episode(PATHS[way], episode_id=f"{way}_{number}")
            found.append(type(one)(one.episode_id, one.scan, one.split, f"Go {way} {number}.", one.path, one.heading))
    return found


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(0, 9))
def test_shuffling_gives_everybody_an_instruction_of_one_other_way(counts, seed):
    episodes = told(counts)
    taken = {}
    for before, after in zip(episodes, shuffle_instructions(episodes, seed), strict=True):
        assert (after.episode_id, after.path) == (before.episode_id, before.path)
        source = after.instruction.split()[1]
        assert source != before.instruction.split()[1]
        taken.setdefault(before.path_key, set()).add(source)
    assert all(len(sources) == 1 for sources in taken.values())
    assert len(set.union(*taken.values())) == len(counts)  # every path gives its instructions to another


def test_nothing_to_shuffle_is_named():
    with pytest.raises(InputError, match="all are of one path"):
        shuffle_instructions(told([3]))


def test_masked_words_are_unknown_and_all_else_is_read_as_before():
    vocabulary = Vocabulary.build(["turn left at the red sofa . _"] * 5)
    (one,) = mask_word_class([episode("abc")], "turn", vocabulary)
    assert one.instruction == "Go."
    sentence = type(one)("1_0", "corridor", "made", "Turn left at the red sofa.", one.path, 0.0)
    (hidden,) = mask_word_class([sentence], "landmark", vocabulary)
    assert hidden.instruction == "Turn left at the red ~."  # the vocabulary has a use for _
    before, after = (vocabulary.encode(each.instruction, 20).tolist() for each in (sentence, hidden))
    changed = [place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert [after[place] for place in changed] == [UNK]


def test_characters_are_masked_one_by_one():
    vocabulary = Vocabulary.build(["turn left at the red sofa."] * 5, unit="character")
    assert unknown_word_maker(vocabulary)("sofa") == "____"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 5))
def test_a_subset_is_of_whole_paths(counts, count, seed):
    episodes = told(counts)
    chosen = subset(episodes, count, seed)
    assert chosen == sorted(set(chosen))
    assert len(chosen) >= min(count, len(episodes)) if count else len(chosen) == len(episodes)
    paths = {episodes[number].path_key for number in chosen}
    assert len(chosen) == sum(each.path_key in paths for each in episodes)
    assert len(chosen) < count + max(counts) or not count


def test_the_verdict_claims_what_the_intervals_show_and_nothing_more():
    seeing, reading = (
        Ablation("what it sees", Interval(-0.5, -0.6, -0.4)),
        Ablation("what it reads", Interval(-0.3, -0.35, -0.2)),
    )
    numbers, colours = (
        Ablation("numbers", Interval(-0.01, -0.03, 0.01)),
        Ablation("colours", Interval(0.05, 0.01, 0.09)),
    )
    assert describe_ablations([reading, seeing]) == (
        "It uses what it sees (-50.0 points, -60.0 to -40.0) and what it reads (-30.0 points, -35.0 to -20.0)."
    )
    assert describe_ablations([numbers, reading, colours], "Of the words it") == (
        "Of the words it uses what it reads (-30.0 points, -35.0 to -20.0). "
        "Nothing shows that it uses numbers (-1.0 points, -3.0 to +1.0). "
        "It does better without colours (+5.0 points, +1.0 to +9.0)."
    )
    assert describe_ablations([numbers]) == "Nothing shows that it uses numbers (-1.0 points, -3.0 to +1.0)."
    assert describe_ablations([]) == ""


def test_points_of_an_interval():
    assert format_points(Interval(0.125, -0.5, 1.0)) == "+12.5 points, -50.0 to +100.0"
