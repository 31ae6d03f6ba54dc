"""Which signals a runner hears, and what its children make of them."""

from __future__ import annotations

import os
import signal

CANCEL_SIGNAL = signal.SIGUSR1
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def plain_signals() -> None:
    """In a forked child: signals do again what they do by default."""
    signal.set_wakeup_fd(-1)
    for number in (*IGNORED_SIGNALS, CANCEL_SIGNAL):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # a new Python ignores these by itself
        signal.signal(number, signal.SIG_IGN)


class CancelSignal:
    """Wakes this runner when it is asked to cancel; other signals do nothing: a logout ends no job.

    What is to be cancelled, if anything, the attempt's directory says: a signal may come late, when
    this process is at another attempt. Handlers, not SIG_IGN: what is ignored would stay ignored in
    the command.

    Attributes:
        wakes: a descriptor that is readable once any signal has come.
    """

    def __init__(self) -> None:
        self.wakes, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in IGNORED_SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.signal(CANCEL_SIGNAL, lambda *_: None)
        # whoever started us may ignore it, which we would inherit: no child would leave its status
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def empty(self) -> None:
        """Forgets what woke us."""
        os.read(self.wakes, 4096)
