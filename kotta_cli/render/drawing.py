"""What changes on the terminal while something goes on, from its first picture to its last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from kotta_cli.interrupts import held

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress

Drawn = TypeVar("Drawn", "Live", "Progress")
_begun: list[Live | Progress] = []


@contextmanager
def drawn(picture: Drawn) -> Iterator[Drawn]:
    """Draw it during the block; after that the terminal is as it was, whenever Ctrl-C comes.

    As a context manager of its own, rich would not show the cursor again that it had just hidden.
    """
    _begun.append(picture)
    try:
        with held():
            picture.start()
        yield picture
    finally:
        end_all()


def end_all() -> None:
    """Ends every picture that was begun and not ended, as after Ctrl-C before its block began."""
    while _begun:
        with held():
            _begun.pop().stop()
