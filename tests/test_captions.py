"""Scores of generated captions, and their formatting as text."""

import pytest

from vln.captions import caption_scores, readable
from vln.errors import InputError

WALK = "Walk past the couch and stop at the bed."


def test_a_caption_that_is_one_of_the_references_scores_full():
    for references in ([WALK], [WALK, "Turn left."], ["Turn left.", "Go on.", WALK.upper()]):
        assert caption_scores([WALK], [references]) == pytest.approx({"BLEU": 100, "chrF": 100})


def test_bleu_by_hand():
    # 3 of 4 words, 2 of 3 pairs, 1 of 2 triples, and no run of four: smoothed to 1 / (2 * 1).
    found = caption_scores(["a b c d"], [["a b c e"]])
    assert found["BLEU"] == pytest.approx(100 * (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25)


def test_the_number_of_references_may_differ():
    found = caption_scores([WALK, WALK], [[WALK, "Turn left.", "Go."], [WALK]])
    assert found["BLEU"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("captions", "references", "told"),
    [
        ([], [], "there are 0"),
        (["a"], [], "1 for 0 trajectories"),
        (["a", " "], [["a"], ["b"]], "caption 1 is empty"),
        (["a"], [[]], "caption 0 has none"),
    ],
)
def test_captions_that_cannot_be_scored_are_told_of(captions, references, told):
    with pytest.raises(InputError, match=told):
        caption_scores(captions, references)


def test_captions_are_written_as_people_do():
    assert (
        readable("go left , then stop . wait by the person ' s bed .")
        == "Go left, then stop. Wait by the person's bed."
    )
