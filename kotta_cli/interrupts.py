"""Ctrl-C that Python would swallow.

Where it cannot raise an exception, as in a `__del__` or in what the import system cleans up, it
prints a traceback and goes on as if nobody had pressed anything.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_SECONDS = 0.001


def raise_swallowed() -> None:
    """From now on an interrupt that was swallowed is raised again a moment later."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        sys.unraisablehook = _hear


def _hear(unraisable: UnraisableHookArgs, /) -> None:
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # not here: whoever called us would swallow that one as well
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(unraisable)
