"""What there is room for in a queue while jobs are started in one transaction."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kotta_service.settings import QueueSettings
from kotta_service.store.jobs import JobRow
from kotta_service.store.queues import Load


@dataclass
class Room:
    """So many jobs, cores and MiB of memory; infinite where somebody else counts."""

    jobs: float
    cpus: float
    memory_mib: float

    @classmethod
    def counted(cls, size: QueueSettings, load: Load) -> Room:
        """What is left of a queue whose jobs the service counts."""
        return cls(math.inf, size.cpus - load.cpus, size.memory_mib - load.memory_mib)

    @classmethod
    def of_engine(cls, jobs: int) -> Room:
        """An engine's that takes so many jobs more, and counts their cores by itself."""
        return cls(jobs, math.inf, math.inf)

    @property
    def most(self) -> int:
        """How many jobs it may hold at most, 0 if it is full."""
        return max(0, int(min(self.jobs, self.cpus)))

    def fits(self, row: JobRow) -> bool:
        return bool(row.cpus <= self.cpus and row.memory_mib <= self.memory_mib)

    def take(self, row: JobRow) -> None:
        self.jobs -= 1
        self.cpus -= row.cpus
        self.memory_mib -= row.memory_mib
