"""Everything that is known of one job, as a page: what `kotta status` shows."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kotta.models import JobState
from kotta_cli.render import timeline
from kotta_cli.render.pages import Section, Span
from kotta_cli.render.states import COLORS, SIGNS, meaning, signal_name, status_word
from kotta_cli.render.times import ago, duration, local_time, plain_seconds, rfc3339, size
from kotta_cli.right_size import right_size

if TYPE_CHECKING:
    from kotta.models import JobDetail


class JobPage:
    """The heading and sections for one job.

    Args:
        for_terminal: short id in commands and the reader's own clock, else full values and UTC.
        columns: of the terminal.
    """

    def __init__(
        self,
        job: JobDetail,
        *,
        for_terminal: bool,
        columns: int = 80,
        now: datetime | None = None,
    ) -> None:
        self._job = job
        self._columns = columns
        self._for_terminal = for_terminal
        self._now = now or datetime.now(timezone.utc)

    @property
    def heading(self) -> list[Span]:
        job = self._job
        return [
            (job.name, "bold"),
            ("\n", ""),
            (status_word(job.status), f"bold {COLORS[job.status]}"),
            ("  " + meaning(job), ""),
        ]

    @property
    def sections(self) -> list[Section]:
        before = [self._facts(), self._description()]
        after = [self._outputs(), self._next()]
        if not self._for_terminal:
            return [*before, self._phases(), self._timeline(), *after]
        labels = [label for section in (*before, *after) for label, _ in section.rows]
        return [*before, self._drawn_timeline(labels), *after]

    def _facts(self) -> Section:
        job, facts = self._job, Section()
        if not self._for_terminal:
            facts.add("Name", job.name)
            facts.add("Status", job.status.value)
            facts.add("Meaning", meaning(job))
        facts.add("Job", job.id)
        facts.add_known("Error", job.error, "red")
        facts.add_known("Exit code", job.exit_code, "red" if job.exit_code else "")
        facts.add_known("Signal", job.signal and signal_name(job.signal), "red")
        facts.add_known("Reason", job.reason and job.reason.value)
        facts.add("Queue", job.queue)
        facts.add("Type", job.jobtype)
        facts.add("Attempt", str(job.attempt) if job.attempt else "none yet")
        if job.array is not None:
            facts.add("Array", f"{self._id(job.array)}, its number {job.array_index}")
        facts.add_known("Owner", _owner(job))
        readers = ["everybody" if name == "*" else name for name in job.shared_with]
        facts.add_known("Shared with", ", ".join(readers))
        facts.add_known("Tags", ", ".join(job.tags))
        for label, moment in (
            ("Submitted", job.submitted_at),
            ("Started", job.started_at),
            ("Cancel asked", job.cancel_requested_at),
            ("Ended", job.ended_at),
        ):
            if moment is not None:
                facts.add(label, *self._moment(moment))
        if job.expires_at is not None:
            until = local_time(job.expires_at) if self._for_terminal else rfc3339(job.expires_at)
            facts.add("Kept until", until)
        if job.waits_for:
            facts.add("Waits for", f"{_count(job.waits_for, 'job')} to complete")
        if (used := right_size(job)) is not None:
            facts.add("Used", used.sentence if self._for_terminal else used.plain_sentence)
        facts.add("Change", str(job.change))
        return facts

    def _description(self) -> Section:
        job, section = self._job, Section("Description")
        given: dict[str, Any] = job.description
        command = " ".join(str(given.get(key) or "") for key in ("executable", "args")).strip()
        if command:
            section.add("Command", (command, "cyan"))
        if given.get("script"):
            lines = str(given["script"]).count("\n") + 1
            section.add("Script", f"{given.get('script_name')} ({_count(lines, 'line')})")
        for url in given.get("inputs") or []:
            section.add("Input", str(url))
        for name, value in (given.get("env") or {}).items():
            section.add("Variable", f"{name}={value}")
        memory, walltime = f"{job.memory_mib} MiB", duration(job.walltime_seconds)
        if not self._for_terminal:
            memory = f"{job.memory_mib << 20} bytes"
            walltime = f"{plain_seconds(job.walltime_seconds)} s"
        gpus = f"{_count(given['gpus'], 'GPU')}, " if given.get("gpus") else ""
        cores = _count(job.cpus, "core")
        section.add("Resources", f"{cores}, {gpus}{memory}, {walltime} of walltime")
        for needed in given.get("after") or []:
            section.add("After", self._id(str(needed)))
        if given.get("retries"):
            section.add("Retries", f"{given['retries']}, where the job is lost")
        names = (given.get("output_file_stdout"), given.get("output_file_stderr"))
        section.add("Streams to", ", ".join(str(name) for name in names if name))
        return section

    def _phases(self) -> Section:
        job, section = self._job, Section("Phases")
        waited = [s.seconds or 0.0 for s in self._steps() if s.status is JobState.PENDING]
        phases = {
            JobState.PENDING: sum(waited),
            JobState.STAGING_INPUTS: job.staging_inputs_seconds,
            JobState.PROCESSING: job.processing_seconds,
            JobState.STAGING_OUTPUTS: job.staging_outputs_seconds,
        }
        for phase, seconds in phases.items():
            if seconds is not None:
                section.add(phase.value, f"{seconds:.3f} s")
        return section

    def _timeline(self) -> Section:
        steps, section = self._steps(), Section("Timeline")
        has_attempts = len({step.attempt for step in steps} - {0}) > 1
        for step in steps:
            lasted = "" if step.seconds is None else f", {step.seconds:.3f} s"
            attempt = f", attempt {step.attempt}" if has_attempts and step.attempt else ""
            section.add(rfc3339(step.at), step.status.value + lasted + attempt)
        return section

    def _drawn_timeline(self, other_labels: list[str]) -> Section:
        """The same with bars, in the room that the longest label of the page leaves."""
        steps, section = self._steps(), Section("Timeline")
        labels = timeline.labels(steps)
        room = self._columns - max(len(label) for label in [*other_labels, *labels]) - 5
        for label, value in zip(labels, timeline.values(steps, room), strict=True):
            section.add(label, *value)
        return section

    def _steps(self) -> list[timeline.Step]:
        return timeline.steps_of(self._job, self._now)

    def _outputs(self) -> Section:
        section = Section("Outputs")
        for output in self._job.outputs:
            if output.available:
                count = output.size_bytes or 0
                amount = f"  {size(count)}" if self._for_terminal else f", {count} bytes"
                section.add(output.name, self._state(JobState.COMPLETED, "available"), amount)
            elif self._job.status.is_terminal:
                section.add(output.name, self._state(JobState.FAILED, "not available"))
            else:
                section.add(output.name, self._state(JobState.PENDING, "not available yet"))
        return section

    def _next(self) -> Section:
        job, section = self._job, Section("Next")
        name = self._id(job.id)
        if job.status.is_terminal:
            if any(output.available for output in job.outputs):
                section.add("Download", (f"kotta fetch {name}", "bold"))
            if job.attempt:
                section.add("Read output", (f"kotta logs {name}", "bold"))
        else:
            section.add("Follow", (f"kotta wait {name}", "bold"))
            section.add("Read output", (f"kotta logs -f {name}", "bold"))
            section.add("End it", (f"kotta cancel {name}", "bold"))
        return section

    def _state(self, state: JobState, word: str) -> Span:
        return (f"{SIGNS[state]} {word}", COLORS[state]) if self._for_terminal else (word, "")

    def _id(self, text: str) -> str:
        return text[:8] if self._for_terminal else text

    def _moment(self, moment: datetime) -> list[str | Span]:
        if not self._for_terminal:
            return [rfc3339(moment)]
        return [f"{ago(moment, self._now):<14}", (local_time(moment), "dim")]


def _owner(job: JobDetail) -> str:
    """The user whose it is; at one's own service, the address that the description gives."""
    if job.owner in ("", "local"):
        return job.user_email
    return f"{job.owner} ({job.user_email})" if job.user_email else job.owner


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
