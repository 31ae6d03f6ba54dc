"""A bar on stderr for each file that travels, and one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kotta_cli.render.drawing import drawn
from kotta_cli.render.plain_text import one_line
from kotta_cli.render.times import size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from kotta_cli.context import App

_ROOM_FOR_SPEED = 76
_SPEED_CELLS = len("1023.9 MiB/s")
_ARRIVED_SHOWN = 6


@contextmanager
def transfer_bars(
    app: App, sizes: Mapping[str, int]
) -> Iterator[Callable[[str, int, int], None] | None]:
    """Draw bars while the body transfers; the result is what the library tells its progress.

    Args:
        sizes: bytes of the files that will probably travel, by name.

    Yields:
        None where no bar can be drawn.
    """
    if not app.shows_progress or not sizes:
        yield None
        return
    with drawn(_progress(app)) as progress, app.drawing_on(progress.console):
        yield _Bars(progress, sizes).update


class _Bars:
    """A bar for each file on its way, the latest that have arrived, and the total."""

    def __init__(self, progress: Progress, sizes: Mapping[str, int]) -> None:
        self._progress = progress
        self._total_bytes = sum(sizes.values())
        self._expected = set(sizes)
        self._done: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}
        self._done_bytes = 0
        self._arrived: dict[TaskID, None] = {}
        self._total = (
            progress.add_task("total", total=self._total_bytes) if len(sizes) > 1 else None
        )

    def update(self, name: str, done: int, whole: int) -> None:
        if name not in self._tasks:
            if name not in self._expected:
                self._total_bytes += whole
            self._tasks[name] = self._progress.add_task(one_line(name), total=whole)
        task = self._tasks[name]
        self._done_bytes += done - self._done.get(name, 0)
        self._done[name] = done
        self._progress.update(task, completed=done)
        if done >= whole:
            self._arrived[task] = None
            if len(self._arrived) > _ARRIVED_SHOWN:
                oldest = next(iter(self._arrived))
                del self._arrived[oldest]
                self._progress.remove_task(oldest)
        if self._total is not None:
            self._progress.update(self._total, completed=self._done_bytes, total=self._total_bytes)


def _progress(app: App) -> Progress:
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class SpeedColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.finished or not task.speed:
                return Text(" " * _SPEED_CELLS)
            return Text(f"{size(int(task.speed))}/s".rjust(_SPEED_CELLS), style="dim")

    name = Column(no_wrap=True, overflow="ellipsis", max_width=app.err.columns // 3)
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=None, complete_style="blue", finished_style="green"),
        DownloadColumn(binary_units=True),
    ]
    if app.err.columns >= _ROOM_FOR_SPEED:
        columns.append(SpeedColumn())
    return Progress(*columns, console=app.err.console(), transient=True, expand=True)
