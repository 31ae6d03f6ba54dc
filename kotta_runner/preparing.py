"""What is done for an attempt before its command: inputs are brought, requirements installed.

Both are done in children, which can be ended while they wait for a silent server. Bringing itself
is in `stage_in`, installing in `environment`, and who looks after a child meanwhile is `run`.
"""

from __future__ import annotations

import os
import time

from kotta_runner import TYPE_CHECKING, limits
from kotta_runner.attempt import Attempt
from kotta_runner.caller import Callers
from kotta_runner.isolation import Account, become, kind_of
from kotta_runner.outcome import STOPS, Outcome
from kotta_runner.process_tree import Children, end_with_parent
from kotta_runner.signals import plain_signals
from kotta_runner.stage_in import Inputs, link, to_be_brought, write_script
from kotta_runner.staging import StagingError

if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    Wait = Callable[[int, Optional[float], Optional[limits.Watch]], Any]

_REQUIREMENTS_SECONDS = 3600.0
"""How long installing them may take, for a launch that does not say it."""


class Preparing:
    """Puts everything in place for the command of one attempt.

    Args:
        account: whom the job runs as, None if as the runner itself.
        children: those of the runner.
        callers: those of earlier attempts.
        wait: waits for the end of a child, until a deadline and held to limits, if there are such.
            It gives the child's exit code, the negative of the signal that ended it, or a word for
            what came before its end: one of `STOPS`, `"walltime"`, `"memory"` or `"limit"`.
    """

    def __init__(
        self,
        attempt: Attempt,
        launch: Dict[str, Any],
        account: Optional[Account],
        children: Children,
        callers: Callers,
        wait: Wait,
    ) -> None:
        self._attempt = attempt
        self._launch = launch
        self._account = account
        self._owner = account.owner if account else None
        self._children = children
        self._callers = callers
        self._wait = wait

    def to_its_end(self) -> Optional[Outcome]:
        """None when everything is in place.

        Raises:
            StagingError: something cannot be brought, installed or written.
        """
        if self._owner is not None:
            self._attempt.give_work_to(*self._owner)
        link(self._attempt, self._launch)
        if self._launch.get("requirements") and kind_of(self._launch) == "bubblewrap":
            # an installer runs what it downloads, and would do so outside
            raise StagingError("requirements cannot be installed for a job in a sandbox")
        outcome = None
        if to_be_brought(self._launch):
            outcome = STOPS.get(self._in_child(self._bring))
        if outcome is None and self._launch.get("requirements"):
            outcome = self._install()
        if outcome is None:
            write_script(self._attempt, self._launch.get("script"), self._owner)
        return outcome

    def _bring(self, runner: int) -> None:
        inputs = Inputs(self._attempt, self._launch, self._owner)
        inputs.copy()
        if self._account is not None:
            # what strangers send is read as the job's account
            inputs.load()
            become(self._account)
            end_with_parent(runner)  # which a change of account takes back
        inputs.download()

    def _install(self) -> Optional[Outcome]:
        """None when the environment is there; what installs it is held to bounds as a command."""
        # imported here: a cluster's runners pay for what they import, each anew
        from kotta_runner import environment

        # what lies in an account's folder is touched by that account alone
        if self._account is None and environment.use(self._launch):
            return None

        def ensure(runner: int) -> None:
            if self._account is not None:
                # what strangers wrote is installed as the job's account
                environment.make_place(self._launch, *self._account.owner)
                become(self._account)
                end_with_parent(runner)
            limits.limit_processes(0, self._launch)
            environment.ensure(self._launch)

        seconds = self._launch.get("requirements_seconds", _REQUIREMENTS_SECONDS)
        self._callers.end()  # nothing else is to run beside it, or to be counted as its
        watch = limits.Watch(self._launch)
        end = self._in_child(ensure, time.monotonic() + seconds, watch)
        self._children.kill()  # what an installer leaves that has come to its end
        if end == "walltime":
            words = "its requirements were not installed within %g minutes" % (seconds / 60)
            raise StagingError(words)
        if end in ("memory", "limit"):
            words = "its requirements were not installed: %s" % watch.words
            return Outcome("failed", end, error=words)
        return STOPS.get(end)

    def _in_child(
        self,
        action: Callable[[int], None],
        deadline: Optional[float] = None,
        watch: Optional[limits.Watch] = None,
    ) -> Any:
        """Does it in a process of its own.

        Args:
            action: gets the runner's process id.

        Returns:
            What `wait` does; unless it is 0, nothing of it is left running.

        Raises:
            StagingError: it failed.
        """
        runner = os.getpid()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            # it shares the lock, and would keep it from the next runner if this one were lost
            end_with_parent(runner)
            _do_in_child(writer, lambda: action(runner))
        os.close(writer)
        end = self._wait(child, deadline, watch)
        if end != 0:
            self._children.kill()
        with os.fdopen(reader, "rb") as pipe:
            error = pipe.read().decode("utf-8", "replace")
        if isinstance(end, int) and end != 0:
            raise StagingError(error or _without_words(end))
        return end


def _without_words(end: int) -> str:
    """What is said of a child that did not do what it was to, and did not say why."""
    if end < 0:
        return "staging was ended by signal %d" % -end
    return "staging ended without a word"


def _do_in_child(writer: int, action: Callable[[], None]) -> None:
    """In a forked child: does it, and never returns.

    It exits with 0 if that was done, and only then; an error's words go to the pipe.
    """
    code = 1
    try:
        plain_signals()
        try:
            action()
            code = 0
        except Exception as error:
            words = str(error) or type(error).__name__
            os.write(writer, words.encode("utf-8", "backslashreplace")[-8192:])
    finally:
        os._exit(code)
