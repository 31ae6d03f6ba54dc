"""Stands above a runner on a cluster's node, and ends what it leaves behind if it is killed.

A cluster may follow its jobs' processes by their parents alone, and lose those whose parent has
ended.
"""

from __future__ import annotations

import os
import signal

from kotta_runner import TYPE_CHECKING
from kotta_runner.process_tree import Children, become_subreaper
from kotta_runner.signals import CANCEL_SIGNAL

if TYPE_CHECKING:
    from typing import Callable

GRACE_SECONDS = 2.0
_PASSED_ON = (CANCEL_SIGNAL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def guarded(run: Callable[[], None]) -> int:
    """Runs it in a child, and returns, when nothing of it is left, with its exit code."""
    become_subreaper()
    # what comes before both are ready for it waits
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    runner = os.fork()
    if runner == 0:
        _be_runner(run)
    for number in _PASSED_ON:
        signal.signal(number, lambda got, _: os.kill(runner, got))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    # not reaped yet: nobody else can have its number while signals are passed on
    os.waitid(os.P_PID, runner, os.WEXITED | os.WNOWAIT)
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(runner, 0)
    Children().end_gently(GRACE_SECONDS)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _be_runner(run: Callable[[], None]) -> None:
    code = 1
    try:
        run()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
