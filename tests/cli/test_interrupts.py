"""Ctrl-C at a moment at which Python cannot raise it."""

from __future__ import annotations

import subprocess
import sys

SWALLOWED = """
import signal, time
from kotta_cli.interrupts import listen

class Held:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
listen()
try:
    held = Held()
    del held
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""
OTHER = """
from kotta_cli.interrupts import listen

class Held:
    def __del__(self):
        raise ValueError("of ours")

listen()
held = Held()
del held
"""


def test_an_interrupt_that_was_swallowed_is_raised_a_moment_later_and_shows_no_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, timeout=10)
    assert (ended.stdout, ended.stderr) == (b"interrupted\n", b"")


def test_any_other_error_there_is_told_as_python_does() -> None:
    ended = subprocess.run([sys.executable, "-c", OTHER], capture_output=True, timeout=10)
    assert b"ValueError: of ours" in ended.stderr


CONVERTED = """
import signal, sys
from kotta_cli import interrupts, main

def interrupted(*_):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise TypeError("a library's own") from error

signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.listen()
main._run = interrupted
sys.exit(main.main(["list"]))
"""


def test_an_interrupt_of_which_a_library_made_an_error_is_no_internal_error() -> None:
    ended = subprocess.run([sys.executable, "-c", CONVERTED], capture_output=True, timeout=10)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
