"""Ctrl-C at a moment at which Python cannot raise it, or where a library catches it."""

from __future__ import annotations

import subprocess
import sys

RUN = """
import signal, sys, time
from kotta_cli import entry, main

class Held:
    def __del__(self):
        HAPPENS

def swallowed(*_):
    held = Held()
    del held
    time.sleep(SECONDS)
    return 0

def converted(*_):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise TypeError("a library's own") from error

signal.signal(signal.SIGINT, signal.default_int_handler)
main._run = WHAT
sys.argv = ["kotta", "list"]
entry.run()
"""


def _ended(
    what: str, happens: str = "pass", seconds: int = 0
) -> subprocess.CompletedProcess[bytes]:
    """How `kotta list` ends if this is what its command does."""
    program = RUN.replace("HAPPENS", happens).replace("SECONDS", str(seconds)).replace("WHAT", what)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=10)


def test_an_interrupt_that_was_swallowed_is_raised_a_moment_later_and_shows_no_traceback() -> None:
    ended = _ended("swallowed", "signal.raise_signal(signal.SIGINT)", seconds=20)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


def test_any_other_error_there_is_told_as_python_does() -> None:
    ended = _ended("swallowed", "raise ValueError('of ours')")
    assert ended.returncode == 0
    assert b"ValueError: of ours" in ended.stderr


def test_an_interrupt_of_which_a_library_made_an_error_is_no_internal_error() -> None:
    ended = _ended("converted")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
