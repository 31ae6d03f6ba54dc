from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from kotta import Kotta, __version__, connection
from kotta.errors import (
    ConflictError,
    ConnectionFailedError,
    DescriptionError,
    FieldProblem,
    KottaError,
    LoginRequiredError,
    NotFoundError,
    RequestError,
    ServiceFaultError,
    StorageFullError,
    UnavailableError,
)
from library.stand_in import A_JOB_ID, Reply, StandIn, a_job, a_problem, as_json

NO_QUEUES = as_json({"queues": []})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0, 0))


def test_a_question_is_asked_three_times_before_nobody_answers(
    stand_in: StandIn, kotta: Kotta
) -> None:
    stand_in.replies(None)
    with pytest.raises(ConnectionFailedError) as caught:
        kotta.queues()
    assert stand_in.address in caught.value.message
    assert len(stand_in.requests) == 3


def test_an_answer_to_the_third_question_is_an_answer(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(None, Reply(b"{}" * 50, cut_at=3), NO_QUEUES)
    assert kotta.queues() == []


def test_a_submission_is_repeated_with_the_same_key(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(None, as_json({"jobs": [a_job()]}, 201))
    kotta.submit({"executable": "true"})
    keys = [request.headers["idempotency-key"] for request in stand_in.requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_what_is_not_safe_to_repeat_is_asked_once(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(None)
    with pytest.raises(ConnectionFailedError):
        kotta.api.stop()
    assert stand_in.lines == ["POST /service/stop"]


def test_even_that_is_repeated_where_the_service_says_that_nothing_was_done(
    stand_in: StandIn, kotta: Kotta
) -> None:
    stand_in.replies(a_problem(503, "stopping"), Reply(b"null", 202))
    kotta.api.stop()
    assert len(stand_in.requests) == 2


def test_no_answer_in_time_is_not_asked_for_again(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Kotta(server=address) as kotta, pytest.raises(ConnectionFailedError) as caught:
            kotta.queues()
        assert "in time" in caught.value.message
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_nobody_there_is_an_error_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Kotta(server=f"http://127.0.0.1:{port}") as kotta:
        with pytest.raises(ConnectionFailedError, match=str(port)) as caught:
            kotta.queues()
    assert caught.value.hint == "is the address right?"


def test_a_socket_that_is_not_there_is_the_same() -> None:
    with Kotta(server="unix:/nowhere/s.sock") as kotta:
        with pytest.raises(ConnectionFailedError, match="unix:/nowhere"):
            kotta.queues()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_request", RequestError),
        (401, "login_required", LoginRequiredError),
        (404, "not_found", NotFoundError),
        (409, "already_ended", ConflictError),
        (413, "too_large", RequestError),
        (422, "idempotency_key_reused", RequestError),
        (422, "bad_description", DescriptionError),
        (500, "service_fault", ServiceFaultError),
        (503, "overloaded", UnavailableError),
        (507, "storage_full", StorageFullError),
    ],
)
def test_each_problem_is_the_error_that_says_what_to_do(
    stand_in: StandIn, kotta: Kotta, status: int, code: str, kind: type[KottaError]
) -> None:
    stand_in.replies(a_problem(status, code, "in words", hint="do this"))
    with pytest.raises(KottaError) as caught:
        kotta.status(A_JOB_ID)
    error = caught.value
    assert type(error) is kind
    assert (error.message, error.hint, error.code) == ("in words", "do this", code)
    assert error.request_id == "abc-1"


def test_a_wrong_description_comes_with_its_places(stand_in: StandIn, kotta: Kotta) -> None:
    errors = [{"pointer": "/jobs/0/queue", "detail": "is not one", "hint": "Test"}]
    stand_in.replies(a_problem(422, "bad_description", errors=errors))
    with pytest.raises(DescriptionError) as caught:
        kotta.submit({"executable": "true"})
    assert caught.value.problems == (FieldProblem("/jobs/0/queue", "is not one", "Test"),)


STRANGE = {
    "an empty answer": Reply(),
    "a page": Reply(b"<html>hello</html>"),
    "no object": as_json([1, 2]),
    "another object": as_json({"queues": "many"}),
    "half of one": Reply(b'{"queues": ['),
    "a deep one": Reply(b"[" * 100_000),
    "deep fields": Reply(b'{"queues":' * 50_000),
    "no text": Reply(b'{"queues": ["\xff\xfe"]}'),
    "half a surrogate pair": Reply(b'{"queues": [{"name": "\\ud800"}]}'),
    "a huge number": Reply(b'{"queues": ' + b"9" * 100_000 + b"}"),
    "no number": Reply(b'{"queues": NaN}'),
    "elsewhere": Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}),
    "a problem in a page": Reply(b"<html>404</html>", 404),
    "a problem without words": as_json({"status": 500}, 500),
    "a problem that is a list": as_json([], 500),
    "a deep problem": Reply(b"[" * 100_000, 500),
    "a problem of numbers": a_problem(404, 7, 8),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("reply", STRANGE.values(), ids=STRANGE)
def test_what_no_kotta_service_says_is_told_in_plain_words(
    stand_in: StandIn, kotta: Kotta, reply: Reply
) -> None:
    stand_in.replies(reply)
    with pytest.raises(ServiceFaultError) as caught:
        kotta.queues()
    assert "no Kotta service" in caught.value.message
    assert stand_in.address in caught.value.message
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_a_service_behind_it_is_asked_again_later(
    stand_in: StandIn, kotta: Kotta, status: int
) -> None:
    stand_in.replies(Reply(b"<html>bad gateway</html>", status))
    with pytest.raises(UnavailableError, match=str(status)):
        kotta.queues()


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_never_ends_is_cut_off(
    stand_in: StandIn, kotta: Kotta, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(
        connection.Connection.send, "__kwdefaults__",
        {**connection.Connection.send.__kwdefaults__, "max_bytes": 1 << 20},
    )  # fmt: skip
    stand_in.replies(Reply(b" " * (3 << 20), status))
    with pytest.raises(ServiceFaultError, match="longer than 1 MiB"):
        kotta.queues()


@pytest.mark.parametrize("packing", ["gzip", "gzip, gzip", "br", "zstd", "deflate"])
def test_a_packed_answer_was_not_asked_for_and_is_not_unfolded(
    stand_in: StandIn, kotta: Kotta, packing: str
) -> None:
    bomb = gzip.compress(gzip.compress(b" " * (80 << 20)))
    stand_in.replies(Reply(bomb, 200, {"Content-Encoding": packing}))
    with pytest.raises(ServiceFaultError, match="packs its answer"):
        kotta.queues()
    with pytest.raises(ServiceFaultError, match="packs its answer"):
        with kotta.api.output(A_JOB_ID, "made.txt"):
            pass
    assert stand_in.requests[0].headers["accept-encoding"] == "identity"


def test_it_says_which_client_asks(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(NO_QUEUES)
    kotta.queues()
    assert stand_in.requests[0].headers["user-agent"] == f"kotta/{__version__}"


def test_an_answer_about_another_job_is_refused(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(as_json(a_job("another", description={})))
    with pytest.raises(ServiceFaultError, match="another job"):
        kotta.status(A_JOB_ID)


def test_an_id_that_could_be_a_path_is_refused(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(as_json(a_job("../../etc", description={})))
    with pytest.raises(ServiceFaultError, match="no JobDetail"):
        kotta.status(A_JOB_ID)


@pytest.mark.parametrize("job_id", ["", "..", ".", "a/b", "a?b", "\udcff", "x" * 200, "a\nb"])
def test_what_can_be_no_id_is_not_asked_about(stand_in: StandIn, kotta: Kotta, job_id: str) -> None:
    with pytest.raises(NotFoundError):
        kotta.status(job_id)
    with pytest.raises(NotFoundError):
        kotta.cancel(job_id)
    assert stand_in.requests == []


@pytest.mark.parametrize("key", ["é", "a b", "a\n", "x" * 256])
def test_a_key_that_is_none_is_refused_here(stand_in: StandIn, kotta: Kotta, key: str) -> None:
    with pytest.raises(RequestError, match="visible ASCII"):
        kotta.submit({"executable": "true"}, idempotency_key=key)
    assert "POST /jobs" not in stand_in.lines


def test_text_that_cannot_be_sent_is_an_error_of_ours(stand_in: StandIn, kotta: Kotta) -> None:
    with pytest.raises(RequestError):
        kotta.select("\udcff")
    with pytest.raises(RequestError):
        kotta.select("x" * 100_000)
    with pytest.raises(RequestError, match="no state `done`"):
        kotta.list(status=["done"])
    with pytest.raises(RequestError, match="no stream"):
        list(kotta.logs(A_JOB_ID, "stdin"))
    assert stand_in.requests == []


def test_many_threads_may_use_one_connection(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.answer = lambda request: as_json(
        a_job(request.path.rpartition("/")[2], description={})
    )
    ids = [f"{number:036d}" for number in range(60)]
    with ThreadPoolExecutor(16) as pool:
        assert [job.id for job in pool.map(kotta.status, ids)] == ids


def test_a_closed_connection_connects_again_when_used(stand_in: StandIn, kotta: Kotta) -> None:
    stand_in.replies(NO_QUEUES)
    assert kotta.queues() == []
    kotta.close()
    kotta.close()
    assert kotta.queues() == []


FORK = """
import os, sys
from kotta import Kotta
kotta = Kotta(server=sys.argv[1])
kotta.queues()
mine = kotta.api._connection._pool
child = os.fork()
if child == 0:
    kotta.queues()
    os._exit(0 if kotta.api._connection._pool is not mine else 1)
assert os.waitpid(child, 0)[1] == 0
kotta.queues()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_makes_connections_of_its_own(stand_in: StandIn) -> None:
    stand_in.replies(NO_QUEUES)
    done = subprocess.run(
        [sys.executable, "-c", FORK, stand_in.address], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert len(stand_in.requests) == 3
