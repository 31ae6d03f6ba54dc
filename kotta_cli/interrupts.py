"""Ctrl-C where Python does not let a `KeyboardInterrupt` through.

In a `__del__`, or in what the import system cleans up, it prints a traceback and goes on as if
nobody had pressed anything; libraries in C make an error of their own of it; and one that comes
just after a lock was taken, and before that is known, leaves it taken for ever.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_SECONDS = 0.001
_INSIST_SECONDS = 5.0
"""Who has not left by then waits for what will not come, and is interrupted once more."""
_heard = False
_held = 0
_waits = False


def listen() -> None:
    """From now on an interrupt is remembered, and raised again where it was swallowed."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # whoever started us has it ignored
    signal.signal(signal.SIGINT, _interrupt)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _hear_unraisable


def was_heard() -> bool:
    """Whether there was an interrupt, whatever was made of it."""
    return _heard


@contextmanager
def held() -> Iterator[None]:
    """Lets an interrupt wait for the end of the block, which is short and must not be half done.

    A second one, or a block that takes long, ends the waiting.
    """
    global _held, _waits
    _held += 1
    try:
        yield
    except BaseException:
        _waits = False
        raise
    finally:
        _held -= 1
    if _waits and not _held:
        _waits = False
        raise KeyboardInterrupt


def _interrupt(*_: object) -> None:
    global _heard, _waits
    _heard = True
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, _INSIST_SECONDS)
    if _held and not _waits:
        _waits = True
        return
    raise KeyboardInterrupt


def _hear_unraisable(unraisable: UnraisableHookArgs, /) -> None:
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # not here: whoever called us would swallow that one as well
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(unraisable)
