"""A bursty day: a few large bursts of work, a trickle of single jobs, long idle hours between."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

DAY_SECONDS = 86_400
BURSTS = 3
BURST_JOBS = (250, 600)
"""How many jobs a burst has, at least and at most; all are submitted within its first minute."""
SINGLE_JOBS = 24
MEDIAN_SECONDS = 480.0
SPREAD = 0.7
"""Of the logarithm of a job's seconds: nine of ten run between 2.5 and 25 minutes."""


class Job(NamedTuple):
    """One job of one core.

    Attributes:
        submitted: second of the day.
        seconds: how long it runs.
    """

    submitted: float
    seconds: float


def bursty_day(seed: int) -> list[Job]:
    """The jobs of a day, in the order of their submission; the same for the same seed."""
    rng = random.Random(seed)
    jobs = [_job(rng, rng.uniform(0, DAY_SECONDS)) for _ in range(SINGLE_JOBS)]
    for _ in range(BURSTS):
        # what is submitted at the end of the day would be paid for tomorrow
        begins = rng.uniform(0, DAY_SECONDS * 0.9)
        size = rng.randint(*BURST_JOBS)
        jobs += [_job(rng, begins + rng.uniform(0, 60)) for _ in range(size)]
    return sorted(jobs)


def _job(rng: random.Random, submitted: float) -> Job:
    return Job(submitted, rng.lognormvariate(math.log(MEDIAN_SECONDS), SPREAD))
