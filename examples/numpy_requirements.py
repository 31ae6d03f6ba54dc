"""A package that need not be installed here: `requirements` makes an environment, once."""

from __future__ import annotations

from kotta import Kotta, kottajob

konn = Kotta()


@kottajob(konn, "Test", 10, requirements="numpy>=2")
def mean_of_squares(count: int) -> float:
    """The mean of the first squares, as a plain float: numpy is there, not here."""
    import numpy

    return float((numpy.arange(count) ** 2).mean())


print("the mean is", mean_of_squares(1000))
