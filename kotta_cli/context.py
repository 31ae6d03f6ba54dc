"""The one object that a command is given: its streams, what they can show, and a lazy client.

Tests replace any part of it. No command reads `sys.stdout`, the environment or a setting by itself.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from kotta_cli.help_page import terminal_columns, wants_color

if TYPE_CHECKING:
    from rich.console import Console

    from kotta import Kotta
    from kotta.models import Job, Queue

MIN_COLUMNS, MAX_COLUMNS = 60, 200


class OutputClosedError(Exception):
    """Whoever read our output has gone away; there is nobody left to tell."""


class OutputStream:
    """A text stream that says when nobody reads it, and spells our signs as its encoding can."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        encoding = (stream.encoding or "ascii").lower().replace("-", "")
        self.is_unicode = encoding.startswith(("utf", "gb18030"))

    def write(self, text: str) -> int:
        with _told_plainly():
            return self._stream.write(text if self.is_unicode else text.translate(_TO_ASCII))

    def write_bytes(self, chunk: bytes) -> None:
        """Write bytes exactly as they are."""
        with _told_plainly():
            self._stream.flush()
            self._stream.buffer.write(chunk)

    def flush(self) -> None:
        with _told_plainly():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise OutputClosedError from None
    except OSError as error:
        from kotta.errors import KottaError

        raise KottaError(f"cannot write the output: {error.strerror}") from error


_TO_ASCII = str.maketrans("●○◐◌✓✗■…·█▏", "*oo.+x-~-#|")
"""Cell for cell, so that columns stay columns."""


@dataclass(eq=False, repr=False)
class Terminal:
    """One output stream and what it can show.

    Attributes:
        is_tty: whether a person sees it at once.
        columns: its width in cells, from 60 to 200.
        color: whether ANSI colours may be written.
        unicode: whether its encoding knows more than ASCII.
        is_smart: whether the cursor can be moved, so that a line can be redrawn.
    """

    stream: OutputStream
    is_tty: bool
    color: bool
    unicode: bool
    is_smart: bool

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """Look at a stream and at the environment."""
        is_tty = stream.isatty()
        output = OutputStream(stream)
        return cls(
            stream=output,
            is_tty=is_tty,
            color=wants_color(is_tty),
            unicode=output.is_unicode,
            is_smart=is_tty and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"),
        )

    @property
    def columns(self) -> int:
        try:
            found = terminal_columns(self.stream.fileno())
        except (OSError, ValueError):
            found = None
        return min(max(found or 80, MIN_COLUMNS), MAX_COLUMNS)

    def write(self, text: str) -> None:
        """Write and flush.

        Raises:
            OutputClosedError: nobody reads it any more.
        """
        self.stream.write(text)
        self.stream.flush()

    def write_bytes(self, chunk: bytes) -> None:
        """Write bytes exactly as they are, and flush.

        Raises:
            OutputClosedError: nobody reads it any more.
        """
        self.stream.write_bytes(chunk)
        self.stream.flush()

    def console(self) -> Console:
        """The same stream for rich, which costs 50 ms to import: ask on a terminal only."""
        from rich.console import Console

        return Console(
            file=cast(TextIO, self.stream),
            width=None if self.is_tty and self.is_smart else self.columns,
            force_terminal=self.is_tty or self.color,
            color_system="auto" if self.color else None,
            no_color=not self.color,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False if os.name != "nt" else None,
        )


@dataclass(eq=False, repr=False)
class App:
    """What a command has: streams, flags, and the way to the service.

    Attributes:
        connect: makes a client for (profile, server, notify).
        as_json: whether `--json` was given: results are JSON, and so are errors.
        quiet: whether progress and notes are held back.
    """

    stdin: TextIO
    out: Terminal
    err: Terminal
    connect: Callable[[App], Kotta]
    profile: str | None = None
    server: str | None = None
    as_json: bool = False
    quiet: bool = False
    _client: Kotta | None = None
    _drawing: Console | None = None

    @classmethod
    def of_this_process(cls) -> App:
        """An app on the process's own streams."""
        out, err = (Terminal.of(_usable(stream)) for stream in (sys.stdout, sys.stderr))
        stdin = sys.stdin or open(os.devnull, encoding="utf-8")
        return cls(stdin, out, err, connect=_connect)

    @property
    def client(self) -> Kotta:
        """The one client of this command; made when first asked for, closed by `close`."""
        if self._client is None:
            self._client = self.connect(self)
        return self._client

    @property
    def shows_progress(self) -> bool:
        """Whether a live line may be drawn on stderr."""
        return self.err.is_smart and not self.quiet and not self.as_json

    def print(self, text: str = "") -> None:
        """One result, to stdout."""
        self.out.write(text + "\n")

    def note(self, text: str) -> None:
        """One remark that is no result, to stderr."""
        if self._drawing is None:
            self.err.write(text + "\n")
        else:
            from rich.text import Text

            # Above what is drawn there, and not into the middle of it.
            self._drawing.print(Text(text))

    @contextmanager
    def drawing_on(self, console: Console) -> Iterator[None]:
        """Tell that rich redraws stderr on this console for as long as the body runs."""
        self._drawing = console
        try:
            yield
        finally:
            self._drawing = None

    def remember(self, jobs: Iterable[Job] = (), queues: Iterable[Queue] | None = None) -> None:
        """Let the shell complete what was just seen."""
        from kotta_cli.remembering import remember

        remember(self.profile or self.server, jobs=jobs, queues=queues)

    def close(self) -> None:
        """Give up the connection, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _usable(stream: TextIO | None) -> TextIO:
    if stream is None:
        # The descriptor was closed before we began; whoever did that wants to hear nothing.
        return open(os.devnull, "w", encoding="utf-8")
    # A name that the locale cannot spell must not end the command.
    cast(TextIOWrapper, stream).reconfigure(errors="backslashreplace")
    return stream


def collect_garbage_again() -> None:
    """Undo what `kotta_cli.entry` did for the imports, which are over; they are never garbage."""
    gc.freeze()
    gc.enable()


def _connect(app: App) -> Kotta:
    from kotta import Kotta

    collect_garbage_again()
    # With --json there is nothing on stderr but an error, which a program may want to parse.
    notify = None if app.as_json else app.note
    return Kotta(profile=app.profile, server=app.server, notify=notify)
