"""Ctrl-C at a moment at which Python cannot raise it."""

from __future__ import annotations

import subprocess
import sys

SWALLOWED = """
import signal, time
from kotta_cli.interrupts import raise_swallowed

class Held:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
raise_swallowed()
try:
    held = Held()
    del held
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""
OTHER = """
from kotta_cli.interrupts import raise_swallowed

class Held:
    def __del__(self):
        raise ValueError("of ours")

raise_swallowed()
held = Held()
del held
"""


def test_an_interrupt_that_was_swallowed_is_raised_a_moment_later_and_shows_no_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, timeout=10)
    assert (ended.stdout, ended.stderr) == (b"interrupted\n", b"")


def test_any_other_error_there_is_told_as_python_does() -> None:
    ended = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, timeout=10)
    assert b"ValueError: of ours" in ended.stderr
