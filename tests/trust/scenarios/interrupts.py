"""Ctrl-C, at any moment of any command."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import termios
import threading
import time
from collections import Counter
from dataclasses import dataclass

from cli.conftest import KOTTA, User, _new_user
from cli.invocations import every_call, prepare

from trust.harness import Figures, Trial, scenario

IN_CI = ("submit job.json", "list", "logs made")
_SHOWS = {"?25l": "?25h", "?1049h": "?1049l"}
"""What hides the cursor or takes the screen, and what gives it back."""
_OF_PYTHON = (
    "Fatal Python error: init_import_site",
    "Failed checking if argv[0] is an import path entry",
)
"""What the interpreter says of Ctrl-C before anything of ours can hear it."""
_SWALLOWED = re.compile(
    r"Exception ignored in: <[^\n]*\n"
    r"Traceback \(most recent call last\):\r\n(  [^\n]*\n)*KeyboardInterrupt: \r\n"
)
"""What it prints of Ctrl-C where it lets nobody hear it, before anything of ours listens."""


@dataclass
class _Ended:
    code: int
    seconds: float
    out: str
    is_restored: bool


@scenario("exit 130, terminal restored, no duplicate job", short=2, full=50)
def interrupted_commands(trial: Trial, count: int) -> Figures:
    """Each command is run on a terminal, and interrupted at random moments of its life."""
    user, codes = _new_user(), Counter[str]()
    duplicates = 0
    try:
        prepare(user)
        calls = [each for each in every_call() if not each.path.startswith("service stop")]
        if count < 50:
            calls = [each for each in calls if str(each) in IN_CI]
        for call in calls:
            name = f"{call.path}-{call.words}-whole"
            whole = _run(user, call.path, call.words, name, None)
            meant = _called(user, name)
            for number in range(count):
                name = f"{call.path}-{call.words}-{number}"
                at = trial.chance.uniform(0, max(whole.seconds, 0.05))
                ended = _run(user, call.path, call.words, name, at)
                codes[_kind(ended, whole, call.path)] += 1
                if call.path in ("submit", "rerun"):
                    duplicates += _called(user, name) > meant
    finally:
        user.kotta("cancel", "@open", "--yes")
        user.leave()
    assert not duplicates
    return {"commands": len(calls), **codes}


def _called(user: User, name: str) -> int:
    """How many jobs have a name: some commands submit several."""
    return sum(job.name == name for job in user.client.list(limit=1000).jobs)


def _run(user: User, path: str, words: str, name: str, interrupt_at: float | None) -> _Ended:
    """One command on a terminal of its own."""
    user.describe("job.json", jobname=name, executable="true")
    user.describe("jobs.json", jobname=name, executable="true")
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    told = bytearray()
    reading = threading.Thread(target=_read, args=(ours, told))
    began = time.monotonic()
    line = [*path.split(), *shlex.split(words.replace("--name again", f"--name {name!r}"))]
    process = subprocess.Popen(
        [KOTTA, *line],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        # as users have it: an import that is cut off warns of a file that it left open
        env={**user.environment, "PYTHONWARNINGS": ""},
        cwd=user.home,
        start_new_session=True,
    )
    reading.start()
    if interrupt_at is not None:
        time.sleep(interrupt_at)
        process.send_signal(signal.SIGINT)
    code = process.wait(60)
    seconds = time.monotonic() - began
    is_restored = termios.tcgetattr(theirs) == before
    os.close(theirs)
    reading.join(10)
    os.close(ours)
    out = told.decode(errors="replace")
    return _Ended(code, seconds, out, is_restored and _gives_back(out))


def _read(terminal: int, told: bytearray) -> None:
    try:
        while chunk := os.read(terminal, 65536):
            told += chunk
    except OSError:
        return  # the other end is closed


def _gives_back(out: str) -> bool:
    return all(out.rfind(taken) <= out.rfind(given) for taken, given in _SHOWS.items())


def _kind(ended: _Ended, whole: _Ended, path: str) -> str:
    assert ended.is_restored, (path, ended)
    if ended.out.startswith(_OF_PYTHON) or ended.out.strip() == "KeyboardInterrupt":
        return "while Python itself started"
    if _SWALLOWED.match(ended.out):
        # where ours listens, nothing of that is printed, and it is raised again
        assert ended.code == whole.code, (path, ended, whole)
        return "while Python itself started"
    if "Traceback" in ended.out:
        # the interpreter itself was still starting: nothing of ours was there to catch it
        assert re.search(r"KeyboardInterrupt\s*$", ended.out), (path, ended)
        assert "kotta_cli/main" not in ended.out, (path, ended)
        return "while Python itself started"
    if ended.code in (130, -signal.SIGINT):
        return "exit 130"
    assert ended.code == whole.code, (path, ended, whole)
    return "ended before"
