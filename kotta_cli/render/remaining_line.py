"""One line on stderr while a person has something to do elsewhere: how long there is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kotta_cli.render.drawing import drawn

if TYPE_CHECKING:
    from rich.text import Text

    from kotta_cli.context import App

WORDS = "Waiting until that is done; Ctrl-C gives up."


@contextmanager
def waiting(app: App, until: float) -> Iterator[Callable[[float], None]]:
    """Draw the line while the body waits; the result is how the body sleeps.

    Where no line can be drawn, as in a pipe, it says once what is waited for.

    Args:
        until: when there is nothing to wait for any more, on the monotonic clock.
    """
    if not app.shows_progress:
        if not app.quiet:
            app.note(WORDS)
        yield time.sleep
        return
    from rich.live import Live

    console = app.err.console()
    live = Live(
        _RemainingLine(until, unicode=app.err.unicode),
        console=console,
        transient=True,
        refresh_per_second=8,
    )
    with drawn(live), app.drawing_on(console):
        yield time.sleep


@dataclass(eq=False)
class _RemainingLine:
    until: float
    unicode: bool
    _spinner: Any = field(init=False)

    def __post_init__(self) -> None:
        from rich.spinner import Spinner

        self._spinner = Spinner("dots" if self.unicode else "line")

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Text]:
        from rich.text import Text

        left = max(0, round(self.until - time.monotonic()))
        line = Text.assemble(
            self._spinner.render(console.get_time()),
            f" Waiting  {left // 60}:{left % 60:02} left",
            ("  Ctrl-C gives up", "dim"),
        )
        line.truncate(options.max_width - 1, overflow="ellipsis")
        yield line
