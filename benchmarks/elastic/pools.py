"""Nodes that are always there, and nodes that Slurm powers up when jobs wait for them.

What Slurm does is taken from slurm.conf(5) of its release 22.05: a job is given to nodes that are
down to save power, they are powered up at ResumeRate nodes a minute, the job starts once they have
booted, a node that was idle for SuspendTime is powered down at SuspendRate nodes a minute, which
takes it SuspendTimeout; one pass of the scheduler looks at default_queue_depth jobs, and passes
are sched_min_interval apart.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from workload import Job

QUEUE_DEPTH = 100
"""default_queue_depth."""
PASS_SECONDS = 2.0
"""sched_min_interval."""


@dataclass(frozen=True)
class Pool:
    """Nodes, and how they come and go.

    Attributes:
        least: nodes that are never powered down.
        most: nodes at the most; as many as `least` for a fixed pool.
        cores: of each node.
        boot_seconds: from the decision to power a node up until jobs start on it.
        idle_seconds: SuspendTime.
        down_seconds: SuspendTimeout.
        resume_rate: ResumeRate, nodes a minute.
        suspend_rate: SuspendRate, nodes a minute.
    """

    name: str
    least: int
    most: int
    cores: int = 8
    boot_seconds: float = 120.0
    idle_seconds: float = 300.0
    down_seconds: float = 30.0
    resume_rate: float = 300.0
    suspend_rate: float = 60.0


@dataclass
class Run:
    """What a pool made of a day.

    Attributes:
        waits: seconds from submission to start, of each job.
        node_seconds: for how long nodes were on, and paid for, up to the end of the day or of the
            last job, whichever is later.
        core_seconds: for how long cores were at work.
        changes: (second, nodes that are on from then).
    """

    waits: list[float] = field(default_factory=list)
    node_seconds: float = 0.0
    core_seconds: float = 0.0
    changes: list[tuple[float, int]] = field(default_factory=list)


class _Node:
    def __init__(self, cores: int, *, is_on: bool) -> None:
        self.is_on = is_on
        self.free = cores
        self.ready_at = 0.0
        self.idle_since = 0.0
        self.on_since = 0.0
        self.off_at = 0.0


class _Rate:
    """Lets so many things a minute happen."""

    def __init__(self, a_minute: float) -> None:
        self._apart = 60.0 / a_minute
        self._next = 0.0

    def take(self, now: float) -> float:
        """When the next one may."""
        at = max(now, self._next)
        self._next = at + self._apart
        return at


class _Simulation:
    def __init__(self, jobs: Sequence[Job], pool: Pool, ends: float) -> None:
        self._pool, self._ends = pool, ends
        self._nodes = [_Node(pool.cores, is_on=n < pool.least) for n in range(pool.most)]
        self._queue: deque[Job] = deque()
        self._events: list[tuple[float, int, Any]] = []
        self._order = itertools.count()
        self._resumes, self._suspends = _Rate(pool.resume_rate), _Rate(pool.suspend_rate)
        self._pass_is_due = False
        self._last_pass = -PASS_SECONDS
        self.run = Run(changes=[(0.0, pool.least)])
        for job in jobs:
            self._at(job.submitted, partial(self._submit, job))

    def play(self) -> Run:
        now = 0.0
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)
        end = max(now, self._ends)
        for node in self._nodes:
            if node.is_on:
                self.run.node_seconds += end - node.on_since
        return self.run

    def _at(self, moment: float, action: Any) -> None:
        heapq.heappush(self._events, (moment, next(self._order), action))

    def _submit(self, job: Job, now: float) -> None:
        self._queue.append(job)
        self._want_pass(now)

    def _want_pass(self, now: float) -> None:
        if not self._pass_is_due:
            self._pass_is_due = True
            self._at(max(now, self._last_pass + PASS_SECONDS), self._pass)

    def _pass(self, now: float) -> None:
        self._pass_is_due, self._last_pass = False, now
        for _ in range(QUEUE_DEPTH):
            node = self._room(now) if self._queue else None
            if node is None:
                return
            self._start(self._queue.popleft(), node, now)
        self._want_pass(now)

    def _room(self, now: float) -> _Node | None:
        """A node for one core: the fullest that is on, else one that is to be powered up."""
        on = [node for node in self._nodes if node.is_on and node.free]
        if on:
            return min(on, key=lambda node: (node.free, node.ready_at))
        off = next((node for node in self._nodes if not node.is_on and node.off_at <= now), None)
        if off is not None:
            begins = self._resumes.take(now)
            off.is_on, off.on_since, off.ready_at = True, begins, begins + self._pool.boot_seconds
            self._count(begins, 1)
        return off

    def _start(self, job: Job, node: _Node, now: float) -> None:
        starts = max(now, node.ready_at)
        self.run.waits.append(starts - job.submitted)
        self.run.core_seconds += job.seconds
        node.free -= 1
        self._at(starts + job.seconds, partial(self._end, node))

    def _end(self, node: _Node, now: float) -> None:
        node.free += 1
        if node.free == self._pool.cores:
            node.idle_since = now
            self._at(now + self._pool.idle_seconds, partial(self._rest, node, now))
        if self._queue:
            self._want_pass(now)

    def _rest(self, node: _Node, idle_since: float, now: float) -> None:
        """Powers a node down that has been idle since then."""
        is_idle = node.is_on and node.free == self._pool.cores and node.idle_since == idle_since
        if not is_idle or self._nodes.index(node) < self._pool.least:
            return
        node.is_on = False
        node.off_at = self._suspends.take(now) + self._pool.down_seconds
        self.run.node_seconds += node.off_at - node.on_since
        self._count(node.off_at, -1)

    def _count(self, moment: float, more: int) -> None:
        self.run.changes.append((moment, more))


def simulate(jobs: Sequence[Job], pool: Pool, ends: float) -> Run:
    """Has a pool do the jobs; all of them are done when it returns."""
    run = _Simulation(jobs, pool, ends).play()
    assert len(run.waits) == len(jobs), "a job was never started"
    first, *more = run.changes
    on = first[1]
    run.changes = [first]
    for moment, change in sorted(more):
        on += change
        run.changes.append((moment, on))
    return run
