from __future__ import annotations

from typing import Any

import pytest
from library.stand_in import a_job

from kotta import JobDetail
from kotta_cli.right_size import right_size

MINUTE, MIB = 60.0, 1 << 20


def ended(**changed: Any) -> JobDetail:
    """A job that asked for half an hour, 4 GiB and two cores, and used less."""
    values = {
        "status": "completed",
        "walltime_seconds": 30 * MINUTE,
        "memory_mib": 4096,
        "cpus": 2,
        "processing_seconds": 3 * MINUTE,
        "cpu_seconds": 0.9 * 3 * MINUTE,
        "peak_memory_bytes": int(1.2 * 1024) * MIB,
        "description": {},
        **changed,
    }
    return JobDetail.model_validate(a_job(**values))


def sentence(**changed: Any) -> str:
    found = right_size(ended(**changed))
    assert found is not None
    return found.sentence


def test_a_job_that_asked_for_much_is_told_what_would_do() -> None:
    assert sentence() == (
        "3 of 30 min, 1.2 of 4 GiB, 0.9 of 2 cores; try --walltime 5 --memory 2GiB"
    )
    found = right_size(ended())
    assert found is not None
    assert found.shape() == {
        "walltime_minutes": {"used": 3, "asked": 30, "suggested": 5},
        "memory_mib": {"used": 1228, "asked": 4096, "suggested": 2048},
        "cpus": {"used": 0.9, "asked": 2, "suggested": None},
        "options": "--walltime 5 --memory 2GiB",
    }


def test_in_a_pipe_it_is_seconds_and_bytes() -> None:
    found = right_size(ended())
    assert found is not None
    assert found.plain_sentence == (
        "180.000 of 1800 s, 1287651328 of 4294967296 bytes, 0.9 of 2 cores; "
        "try --walltime 5 --memory 2GiB"
    )


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        # not worth it
        ({"walltime_seconds": 5 * MINUTE, "memory_mib": 2048}, ""),
        ({"processing_seconds": 25 * MINUTE, "cpu_seconds": 40 * MINUTE, "memory_mib": 1800}, ""),
        ({"processing_seconds": 2.0, "cpu_seconds": 0.1}, ""),
        # too tight
        ({"walltime_seconds": 3.2 * MINUTE, "memory_mib": 1300}, "--walltime 5 --memory 2GiB"),
        # cores that lie idle
        ({"cpus": 8, "cpu_seconds": 6 * MINUTE}, "--walltime 5 --cpus 3 --memory 2GiB"),
        ({"cpu_seconds": 0.3 * MINUTE}, "--walltime 5 --cpus 1 --memory 2GiB"),
        ({"cpu_seconds": 6 * MINUTE}, "--walltime 5 --memory 2GiB"),
        # small and large
        ({"peak_memory_bytes": 12 * MIB}, "--walltime 5 --memory 128MiB"),
        ({"peak_memory_bytes": 130 * MIB}, "--walltime 5 --memory 256MiB"),
        ({"peak_memory_bytes": None}, "--walltime 5"),
        (
            {"walltime_seconds": 9e6, "processing_seconds": 1e6, "cpu_seconds": 1e6},
            "--walltime 25920 --memory 2GiB",
        ),
        # who knows what it would have needed
        ({"status": "failed"}, ""),
        ({"status": "cancelled"}, ""),
    ],
)
def test_only_what_is_worth_it_is_suggested(changed: dict[str, Any], options: str) -> None:
    found = right_size(ended(**changed))
    assert found is not None
    assert found.options == options


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"processing_seconds": 2.14}, "2.1 s of 30 min"),
        ({"processing_seconds": 0.012, "walltime_seconds": 18_000}, "12 ms of 5 h"),
        ({"processing_seconds": 5400, "walltime_seconds": 7200}, "1.5 of 2 h"),
        ({"walltime_seconds": 7 * 86_400}, "3 min of 7 days"),
        ({"peak_memory_bytes": 12 * MIB}, "12 MiB of 4 GiB"),
        ({"peak_memory_bytes": 900 * MIB, "memory_mib": 1024}, "900 of 1024 MiB"),
        ({"cpus": 1, "cpu_seconds": 0.0}, "0 of 1 core"),
        ({"cpus": 1, "cpu_seconds": 180.0}, "1 of 1 core"),
    ],
)
def test_numbers_are_short_and_have_units(changed: dict[str, Any], words: str) -> None:
    assert words in sentence(**changed).partition(";")[0].split(", ")


@pytest.mark.parametrize(
    "changed", [{"status": "processing"}, {"processing_seconds": None}, {"cpu_seconds": None}]
)
def test_nothing_is_said_of_what_is_not_known(changed: dict[str, Any]) -> None:
    assert right_size(ended(**changed)) is None
