"""What an ended job used of what it asked for, and what to ask for next time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kotta.models import JobState
from kotta_cli.render.times import plain_seconds

if TYPE_CHECKING:
    from kotta.models import JobDetail

ENOUGH_SECONDS = 10.0
"""What ran shorter than this says little of what it needs."""
HEADROOM = 1.5
TIGHT = 0.9
"""Who used more than this much of what they asked for does well to ask for more."""
WORTH_MINUTES = 5
WORTH_MIB = 512
"""So much less at least, and half at most, is worth asking for."""
_MINUTES = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1440)
_LEAST_MIB = 128
_MIB_BYTES = 1 << 20


@dataclass(frozen=True)
class Resource:
    """One thing that was asked for, used and suggested in the same unit.

    Attributes:
        suggested: what to ask for instead, None where what was asked for is right, or nobody knows.
    """

    used: float
    asked: float
    suggested: int | None

    def shape(self) -> dict[str, Any]:
        return {"used": round(self.used, 3), "asked": self.asked, "suggested": self.suggested}


@dataclass(frozen=True)
class RightSize:
    """Time, memory and cores of a job that has ended."""

    walltime_minutes: Resource
    memory_mib: Resource | None
    cpus: Resource

    @property
    def options(self) -> str:
        """Options of `submit` and `rerun` that ask for what is suggested, "" for none."""
        words = []
        if self.walltime_minutes.suggested is not None:
            words.append(f"--walltime {self.walltime_minutes.suggested}")
        if self.cpus.suggested is not None:
            words.append(f"--cpus {self.cpus.suggested}")
        if self.memory_mib is not None and self.memory_mib.suggested is not None:
            mib = self.memory_mib.suggested
            words.append(f"--memory {mib >> 10}GiB" if mib % 1024 == 0 else f"--memory {mib}MiB")
        return " ".join(words)

    @property
    def sentence(self) -> str:
        """Such as `3 of 30 min, 1.2 of 4 GiB, 0.9 of 2 cores; try --walltime 5 --memory 2GiB`."""
        minutes, memory, cpus = self.walltime_minutes, self.memory_mib, self.cpus
        parts = [_of(minutes.used * 60, minutes.asked * 60, _TIMES)]
        if memory is not None:
            parts.append(_of(memory.used, memory.asked, _SIZES))
        parts.append(_of(cpus.used, cpus.asked, self._cores))
        return self._with_options(parts)

    @property
    def plain_sentence(self) -> str:
        """The same for a pipe: `180.000 of 1800 s, 1287651328 of 4294967296 bytes, 0.9 of ...`."""
        minutes, memory, cpus = self.walltime_minutes, self.memory_mib, self.cpus
        parts = [f"{minutes.used * 60:.3f} of {plain_seconds(minutes.asked * 60)} s"]
        if memory is not None:
            parts.append(f"{memory.used * _MIB_BYTES:.0f} of {memory.asked * _MIB_BYTES:.0f} bytes")
        parts.append(_of(cpus.used, cpus.asked, self._cores))
        return self._with_options(parts)

    @property
    def _cores(self) -> tuple[tuple[float, str], ...]:
        return ((1, "core" if self.cpus.asked == 1 else "cores"),)

    def _with_options(self, parts: list[str]) -> str:
        return ", ".join(parts) + (f"; try {self.options}" if self.options else "")

    def shape(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "walltime_minutes": self.walltime_minutes.shape(),
            "memory_mib": None if self.memory_mib is None else self.memory_mib.shape(),
            "cpus": self.cpus.shape(),
            "options": self.options,
        }


def right_size(job: JobDetail) -> RightSize | None:
    """What a job used; None before its end, and where its command was never started."""
    seconds = job.processing_seconds
    if not job.status.is_terminal or seconds is None or job.cpu_seconds is None:
        return None
    # one that failed or was cancelled might have needed more, had it gone on
    is_telling = job.status is JobState.COMPLETED and seconds >= ENOUGH_SECONDS
    used, asked = seconds / 60, job.walltime_seconds / 60
    minutes = _suggested(used, asked, _minutes(used), WORTH_MINUTES) if is_telling else None
    memory = None
    if job.peak_memory_bytes is not None:
        mib = job.peak_memory_bytes / _MIB_BYTES
        better = _suggested(mib, job.memory_mib, _mib(mib), WORTH_MIB) if is_telling else None
        memory = Resource(mib, job.memory_mib, better)
    cores = job.cpu_seconds / seconds if seconds else 0.0
    # an average hides what was used at once: only what lay idle for the most part is given up, and
    # who keeps all of them busy may gain nothing by more
    fewer = max(1, math.ceil(cores * HEADROOM))
    cpus = fewer if is_telling and fewer < job.cpus else None
    return RightSize(Resource(used, asked, minutes), memory, Resource(cores, job.cpus, cpus))


def _suggested(used: float, asked: float, better: int, worth: float) -> int | None:
    if used > TIGHT * asked:
        return better
    return better if better <= asked / 2 and asked - better >= worth else None


def _minutes(used: float) -> int:
    wanted = used * HEADROOM
    for minutes in _MINUTES:
        if minutes >= wanted:
            return minutes
    return math.ceil(wanted / 1440) * 1440


def _mib(used: float) -> int:
    return next(mib for mib in _round_sizes() if mib >= used * HEADROOM)


def _round_sizes() -> Iterator[int]:
    mib = _LEAST_MIB
    while True:
        yield mib
        yield mib * 3 // 2
        mib *= 2


_TIMES = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"), (0.001, "ms"))
_SIZES = ((1 << 20, "TiB"), (1 << 10, "GiB"), (1, "MiB"), (1 / 1024, "KiB"))


def _of(used: float, asked: float, units: tuple[tuple[float, str], ...]) -> str:
    """Such as `3 of 30 min`; `2.1 s of 5 h`, where the one is too small for the other's unit."""
    # what is twice a unit is told in it: 90 min, not 1.5 h
    size, unit = next((each for each in units if asked >= 2 * each[0]), units[-1])
    if used >= size / 10 or len(units) == 1:
        return f"{_short(used / size)} of {_short(asked / size)} {unit}"
    own_size, own = next((each for each in units if used >= each[0]), units[-1])
    return f"{_short(used / own_size)} {own} of {_short(asked / size)} {unit}"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}".removesuffix(".0")
