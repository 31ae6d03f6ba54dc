"""The streams that a command writes to, and what they can show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

from kotta_cli.help_page import terminal_columns, wants_color

if TYPE_CHECKING:
    from rich.console import Console

MIN_COLUMNS, MAX_COLUMNS = 60, 200


class OutputClosedError(Exception):
    """Whoever read our output has gone away; there is nobody left to tell."""


class OutputStream:
    """A text stream that says when nobody reads it, and spells our signs as its encoding can."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        encoding = (stream.encoding or "ascii").lower().replace("-", "")
        # Python speaks UTF-8 in the C locale; who asked for that locale did not ask for our signs.
        self.is_unicode = encoding.startswith(("utf", "gb18030")) and not _is_c_locale()

    @property
    def encoding(self) -> str:
        """What rich goes by when it draws."""
        return "utf-8" if self.is_unicode else "ascii"

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


def _is_c_locale() -> bool:
    return os.environ.get("LC_ALL") in ("C", "POSIX")


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
    def of(cls, stream: TextIO | None) -> Terminal:
        """Look at a stream of this process and at the environment."""
        if stream is None:
            # The descriptor was closed before we began; whoever did that wants to hear nothing.
            stream = TextIOWrapper(BytesIO(), encoding="utf-8")
        # A name that the locale cannot spell must not end the command.
        cast(TextIOWrapper, stream).reconfigure(errors="backslashreplace")
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
            descriptor = self.stream.fileno()
        except (OSError, ValueError):
            descriptor = -1  # it is no terminal, but the environment may tell
        found = terminal_columns(descriptor)
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
