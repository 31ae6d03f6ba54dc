"""How much one user may have: jobs that wait, jobs and cores that run, files that are kept.

Who comes by the service's own socket has no limits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from kotta.errors import QuotaError
from kotta.models.accounts import Limit
from kotta_service.doors import LOCAL
from kotta_service.settings import MIB, LimitSettings, Settings
from kotta_service.store import accounts, holdings, queues, uploads
from kotta_service.store.jobs import JobRow
from kotta_service.store.queues import OwnerLoad

RETRY_SECONDS = 30
"""When it may be worth asking again, once others of one's jobs have started."""
NEVER = "beyond_quota"
"""Code of a refusal where time does not help."""
_WHERE = "kotta whoami shows your limits; an administrator can give you more"


def limits_of(connection: Connection, settings: Settings, owner: str) -> LimitSettings:
    """What counts for a user: everybody's limits, or those of their own in place of them."""
    if owner == LOCAL:
        return LimitSettings()
    user = accounts.user(connection, owner)
    own = {} if user is None else user.limits or {}
    return settings.limits.model_copy(update=own)


def told(connection: Connection, settings: Settings, owner: str) -> list[Limit]:
    """A user's limits, each with how much of it they have; what has none is left out."""
    limits = limits_of(connection, settings, owner)
    load = queues.load_of(connection, owner)
    used = {
        "queued": load.pending,
        "running": load.running,
        "cores": load.cpus,
        "storage_mib": -(-holdings.storage_bytes(connection, owner) // MIB),
    }
    return [
        Limit(name=name, used=used[name], limit=limit)
        for name, limit in limits.model_dump().items()
        if limit is not None
    ]


def refuse_submission(
    connection: Connection, settings: Settings, owner: str, cpus: Sequence[int]
) -> None:
    """Refuses jobs that would be more than a user may have.

    Args:
        cpus: cores that each of the jobs asks for.

    Raises:
        QuotaError: they would; it says of what, how much there is, and whether time helps.
    """
    limits = limits_of(connection, settings, owner)
    if limits.storage_mib is not None:
        _room_within(connection, limits.storage_mib, owner).refuse(1)
    if limits.cores is not None and max(cpus) > limits.cores:
        raise QuotaError(
            f"a job asks for {max(cpus)} cores, and yours may use {limits.cores} at once",
            hint=_WHERE,
            code=NEVER,
        )
    if limits.queued is None:
        return
    waiting = queues.load_of(connection, owner).pending
    left = max(0, limits.queued - waiting)
    if len(cpus) <= left:
        return
    time_helps = len(cpus) <= limits.queued
    raise QuotaError(
        f"{_jobs(len(cpus))} would be more than may wait: of your {limits.queued}, {waiting} "
        f"wait already, and {left} more can be submitted",
        hint="repeat it once some have started: kotta list -s pending" if time_helps else _WHERE,
        code="" if time_helps else NEVER,
        retry_after_seconds=RETRY_SECONDS if time_helps else None,
    )


@dataclass(frozen=True)
class Room:
    """What a user's files may hold, and held at one moment.

    Attributes:
        limit_mib: None: any amount.
    """

    limit_mib: int | None = None
    held_bytes: int = 0

    def refuse(self, more_bytes: int) -> None:
        """Refuses what there is no room left for.

        Raises:
            QuotaError: there is none.
        """
        if self.limit_mib is None:
            return
        left = max(0, self.limit_mib * MIB - self.held_bytes)
        if more_bytes > left:
            raise QuotaError(
                f"your files may hold {self.limit_mib} MiB: they hold "
                f"{self.held_bytes / MIB:.1f} MiB, and {left / MIB:.1f} MiB are left",
                hint=_WHERE,
                code=NEVER,
            )

    async def filled_by(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """These chunks of a file, refused with the first for which there is no room."""
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            self.refuse(size)
            yield chunk


def room_for_upload(connection: Connection, settings: Settings, owner: str, sha256: str) -> Room:
    """The room that there is now for an upload; what its owner has already takes none.

    Args:
        sha256: of what is sent, "" if nobody told.
    """
    limit = limits_of(connection, settings, owner).storage_mib
    if limit is None or (sha256 and not uploads.missing(connection, owner, [sha256])):
        return Room()
    return _room_within(connection, limit, owner)


def _room_within(connection: Connection, limit_mib: int, owner: str) -> Room:
    return Room(limit_mib, holdings.storage_bytes(connection, owner))


class Allowance:
    """What users may have run beside what runs of theirs now; jobs that are given to it count."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._everybodys = settings.limits
        self._is_read = False
        self._limits: dict[str, LimitSettings] = {}
        self._loads: dict[str, OwnerLoad] | None = None

    def lack(self, owner: str, cpus: int) -> Limit | None:
        """The limit of its owner that keeps a job from starting now, None if none does."""
        if owner == LOCAL:
            return None
        if not self._is_read:
            self._read()
        if self._loads is None:
            return None
        limits = self._limits.get(owner, self._everybodys)
        load = self._loads.get(owner, OwnerLoad())
        if limits.running is not None and load.running >= limits.running:
            return Limit(name="running", used=load.running, limit=limits.running)
        if limits.cores is not None and load.cpus + cpus > limits.cores:
            return Limit(name="cores", used=load.cpus, limit=limits.cores)
        return None

    def take(self, owner: str, cpus: int) -> None:
        """Counts a job that is started."""
        if self._loads is not None:
            load = self._loads.get(owner, OwnerLoad())
            self._loads[owner] = OwnerLoad(load.running + 1, load.cpus + cpus)

    def _read(self) -> None:
        # only once there is a job that may be limited: each commit that starts jobs would pay
        self._is_read = True
        own = accounts.limits_of_all(self._connection)
        self._limits = {
            name: self._everybodys.model_copy(update=limits) for name, limits in own.items()
        }
        limited = [self._everybodys, *self._limits.values()]
        if any(each.running is not None or each.cores is not None for each in limited):
            self._loads = queues.loads_by_owner(self._connection)

    def in_turn(
        self, connection: Connection, queue: str, most: int, *, held: bool = False
    ) -> Iterator[JobRow]:
        """The jobs of a queue that may start, longest-waiting first, all columns.

        Whose next job there has to wait for a limit of theirs is passed over, with all theirs
        behind it: others overtake, and their own order stays.

        Args:
            most: how many are read at once.
            held: those as well that the launcher holds already, and that count as theirs.
        """
        passed_over: set[str] = set()
        after = 0
        while True:
            rows = queues.pending_in(
                connection, queue, most, after=after, without=passed_over, with_handed_over=held
            )
            for row in rows:
                if row.handed_over_at is not None:
                    yield row
                elif row.owner in passed_over or self.lack(row.owner, row.cpus) is not None:
                    passed_over.add(row.owner)
                else:
                    yield row
            if len(rows) < most:
                return
            after = rows[-1].number


def _jobs(count: int) -> str:
    return "one job more" if count == 1 else f"{count} jobs more"
