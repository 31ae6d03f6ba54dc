"""The life of one attempt, from its inputs to its exit record: docs/runner.md, line by line."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from kotta_runner import TYPE_CHECKING, command, limits, process_tree, usage
from kotta_runner.attempt import Attempt
from kotta_runner.caller import Caller, Callers
from kotta_runner.isolation import account_of
from kotta_runner.outcome import CANCELLED, NO_VALUE, STOPS, Outcome, of_command, over_limit
from kotta_runner.preparing import Preparing
from kotta_runner.process_tree import Children
from kotta_runner.report import COALESCE_SECONDS, Launcher, Reporter
from kotta_runner.result import error_words, take_result
from kotta_runner.shared_attempt import attempt_of
from kotta_runner.signals import CANCEL_SIGNAL, CancelSignal
from kotta_runner.stage_out import Outputs
from kotta_runner.staging import StagingError

if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

LEFTOVER_GRACE_SECONDS = 2.0
_RECORD_PAUSE_SECONDS = 1.0
_RECORD_TRIES = 3600
_UNDRIVEN_POLL_SECONDS = 0.02
"""How often to look where the kernel cannot wake us for a child's end (no pidfd)."""
_TERM_SECONDS = 0.5
"""How long after a command that SIGTERM ended the runner's own may come: a cluster sends it to all,
one after another."""


def run_attempt(
    launch: Dict[str, Any],
    cancel: CancelSignal,
    launcher: Optional[Launcher] = None,
    callers: Optional[Callers] = None,
) -> None:
    """Runs the attempt to its end, unless another runner has it or it was started before.

    Args:
        cancel: made before, as whoever holds an attempt's lock may be signalled.
        launcher: the parent that speaks with the service, if there is one.
        callers: those of earlier attempts, which later ones may use.
    """
    if callers is None:
        callers = Callers()
        try:
            run_attempt(launch, cancel, launcher, callers)
        finally:
            callers.end()
        return
    if not command.is_of_callers(launch):
        callers.end()  # else it would seem to be of this job
    attempt = attempt_of(launch)
    if launch.get("cluster"):
        cancel.heed_term()
    if (launch.get("isolation") or {}).get("no_new_privileges"):
        process_tree.forbid_new_privileges()
    if attempt.claim():
        try:
            _Run(attempt, launch, launcher, cancel, callers).to_its_end()
        finally:
            attempt.release()


def outputs_of(attempt: Attempt, launch: Dict[str, Any], owner_uid: Optional[int]) -> Outputs:
    """What keeps the outputs of an attempt as its launch says."""
    if "directory" in launch["stage_out"]:
        return Outputs(attempt, launch, owner_uid)
    from kotta_runner.signed_outputs import SignedOutputs

    return SignedOutputs(attempt, launch, owner_uid)


class _Run:
    def __init__(
        self,
        attempt: Attempt,
        launch: Dict[str, Any],
        launcher: Optional[Launcher],
        cancel: CancelSignal,
        callers: Callers,
    ) -> None:
        self.attempt = attempt
        self.launch = launch
        self.cancel = cancel
        self.callers = callers
        self.reporter = Reporter(launch, launcher, on_cancel=self._ask_cancel)
        self.timeline: Dict[str, float] = {}
        self.clock: Dict[str, float] = {}
        self.children = Children()
        self.is_kept = False
        self.result: Optional[Dict[str, Any]] = None
        self.answered: Optional[Dict[str, Any]] = None
        self.sampler: Optional[usage.Sampler] = None
        self.samples: List[Dict[str, Any]] = []
        self.watch: Optional[limits.Watch] = None
        self.account = account_of(launch)
        self.outputs = outputs_of(attempt, launch, self.account.uid if self.account else None)

    def to_its_end(self) -> None:
        process_tree.become_subreaper()
        self._enter("staging_inputs")
        outputs: List[Dict[str, Any]] = []
        try:
            outcome = self._prepare() or self._process()
            self._enter("staging_outputs")
            outputs = self.outputs.keep_all(lambda: self._tell("staging_outputs"))
            if self.launch.get("function"):
                self.result = take_result(self.attempt, self.answered, self.outputs, outputs)
                outcome = outcome.saying(outcome.error or error_words(self.result))
                if self.result is None and outcome.status == "completed":
                    outcome = NO_VALUE
            self.outputs.finish()
            self.is_kept = True
            if self.outputs.too_large:
                outcome = over_limit(outcome, self.outputs.too_large)
        except StagingError as error:
            outcome = Outcome("failed", "staging", error=str(error))
            if self.attempt.cancel_asked():
                outcome = CANCELLED.saying(str(error))
            outputs = []
        except Exception as error:
            words = "the runner failed: %s: %s" % (type(error).__name__, error)
            outcome = Outcome("failed", "staging", error=words)
            self.children.kill()
        self._enter("ended")
        self._leave(self._record(outcome, outputs))

    def _prepare(self) -> Optional[Outcome]:
        """None when everything is in place."""

        def wait(child: int, deadline: Optional[float], watch: Optional[limits.Watch]) -> Any:
            self.watch = watch
            return self._wait(child, "staging_inputs", deadline)

        return Preparing(
            self.attempt, self.launch, self.account, self.children, self.callers, wait
        ).to_its_end()

    def _process(self) -> Outcome:
        if self.attempt.cancel_asked():
            return CANCELLED
        if not self.attempt.mark_started():
            raise StagingError("this attempt was started before")
        if self.attempt.cancel_asked():  # while the marker was being synced
            return CANCELLED
        self._enter("processing")
        self.children = Children()  # what brought the inputs does not count
        deadline = self.clock["processing"] + self.launch["walltime_seconds"]
        self.sampler = usage.Sampler(self.attempt.directory, self.attempt.work, self.children)
        self.watch = limits.Watch(self.launch)
        started = command.start(self.attempt, self.launch, self.callers)
        caller = started.caller
        if caller is not None:
            self.children.cpu_seconds -= caller.cpu_seconds  # of its earlier calls
        end = self._wait(started.pid, "processing", deadline, caller)
        is_over = isinstance(end, int)
        if is_over and self._is_taken_back(end):
            end = "cluster"
        if end in ("memory", "limit"):
            self.children.kill()  # it might take more yet, and from everybody
        else:
            kept = caller.pid if caller is not None and self.answered else None
            self.children.end_gently(self._grace_seconds(end, is_over), but=kept)
        if caller is not None:
            self.callers.give_back(caller) if self.answered else caller.end()
        self.samples = self.sampler.finish()
        if end in STOPS:
            return STOPS[end]
        if is_over:
            return of_command(end)
        if end in ("memory", "limit"):
            return Outcome("failed", end, error=self.watch.words)
        minutes = self.launch["walltime_seconds"] / 60
        return Outcome("failed", "walltime", error="it ran longer than its %g minutes" % minutes)

    def _is_taken_back(self, status: int) -> bool:
        """Whether SIGTERM, of which a command has ended, came from the cluster and to us too."""
        if not self.launch.get("cluster"):
            return False
        deadline = time.monotonic() + _TERM_SECONDS
        while status in (-signal.SIGTERM, 128 + signal.SIGTERM) and not self.cancel.is_ending:
            if time.monotonic() > deadline:
                break
            time.sleep(_UNDRIVEN_POLL_SECONDS)
        return self.cancel.is_ending

    def _grace_seconds(self, end: Any, is_over: bool) -> float:
        if is_over:
            return LEFTOVER_GRACE_SECONDS
        grace_seconds: float = self.launch["grace_seconds"]
        if end == "cluster":
            # so that outputs are kept before it kills what is left, and us
            return min(grace_seconds, float(self.launch["cluster"]["grace_seconds"]))
        return grace_seconds

    def _wait(
        self, child: int, phase: str, deadline: Optional[float], caller: Optional[Caller] = None
    ) -> Any:
        """Waits for a child's end, and looks after everything else meanwhile.

        Args:
            deadline: of the walltime, or of what else it may take, on the monotonic clock.
            caller: the child, if it may answer instead of ending.

        Returns:
            Its exit code, the negative of the signal that ended it, `"cancel"`, `"cluster"` if that
            takes back its cores, `"walltime"` at the deadline, or the limit it went over:
            `"memory"` or `"limit"`.
        """
        report_at: Optional[float] = self.clock[phase] + COALESCE_SECONDS
        poller = select.poll()
        poller.register(self.cancel.wakes, select.POLLIN)
        if caller is not None:
            poller.register(caller.descriptor, select.POLLIN)
        with _child_end(child) as child_end:
            if child_end is not None:
                poller.register(child_end, select.POLLIN)
            while True:
                now = time.monotonic()
                undriven_at = now + _UNDRIVEN_POLL_SECONDS if child_end is None else None
                ready = poller.poll(self._pause_ms(now, deadline, report_at, undriven_at))
                woken = any(descriptor == self.cancel.wakes for descriptor, _ in ready)
                if woken:
                    self.cancel.empty()
                status = self._status_of(child, caller, poller)
                if status is not None:
                    return status
                if woken and self.attempt.cancel_asked():
                    return "cancel"
                if self.cancel.is_ending:
                    return "cluster"
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    return "walltime"
                if self.watch is not None and (reason := self.watch.check(now)):
                    return reason
                if report_at is not None and now >= report_at:
                    report_at = None
                    self._tell(phase)
                if self.sampler is not None and now >= self.sampler.due:
                    self.sampler.sample()

    def _status_of(
        self, child: int, caller: Optional[Caller], poller: select.poll
    ) -> Optional[int]:
        """How it has ended, or its call; None while it runs."""
        status = self.children.status(child)
        if status is None and caller is not None and not caller.has_hung_up():
            status = caller.answer()
            if status is not None:
                self.answered = caller.result
                self.children.add(caller.cpu_seconds, caller.peak_memory_bytes)
            elif caller.has_hung_up():
                poller.unregister(caller.descriptor)
        return status

    def _pause_ms(self, now: float, *alarms: Optional[float]) -> Optional[float]:
        """Until the first of these, or until something is to be looked at; None: no such time."""
        sample_at = self.sampler.due if self.sampler else None
        watch_at = self.watch.due if self.watch else None
        times = [at for at in (sample_at, watch_at, *alarms) if at is not None]
        return max(0.0, min(times) - now) * 1000 + 1 if times else None

    def _ask_cancel(self) -> None:
        self.attempt.ask_cancel()
        os.kill(os.getpid(), CANCEL_SIGNAL)

    def _tell(self, phase: str) -> None:
        with contextlib.suppress(OSError):
            self.attempt.write_phase(phase, self.timeline)
        if phase != "staging_inputs":
            self.reporter.tell(phase, self.timeline)

    def _enter(self, phase: str) -> None:
        self.timeline[phase] = time.time()
        self.clock[phase] = time.monotonic()

    def _seconds(self, phase: str, *until: str) -> Optional[float]:
        """How long a phase lasted, None if it was never entered."""
        if phase not in self.clock:
            return None
        end = next(self.clock[name] for name in until if name in self.clock)
        return round(end - self.clock[phase], 6)

    def _record(self, outcome: Outcome, outputs: List[Dict[str, Any]]) -> Dict[str, Any]:
        return {
            "format": 1,
            "job_id": self.launch["job_id"],
            "attempt": self.launch["attempt"],
            **vars(outcome),
            "timeline": self.timeline,
            "staging_inputs_seconds": self._seconds(
                "staging_inputs", "processing", "staging_outputs", "ended"
            ),
            "processing_seconds": self._seconds("processing", "staging_outputs", "ended"),
            "staging_outputs_seconds": self._seconds("staging_outputs", "ended"),
            "cpu_seconds": round(self.children.cpu_seconds, 6),
            "peak_memory_bytes": max(
                self.children.peak_memory_bytes,
                self.sampler.peak_memory_bytes if self.sampler else 0,
                self.watch.peak_memory_bytes if self.watch else 0,
            ),
            "outputs": outputs,
            "result": self.result,
            "samples": self.samples,
        }

    def _leave(self, record: Dict[str, Any]) -> None:
        folders = self.outputs.folders()
        for _ in range(_RECORD_TRIES):
            try:
                self.attempt.write_record(record, folders if record["outputs"] else ())
                break
            except FileNotFoundError:
                break  # somebody has removed the attempt's directory: nobody wants the record
            except OSError:
                # a full disk: without its record the job would count as lost, so wait for room
                time.sleep(_RECORD_PAUSE_SECONDS)
        self.reporter.tell_end(record)
        if self.is_kept or "processing" not in self.clock:
            self.attempt.remove_work()
        if self.is_kept:
            self.outputs.forget()


@contextlib.contextmanager
def _child_end(child: int) -> Any:
    """A descriptor that is readable once the child has ended, None where there is no such thing."""
    try:
        descriptor = os.pidfd_open(child)  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
