"""What there is room for in a queue while jobs are started in one transaction."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kotta_service.settings import QueueSettings
from kotta_service.store.jobs import JobRow
from kotta_service.store.queues import Load

HELD_FOR_A_PLACE = 4
"""So many jobs wait in the launcher for the place of each that runs: where jobs end faster than it
takes to commit one's end, several ends come into one commit."""
MAX_HELD = 16
"""But no more of a queue than these."""


@dataclass
class Room:
    """So many jobs, cores and MiB of memory; infinite where somebody else counts.

    Attributes:
        holds: whether jobs may be held for the places of those that run.
        held: how many are.
        places: how many run.
        place_cpus, place_memory_mib: of the smallest of these places.
    """

    jobs: float
    cpus: float
    memory_mib: float
    holds: bool = False
    held: int = 0
    places: int = 0
    place_cpus: float = math.inf
    place_memory_mib: float = math.inf

    @classmethod
    def counted(cls, size: QueueSettings, load: Load, *, holds: bool) -> Room:
        """What is left of a queue whose jobs the service counts.

        Args:
            holds: whether more may be given to the launcher, to be held until one of those that run
                has ended.
        """
        return cls(
            math.inf,
            size.cpus - load.cpus,
            size.memory_mib - load.memory_mib,
            holds=holds,
            places=load.running,
            place_cpus=load.least_cpus,
            place_memory_mib=load.least_memory_mib,
        )

    @classmethod
    def of_engine(cls, jobs: int) -> Room:
        """An engine's that takes so many jobs more, and counts their cores by itself."""
        return cls(jobs, math.inf, math.inf)

    @property
    def most(self) -> int:
        """How many jobs it may take at most, those that are held included; 0 if it is full."""
        begin = max(0, int(min(self.jobs, self.cpus)))
        if not self.holds:
            return begin
        return begin + max(0, _most_held(self.places + begin) - self.held)

    def fits(self, row: JobRow) -> bool:
        """Whether a job may begin: there is room for it, and none before it has to wait."""
        has_room = row.cpus <= self.cpus and row.memory_mib <= self.memory_mib
        return bool(has_room and self.jobs >= 1 and not self.held)

    def may_hold(self, row: JobRow) -> bool:
        """Whether it may be held: it has to fit in the place of whichever ends first."""
        is_small = row.cpus <= self.place_cpus and row.memory_mib <= self.place_memory_mib
        return bool(self.holds and is_small and self.held < _most_held(self.places))

    def take(self, row: JobRow) -> None:
        """Counts one that begins."""
        self.jobs -= 1
        self.cpus -= row.cpus
        self.memory_mib -= row.memory_mib
        self.places += 1
        self.place_cpus = min(self.place_cpus, row.cpus)
        self.place_memory_mib = min(self.place_memory_mib, row.memory_mib)

    def hold(self) -> None:
        """Counts one that is held."""
        self.held += 1


def _most_held(places: int) -> int:
    return min(HELD_FOR_A_PLACE * places, MAX_HELD)
