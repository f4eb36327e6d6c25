"""Signals: deferred, immediate and ignored ones, and restored handlers."""

import os
import signal
import subprocess
import sys

import pytest

from vln.signals import SIGNALS, Stopped, deferred_signals, exit_code, stop_on_signal


@pytest.fixture(autouse=True)
def same_handlers():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_does_nothing_else(number):
    with deferred_signals() as came:
        assert not came()
        signal.raise_signal(number)
        assert list(came()) == [number]


def test_the_first_ctrl_c_waits_and_the_second_does_not():
    with deferred_signals() as came:
        signal.raise_signal(signal.SIGINT)
        assert came()
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)


def test_the_first_signal_is_answered_at_once_and_only_that(capfd):
    with deferred_signals("stopping soon") as came:
        assert capfd.readouterr().err == ""
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        assert capfd.readouterr().err == "\nstopping soon\n"
        assert came()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_scheduler_may_send_a_signal_twice(number):
    with deferred_signals() as came:
        for _ in range(2):
            signal.raise_signal(number)
        assert list(came()) == [number]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_a_program_with_128_and_its_number(number):
    with pytest.raises(KeyboardInterrupt) as stopped, stop_on_signal():
        signal.raise_signal(number)
    assert exit_code(stopped.value) == 128 + number
    assert exit_code(KeyboardInterrupt()) == 130


def test_a_second_signal_ends_the_program_on_the_spot():
    """Even one that is stuck while it ends."""
    program = """
import os, signal
from vln.signals import stop_on_signal
with stop_on_signal():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here")
"""
    found = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (-signal.SIGTERM, "")


def test_what_was_ignored_stays_ignored_but_a_run_in_the_background_hears_ctrl_c():
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        with stop_on_signal():
            for number in SIGNALS:
                signal.raise_signal(number)
        with deferred_signals() as came:
            for number in SIGNALS:
                signal.raise_signal(number)
            assert list(came()) == [signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
