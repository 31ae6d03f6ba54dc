"""Connections that keep the service waiting end, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from shared_service import SharedService
from uvicorn.server import ServerState

from kotta.models.field_values import MAX_LIST_ENTRIES
from kotta_service import connections
from kotta_service.connections import MAX_HEAD_BYTES, Bounded
from kotta_service.front import MAX_RUNNER_BODY_BYTES
from kotta_service.tokens import JobTokens

LARGE = b"x" * (8 << 20)
WAITS_SECONDS = 10


class Impatient(Bounded):
    """The same with less patience, and room for few."""

    most = 4
    head_seconds = 0.2
    body_seconds = 0.2
    unread_seconds = 0.2


async def application(_scope: Any, receive: Any, send: Any) -> None:
    """Reads what it is sent, and answers with more than the kernel keeps."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.disconnect":
        return
    headers = [(b"content-length", str(len(LARGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": LARGE[:1000], "more_body": True})
    await send({"type": "http.response.body", "body": LARGE[1000:], "more_body": False})


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The port of a server whose connections are impatient."""
    config = uvicorn.Config(application, http=Impatient, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Impatient(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    watcher = asyncio.create_task(connections.watch(state.connections))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        watcher.cancel()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.05)


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any], str]:
    """Status, problem and head of an answer after which the connection is closed."""
    first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAITS_SECONDS)
    body = await asyncio.wait_for(reader.read(), WAITS_SECONDS)
    head = first.decode().lower()
    assert "content-type: application/problem+json" in head
    assert "connection: close" in head
    return int(head.split()[1]), json.loads(body), head


def run(test: Callable[[int], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ROUND_SECONDS", 0.05)

    async def main() -> None:
        async with listening() as port:
            await test(port)

    asyncio.run(main())


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Header: ", b"\r\n"],
    ids=["nothing", "half a line", "headers without end", "a blank line"],
)
def test_a_head_that_does_not_come_ends_its_connection(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        status, problem, _ = await answer(reader)
        assert (status, problem["code"]) == (408, "timeout")
        writer.close()

    run(test, monkeypatch)


def test_a_head_that_drips_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        read = asyncio.create_task(answer(reader))
        while not read.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        assert (await read)[0] == 408
        writer.close()

    run(test, monkeypatch)


def test_a_body_that_drips_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        read = asyncio.create_task(answer(reader))
        while not read.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        assert (await read)[0] == 408
        writer.close()

    run(test, monkeypatch)


def test_who_reads_nothing_of_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1)
        read = 0
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            while True:
                read += len(await asyncio.wait_for(reader.readexactly(1024), WAITS_SECONDS))
        assert read < len(LARGE)
        writer.close()

    run(test, monkeypatch)


def test_a_slow_reader_is_served_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        left = len(LARGE)
        while left:
            left -= len(await reader.readexactly(min(left, 1 << 19)))
            await asyncio.sleep(0.08)
        assert await reader.read() == b""
        writer.close()

    run(test, monkeypatch)


@pytest.mark.parametrize(
    "lines",
    [
        b"X: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"X: " + b"x" * (MAX_HEAD_BYTES + 1000),
        b"X: y\r\n" * 500 + b"\r\n",
    ],
    ids=["long", "long and without end", "many"],
)
def test_a_head_that_is_too_large_is_refused(lines: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + lines)
        status, problem, _ = await answer(reader)
        assert (status, problem["code"]) == (431, "too_large")
        writer.close()

    run(test, monkeypatch)


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so_as_a_problem(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        status, problem, _ = await answer(reader)
        assert (status, problem["code"]) == (400, "bad_request")
        writer.close()

    run(test, monkeypatch)


def test_more_connections_than_there_is_room_for_are_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(Impatient.most)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status, problem, head = await answer(reader)
        assert (status, problem["code"]) == (503, "unavailable")
        assert "retry-after: 5" in head
        for _, each in [*held, (reader, writer)]:
            each.close()

    run(test, monkeypatch)


def test_others_are_served_while_200_slow_clients_hold_sockets(shared: SharedService) -> None:
    token = shared.token("ada")
    client = shared.client(token)

    async def main() -> None:
        host, _, port = shared.url.removeprefix("http://").partition(":")
        head = f"POST /api/v2/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        starts = [
            head,
            head.replace("POST", "GET") + "\r\n",
            f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n[",
        ]
        held = []
        for number in range(200):
            # half of them without a token: a user may have no more than so many requests
            start = starts[number % 3] if number % 2 else starts[number % 3].replace(token, "x")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(start.encode())
            held.append(writer)
        for _ in range(20):
            answer = await asyncio.to_thread(client.get, "/jobs")
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() < 2
        for writer in held:
            writer.close()

    asyncio.run(main())


JOB = "4f6c0000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("token", "length"),
    [
        ("", "Content-Length: 60000000"),
        ("Bearer x", "Content-Length: 60000000"),
        (f"Bearer {JOB}.1.{'0' * 64}", "Content-Length: 1000"),
        (f"Bearer {'0' * 64}", "Content-Length: 60000000"),
        (f"Bearer {'0' * 64}", "Transfer-Encoding: chunked"),
    ],
    ids=["none", "nonsense", "of a job", "of an earlier version", "the same without a length"],
)
@pytest.mark.parametrize("path", ["reports", "inputs", "uploads", "uploads/finish"])
def test_no_body_is_waited_for_of_who_shows_no_token_of_a_job(
    shared: SharedService, path: str, token: str, length: str
) -> None:
    address = urlsplit(shared.url)
    head = f"POST /api/v2/runner/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\n{length}\r\n\r\n".encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404 ")


def test_a_runner_is_heard_by_the_token_of_its_attempt_within_bounds(shared: SharedService) -> None:
    (job,) = shared.submit({"executable": "sleep 600"})
    shared.until_status(job, "processing")
    tokens = JobTokens.from_file(shared.data / "job-tokens.key")
    token = tokens.make(job["id"], 1)
    runner = shared.client()

    def report(token: str, **more: Any) -> httpx.Response:
        body = {"job_id": job["id"], "attempt": 1, "phase": "processing", **more}
        headers = {"Authorization": f"Bearer {token}"}
        return runner.post("/runner/reports", json=body, headers=headers)

    assert report(token).json() == {"cancel": False}
    earlier = token.rpartition(".")[2]
    assert report(earlier).json() == {"cancel": False}, "a runner that was at work before"
    assert report(tokens.make(job["id"], 2)).status_code == 404
    assert report(tokens.make(JOB, 1)).status_code == 404
    assert report(token, more="x" * (10 << 20)).json() == {"cancel": False}
    assert report(token, more="x" * MAX_RUNNER_BODY_BYTES).status_code == 413
    shared.http.post(f"/jobs/{job['id']}/cancel")
    shared.wait(job)


def test_a_record_of_as_much_as_a_job_may_have_is_within_the_bound() -> None:
    output = {"available": True, "size_bytes": 1 << 50, "sha256": "0" * 64}
    names = [f"{n:05}" + "é" * 125 for n in range(MAX_LIST_ENTRIES)]
    result = {
        "format": "error",
        "error": {"traceback": "x" * (1 << 20), "exception": "x" * (1 << 20)},
    }
    record = {"outputs": [{"name": name, **output} for name in names], "result": result}
    assert len(json.dumps({"record": record})) < MAX_RUNNER_BODY_BYTES


def test_a_user_has_no_more_than_so_many_requests_under_way(shared: SharedService) -> None:
    ada = shared.client(shared.token("ada"), limits=httpx.Limits(max_connections=200))
    last = ada.get("/changes").json()["last"]
    statuses: list[httpx.Response] = []

    def wait() -> None:
        statuses.append(ada.get("/changes", params={"after": last, "wait": 4}))

    threads = [threading.Thread(target=wait) for _ in range(140)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in statuses if answer.status_code == 429]
    assert refused and len(refused) <= 12
    assert refused[0].json()["code"] == "too_many_requests"
    assert refused[0].headers["retry-after"] == "2"
    assert {answer.status_code for answer in statuses} == {200, 429}
    assert ada.get("/changes").status_code == 200
