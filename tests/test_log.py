"""Progress of a run: remaining time of a phase, episodes of an evaluation."""

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from agents.training import log
from agents.training.log import Log, StageClock


@dataclass
class Going:
    """A run of two stages, of ten updates each."""

    iteration: int = 0
    iterations: int = 20
    steps: int = 1
    seconds: float = 1.0

    @property
    def stage(self) -> str:
        return "imitation" if self.iteration < 10 else "reinforcement"

    @property
    def stage_left(self) -> int:
        return (10 if self.iteration < 10 else 20) - self.iteration


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves on."""
    now = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    return now


def test_time_left_is_that_of_the_stage_at_its_own_rate(clock):
    run, left = Going(), StageClock()
    assert left.time_left(run) == "imitation ends in -:--:--"
    clock[0] += 8
    run.iteration = 4  # two seconds an update
    assert left.time_left(run) == "imitation ends in 0:00:12"
    clock[0] += 12
    run.iteration = 10
    assert left.time_left(run) == "reinforcement ends in -:--:--"  # nothing is known of it yet
    clock[0] += 60
    run.iteration = 11
    assert left.time_left(run) == "reinforcement ends in 0:09:00"


def test_a_pause_to_gather_counts_as_time_of_the_stage(clock):
    run, left = Going(), StageClock()
    left.time_left(run)
    clock[0] += 30  # nothing but gathering
    run.iteration = 1
    assert left.time_left(run) == "imitation ends in 0:04:30"


def test_a_resumed_run_measures_from_where_it_goes_on(clock):
    run, left = Going(iteration=5), StageClock()
    left.time_left(run)
    clock[0] += 3
    run.iteration = 6
    assert left.time_left(run) == "imitation ends in 0:00:12"


def test_an_evaluation_has_a_bar_of_its_own(tmp_path):
    shown = Log(tmp_path, console=Console(file=io.StringIO()))
    with shown.progress(Going()), shown.evaluating("val_unseen", 7) as advance:
        advance(3)
        assert shown._bar is not None
        tasks = {task.description: (task.completed, task.total) for task in shown._bar.tasks}
        assert tasks == {"training": (0, 20), "evaluating val_unseen": (3, 7)}


def test_an_evaluation_without_a_bar_is_silent(tmp_path):
    with Log(tmp_path).evaluating("val_unseen", 7) as advance:
        advance(3)
