"""Five sums at once: calls that do not wait give jobs, which are gathered afterwards."""

from __future__ import annotations

from kotta import Kotta, kottajob

konn = Kotta()
PIECES = 5


@kottajob(konn, "Test", 5, block=False)
def total(start: int, stop: int) -> int:
    """Adds up the numbers from `start` to `stop`, without the last."""
    return sum(range(start, stop))


bounds = [(piece * 1000, (piece + 1) * 1000) for piece in range(PIECES)]

# one job a call ...
jobs = [total(start, stop) for start, stop in bounds]
print("partial sums:", [job.result() for job in jobs])
print("all of it:", sum(job.result() for job in jobs))

# ... or all of them in one request
starts, stops = zip(*bounds, strict=True)
assert sum(total.map(starts, stops)) == sum(range(PIECES * 1000))
