"""An attempt on a file system that several machines share, where locks are not to be trusted.

It is claimed by a file that can be made once, and its runner shows that it lives by writing another
one anew every few seconds. Who looks at it from elsewhere compares contents, not clocks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from kotta_runner import TYPE_CHECKING
from kotta_runner.attempt import Attempt, identity

if TYPE_CHECKING:
    from typing import Any, Dict, Iterable


class SharedAttempt(Attempt):
    """One attempt, which is this process's alone once `claim` has said so.

    Args:
        renew_seconds: how often to show that this process lives.
        news: a file to make whenever there is something to tell: so nobody has to look at the
            directories of all attempts again and again.
        tells_end: whether the end is such a thing, rather than told by whoever has us run it.
    """

    def __init__(
        self,
        directory: str,
        renew_seconds: float,
        news: str,
        on_disk: str = "",
        tells_end: bool = True,
    ) -> None:
        super().__init__(directory, on_disk)
        self._renew_seconds = renew_seconds
        self._news = news
        self._tells_end = tells_end

    def claim(self) -> bool:
        """Makes the claim; False: another runner has or had it, or the service has barred it."""
        try:
            claim = os.open(self.path("claim"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except (FileExistsError, FileNotFoundError):
            return False  # or the directory was removed: nobody wants the attempt any more
        with os.fdopen(claim, "w") as file:
            place = (os.uname().nodename, identity(os.getpid()), os.environ.get("SLURM_JOB_ID"))
            # not synced: what takes it back takes us as well
            file.write("%s %s %s" % place)
        if self._is_over():
            return False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("launch.json"))  # it has a token, and has been read
        self._emptied()
        # until then the claim shows life enough; the timer's signal wakes whoever waits: so a word
        # that the attempt is to be cancelled is found
        signal.signal(signal.SIGALRM, lambda *_: self._show_life())
        signal.setitimer(signal.ITIMER_REAL, self._renew_seconds, self._renew_seconds)
        return True

    def release(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def forget(self) -> None:
        """A fork has no timer of its parent's, and so nothing to forget."""

    def write_phase(self, phase: str, timeline: Dict[str, float]) -> None:
        super().write_phase(phase, timeline)
        self._tell_news()

    def write_record(self, record: Dict[str, Any], folders: Iterable[str]) -> None:
        super().write_record(record, folders)
        if self._tells_end:
            self._tell_news()

    def _tell_news(self) -> None:
        with contextlib.suppress(OSError):
            os.close(os.open(self._news, os.O_CREAT | os.O_WRONLY, 0o600))

    def _show_life(self) -> None:
        # a full disk, or one that is away, is no reason to end
        with contextlib.suppress(OSError):
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
            file = os.open(self.path("alive"), flags, 0o600)
            try:
                os.write(file, b"%.6f" % time.time())
            finally:
                os.close(file)


def attempt_of(launch: Dict[str, Any]) -> Attempt:
    """The attempt of a launch, claimed in the way that it names."""
    on_disk = launch.get("on_disk", "")
    if launch.get("claim"):
        return SharedAttempt(launch["directory"], on_disk=on_disk, **launch["claim"])
    return Attempt(launch["directory"], on_disk)
