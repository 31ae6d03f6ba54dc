"""Tells what would become of jobs, were they submitted now; nothing is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from kotta.models import CheckedJob
from kotta_service import limits
from kotta_service.settings import Settings
from kotta_service.store import queues
from kotta_service.store.queues import Load
from kotta_service.submission import Wanted, needed_by, refuse_if_not_isolated


class _Room:
    """What is free in a queue, and how many wait for it."""

    def __init__(self, cpus: int, memory_mib: int, ahead: int) -> None:
        self.cpus = cpus
        self.memory_mib = memory_mib
        self.ahead = ahead

    def has(self, cpus: int, memory_mib: int) -> bool:
        return not self.ahead and cpus <= self.cpus and memory_mib <= self.memory_mib

    def take(self, cpus: int, memory_mib: int) -> None:
        self.cpus -= cpus
        self.memory_mib -= memory_mib


def check(
    connection: Connection, settings: Settings, owner: str, wanted: Sequence[Wanted]
) -> list[CheckedJob]:
    """What would become of jobs in which no problem was found.

    Raises:
        DescriptionError: what one of them is to come after does not exist, or will not complete;
            or its queue cannot run it for this owner.
        QuotaError: they would be more than the owner may have.
    """
    refuse_if_not_isolated(settings, owner, wanted)
    limits.refuse_submission(connection, settings, owner, [job.description.cpus for job in wanted])
    needed = needed_by(connection, owner, wanted)
    allowance = limits.Allowance(connection, settings)
    rooms = _rooms(connection, settings)
    found = []
    for job in wanted:
        description = job.description
        room, cpus = rooms[description.queue], description.cpus
        queue = settings.queues[description.queue]
        memory_mib = description.memory or queue.default_memory_mib(cpus)
        waits_for = len(needed[job.place])
        lack = None if waits_for else allowance.lack(owner, cpus)
        starts_now = not waits_for and lack is None and room.has(cpus, memory_mib)
        found.append(
            CheckedJob(
                name=description.display_name,
                queue=description.queue,
                cpus=cpus,
                memory_mib=memory_mib,
                walltime_seconds=description.walltime * 60,
                ahead=room.ahead,
                waits_for=waits_for,
                limit=lack,
                starts_now=starts_now,
            )
        )
        if starts_now:
            room.take(cpus, memory_mib)
            allowance.take(owner, cpus)
        elif not waits_for and lack is None:
            # who waits for a limit of theirs is overtaken
            room.ahead += 1
    return found


def _rooms(connection: Connection, settings: Settings) -> dict[str, _Room]:
    loads = queues.loads(connection, with_pending=True)
    found = {}
    for name, size in settings.queues.items():
        load = loads.get(name, Load())
        # when an engine that counts by itself starts a job, it does not say before
        found[name] = _Room(
            size.cpus - load.cpus if size.is_counted else 0,
            size.memory_mib - load.memory_mib,
            load.pending - load.pending_after,
        )
    return found
