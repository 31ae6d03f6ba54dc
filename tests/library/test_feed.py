from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from kotta import Job, JobState, Kotta, connection, feed
from kotta.errors import (
    ConnectionFailedError,
    NotFoundError,
    ServiceFaultError,
    UnavailableError,
    WaitTimeoutError,
)
from library.stand_in import (
    A_JOB_ID,
    Reply,
    Request,
    StandIn,
    a_change,
    a_job,
    a_problem,
    as_json,
)

OTHER_ID = "3f0c1d52-6f0f-4c57-8a4e-5d5ed5f0a002"
NOTHING = as_json({"changes": [], "last": 0})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0, 0))
    monkeypatch.setattr(feed, "AWAY_PAUSES_SECONDS", (0.001, 0.001))


def page(*changes: dict[str, Any]) -> Reply:
    return as_json({"changes": list(changes), "last": max(each["number"] for each in changes)})


def the_job(**changed: Any) -> Job:
    return Job.model_validate(a_job(**changed))


def test_a_job_that_has_ended_is_not_asked_about(stand_in: StandIn, kotta: Kotta) -> None:
    ended = the_job(status="failed")
    assert kotta.wait(ended) == [ended]
    assert kotta.wait([]) == []
    assert stand_in.requests == []


def test_waiting_tells_of_every_change_once(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(
        page(a_change(3, status="pending")),
        page(a_change(4)),
        page(a_change(4), a_change(5, OTHER_ID)),
        None,
        page(a_change(9, status="completed")),
    )
    seen: list[tuple[int, JobState]] = []
    (job,) = kotta.wait(A_JOB_ID, on_change=lambda job: seen.append((job.change, job.status)))
    assert job.status is JobState.COMPLETED
    assert seen == [
        (3, JobState.PENDING),
        (4, JobState.PROCESSING),
        (9, JobState.COMPLETED),
    ]
    after = [request.query.get("after") for request in stand_in.requests]
    assert after == [["0"], ["3"], ["4"], ["5"], ["5"]]


def test_jobs_come_back_in_the_order_given_even_twice(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(page(a_change(1, status="failed"), a_change(2, OTHER_ID, status="completed")))
    found = kotta.wait([OTHER_ID, A_JOB_ID, OTHER_ID])
    assert [job.id for job in found] == [OTHER_ID, A_JOB_ID, OTHER_ID]


def test_an_unknown_job_is_not_waited_for(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(NOTHING)
    with pytest.raises(NotFoundError, match=A_JOB_ID):
        kotta.wait(A_JOB_ID)


def test_a_job_that_the_service_has_forgotten_is_not_waited_for_forever(
    stand_in: StandIn, kotta: Kotta
) -> None:
    stand_in.replies(NOTHING)
    with pytest.raises(NotFoundError, match=A_JOB_ID):
        kotta.wait(the_job())


def test_no_time_to_wait_still_looks_once(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(page(a_change(7, status="completed")))
    assert kotta.wait(the_job(), timeout=0)[0].status is JobState.COMPLETED
    assert len(stand_in.requests) == 1


def test_a_wait_that_is_over_says_what_had_not_ended(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(page(a_change(7), a_change(8, OTHER_ID, status="failed")))
    with pytest.raises(WaitTimeoutError, match="1 of 2 jobs had not ended after 0 s") as caught:
        kotta.wait([A_JOB_ID, OTHER_ID], timeout=0)
    assert A_JOB_ID in caught.value.hint


def test_a_service_that_stays_away_ends_the_wait(
    stand_in: StandIn, kotta: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "AWAY_SECONDS", 0.02)
    stand_in.replies(None)
    with pytest.raises(ConnectionFailedError):
        kotta.wait(the_job())


def test_patience_ends_with_the_time_allowed(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(None)
    with pytest.raises(UnavailableError):
        kotta.wait(the_job(), timeout=0.05)


def test_many_jobs_are_followed_without_naming_each(
    stand_in: StandIn, kotta: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "GATHER_SECONDS", 0)
    ids = [f"{number:036d}" for number in range(250)]
    ended = [a_change(number + 2, job_id, status="completed") for number, job_id in enumerate(ids)]
    stand_in.replies(page(*ended[:200]), page(*ended[200:]))
    jobs = [the_job(job_id=job_id) for job_id in ids]
    assert [job.id for job in kotta.wait(jobs)] == ids
    assert ["job" in request.query for request in stand_in.requests] == [False, True]


def test_a_watch_begins_when_it_is_asked_for(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(as_json({"changes": [], "last": 41}), page(a_change(42)), None)
    changes = kotta.watch()
    assert stand_in.lines == ["GET /changes"]
    assert next(changes).number == 42
    assert stand_in.requests[-1].query["after"] == ["41"]


def test_a_watch_misses_and_repeats_nothing_whatever_happens_to_the_connection(
    stand_in: StandIn, kotta: Kotta
) -> None:
    chance = random.Random(5)

    def answer(request: Request) -> Reply | None:
        after = int(request.query["after"][0])
        numbers = range(after + 1, after + 1 + chance.randrange(4))
        reply = as_json({"changes": [a_change(n) for n in numbers], "last": after + len(numbers)})
        how = chance.randrange(4)
        if how == 0:
            return None
        if how == 1:
            return Reply(reply.body, cut_at=chance.randrange(len(reply.body)))
        return a_problem(503, "stopping") if how == 2 else reply

    stand_in.answer = answer
    changes = kotta.watch(after=7)
    assert [change.number for change in itertools.islice(changes, 25)] == list(range(8, 33))


@pytest.fixture
def log(stand_in: StandIn) -> Iterator[bytes]:
    """A log that comes in pieces, over a connection that is cut again and again."""
    chance = random.Random(11)
    content = chance.randbytes(20_000)

    def answer(request: Request) -> Reply | None:
        offset = int(request.query["offset"][0])
        piece = content[offset : offset + chance.randrange(3000)]
        end = offset + len(piece)
        headers = {"Kotta-Next-Offset": str(end)}
        if end == len(content):
            headers["Kotta-Log-Ended"] = "true"
        how = chance.randrange(3)
        if how == 0:
            return None
        return Reply(piece, 200, headers, chance.randrange(len(piece) + 1) if how == 1 else None)

    stand_in.answer = answer
    return content


def test_a_followed_log_comes_whole_over_a_bad_connection(log: bytes, kotta: Kotta) -> None:
    assert b"".join(kotta.logs(A_JOB_ID, follow=True)) == log


def test_a_followed_log_may_begin_in_the_middle(log: bytes, kotta: Kotta) -> None:
    assert b"".join(kotta.logs(A_JOB_ID, offset=19_000, follow=True)) == log[19_000:]


def test_a_log_is_told_as_far_as_it_goes(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(
        Reply(b"so far", 200, {"Kotta-Next-Offset": "6"}),
        Reply(b"", 200, {"Kotta-Next-Offset": "6"}),
    )
    assert list(kotta.logs(A_JOB_ID, "stderr")) == [b"so far"]
    assert stand_in.lines == [f"GET /jobs/{A_JOB_ID}/logs/stderr"] * 2


@pytest.mark.parametrize("offset", [None, "", "5", "-1", "six"])
def test_a_log_without_a_place_to_go_on_is_refused(
    stand_in: StandIn, kotta: Kotta, offset: str | None
) -> None:
    stand_in.replies(Reply(b"so far", 200, {"Kotta-Next-Offset": offset} if offset else {}))
    with pytest.raises(ServiceFaultError, match="piece of the log"):
        list(kotta.logs(A_JOB_ID))


def test_a_part_of_a_piece_is_not_taken_for_all_of_it(stand_in: StandIn, kotta: Kotta) -> None:
    ended = {"Kotta-Next-Offset": "6", "Kotta-Log-Ended": "true"}
    stand_in.replies(Reply(b"so f", 200, ended), Reply(b"so far", 200, ended))
    assert list(kotta.logs(A_JOB_ID, follow=True)) == [b"so far"]


def test_a_follower_goes_on_with_the_next_attempt(stand_in: StandIn, kotta: Kotta) -> None:
    one = {"Kotta-Attempt": "1"}
    stand_in.replies(
        Reply(b"first", 200, {**one, "Kotta-Next-Offset": "5"}),
        Reply(b"!", 200, {**one, "Kotta-Next-Offset": "6", "Kotta-Next-Attempt": "2"}),
        Reply(
            b"second",
            200,
            {"Kotta-Attempt": "2", "Kotta-Next-Offset": "6", "Kotta-Log-Ended": "true"},
        ),
    )
    assert list(kotta.logs(A_JOB_ID, follow=True)) == [b"first", b"!", b"second"]
    asked = [
        (request.query.get("attempt"), request.query["offset"]) for request in stand_in.requests
    ]
    assert asked == [(None, ["0"]), (["1"], ["5"]), (["2"], ["0"])]


def test_a_reader_says_where_to_begin_once(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(
        Reply(b"end", 200, {"Kotta-Offset": "97", "Kotta-Next-Offset": "100"}),
        Reply(b"", 200, {"Kotta-Next-Offset": "100"}),
    )
    since = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    assert list(kotta.logs(A_JOB_ID, tail=2, since=since)) == [b"end"]
    first, second = (request.query for request in stand_in.requests)
    assert (first["tail"], first["since"]) == (["2"], ["2026-03-01T12:00:00+00:00"])
    assert second["offset"] == ["100"]
    assert not {"tail", "since"} & set(second)
