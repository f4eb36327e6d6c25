"""Charts: dead reckoning, and where what was seen lies after moving on."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sights import camera_navigator, glances
from torch import Tensor

from agents.chart import (
    AROUND,
    BEEN,
    FORWARD,
    KINDS,
    LEFT,
    PLACES,
    RIGHT,
    RINGS,
    SECTORS,
    SEEN,
    SIDE,
    SOUGHT,
    VISIT,
    around,
    blank,
    charted,
    moved,
    points,
)
from agents.geometry import HALF_FIELD

STEP, TURN = 0.5, math.radians(22.5)
QUARTER = SECTORS // 4
CELLS = 16
AHEAD, TO_THE_RIGHT, BEHIND, TO_THE_LEFT = (n * QUARTER for n in range(4))


def walked(pose: Tensor, *actions: int) -> Tensor:
    """Where a body is after some actions."""
    for action in actions:
        pose = moved(pose, torch.full((len(pose),), action), STEP, TURN)
    return pose


def told(chart: Tensor, pose: Tensor, kind: int) -> Tensor:
    """What a chart tells of one kind, (rings, sectors)."""
    return around(chart, pose).view(KINDS, len(RINGS) + 1, SECTORS)[kind]


def seen_ahead(metres: float, likely: float = 0.9) -> tuple[Tensor, Tensor]:
    """The chart of a body that saw the goal straight ahead, and nothing else, and where it stands."""
    chart, pose = blank(1, torch.zeros(1))
    near, sought = torch.zeros(1, CELLS), torch.zeros(1, CELLS)
    near[0, 0], sought[0, 0] = 1 / (1 + metres), likely
    places = torch.zeros(1, CELLS, 2)
    places[0, 0, 1] = metres
    return charted(chart, pose, places, near, sought), pose


def strongest(chart: Tensor, pose: Tensor) -> tuple[int, int]:
    """Ring and sector where the goal is told to be."""
    ring, sector = divmod(int(told(chart, pose, SOUGHT).argmax()), SECTORS)
    return ring, sector


def test_moves_lead_where_they_say():
    start = blank(1, torch.zeros(1))[1]
    torch.testing.assert_close(walked(start, FORWARD, FORWARD)[0], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(walked(start, *[LEFT] * 4, FORWARD)[0, :2], torch.tensor([-0.5, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(walked(start, *[RIGHT] * 4, FORWARD)[0, :2], torch.tensor([0.5, 0.0]), atol=1e-6, rtol=0)
    assert torch.equal(walked(start, 0), start)


@given(st.lists(st.sampled_from([FORWARD, LEFT, RIGHT]), max_size=30))
def test_turning_round_and_going_back_leads_to_the_start(actions):
    start = blank(1, torch.zeros(1, dtype=torch.float64))[1]
    opposite = {FORWARD: FORWARD, LEFT: RIGHT, RIGHT: LEFT}
    about = [LEFT] * 8
    back = walked(start, *actions, *about, *[opposite[action] for action in reversed(actions)], *about)
    torch.testing.assert_close(back[:, :2], start[:, :2], atol=1e-9, rtol=0)
    assert math.cos(float(back[0, 2])) == pytest.approx(1)


def test_things_are_told_where_they_are_from_wherever_one_is():
    chart, pose = seen_ahead(2.25)
    assert strongest(chart, pose) == (2, AHEAD)
    assert strongest(chart, walked(pose, *[LEFT] * 4)) == (2, TO_THE_RIGHT)
    assert strongest(chart, walked(pose, *[RIGHT] * 4)) == (2, TO_THE_LEFT)
    assert strongest(chart, walked(pose, *[FORWARD] * 4)) == (0, AHEAD)
    assert strongest(chart, walked(pose, *[FORWARD] * 9)) == (2, BEHIND)
    assert float(told(chart, pose, SOUGHT).max()) == pytest.approx(0.9)


def test_a_second_look_does_not_blur_the_first():
    chart, pose = seen_ahead(2.25)
    places, near = torch.zeros(1, CELLS, 2) + 2.25, torch.full((1, CELLS), 0.3)
    again = charted(chart, walked(pose, *[LEFT] * 2), places, near, torch.full((1, CELLS), 0.1))
    assert float(told(again, pose, SOUGHT)[2, AHEAD]) == pytest.approx(0.9)
    assert float(again[0, SEEN].sum()) == 2


def test_where_nothing_is_seen_nothing_is_charted():
    chart, pose = blank(2, torch.zeros(1))
    nothing = torch.zeros(2, CELLS)
    after = charted(chart, pose, torch.ones(2, CELLS, 2), nothing, torch.ones(2, CELLS))
    assert not after[:, [SEEN, SOUGHT]].any()
    assert not chart.any()  # the chart before is left as it was
    assert after[:, BEEN].sum(1).tolist() == [VISIT, VISIT]


def test_staying_adds_up_and_moving_on_leaves_it_behind():
    chart, pose = blank(1, torch.zeros(1))
    nothing = torch.zeros(1, CELLS), torch.zeros(1, CELLS)
    for _ in range(20):
        chart = charted(chart, pose, torch.zeros(1, CELLS, 2), *nothing)
    assert float(chart[0, BEEN].max()) == 1
    assert float(told(chart, pose, BEEN)[0].max()) == 1
    gone = told(chart, walked(pose, *[FORWARD] * 5), BEEN)
    assert float(gone[2, BEHIND]) == 1
    assert float(gone.sum()) == 1


def test_what_is_beyond_the_chart_is_at_its_edge():
    chart, pose = seen_ahead(50.0)
    assert int(chart[0, SOUGHT].argmax()) // SIDE == SIDE - 1
    assert strongest(chart, pose) == (len(RINGS), AHEAD)


def test_cells_show_places_along_their_lines_of_sight():
    places = points(torch.full((1, CELLS), 1 / (1 + 2.0)), HALF_FIELD).view(4, 4, 2)
    torch.testing.assert_close(places[..., 1], torch.full((4, 4), 2.0))
    torch.testing.assert_close(places[0, :, 0], torch.tensor([-1.5, -0.5, 0.5, 1.5]))
    assert torch.equal(places[0], places[3])


def test_navigators_read_their_chart():
    """Two that have seen the goal in different places decide differently about the same sight."""
    navigator, (observation, _) = camera_navigator().eval(), glances(3, 0)
    assert navigator.charts
    instruction, state = navigator.begin_episodes(observation)
    assert state.chart.shape == (3, KINDS, SIDE**2)
    output = navigator(instruction, observation, state)
    assert output.state.chart[:, SEEN].any()
    after = [navigator.chose(output, torch.full((3,), action)) for action in (LEFT, RIGHT)]
    assert [float(state.pose[0, 2]) > 0 for state in after] == [True, False]
    blank_again = {"chart": torch.zeros_like(state.chart)}
    forgetful = type(state)(**{**vars(after[0]), **blank_again})
    remembered, forgotten = (navigator(instruction, observation, each).logits for each in (after[0], forgetful))
    assert not torch.allclose(remembered, forgotten)


def test_what_is_told_is_as_wide_as_it_says():
    chart, pose = seen_ahead(1.0)
    assert around(chart, pose).shape == (1, AROUND)
    assert AROUND == KINDS * PLACES
