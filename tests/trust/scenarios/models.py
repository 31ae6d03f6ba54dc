"""The database against a model of it: whatever is asked in whatever order, both say the same."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kotta.errors import ConflictError, DescriptionError
from kotta.models import JobDescription
from kotta_service import jobs, submission
from kotta_service.dispatcher import Dispatcher
from kotta_service.executors import Begun, Key
from kotta_service.executors.router import Executors
from kotta_service.messages import ExitRecord, RunnerReport
from kotta_service.settings import QueueSettings, Settings
from kotta_service.storage.files import FileStorage
from kotta_service.store import jobs as store
from kotta_service.store import whole
from kotta_service.store.database import Database, Transaction
from kotta_service.store.jobs import ACTIVE
from kotta_service.store.migration import prepare
from kotta_service.store.visibility import own
from kotta_service.turns import Turn
from kotta_service.upkeep.job_rules import broken_rules
from trust.harness import Figures, Trial, scenario
from trust.scenarios.power import MEMORY

CORES = 4
HOLDING = ("staging_inputs", "processing")
"""In these states a job has its cores."""
STEPS = 50
_OWNER = "ada"


@dataclass
class Modelled:
    """A job as the model has it."""

    id: str
    cpus: int
    retries: int
    after: list[str]
    status: str = "pending"
    attempt: int = 0
    is_cancelled: bool = False


@dataclass
class Model:
    """What must be true of jobs; written anew from docs/architecture.md, with no word of SQL."""

    jobs: dict[str, Modelled] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)

    def waits_for(self, job: Modelled) -> int:
        return sum(self.jobs[other].status != "completed" for other in set(job.after))

    def assign(self) -> None:
        """Starts what fits, in the order of submission; the first that does not holds up others."""
        held = [job.cpus for job in self.jobs.values() if job.status in HOLDING]
        free = CORES - sum(held)
        for job in self.jobs.values():
            if free <= 0:
                return
            if job.status != "pending" or self.waits_for(job):
                continue
            if job.cpus > free:
                return
            free -= job.cpus
            job.status, job.attempt = "staging_inputs", job.attempt + 1

    def end(self, job: Modelled, status: str) -> None:
        job.status = status
        if status == "completed":
            return
        for other in self.jobs.values():
            if other.status == "pending" and job.id in other.after:
                self.end(other, "cancelled")


class _Executor:
    """Takes launches, and tells nothing of them: the machine below does.

    Attributes:
        held: what is to begin in another's place, in order.
    """

    name = "local"
    round_seconds = 1.0

    def __init__(self) -> None:
        self.held: list[Key] = []

    def submit(self, launch: dict[str, Any]) -> None:
        key = Key(launch["job_id"], launch["attempt"])
        self.held = [each for each in self.held if each != key]

    def hold(self, launch: dict[str, Any]) -> None:
        self.held.append(Key(launch["job_id"], launch["attempt"]))

    def look(self, key: Key) -> None: ...

    def poll(self, keys: Any) -> dict[Key, Any]:
        return {}

    def cancel(self, key: Key) -> bool:
        is_held = key in self.held
        self.held = [each for each in self.held if each != key]
        return is_held


class _Launches:
    def make(self, connection: object, row: Any, attempt: int) -> dict[str, Any]:
        return {"job_id": row.id, "attempt": attempt}


class Machine(RuleBasedStateMachine):
    """Asks database and model for the same."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kt-", dir=MEMORY))
        self.settings = Settings(queues={"Test": QueueSettings(cpus=CORES, memory_mib=1 << 20)})
        self.database = Database(self.folder / "kotta.db")
        prepare(self.database.backend)
        self.executor: Any = _Executor()
        executors = Executors(self.settings, self.executor)
        parts: Any = (executors, _Launches(), FileStorage(self.folder))
        turn = Turn(self.database, "local")
        self.dispatcher = Dispatcher(self.database, *parts, self.settings, turn)
        self.database.start()
        self.dispatcher.start()
        self.model = Model()
        self.clock = itertools.count(1_700_000_000)

    def teardown(self) -> None:
        self.dispatcher.stop()
        self.database.close()
        shutil.rmtree(self.folder)

    def write(self, action: Callable[[Transaction], Any]) -> Any:
        type(self).steps += 1
        return self.database.write(action).result(20)

    def some(self, data: st.DataObject, *statuses: str) -> Modelled:
        fitting = [job for job in self.model.jobs.values() if job.status in statuses]
        return data.draw(st.sampled_from(fitting), label="job")

    def has(self, *statuses: str) -> bool:
        return any(job.status in statuses for job in self.model.jobs.values())

    @rule(data=st.data(), cpus=st.lists(st.integers(1, CORES), min_size=1, max_size=3),
          retries=st.integers(0, 2))  # fmt: skip
    def submit(self, data: st.DataObject, cpus: list[int], retries: int) -> None:
        known = list(self.model.jobs)
        after = data.draw(st.lists(st.sampled_from(known), max_size=3)) if known else []
        key = f"key-{len(self.model.keys)}"
        ended = any(self.model.jobs[each].status in ("failed", "cancelled") for each in after)
        wanted = [
            JobDescription(executable="true", cpus=each, retries=retries, after=after)
            for each in cpus
        ]
        try:
            rows = self.write(lambda tx: self._submit(tx, wanted, key))
        except DescriptionError:
            assert ended, "refused, though everything before may complete"
            return
        assert not ended, "accepted, though it can never start"
        for row, each in zip(rows, cpus, strict=True):
            self.model.jobs[row.id] = Modelled(row.id, each, retries, list(after))
        self.model.keys[key] = [row.id for row in rows]
        self.model.assign()

    def _submit(self, transaction: Transaction, wanted: list[JobDescription], key: str) -> Any:
        expanded = submission.expanded(wanted)
        return submission.submit(transaction, self.settings, _OWNER, expanded, key=key,
                           body_sha256=key, now=next(self.clock))[0]  # fmt: skip

    @precondition(lambda self: self.model.keys)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.keys)))
        rows = self.write(lambda tx: self._submit(tx, [JobDescription(executable="true")], key))
        assert [row.id for row in rows] == self.model.keys[key]

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.model.jobs.values())))
        try:
            row = self.write(lambda tx: jobs.cancel(tx, own(_OWNER), job.id, next(self.clock)))
        except ConflictError:
            assert job.status in ("completed", "failed")
            return
        if row.status == "pending":
            self.dispatcher.end_placed([row])  # the launcher holds it
        assert job.status not in ("completed", "failed")
        if job.status == "pending":
            self.model.end(job, "cancelled")
        elif job.status in ACTIVE:
            job.is_cancelled = True

    @precondition(lambda self: self.has(*ACTIVE))
    @rule(data=st.data(), phase=st.integers(0, 2), is_late=st.booleans())
    def enter_a_phase(self, data: st.DataObject, phase: int, is_late: bool) -> None:
        job = self.some(data, *ACTIVE)
        timeline = {each: float(next(self.clock)) for each in ACTIVE[: phase + 1]}
        message = RunnerReport(job_id=job.id, attempt=job.attempt - is_late, phase=ACTIVE[phase],
                               timeline=timeline)  # fmt: skip
        try:
            is_to_cancel = self.write(lambda tx: jobs.report(tx, message))
        except ConflictError:
            assert is_late
            return
        assert not is_late
        assert is_to_cancel == job.is_cancelled
        job.status = ACTIVE[max(phase, ACTIVE.index(job.status))]
        if job.status not in HOLDING:
            self.model.assign()

    @precondition(lambda self: self.has(*ACTIVE))
    @rule(data=st.data(), status=st.sampled_from(["completed", "failed", "cancelled"]),
          is_followed=st.booleans())  # fmt: skip
    def end(self, data: st.DataObject, status: str, is_followed: bool) -> None:
        job = self.some(data, *ACTIVE)
        reason = "user" if status == "cancelled" else "exit"
        record = ExitRecord.model_validate({
            "job_id": job.id, "attempt": job.attempt, "status": status, "reason": reason,
            "timeline": {"staging_inputs": float(next(self.clock))}, "outputs": [],
        })  # fmt: skip
        has_place = job.status in HOLDING
        self.model.end(job, status)
        if is_followed and has_place and self.executor.held:
            self._begin_next(Key(job.id, job.attempt), record)
        else:
            message = RunnerReport(job_id=job.id, attempt=job.attempt, phase="ended", record=record)
            self.write(lambda tx: jobs.report(tx, message))
        self.model.assign()

    def _begin_next(self, ended: Key, record: ExitRecord) -> None:
        """The launcher begins what it holds in the place of what has ended."""
        begun = self.executor.held.pop(0)
        at = float(next(self.clock))
        self.dispatcher.runner_left(ended, record.model_dump(), Begun(*begun, at))
        self.write(lambda _: None)
        following = self.model.jobs[begun.job_id]
        if following.status == "pending":  # it may have been cancelled with what has ended
            following.status, following.attempt = "staging_inputs", begun.attempt

    @precondition(lambda self: self.has(*ACTIVE))
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        job = self.some(data, *ACTIVE)
        now = float(next(self.clock))

        def action(transaction: Transaction) -> None:
            row = store.summary_by_id(transaction.connection, job.id)
            assert row is not None
            jobs.lose(transaction, row, now)

        self.write(action)
        if job.is_cancelled:
            self.model.end(job, "cancelled")
        elif job.attempt <= job.retries:
            job.status = "pending"
        else:
            self.model.end(job, "failed")
        self.model.assign()

    @invariant()
    def both_say_the_same(self) -> None:
        with self.database.read() as connection:
            found = list(whole.jobs(connection))
        told = [
            (job.job.id, job.job.status, job.job.attempt, job.job.cancel_requested_at is not None)
            for job in found
        ]
        wanted = [(job.id, job.status, job.attempt) for job in self.model.jobs.values()]
        assert [each[:3] for each in told] == wanted
        for job in found:
            modelled = self.model.jobs[job.job.id]
            if modelled.status == "pending":
                assert job.job.waits_for == self.model.waits_for(modelled)
            assert not (wrong := list(broken_rules(job))), (job.job.id, wrong)


@scenario("0 differences", short=15, full=1000)
def database_against_a_model(trial: Trial, count: int) -> Figures:
    """Submissions, keys, phases, ends, losses and cancellations in every order, 50 at a time."""
    Machine.steps = 0
    seed(trial.seed)(Machine)
    run_state_machine_as_test(  # type: ignore[no-untyped-call,unused-ignore]
        Machine,
        settings=settings(
            max_examples=count,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return {"runs": count, "writes": Machine.steps, "differences": 0}
