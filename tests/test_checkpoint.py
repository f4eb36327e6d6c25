"""Checkpoints and configurations: they load as written, and errors name the bad field."""

import json
from dataclasses import replace

import pytest
import torch
from learners import episodes, small_config
from safetensors.torch import save_file
from torch import nn

from agents.config import LossConfig, TrainConfig, check_config
from agents.presets import PRESETS
from agents.training.checkpoint import (
    FORMAT,
    Checkpoint,
    Fingerprint,
    check_fingerprint,
    load_checkpoint,
    load_model,
    load_optimizer,
    optimizer_tensors,
    run_checkpoint,
    save_checkpoint,
)
from vln.configuration import as_json, first_difference, from_json
from vln.errors import InputError
from vln.tasks import R2R

STATE = {"iteration": 3, "seconds": 1.5, "best": 0.1 + 0.2, "config": {}, "fingerprint": {"features": "0f"}}


def saved(path, **parts):
    save_checkpoint(path, parts or {"model": {"a.weight": torch.arange(6.0).view(2, 3)}}, STATE)
    return path


# --- files ---


def test_a_checkpoint_comes_back_as_written(tmp_path):
    model = {"a.weight": torch.randn(2, 3), "b": torch.tensor(-0.0)}
    found = load_checkpoint(saved(tmp_path / "c.safetensors", model=model, random={"cpu": torch.get_rng_state()}))
    assert found.state == STATE
    assert found.part("model").keys() == model.keys()
    assert all(torch.equal(value, model[name]) for name, value in found.part("model").items())
    assert torch.equal(found.part("random")["cpu"], torch.get_rng_state())
    assert found.part("mode") == {}


def test_strided_tensors_and_gradients_can_be_saved(tmp_path):
    turned = torch.arange(6.0, requires_grad=True).view(2, 3).T
    path = saved(tmp_path / "c.safetensors", model={"turned": turned})
    assert torch.equal(load_checkpoint(path).part("model")["turned"], turned)


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"c\.safetensors: there is no checkpoint; train first, or correct the path"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_every_truncation_is_an_error_that_names_the_file(tmp_path):
    path = saved(tmp_path / "c.safetensors")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"c\.safetensors: is truncated or damaged .*; use another"):
            load_checkpoint(path)


def test_foreign_tensors_and_pickles_are_no_checkpoints(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match=f"field 'format' is not '{FORMAT}'"):
        load_checkpoint(tmp_path / "foreign.safetensors")
    torch.save({"weight": torch.ones(2)}, tmp_path / "pickle.safetensors")
    with pytest.raises(InputError, match="is truncated or damaged"):
        load_checkpoint(tmp_path / "pickle.safetensors")


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ([], "its state is malformed (expected an object, got a list)"),
        ({}, "its state lacks the field 'iteration'"),
        (
            STATE | {"iteration": "3"},
            "field 'iteration' of its state is malformed (expected a whole number, got a string)",
        ),
        (STATE | {"iteration": -1}, "field 'iteration' of its state is malformed (expected a whole number >= 0)"),
        (
            STATE | {"waiting": [{"loss": "a"}]},
            "field 'waiting[0][...]' of its state is malformed (expected a number, go",
        ),
        (STATE | {"config": None}, "field 'config' of its state is malformed (expected an object, got null)"),
    ],
)
def test_a_state_of_wrong_types_is_named(tmp_path, state, problem):
    save_checkpoint(tmp_path / "c.safetensors", {}, state)
    with pytest.raises(InputError) as caught:
        load_checkpoint(tmp_path / "c.safetensors")
    assert str(caught.value).startswith(f"{tmp_path / 'c.safetensors'}: {problem}")


@pytest.mark.parametrize("state", ["[" * 10**5, "1" * 5000, "{"])
def test_a_state_that_python_cannot_read_is_an_error(tmp_path, state):
    save_file({"a": torch.ones(1)}, tmp_path / "c.safetensors", {"format": FORMAT, "state": state})
    with pytest.raises(
        InputError, match=r"c\.safetensors: is (nested too deeply|truncated or damaged .*); use another"
    ):
        load_checkpoint(tmp_path / "c.safetensors")


def test_a_loss_that_is_not_a_number_waits_for_its_line(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", {}, STATE | {"waiting": [{"loss": float("nan")}]})
    assert str(load_checkpoint(tmp_path / "c.safetensors").state["waiting"]) == "[{'loss': nan}]"


def test_an_interrupted_save_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = saved(tmp_path / "c.safetensors")
    before = path.read_bytes()

    def cut(tensors, temporary, metadata):
        temporary.write_bytes(b"half of")
        raise KeyboardInterrupt

    monkeypatch.setattr("agents.training.checkpoint.save_file", cut)
    with pytest.raises(KeyboardInterrupt):
        saved(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- weights ---


def test_weights_of_another_architecture_are_named(tmp_path):
    small, wide = nn.Linear(2, 3), nn.Linear(2, 4)
    before = {name: value.clone() for name, value in wide.state_dict().items()}
    problem = r"c: tensor 'bias' has shape \(3,\), but the agent's has \(4,\): another architecture; use the config"
    with pytest.raises(InputError, match=problem):
        load_model(wide, small.state_dict(), "c")
    with pytest.raises(InputError, match=r"tensor 'extra' has shape \(1,\), but the agent's has none"):
        load_model(small, {**small.state_dict(), "extra": torch.ones(1)}, "c")
    with pytest.raises(InputError, match=r"tensor 'bias' has shape none, but the agent's has \(3,\)"):
        load_model(small, {"weight": small.weight}, "c")
    assert all(torch.equal(value, before[name]) for name, value in wide.state_dict().items())


def test_the_optimiser_goes_on_as_if_never_stopped():
    def steps(model, optimizer, count):
        for step in range(count):
            optimizer.zero_grad()
            (model(torch.ones(1, 2)).square().sum() * (step + 1)).backward()
            optimizer.step()

    torch.manual_seed(0)
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    first = torch.optim.Adam(one.parameters(), 0.1, fused=True)
    steps(one, first, 3)
    other.load_state_dict(one.state_dict())
    second = torch.optim.Adam(other.parameters(), 0.1, fused=True)
    load_optimizer(second, {name: value.clone() for name, value in optimizer_tensors(first).items()})
    steps(one, first, 2)
    steps(other, second, 2)
    assert torch.equal(one.weight, other.weight)
    kept, again = optimizer_tensors(first), optimizer_tensors(second)
    assert kept.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in kept.items())


# --- differences ---


def test_the_first_difference_is_named_by_its_path():
    one = {"a": 1, "b": {"c": [1, 2], "d": "x"}}
    assert first_difference(one, {"a": 1, "b": {"c": [1, 2], "d": "x"}}) is None
    assert str(first_difference(one, {"a": 1, "b": {"c": [1, 2], "d": "y"}})) == "field 'b.d' is 'x', not 'y'"
    assert str(first_difference(one, {"a": 1, "b": {"c": [1], "d": "y"}})) == "field 'b.c' is [1, 2], not [1]"
    assert str(first_difference(one, {"a": 1})) == "field 'b' is {'c': [1, 2], 'd': 'x'}, not None"


@pytest.mark.parametrize(
    ("changed", "field"), [({"vocabulary": "other"}, "vocabulary"), ({"features": "f"}, "features")]
)
def test_other_data_are_named(changed, field):
    mine = Fingerprint("v", "")
    checkpoint = Checkpoint({}, {"fingerprint": as_json(mine)}, "c")
    check_fingerprint(checkpoint, mine)
    with pytest.raises(InputError, match=f"c: hash field '{field}' is .*; use the data the checkpoint was trained on"):
        check_fingerprint(checkpoint, replace(mine, **changed))


# --- configurations ---


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_sound_and_come_back_from_json(preset):
    config = preset()
    check_config(config)
    assert from_json(TrainConfig, json.loads(json.dumps(as_json(config))), "c") == config
    assert "python scripts/train.py" in preset.__doc__


def test_an_unknown_or_missing_field_is_named_by_its_path():
    values = as_json(small_config())
    values["phases"]["imitation"]["loss"]["speed"] = 1
    problem = r"c: configuration field 'phases\.imitation\.loss\.speed' is unknown; use the version"
    with pytest.raises(InputError, match=problem):
        from_json(TrainConfig, values, "c")
    values["phases"]["imitation"] = {"iterations": 3}
    with pytest.raises(InputError, match=r"configuration field 'phases\.imitation\.learner' is missing"):
        from_json(TrainConfig, values, "c")
    values["phases"]["imitation"] = {"learner": "dager"}
    with pytest.raises(InputError, match=r"learner: 'dager' is not known.*did you mean 'dagger'"):
        from_json(TrainConfig, values, "c")
    values = as_json(TrainConfig())
    del values["language"]["cell"]
    with pytest.raises(InputError, match=r"configuration field 'language\.cell' is missing"):
        from_json(TrainConfig, values, "c")
    with pytest.raises(InputError, match=r"configuration field 'language' is NoneType, not an object"):
        from_json(TrainConfig, {**values, "language": None}, "c")


def test_only_the_phases_that_are_named_stop_learning():
    config = small_config(reinforcement=episodes(3, 1e-3, 0.5))
    lengths = {name: phase.iterations for name, phase in config.phases.items()}
    assert {name: phase.iterations for name, phase in config.without_learning().phases.items()} == lengths
    stopped = config.without_learning("imitation")
    assert {name: phase.iterations for name, phase in stopped.phases.items()} == {**lengths, "imitation": 0}
    assert lengths["imitation"] > 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 0}, "--batch-size: 0 is out of range; give a whole number of at least 1"),
        ({"evaluate_every": -1}, "--evaluate-every: -1 is out of range; give a whole number of at least 1"),
        ({"seed": -1}, "--seed: -1 is out of range; give a whole number of at least 0"),
        ({"average": 1.5}, "--average: 1.5 is out of range; give a share from 0 to 1"),
        ({"gradient_clip": float("nan")}, "--gradient-clip: nan is out of range; give a finite number of at least 0"),
        ({"imitation": episodes(5, -1.0, 0.5)}, "--imitation.learning-rate: -1.0 is out of range; .* at least 0"),
        (
            {"imitation": episodes(5, 1.0, 2.0)},
            "--imitation.expert-fraction: 2.0 is out of range; .* share from 0 to 1",
        ),
        (
            {"imitation": episodes(5, 1.0, 0.5, LossConfig(value=float("inf")))},
            "--imitation.loss.value: inf is out of range; give a finite number of at least 0",
        ),
        (
            {"imitation": episodes(5, 1.0, 0.5, LossConfig(auxiliary={"progress": -1.0}))},
            "--imitation.loss.auxiliary.progress: -1.0 is out of range",
        ),
        (
            {"policy": replace(TrainConfig().navigator, dropout=1.0)},
            "--policy.dropout: 1.0 is out of range; give a share from 0 to below 1",
        ),
        (
            {"task": replace(R2R, reward=replace(R2R.reward, failure=-float("inf")))},
            "--task.reward.failure: -inf is out of range; give a finite number",
        ),
    ],
)
def test_a_number_out_of_range_is_named_by_its_flag(changed, message):
    with pytest.raises(InputError, match=message):
        check_config(small_config(**changed))


def test_files_older_than_a_field_have_its_default():
    values = as_json(small_config())
    del values["policy"]["camera"]["precision"]
    assert from_json(TrainConfig, values, "c") == small_config()


def test_a_checkpoint_of_an_older_format_says_what_reads_it(tmp_path):
    save_file({"model.a": torch.zeros(1)}, tmp_path / "old.safetensors", {"format": "vln-checkpoint-1", "state": "{}"})
    with pytest.raises(InputError, match=r"old.safetensors: is of the older format 'vln-checkpoint-1'; .*7960839"):
        load_checkpoint(tmp_path / "old.safetensors")


def test_a_run_without_a_best_checkpoint_has_its_latest(tmp_path):
    assert run_checkpoint(tmp_path) == tmp_path / "best.safetensors"  # neither is there: the error names this one
    (tmp_path / "latest.safetensors").touch()
    assert run_checkpoint(tmp_path) == run_checkpoint(tmp_path, "latest") == tmp_path / "latest.safetensors"
    (tmp_path / "best.safetensors").touch()
    assert run_checkpoint(tmp_path) == tmp_path / "best.safetensors"
