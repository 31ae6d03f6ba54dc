"""The one object that a command is given: its terminal, its flags, and a lazy client.

Tests replace any part of it. No command reads `sys.stdout`, the environment or a setting by itself.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from kotta_cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import Console

    from kotta import Kotta
    from kotta.config import Config
    from kotta.models import Job, Queue


@dataclass(eq=False, repr=False)
class App:
    """What a command has: streams, flags, and the way to the service.

    Attributes:
        connect: makes a client for (profile, server, notify).
        arguments: the command line, for complaints about it.
        as_json: whether `--json` was given: results are JSON, and so are errors.
        json_fields: which fields of the objects are wanted; empty: all.
        quiet: whether progress and notes are held back.
    """

    stdin: TextIO
    out: Terminal
    err: Terminal
    connect: Callable[[App], Kotta]
    arguments: Sequence[str] = ()
    profile: str | None = None
    server: str | None = None
    as_json: bool = False
    json_fields: tuple[str, ...] = ()
    quiet: bool = False
    _client: Kotta | None = None
    _config: Config | None = None
    _drawing: Console | None = None
    _held_notes: list[str] | None = None

    @classmethod
    def of_this_process(cls) -> App:
        """An app on the process's own streams."""
        stdin = sys.stdin or TextIOWrapper(BytesIO())
        return cls(stdin, Terminal.of(sys.stdout), Terminal.of(sys.stderr), connect=_connect)

    @property
    def client(self) -> Kotta:
        """The one client of this command; made when first asked for, closed by `close`."""
        if self._client is None:
            self._client = self.connect(self)
        return self._client

    @property
    def config(self) -> Config:
        """The user's settings; to read them needs no service."""
        if self._client is not None:
            return self._client.config
        if self._config is None:
            from kotta.config import Config

            self._config = Config()
        return self._config

    @property
    def draws_tables(self) -> bool:
        """Whether lists are laid out for a person."""
        return self.out.is_tty and not self.as_json

    @property
    def shows_progress(self) -> bool:
        """Whether a live line may be drawn on stderr."""
        return self.err.is_smart and not self.quiet and not self.as_json

    def print(self, text: str = "") -> None:
        """One result, to stdout."""
        self.out.write(text + "\n")

    def note(self, text: str) -> None:
        """One remark that is no result, to stderr; with `--json` that is for errors alone."""
        if not self.as_json:
            self.complain(text)

    def complain(self, text: str) -> None:
        """One error, to stderr."""
        if self._held_notes is not None:
            self._held_notes.append(text)
        elif self._drawing is None:
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

    @contextmanager
    def holding_notes(self) -> Iterator[None]:
        """Keep remarks back for as long as the body has the whole screen to itself."""
        held: list[str] = []
        self._held_notes = held
        try:
            yield
        finally:
            self._held_notes = None
            for text in held:
                self.note(text)

    @property
    def can_ask(self) -> bool:
        """Whether there is a person who can be asked."""
        return self.err.is_tty and self.stdin.isatty() and not self.as_json

    def ask(self, question: str) -> bool:
        """Whether a person says yes."""
        self.err.write(question)
        return self.stdin.readline().strip().lower() in ("y", "yes")

    def remember(
        self,
        jobs: Iterable[Job] = (),
        queues: Iterable[Queue] | None = None,
        outputs: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Let the shell complete what was just seen; see `kotta_cli.remembering.remember`."""
        from kotta_cli.completion_cache import service_key
        from kotta_cli.remembering import remember

        server = self.client.server
        service = service_key(server.profile, server.address)
        remember(service, jobs=jobs, queues=queues, outputs=outputs)

    def close(self) -> None:
        """Give up the connection, if there is one."""
        if self._client is not None:
            self._client.close()
            self._client = None


def collect_garbage_again() -> None:
    """Undo what `kotta_cli.entry` did for the imports, which are over; they are never garbage."""
    gc.freeze()
    gc.enable()


def _connect(app: App) -> Kotta:
    from kotta import Kotta

    collect_garbage_again()
    # With --json there is nothing on stderr but an error, which a program may want to parse.
    notify = None if app.as_json else app.note
    client = Kotta(profile=app.profile, server=app.server, notify=notify)
    server = client.server
    if server.chosen_by.endswith("kotta.toml") and app.err.is_tty and notify and not app.quiet:
        # A folder that somebody gave away may hold such a file.
        app.note(f"Using profile {server.profile}, as {server.chosen_by} says.")
    return client
