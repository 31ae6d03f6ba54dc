"""A function that runs as a job, and is waited for like any other function."""

from __future__ import annotations

from kotta import Kotta, kottajob

konn = Kotta()  # the active profile's service, or this user's local one


@kottajob(konn, "Test", 5)
def total(numbers: list[int]) -> int:
    """Adds up numbers; Test is the queue, 5 the minutes it may take."""
    return sum(numbers)


print("the sum is", total(list(range(10))))
