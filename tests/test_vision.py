"""Learning from images: cells, labels, pointing at words of the instruction."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from sights import CAMERA, CATEGORIES, NAVIGATOR, camera_navigator, glances
from torch import Tensor
from torch.nn import functional as F

from agents.config import CameraConfig
from agents.policies.geometry import DIRECTION, cell_directions, directions
from agents.policies.navigator import Navigator
from agents.policies.policy import PolicyOutput
from agents.policies.recognition import cells_shown, label_loss, label_weights, labels_shown, pointing_loss
from agents.policies.state import Observation, concatenate, privileged, rows, with_privileged, without_privileged
from agents.policies.vision import BlindImages, ImageViews, nearness
from vln.errors import InputError
from vln.language import EOS

SIDE, CELLS = CAMERA.cells, CAMERA.cells**2
BATCH, STEPS = 6, 3
SWITCHES = ("panorama", "cross_modal", "alignment")
LOSSES = ("progress", "labels")


def decide(navigator: Navigator, seen: list[Observation], actions: int = 1) -> list[PolicyOutput]:
    """Decisions of a navigator that takes `actions` each time."""
    state = navigator.initial_state(seen[0])
    outputs = []
    for observation in seen:
        nothing_done = torch.zeros(len(observation["instruction"]))
        outputs.append(navigator.step(with_privileged(observation, progress=nothing_done), state))
        state = navigator.after(outputs[-1].state, torch.full((len(observation["instruction"]),), actions))
    return outputs


def walk(count: int = BATCH) -> list[Observation]:
    """Some glances, taken for those of one episode."""
    return [glances(count, seed)[0] for seed in range(STEPS)]


# --- every combination ---


@pytest.mark.parametrize("switches", list(product([True, False], repeat=3)), ids=str)
def test_every_combination_runs_and_learns_with_every_part(switches):
    navigator = camera_navigator(**dict(zip(SWITCHES, switches, strict=True)))
    outputs = decide(navigator, walk())
    assert all(("labels" in output.auxiliary) == navigator.config.alignment for output in outputs)
    loss = sum((output.logits.square() + output.value[:, None]).sum() for output in outputs)
    (loss + sum(each.sum() for output in outputs for each in output.auxiliary.values())).backward()
    unused = set() if navigator.config.panorama else {"look_content", "look_direction"}
    for name, parameter in navigator.named_parameters():
        if name == "goal.bias":  # shifts all scores of an attention alike: what gradient it has is rounding
            assert parameter.grad is None or parameter.grad.abs().max() < 1e-5
            continue
        used = parameter.grad is not None and bool(parameter.grad.any())
        assert used == (name.split(".")[0] not in unused), name


def test_outputs_have_their_shapes():
    for output in decide(camera_navigator(), walk()):
        assert output.logits.shape == (BATCH, 4)
        assert output.attention["views"].shape == (BATCH, CELLS)
        assert output.value.shape == (BATCH,)
        assert {name: loss.shape for name, loss in output.auxiliary.items()} == dict.fromkeys(LOSSES, (BATCH,))
        torch.testing.assert_close(output.attention["views"].sum(1), torch.ones(BATCH))
        assert torch.equal(output.state.candidates[0], torch.eye(4))


def test_without_labels_nothing_is_named():
    seen = [without_privileged(each) for each in walk()]
    assert all(set(output.auxiliary) == {"progress"} for output in decide(camera_navigator(), seen))


def test_parameters_keep_their_names():
    """A renamed parameter would make every checkpoint unreadable."""
    navigator = camera_navigator()
    assert {name.split(".")[0] for name, _ in navigator.named_parameters()} == {
        *("encoder", "views", "start", "last_action", "core", "look_content", "look_direction", "read"),
        *("ground_content", "ground_direction", "notice", "act", "value", "progress"),
        *("recognise", "goal", "seek", "likely", "onward"),
    }


# --- rows and steps ---


def test_a_batch_equals_its_episodes_alone():
    navigator, seen = camera_navigator().eval(), walk()
    together = decide(navigator, seen)
    for row in range(BATCH):
        alone = decide(navigator, [rows(each, torch.tensor([row])) for each in seen])
        for one, all_ in zip(alone, together, strict=True):
            torch.testing.assert_close(one.logits[0], all_.logits[row])
            torch.testing.assert_close(one.value[0], all_.value[row])
            torch.testing.assert_close(one.auxiliary["progress"][0], all_.auxiliary["progress"][row])
            torch.testing.assert_close(one.attention["views"][0], all_.attention["views"][row])


def test_leaving_out_rows_changes_nothing_for_the_others():
    navigator, seen, keep = camera_navigator(feature_dropout=0.5), walk(), torch.tensor([4, 1, 2])
    navigator.eval().views.train()  # the hidden features of an episode must stay its own
    step = navigator.step(seen[0], navigator.initial_state(seen[0]))
    state = navigator.after(step.state, torch.ones(BATCH, dtype=torch.int64))
    whole, part = navigator.step(seen[1], state), navigator.step(rows(seen[1], keep), rows(state, keep))
    torch.testing.assert_close(whole.logits[keep], part.logits)
    torch.testing.assert_close(whole.attention["views"][keep], part.attention["views"])


def test_seeing_all_steps_at_once_equals_seeing_them_one_by_one():
    navigator, seen = camera_navigator().eval(), walk()
    together = navigator.encode(concatenate(seen))
    assert "rgb" not in together
    assert navigator.encode(together) is together
    steps = [rows(together, torch.arange(step * BATCH, (step + 1) * BATCH)) for step in range(STEPS)]
    for one, other in zip(decide(navigator, steps), decide(navigator, seen), strict=True):
        torch.testing.assert_close(one.logits, other.logits)


def test_the_action_taken_and_the_words_read_are_remembered():
    navigator, seen = camera_navigator().eval(), walk()
    one, other = decide(navigator, seen, actions=1), decide(navigator, seen, actions=2)
    torch.testing.assert_close(one[0].logits, other[0].logits)
    assert not torch.allclose(one[1].logits, other[1].logits)
    unread = one[0].state._replace(read=torch.zeros_like(one[0].state.read))
    told, untold = (navigator.step(seen[1], state) for state in (one[0].state, unread))
    assert not torch.allclose(told.logits, untold.logits)


# --- ablations ---


@pytest.mark.parametrize("how", ["trained", "blinded"])
def test_the_blind_agent_does_not_depend_on_images(how):
    navigator = camera_navigator(blind=how == "trained").eval()
    navigator.views = BlindImages(CAMERA, NAVIGATOR.view)
    seen = walk()
    other = [{**each, "rgb": each["rgb"].flip(0), "depth": each["depth"].flip(0)} for each in seen]
    nothing = [{"instruction": each["instruction"]} for each in seen]
    for one, two, none in zip(*(decide(navigator, each) for each in (seen, other, nothing)), strict=True):
        assert torch.equal(one.logits, two.logits)
        assert torch.equal(one.logits, none.logits)
    sighted = camera_navigator().eval()
    assert not torch.allclose(decide(sighted, seen)[0].logits, decide(sighted, other)[0].logits)


# --- cells ---


def test_directions_of_cells_are_those_of_a_right_angle_of_view():
    cells = cell_directions(SIDE)
    assert cells.shape == (CELLS, DIRECTION)
    right, up = math.atan(0.75), math.atan(0.25)
    torch.testing.assert_close(cells[SIDE + SIDE - 1], directions(torch.tensor(right), torch.tensor(up)))
    torch.testing.assert_close(cells[2 * SIDE], directions(torch.tensor(-right), torch.tensor(-up)))


def test_a_pixel_changes_its_cell_and_the_ones_around_it():
    views = ImageViews(CAMERA, 8, 0.0)
    observation = glances(1, 0)[0]
    before = views.encode(observation)
    rgb, depth = observation["rgb"].clone(), observation["depth"].clone()
    rgb[0, 9, 30] = 255 - rgb[0, 9, 30]  # in the cell of row 1, column 3
    depth[0, 9, 30] = 0.1
    after = views.encode({"rgb": rgb, "depth": depth})
    changed = (before["cells"] != after["cells"]).any(-1).view(SIDE, SIDE)
    expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    expected[:3, 2:] = True
    assert torch.equal(changed, expected)
    assert (before["near"] != after["near"]).nonzero().tolist() == [[0, SIDE + 3]]
    assert after["near"][0, SIDE + 3] == pytest.approx(1 / 1.1)


def test_the_nearer_the_closer_to_one():
    metres = torch.tensor([0.0, 0.25, 1.0, 3.0])
    torch.testing.assert_close(nearness(metres), torch.tensor([0.0, 0.8, 0.5, 0.25]))


@pytest.mark.parametrize(("size", "cells"), [(60, 8), (4, 4), (8, 16)])
def test_images_that_cannot_be_cut_into_cells_are_refused(size, cells):
    with pytest.raises(InputError, match=rf"images of {size} pixels cannot be cut into {cells} x {cells} cells"):
        ImageViews(CameraConfig(size=size, cells=cells), 8, 0.0)


@pytest.mark.parametrize("has", [True, False])
def test_eyes_that_compute_with_bfloat16_see_much_the_same_and_learn_in_float32(monkeypatch, has):
    monkeypatch.setattr("agents.policies.vision.has_bfloat16", lambda device: has)
    fine, coarse = (ImageViews(replace(CAMERA, precision=name), 8, 0.0) for name in ("float32", "bfloat16"))
    coarse.load_state_dict(fine.state_dict())
    observation = glances(BATCH, 0)[0]
    expected, found = (views.encode(observation) for views in (fine, coarse))
    assert found["cells"].dtype == torch.float32
    assert torch.equal(found["cells"], expected["cells"]) != has
    torch.testing.assert_close(found["cells"], expected["cells"], rtol=0.0, atol=0.02 if has else 0.0)
    assert torch.equal(found["near"], expected["near"])
    for seen in (expected, found):
        seen["cells"].square().sum().backward()
    for one, other in zip(fine.parameters(), coarse.parameters(), strict=True):
        assert other.grad.dtype == torch.float32
        assert F.cosine_similarity(one.grad.flatten(), other.grad.flatten(), dim=0) > 0.99


# --- labels ---


def brute_force(image: Tensor, side: int, step: int) -> Tensor:
    """What `labels_shown` says of all cells, one by one."""
    found = torch.zeros(len(image), side * side, len(CATEGORIES))
    size = image.shape[1] // side
    for row, cell, label in product(range(len(image)), range(side * side), range(1, len(CATEGORIES))):
        y, x = size * (cell // side), size * (cell % side)
        pixels = image[row, y : y + size, x : x + size][step // 2 :: step, step // 2 :: step]
        found[row, cell, label] = bool((pixels == label).any())
    return found


@pytest.mark.parametrize(("size", "step"), [(32, 2), (16, 1), (8, 1), (64, 4)])
def test_a_cell_shows_what_its_pixels_show(size, step):
    random = torch.Generator().manual_seed(0)
    # Large patches of one label, so that most cells lack most of them.
    image = torch.randint(0, len(CATEGORIES), (3, 4, 4), generator=random).repeat_interleave(size // 4, 1)
    image = image.repeat_interleave(size // 4, 2).roll(1, 2).to(torch.uint8)
    expected = brute_force(image, SIDE, step)
    assert torch.equal(labels_shown(image, len(CATEGORIES), SIDE, torch.arange(CELLS)), expected)
    some = torch.tensor([13, 2, 7])
    assert torch.equal(labels_shown(image, len(CATEGORIES), SIDE, some), expected[:, some])


def test_the_label_loss_is_a_mean_of_cells_and_a_weighted_sum_of_labels():
    logits, shown = torch.zeros(2, 5, 3), torch.ones(2, 5, 3)
    weights = label_weights({"colour": 2, "room": 1})
    assert 0 < weights[2] < weights[0] == weights[1] == 1
    torch.testing.assert_close(label_loss(logits, shown, weights), torch.full((2,), float(weights.sum()) * math.log(2)))


# --- pointing ---


def test_what_is_read_is_pointed_at():
    """Cells that show what a word is for show in its column, its row, and the nearer the more."""
    navigator = camera_navigator()
    context = torch.randn(1, navigator.seek.in_features)
    labels, near = torch.zeros(1, CELLS, len(CATEGORIES)), torch.zeros(1, CELLS)
    with torch.no_grad():
        sought = navigator.seek(context)[0]
        labels[0, SIDE + 2] = 20 * sought / sought.square().sum()  # row 1, column 2
        near[0, SIDE + 2] = 0.5
        seen = navigator.locate_goal(torch.randn_like(context), {"evidence": labels, "near": near})
        ahead, pointed = navigator._point(context, seen)
        torch.testing.assert_close(navigator.locate_goal(context, {"evidence": labels, "near": near})["ahead"], pointed)
        nowhere = navigator.likely.sigmoid()
    assert not torch.equal(ahead, pointed)
    columns, nearer, rows = pointed[0].view(3, SIDE)
    expected = nowhere.expand(SIDE).clone()
    expected[2] = 1.0
    torch.testing.assert_close(columns, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(nearer, torch.tensor([0.0, 0.0, 0.5, 0.0]), atol=1e-4, rtol=0)
    assert rows.argmax() == 1


def test_the_pointing_loss_is_least_where_the_goal_is():
    target = torch.zeros(1, 8, 8, dtype=torch.uint8)
    target[0, 3, 6] = 1  # a single pixel, in row 1 and column 3 of 4 x 4 cells
    shown = cells_shown(target, SIDE)
    right = torch.full((1, SIDE, SIDE), -9.0)
    right[0, 1, 3] = 9.0
    assert pointing_loss(right.flatten(1), shown) < 0.01
    for wrong in (right.roll(1, 1), right.roll(1, 2), -right):
        assert pointing_loss(wrong.flatten(1), shown) > 1


def test_the_end_of_a_sentence_is_not_attended_to():
    navigator = camera_navigator().eval()
    tokens = glances(BATCH, 0)[0]["instruction"]
    (output,) = decide(navigator, [glances(BATCH, 0)[0]])
    ends = tokens == EOS
    assert ends.any(1).all()
    assert not output.attention["words"][ends[:, : output.attention["words"].shape[1]]].any()


# --- learning ---


def test_where_the_way_goes_on_is_learnt_from_what_is_read():
    """One box is named, and the way goes on where the other is: which of the two is a matter of words and looks."""

    def seen(count: int, seed: int) -> Observation:
        observation, _ = glances(count, seed)
        labels = privileged(observation)
        other = (labels["category"] > 0) & (labels["target"] == 0)
        return with_privileged(without_privileged(observation), way=other.to(torch.uint8))

    navigator = camera_navigator()
    optimizer = torch.optim.Adam(navigator.parameters(), 3e-3)
    losses = []
    for update in range(80):
        losses.append(decide(navigator, [seen(64, update)])[0].auxiliary["labels"].mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert torch.stack(losses[-10:]).mean() < 0.6 * torch.stack(losses[5:15]).mean()
    without = without_privileged(seen(8, 0))
    torch.testing.assert_close(decide(navigator.eval(), [without])[0].logits, decide(navigator, [seen(8, 0)])[0].logits)


def accuracy_after(updates: int, *, deaf: bool = False, label_weight: float = 0.3, blind: bool = False) -> float:
    """Share of unseen glances that a navigator decides as the expert does, after learning from others."""
    navigator = camera_navigator(blind=blind)
    optimizer = torch.optim.Adam(navigator.parameters(), 3e-3)
    for update in range(updates):
        observation, expert = glances(64, update, deaf)
        output = decide(navigator, [observation])[0]
        loss = F.cross_entropy(output.logits, expert) + label_weight * output.auxiliary["labels"].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    observation, expert = glances(512, updates, deaf)
    observation = without_privileged(observation)
    return float((decide(navigator.eval(), [observation])[0].logits.argmax(1) == expert).float().mean())


def test_encoders_of_images_and_words_learn_together_and_labels_help():
    full = accuracy_after(100)
    assert full > 0.9
    assert accuracy_after(100, label_weight=0.0) < full - 0.1
    assert accuracy_after(100, deaf=True) < full - 0.1
    assert accuracy_after(20, blind=True) < 0.6
