"""The error for an unknown name suggests the nearest known one."""

import pytest

from vln.errors import guess, unknown_name

SPLITS = ("train", "val_seen", "val_unseen")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("val_unsen", "val_unseen"), ("valseen", "val_seen"), ("trian", "train"), ("TRAIN", "train"), ("xyzzy", None)],
)
def test_the_nearest_name_is_asked_for(typo, meant):
    asked = f" (did you mean '{meant}'?)" if meant else ""
    assert guess(typo, SPLITS) == asked
    assert str(unknown_name("--split", typo, SPLITS)) == (
        f"--split: '{typo}' is not known; use one of train, val_seen, val_unseen{asked}."
    )


def test_the_problem_and_the_kind_are_told():
    told = str(unknown_name("R2R_val.json", "val", SPLITS, "split '{}' of 'r2r' is missing", "the splits"))
    assert told.startswith("R2R_val.json: split 'val' of 'r2r' is missing; use one of the splits train, val_seen")
