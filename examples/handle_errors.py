"""What goes wrong in a job is raised here: as its own type, or as an error that says what to do."""

from __future__ import annotations

from kotta import Kotta, errors, kottajob

konn = Kotta()


@kottajob(konn, "Test", 5)
def invert(number: float) -> float:
    """Fails for 0, on the other side."""
    return 1 / number


@kottajob(konn, "Test", 0.02)
def sleep(seconds: float) -> None:
    """Takes longer than its walltime, which is 1.2 seconds."""
    import time

    time.sleep(seconds)


try:
    invert(0)
except ZeroDivisionError as error:
    print("the function raised:", error)

try:
    sleep(60)
except errors.WalltimeExceededError as error:
    print("the job failed:", error)
    print("what to do:", error.hint)

print("a good call after all:", invert(4))
