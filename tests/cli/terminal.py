"""A terminal that tests can look at: a real pty, drawn by an emulator."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
from waiting import wait_until


class TerminalWindow:
    """A command on a terminal of some size, and what its window shows."""

    def __init__(
        self,
        command: list[str],
        *,
        columns: int,
        rows: int,
        environment: dict[str, str],
        cwd: Path,
    ) -> None:
        self.raw = ""
        self._screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(
            command[0],
            command[1:],
            env=environment,
            cwd=str(cwd),
            dimensions=(rows, columns),
            encoding="utf-8",
            codec_errors="replace",
            timeout=30,
        )
        # pexpect takes naps by default, in case of slow terminals.
        self._child.delaybeforesend = None
        self._child.delayafterclose = 0
        self._child.ptyproc.delayafterclose = 0  # type: ignore[attr-defined]

    @property
    def lines(self) -> list[str]:
        """What the window shows, without blanks at the ends."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def color_of(self, word: str) -> str:
        """The colour in which the window shows the first letter of a word."""
        for row, line in enumerate(self._screen.display):
            if (column := line.find(word)) >= 0:
                return str(self._screen.buffer[row][column].fg)
        raise AssertionError(f"{word!r} is not in:\n{self.text}")

    def until(self, *words: str, timeout: float = 20) -> TerminalWindow:
        """Wait until the window shows all of these words."""
        return self.until_it(lambda: all(word in self.text for word in words), timeout=timeout)

    def until_it(self, holds: Callable[[], bool], *, timeout: float = 20) -> TerminalWindow:
        """Wait until something holds of the window."""

        def look() -> bool:
            self._read()
            return holds()

        wait_until(look, timeout=timeout, what=lambda: f"\n{self.text}\n")
        return self

    def end(self, timeout: float = 30) -> int:
        """Wait for the command's end; the result is its exit code."""

        def ended() -> bool:
            self._read()
            return not self._child.isalive()

        wait_until(ended, timeout=timeout, what=lambda: f"\n{self.text}\n")
        self._read()
        self._child.close()
        if self._child.signalstatus is not None:
            return -int(self._child.signalstatus)
        assert self._child.exitstatus is not None
        assert not re.search("Traceback", self.text), self.text
        return int(self._child.exitstatus)

    def type(self, text: str) -> None:
        self._child.send(text)

    def kill(self, number: int) -> None:
        """Send the command a signal."""
        self._child.kill(number)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._child.sendintr()

    def resize(self, *, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def _read(self) -> None:
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            while True:
                text = self._child.read_nonblocking(65536, timeout=0)
                self.raw += text
                self._stream.feed(text)
