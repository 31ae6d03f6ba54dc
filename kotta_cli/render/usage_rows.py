"""Samples as tab-separated lines, for pipes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kotta.models import UsageSample


def usage_rows(samples: Iterable[UsageSample]) -> str:
    """A line for each: seconds, cores, memory, disk, processes, stdout and stderr; all in bytes.

    What is not known is empty.
    """
    return "".join(
        "\t".join(
            (
                f"{sample.seconds:.3f}",
                "" if sample.cores is None else f"{sample.cores:.3f}",
                *(
                    "" if value is None else str(value)
                    for value in (
                        sample.memory_bytes,
                        sample.disk_bytes,
                        sample.processes,
                        sample.stdout_bytes,
                        sample.stderr_bytes,
                    )
                ),
            )
        )
        + "\n"
        for sample in samples
    )
