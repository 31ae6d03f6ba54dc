from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from library.stand_in import a_job

from kotta import JobDetail
from kotta_cli.render import timeline
from kotta_cli.render.job_page import JobPage

BEGIN = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def a_detail(*steps: tuple[str, float, int], **changed: Any) -> JobDetail:
    """A job that came into these states so many seconds after its submission."""
    told = [
        {"status": status, "at": BEGIN + timedelta(seconds=seconds), "attempt": attempt}
        for status, seconds, attempt in steps
    ]
    values = {"status": steps[-1][0], "submitted_at": BEGIN, "timeline": told, **changed}
    return JobDetail.model_validate(a_job(description={}, **values))


def bars(job: JobDetail, cells: int, now: float = 0) -> list[str]:
    steps = timeline.steps_of(job, BEGIN + timedelta(seconds=now))
    return ["".join(text for text, _ in row).rstrip() for row in timeline.values(steps, cells)]


ENDED = a_detail(
    ("pending", 0, 0),
    ("staging_inputs", 100, 1),
    ("processing", 100.5, 1),
    ("staging_outputs", 300, 1),
    ("completed", 400, 1),
)


def test_bars_lie_where_their_states_lie_in_real_time() -> None:
    assert bars(ENDED, cells=72) == [
        "○ pending          1 min 40 s   ██████████",
        "◐ staging_inputs   500 ms                 ▏",
        "● processing       3 min 20 s             ████████████████████",
        "◐ staging_outputs  1 min 40 s                                 ██████████",
        "✓ completed",
    ]


def test_where_there_is_no_room_there_are_no_bars() -> None:
    assert bars(ENDED, cells=38)[2] == "● processing       3 min 20 s"


def test_a_job_that_goes_on_lasts_to_now() -> None:
    job = a_detail(("pending", 0, 0), ("processing", 10, 1))
    assert bars(job, cells=52, now=40) == [
        "○ pending          10.0 s       █████",
        "● processing       30.0 s            ███████████████",
    ]


def test_a_clock_that_went_back_draws_no_bar_backwards() -> None:
    job = a_detail(("pending", 0, 0), ("processing", 10, 1), ("failed", 5, 1))
    assert bars(job, cells=52) == [
        "○ pending          10.0 s       ████████████████████",
        "● processing       0 ms                            ▏",
        "✗ failed",
    ]


def test_attempts_are_told_apart_where_there_are_several() -> None:
    job = a_detail(
        ("pending", 0, 0), ("processing", 1, 1), ("pending", 2, 1), ("processing", 3, 2),
        ("completed", 4, 2),
    )  # fmt: skip
    assert [line.split()[-2:] for line in bars(job, 40)[1:]] == [
        ["attempt", "1"], ["attempt", "1"], ["attempt", "2"], ["attempt", "2"],
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [86_400, 60])
def test_the_day_is_told_where_there_are_several(seconds: int) -> None:
    job = a_detail(("pending", 0, 0), ("completed", seconds, 1))
    labels = timeline.labels(timeline.steps_of(job, BEGIN))
    assert all((label[2] == "-") is (seconds > 60) for label in labels)


def test_arrays_dependencies_and_tags_are_told() -> None:
    job = a_detail(
        ("pending", 0, 0), array="a" * 36, array_index=3, waits_for=2, tags=["one", "two"]
    )
    job = job.model_copy(update={"description": {"after": ["b" * 36, "c" * 36]}})
    page = JobPage(job, for_terminal=True, columns=80, now=BEGIN)
    rows = [
        (label, "".join(text for text, _ in value))
        for section in page.sections
        for label, value in section.rows
    ]
    for row in (
        ("Array", "aaaaaaaa, its number 3"),
        ("Tags", "one, two"),
        ("Waits for", "2 jobs to complete"),
        ("After", "bbbbbbbb"),
        ("After", "cccccccc"),
    ):
        assert row in rows
