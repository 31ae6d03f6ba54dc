"""Which signals a runner hears, and what its children make of them."""

from __future__ import annotations

import os
import signal

CANCEL_SIGNAL = signal.SIGUSR1
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def plain_signals() -> None:
    """In a forked child: signals do again what they do by default."""
    signal.set_wakeup_fd(-1)
    for number in (*IGNORED_SIGNALS, CANCEL_SIGNAL, signal.SIGALRM):
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
        is_ending: whether SIGTERM has come to a runner that heeds it.
    """

    def __init__(self) -> None:
        self.is_ending = False
        self.wakes, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in IGNORED_SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.signal(CANCEL_SIGNAL, lambda *_: None)
        # a guard blocks them until there is somebody to hear them
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*IGNORED_SIGNALS, CANCEL_SIGNAL))
        # whoever started us may ignore it, which we would inherit: no child would leave its status
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def heed_term(self) -> None:
        """From now on SIGTERM means that what holds this machine's cores takes them back."""
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, *_: object) -> None:
        self.is_ending = True

    def empty(self) -> None:
        """Forgets what woke us."""
        os.read(self.wakes, 4096)
