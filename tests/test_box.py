"""The trained agent that comes with the package, and the things that people send it to."""

import random
from pathlib import Path

import pytest
import torch
from command_line import run_script

import agents
from agents.box import FOLDER, boxed_file, output_folder
from agents.box.packing import pack
from agents.runs import load_run
from agents.training.checkpoint import load_checkpoint, open_checkpoint
from envs.houses import make_house
from envs.make import open_task
from envs.playing.challenges import Places, PlayRequest, challenges, house_episodes
from envs.playing.things import check_thing, named_thing
from vln.errors import InputError

NAME = "box:houses-demo"
HOUSES = range(870_000, 870_004)  # that no agent has trained in


@pytest.fixture(scope="module")
def episodes():
    random_numbers = random.Random(0)
    return [episode for house in HOUSES for episode in house_episodes(house, "houses-short", random_numbers)][:40]


def test_it_follows_most_sentences_in_houses_never_seen(episodes):
    run = load_run(NAME)
    data = open_task(run.task, [], **run.options).only("val_unseen", episodes)
    found = agents.evaluate(run.agent(data), data.make_env("val_unseen", 40, record=True))
    assert found.scores["n"] == 40
    assert found.scores["SR"] > 0.5


def test_its_file_is_small_and_says_how_it_was_trained():
    (file,) = FOLDER.glob("*.safetensors")
    assert file.stat().st_size <= 3 << 20
    found = load_checkpoint(boxed_file(NAME))
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float16}
    training = found.state["training"]
    assert training["minutes"] > 1
    assert training["machine"]["cores"] >= 1
    assert training["scores"]["val_unseen"]["SR"] > 0.6


def test_it_is_opened_as_the_checkpoint_of_a_run():
    found = open_checkpoint(Path(NAME))
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float32}
    assert output_folder(NAME) == Path("runs/box-houses-demo")
    assert output_folder("runs/mine") == Path("runs/mine")


def test_a_run_is_packed(small_data, tmp_path):
    small = ("--policy.hidden", 8, "--policy.view", 8, "--imitation.iterations", 1, "--threads", 1)
    trained = run_script(
        "train.py", "r2r-demo", "--out", tmp_path / "run", "--data", small_data, *small, cache=tmp_path
    )
    assert trained.code == 0, trained.errors
    pack(tmp_path / "run", tmp_path / "small.safetensors")
    packed, whole = load_checkpoint(tmp_path / "small.safetensors"), load_run(tmp_path / "run", "latest")
    assert packed.state["config"] == whole.checkpoint.state["config"]
    for name, tensor in whole.checkpoint.part("average").items():
        assert torch.allclose(packed.part("average")[name].float(), tensor, rtol=1e-3, atol=1e-4), name


def test_an_unknown_agent_of_the_box_is_one_sentence(tmp_path):
    result = run_script("evaluate.py", "box:house-demo", cache=tmp_path)
    assert result.code == 2
    assert "did you mean 'houses-demo'" in result.errors


# --- things that sentences name ---


@pytest.mark.parametrize(
    ("sentence", "thing"),
    [
        ("Go to the red sofa.", ("red", "sofa")),
        ("pass the blue bed and stop at the COUCH", ("", "sofa")),
        ("walk to the tv stand", ("", "tv stand")),
        ("take the television, then the black office chair", ("black", "office chair")),
        ("leave the room", None),
        ("see the carpeted floor", None),
    ],
)
def test_the_last_thing_that_is_named(sentence, thing):
    assert named_thing(sentence) == thing


def test_the_goal_is_the_thing_and_the_start_is_in_its_room():
    request = PlayRequest(instruction="please find a sofa")
    met = next(challenges(request, Places(), random.Random(0)))
    assert met.instruction == "please find a sofa"
    assert met.target.endswith(" sofa")
    layout = Places().cache.get(met.scan).layout
    rooms = layout.rooms_at(torch.tensor([met.positions[0], met.positions[-1]]).double().numpy())
    assert rooms[0] == rooms[1] >= 0


def test_the_episodes_of_a_house_come_to_an_end():
    name = house_episodes(870_001, "houses-short", random.Random(0))
    target = next(name).target.split(" ", 1)[1]
    request = PlayRequest(house=870_001, instruction=f"go to the {target}")
    assert all(each.target.endswith(target) for each in challenges(request, Places(), random.Random(0)))


def test_a_thing_that_is_not_in_the_house_is_said():
    scene = make_house(870_000)
    check_thing(("", scene.objects[-1].category), scene)
    with pytest.raises(InputError, match="names a purple piano, which is not in this house; name something in it"):
        check_thing(("purple", "piano"), scene)


def test_play_sends_the_agent_of_the_box(tmp_path):
    result = run_script("play.py", "--house", 870_001, "--instruction", "go to the zebra", cache=tmp_path)
    assert result.code == 0
    assert "box:houses-demo" in result.errors
    assert "zebra" in result.errors
