"""The settings of a run: recorded, restored by `--resume` alone, and protected from contradiction."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import entry_point

from agents.presets import PRESETS, SPEAKERS
from agents.training.checkpoint import LATEST
from agents.training.settings import read_settings, resumed_settings, save_settings
from vln.configuration import as_json
from vln.errors import InputError

language, train, train_speaker = map(entry_point, ("language", "train", "train_speaker"))


@pytest.fixture
def command(monkeypatch):
    """What train.py makes of flags."""

    def command(*flags: object) -> train.Arguments:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, flags)])
        return read_settings(train.Arguments, PRESETS)

    return command


@pytest.fixture
def begun(command, tmp_path) -> train.Arguments:
    """The settings of a run of which there is a checkpoint."""
    (tmp_path / "critic").mkdir()
    flags = ("--batch-size", 12, "--critic", tmp_path / "critic", "--workers", 2, "--augment", tmp_path / "a.json")
    settings = command("r2r-sil", "--out", tmp_path / "run", *flags, "--skip-bad", "--threads", 1)
    (tmp_path / "a.json").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LATEST).touch()
    save_settings(settings)
    return settings


def test_the_record_is_the_configuration_and_what_else_was_said(begun):
    values = json.loads((begun.out / "config.json").read_text())
    assert values.pop("arguments") == {
        "data": None,
        "start_from": None,
        "augment": [str(begun.augment[0])],
        "critic": str(begun.critic),
        "device": "cpu",
        "habitat_python": None,
        "skip_bad": True,
        "threads": 1,
        "workers": 2,
        "log": ["tensorboard"],
        "preset": "r2r-sil",
        "imports": [],
    }
    assert values == as_json(begun.config)


SAME = ("--reward", "progress", "--policy", "navigator", "--phase", "self_imitation=self_imitation")


@pytest.mark.parametrize("again", [(), ("--batch-size", "12"), ("--workers", "2", "--skip-bad"), SAME], ids=str)
@pytest.mark.parametrize("preset", [(), ("r2r-sil",)], ids=str)
def test_resume_alone_takes_everything_from_the_run(begun, command, preset, again):
    assert command(*preset, "--resume", "--out", begun.out, *again) == replace(begun, resume=True)
    assert command(*preset, f"--out={begun.out}", *again, "--resume") == replace(begun, resume=True)


def test_the_usual_folder_is_resumed_where_none_is_given(begun, command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    begun.out.rename(tmp_path / "runs" / "latest")
    assert command("--resume") == replace(begun, resume=True, out=Path("runs/latest"))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--batch-size", 13), "--batch-size: the run has 12, not 13; leave it out, or start another run."),
        (("--self-imitation.loss.student", 0.5), "--self-imitation.loss.student: the run has 1.0, not 0.5; leave it"),
        (("--reward", "ndtw"), "--reward: the run has 'progress', not 'ndtw'; leave it out, or start another run."),
        (("--policy", "transformer"), "--policy: the run has 'navigator', not 'transformer'; leave it out"),
        (("--phase", "self_imitation=ppo"), "--phase self-imitation: the run has 'self_imitation', not 'ppo'; leave"),
        (("--phase", "more=ppo"), "--phase more: the run has None, not 'ppo'; leave it out"),
        (("--workers", 3), "--workers: the run has 2, not 3; leave it out, or start another run."),
        (("--no-skip-bad",), "--skip-bad: the run has True, not False; leave it out"),
        (("--critic", "other"), "--critic: the run has '{folder}/critic', not '{here}/other'; leave it out"),
        (("--augment", "a", "b"), "--augment: the run has ['{folder}/a.json'], not ['{here}/a', '{here}/b']; leave it"),
    ],
)
def test_a_setting_that_is_given_again_must_agree(begun, command, tmp_path, flags, told):
    with pytest.raises(InputError) as refused:
        command("--resume", "--out", begun.out, *flags)
    assert str(refused.value).startswith(told.format(folder=tmp_path, here=Path.cwd()))


def test_another_preset_is_refused(begun, command):
    with pytest.raises(InputError, match="houses: the run was started with the preset 'r2r-sil'; leave it out, or"):
        command("houses", "--resume", "--out", begun.out)


def test_places_and_devices_may_change_and_what_has_moved_be_given_anew(begun, command, tmp_path):
    flags = ("--data", tmp_path, "--device", "cuda", "--threads", 3, "--habitat-python", "python3.9")
    found = command("--resume", "--out", begun.out, *flags)
    assert (found.data, found.device, found.threads, found.habitat_python) == (tmp_path, "cuda", 3, Path("python3.9"))
    begun.critic.rename(tmp_path / "moved")
    assert command("--resume", "--out", begun.out, "--critic", tmp_path / "moved").critic == tmp_path / "moved"


def test_a_run_of_a_version_that_recorded_less_is_resumed(begun, command):
    values = json.loads((begun.out / "config.json").read_text())
    del values["arguments"]
    (begun.out / "config.json").write_text(json.dumps(values))
    assert command("--resume", "--out", begun.out) == train.Arguments(begun.config, begun.out, resume=True)
    whole = command("r2r-sil", "--resume", "--out", begun.out, "--batch-size", 12, "--workers", 2)
    assert (whole.config, whole.workers) == (begun.config, 2)  # as it was then: everything is said again
    (begun.out / "config.json").unlink()
    assert command("r2r-sil", "--resume", "--out", begun.out).resume


def test_a_record_that_is_damaged_or_missing_is_told(begun, command, tmp_path):
    for damage in ({"workers": "two"}, {"speed": 3}, ["r2r-sil"]):
        values = json.loads((begun.out / "config.json").read_text())
        (begun.out / "config.json").write_text(json.dumps({**values, "arguments": damage}))
        with pytest.raises(
            InputError, match="config.json: field 'arguments' is damaged .*; give a preset and its flags"
        ):
            command("--resume", "--out", begun.out)
    with pytest.raises(InputError, match=f"there is no {LATEST} to resume from; train without --resume, or correct"):
        command("--resume", "--out", tmp_path / "none")
    with pytest.raises(SystemExit):
        command("--resume", "--out", begun.out, "--help")


def test_speakers_and_language_models_do_the_same(monkeypatch, tmp_path):
    (tmp_path / LATEST).touch()
    monkeypatch.setattr(sys, "argv", ["", "r2r-speaker", "--out", str(tmp_path), "--iterations", "3"])
    begun = read_settings(train_speaker.Arguments, SPEAKERS)
    save_settings(begun)
    monkeypatch.setattr(sys, "argv", ["", "--out", str(tmp_path), "--resume"])
    assert read_settings(train_speaker.Arguments, SPEAKERS) == replace(begun, resume=True)
    model = language.Arguments(out=tmp_path, full=True, prime="go")
    save_settings(model)
    flags = ["--resume", "--out", str(tmp_path)]
    assert resumed_settings(language.Arguments, flags) == replace(model, resume=True)
    with pytest.raises(InputError, match="--prime: the run has 'go', not 'stop'"):
        resumed_settings(language.Arguments, [*flags, "--prime", "stop"])
