"""Ctrl-C at a moment at which Python cannot raise it, or where a library catches it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


DRAW = """
import io, os, signal, sys
from rich.console import Console
from rich.live import Live
from kotta_cli import interrupts
from kotta_cli.render.drawing import drawn, end_all

signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.listen()
out = io.StringIO()
console = Console(file=out, force_terminal=True)
live = Live("picture", console=console, auto_refresh=False, redirect_stdout=False)
really = console.show_cursor

def hide_and_hear(show=True):
    really(show)
    if show is WHEN:
        signal.raise_signal(signal.SIGINT)

console.show_cursor = hide_and_hear
try:
    with drawn(live):
        print("within")
except KeyboardInterrupt:
    print("interrupted")
print(out.getvalue().count("\\x1b[?25l"), out.getvalue().count("\\x1b[?25h"))
"""


@pytest.mark.parametrize(("when", "before"), [(False, ""), (True, "within\n")])
def test_the_cursor_is_shown_again_whenever_an_interrupt_comes(when: bool, before: str) -> None:
    program = DRAW.replace("WHEN", str(when))
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=10, text=True
    )
    assert ended.stdout == f"{before}interrupted\n1 1\n", ended.stderr


def test_a_picture_whose_block_never_began_is_ended_with_the_command() -> None:
    program = DRAW.replace("WHEN", "None").replace(
        '    with drawn(live):\n        print("within")\n',
        "    entered = drawn(live)\n    entered.__enter__()\n    end_all()\n    end_all()\n",
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=10, text=True
    )
    assert ended.stdout == "1 1\n", ended.stderr


def test_a_wait_for_what_an_interrupt_left_behind_is_interrupted_as_well() -> None:
    waits = """
import signal, threading
from kotta_cli import interrupts

interrupts._INSIST_SECONDS = 0.2
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.listen()
lock = threading.Lock()
try:
    lock.acquire()
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("once")
try:
    lock.acquire()
except KeyboardInterrupt:
    print("and again")
"""
    ended = subprocess.run([sys.executable, "-c", waits], capture_output=True, timeout=10)
    assert ended.stdout == b"once\nand again\n", ended.stderr
