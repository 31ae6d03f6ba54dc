"""How much one submission may ask for: what arrays multiply is counted before it is made.

Each bound is what the one writer takes in within about a second; everybody else waits meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from kotta.errors import DescriptionError, FieldProblem
from kotta.models import JobDescription
from kotta.models.array import expanded_bytes
from kotta.models.problems import pointer

MAX_ENTRIES = 100_000
"""Of all lists of all jobs."""
MAX_BYTES = 64 << 20
"""Of the descriptions that arrays stand for. Of others, the request's own body is the bound."""
_LISTS = ("inputs", "outputs", "tags", "after", "env")


def refuse_excess(descriptions: Sequence[JobDescription]) -> None:
    """Refuses jobs that would hold more than can be taken in at once.

    Raises:
        DescriptionError: they would; it says of what, and how much is allowed.
    """
    entries = sum(_entries(description) for description in descriptions)
    if entries > MAX_ENTRIES:
        place = max(range(len(descriptions)), key=lambda place: _entries(descriptions[place]))
        raise DescriptionError(
            f"the lists of these jobs have {entries:,} entries together, and {MAX_ENTRIES:,} "
            "can be submitted at once",
            problems=(_longest(place, descriptions[place]),),
            hint="submit them in parts",
        )
    sizes = {
        place: expanded_bytes(description)
        for place, description in enumerate(descriptions)
        if description.array
    }
    total = sum(sizes.values())
    if total > MAX_BYTES:
        place = max(sizes, key=sizes.__getitem__)
        words = f"stands for descriptions of {_mib(sizes[place])} MiB"
        raise DescriptionError(
            f"these jobs' descriptions hold {_mib(total)} MiB together, and {_mib(MAX_BYTES)} MiB "
            "can be submitted at once",
            problems=(FieldProblem(pointer("jobs", place, "array"), words),),
            hint="submit them in parts, or send what they have in common as an input file",
        )


def _entries(description: JobDescription) -> int:
    each = sum(len(getattr(description, field)) for field in _LISTS)
    return each * (len(description.array) or 1)


def _longest(place: int, description: JobDescription) -> FieldProblem:
    field = max(_LISTS, key=lambda field: len(getattr(description, field)))
    count, jobs = len(getattr(description, field)), len(description.array)
    words = f"has {count:,} entries" + (f" in each of {jobs:,} jobs" if jobs else "")
    return FieldProblem(pointer("jobs", place, field), words)


def _mib(size_bytes: int) -> str:
    return f"{-(-size_bytes // (1 << 20)):,}"
