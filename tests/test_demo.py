"""scripts/demo.py: the order of its steps, agents in the background, failures and Ctrl-C."""

import signal
import sys
import time
from pathlib import Path

import pytest
from command_line import SCRIPTS, entry_point, run_script

from agents.demo import demo_steps, training_command
from agents.training.checkpoint import LATEST
from vln import pipeline
from vln.console import Console
from vln.errors import InputError
from vln.pipeline import Background, Step, run_step
from vln.signals import stop_on_signal

demo = entry_point("demo")
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def lines(monkeypatch):
    """Lines are programs of Python here, not scripts of the project."""
    monkeypatch.setattr(pipeline, "command_line", lambda line: [sys.executable, "-c", *line])


def test_it_makes_trains_evaluates_and_draws():
    steps = demo_steps(Path("runs/demo"), quick=False)
    scripts = ["make_episodes.py", "train.py", "evaluate.py", "replay.py", "replay.py"]
    assert [step.line[0] for step in steps] == scripts
    assert all((SCRIPTS / name).is_file() for name in scripts)


def test_an_interrupted_agent_is_resumed(tmp_path):
    assert "--resume" not in training_command(tmp_path, quick=False)
    (tmp_path / LATEST).touch()
    assert training_command(tmp_path, quick=False)[-1] == "--resume"


def test_the_agents_to_compare_with_run_one_after_the_other(lines, tmp_path):
    others = Background([("print('one')",), ("print('two')",)], tmp_path / "log")
    others.start()
    others.join()
    assert (others.code, (tmp_path / "log").read_text()) == (0, "one\ntwo\n")


def test_the_first_failure_in_the_background_is_the_last_thing_run(lines, tmp_path):
    others = Background([("raise SystemExit(2)",), ("print('never')",)], tmp_path / "log")
    others.start()
    others.join()
    assert (others.code, (tmp_path / "log").read_text()) == (2, "")


def test_the_background_is_interrupted_and_starts_nothing_more(lines, tmp_path):
    waits = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(7)); print('ready', flush=True); " + SLEEP
    log = tmp_path / "log"
    others = Background([(waits,), ("print('never')",)], log)
    others.start()
    while not log.exists() or "ready" not in log.read_text():
        time.sleep(0.01)
    others.stop()
    assert not others.is_alive()
    assert others.code == 7  # by a signal that training may get besides Ctrl-C, and still writes a checkpoint
    assert "never" not in log.read_text()


def test_a_step_that_fails_ends_the_demo_with_its_code(lines, capsys):
    with pytest.raises(SystemExit) as ended:
        run_step(Console(stderr=True), Step("fail", "1", ("raise SystemExit(2)",)), 3, 5)
    assert ended.value.code == 2
    assert "3/5 fail" in capsys.readouterr().err


def test_a_signal_of_a_scheduler_goes_on_to_the_step(lines, tmp_path):
    note = f"signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / 'told')!r}, 'w').close(), exit()))"
    step = Step("wait", "1", (f"import os, signal; {note}; os.kill(os.getppid(), signal.SIGTERM); {SLEEP}",))
    with pytest.raises(KeyboardInterrupt) as stopped, stop_on_signal():
        run_step(Console(stderr=True), step, 1, 5)
    assert stopped.value.number == signal.SIGTERM
    assert (tmp_path / "told").exists()


def test_a_failed_agent_in_the_background_is_named(lines, monkeypatch, tmp_path):
    steps = [Step("nothing", "0", ("pass",))] * 5
    monkeypatch.setattr(demo, "demo_steps", lambda out, quick, seed: steps)
    monkeypatch.setattr(demo, "training_command", lambda folder, quick, seed, flags=(): ("raise SystemExit(1)",))
    with pytest.raises(InputError, match=r"others\.log: an agent to compare with failed"):
        demo.main(tmp_path)


@pytest.mark.slow
def test_a_quick_demo(tmp_path):
    result = run_script("demo.py", "--quick", "--out", tmp_path / "demo", cache=tmp_path / "cache")
    assert result.code == 0, result.errors
    assert {path.suffix for path in (tmp_path / "demo" / "replay").iterdir()} == {".png", ".gif"}
