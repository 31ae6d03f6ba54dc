"""Times, durations and sizes in words."""

from __future__ import annotations

from datetime import datetime, timezone


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds, such as `2026-03-01T12:00:00.000Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


def local_time(moment: datetime) -> str:
    """The reader's own clock, with its offset, such as `2026-03-01 13:00:00 +0100`."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %z}"


def clock_time(moment: datetime) -> str:
    """Hours to milliseconds of the reader's own clock."""
    return f"{moment.astimezone():%H:%M:%S}.{moment.microsecond // 1000:03}"


def ago(moment: datetime, now: datetime) -> str:
    """How long since, such as `5 min ago`; `now` within a second."""
    seconds = (now - moment).total_seconds()
    if seconds < 1:
        return "now"
    for limit, unit, word in (
        (60, 1, "s"),
        (3600, 60, "min"),
        (86400, 3600, "h"),
        (float("inf"), 86400, "day"),
    ):
        if seconds < limit:
            count = int(seconds // unit)
            plural = "s" if word == "day" and count != 1 else ""
            return f"{count} {word}{plural} ago"
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """Such as `40 ms`, `2.31 s`, `12.3 s`, `5 min 20 s`, `3 h 02 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def plain_seconds(seconds: float) -> str:
    """A duration for a program, without its unit: `300`, or `2.314` where it is no whole number."""
    return f"{seconds:.3f}".removesuffix(".000")


def so_far(seconds: float) -> str:
    """A duration that still grows, in whole seconds: `5 s`, `5 min 20 s`, `3 h 02 min`."""
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
    return duration(int(seconds))


def size(count: int) -> str:
    """Such as `12 B`, `3.4 KiB`, `1.2 GiB`."""
    if count < 1024:
        return f"{count} B"
    amount = float(count)
    units = ["KiB", "MiB", "GiB", "TiB"]
    amount /= 1024
    while amount >= 1023.95 and len(units) > 1:
        amount /= 1024
        del units[0]
    return f"{amount:.1f} {units[0]}"
