"""What the client understands as HTTP, said by servers that say it in every way."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kotta import Kotta, http_pool
from kotta.errors import ConfigError
from kotta.http_pool import NoAnswerError, NotInTimeError, Pool, Request, UnsendableError
from library.stand_in import StandIn, as_json

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(
    *talks: Callable[[socket.socket], None], ended: threading.Semaphore | None = None
) -> Iterator[Pool]:
    """The way to a server that talks to each connection as is said, and counts those it ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for talk in talks:
                with listener.accept()[0] as peer:
                    talk(peer)
                if ended is not None:
                    ended.release()

        thread = threading.Thread(target=serve)
        thread.start()
        way = Pool(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield way
        finally:
            way.close()
            thread.join(10)
            assert not thread.is_alive()


def says(*answers: bytes, by: int = 1 << 20) -> Callable[[socket.socket], None]:
    """Answers a request each, in pieces of so many bytes."""

    def talk(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for answer in answers:
            hear(peer)
            for start in range(0, len(answer), by):
                peer.sendall(answer[start : start + by])

    return talk


def hear(peer: socket.socket) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = peer.recv(4096)
        if not piece:
            break
        heard += piece
    return heard


def asked(way: Pool, seconds: float = 5, **headers: str) -> tuple[int, bytes]:
    reply = way.send(Request("GET", "/", headers, None, 5, seconds))
    try:
        return reply.status, b"".join(reply.chunks())
    finally:
        reply.close()


PIECES = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD = {
    "counted": (OK, (200, b"ok")),
    "in pieces": (
        PIECES + b"1\r\no\r\n1;say=yes\r\nk\r\n0\r\nX: y\r\n\r\n",
        (200, b"ok"),
    ),
    "until the end": (b"HTTP/1.0 200\r\n\r\nok", (200, b"ok")),
    "after others": (b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nA: b\r\n\r\n" + OK, (200, b"ok")),
    "nothing": (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", (204, b"")),
    "empty": (b"HTTP/1.1 404 \r\ncontent-length:0\r\n\r\n", (404, b"")),
}


@pytest.mark.parametrize("by", [1, 3, 1 << 20])
@pytest.mark.parametrize(("answer", "means"), GOOD.values(), ids=GOOD)
def test_an_answer_is_read_however_it_comes(
    answer: bytes, means: tuple[int, bytes], by: int
) -> None:
    with server(says(answer, by=by)) as way:
        assert asked(way) == means


BAD = {
    "silence": b"",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no header": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "too short": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nok",
    "a piece without a length": PIECES + b"+2\r\nok\r\n",
    "a piece too long": PIECES + b"1\r\nok\r\n0\r\n\r\n",
    "no last piece": PIECES + b"2\r\nok\r\n",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_what_is_no_whole_answer_is_an_error(answer: bytes) -> None:
    with server(says(answer)) as way, pytest.raises(NoAnswerError):
        asked(way)


def test_a_head_without_an_end_is_not_read_for_ever() -> None:
    def talk(peer: socket.socket) -> None:
        hear(peer)
        with pytest.raises(OSError):
            while True:
                peer.sendall(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 65536)

    with server(talk) as way, pytest.raises(NoAnswerError):
        asked(way)


def test_bytes_are_given_as_they_come() -> None:
    seen = threading.Event()

    def talk(peer: socket.socket) -> None:
        hear(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nfirst")
        assert seen.wait(10)

    with server(talk) as way:
        reply = way.send(Request("GET", "/", {}, None, 5, 5))
        chunks = reply.chunks()
        assert next(chunks) == b"first"
        seen.set()
        with pytest.raises(NoAnswerError):
            next(chunks)
        reply.close()


def test_a_connection_is_used_again_unless_something_was_left_or_it_ends() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    ended = threading.Semaphore(0)
    with server(says(OK, OK, closing), says(OK + b"more"), says(OK), ended=ended) as way:
        for _ in range(4):
            assert asked(way) == (200, b"ok")
        # a request that is on its way while the connection ends is lost, to whoever sends it
        assert ended.acquire(timeout=10) and ended.acquire(timeout=10)
        assert asked(way) == (200, b"ok")


def test_a_connection_that_was_ended_while_it_rested_is_not_used_again() -> None:
    ended = threading.Semaphore(0)
    with server(says(OK), says(OK), ended=ended) as way:
        assert asked(way) == (200, b"ok")
        assert ended.acquire(timeout=10)
        assert asked(way) == (200, b"ok")


def test_an_answer_that_was_left_unread_is_not_taken_for_the_next_one() -> None:
    with server(says(OK), says(OK.replace(b"ok", b"no"))) as way:
        way.send(Request("GET", "/", {}, None, 5, 5)).close()
        assert asked(way) == (200, b"no")


def test_nothing_in_time_is_told_apart() -> None:
    with server(lambda peer: None if hear(peer) is None else wait_for_end(peer)) as way:
        with pytest.raises(NotInTimeError):
            asked(way, 0.05)


def wait_for_end(peer: socket.socket) -> None:
    while peer.recv(4096):
        pass


def test_who_refuses_a_body_without_reading_it_is_heard() -> None:
    def talk(peer: socket.socket) -> None:
        hear(peer)
        peer.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nno")
        peer.shutdown(socket.SHUT_WR)
        wait_for_end(peer)

    with server(talk) as way:
        body = iter([b"x" * (1 << 20)] * 8)
        reply = way.send(Request("PUT", "/", {"Content-Length": str(8 << 20)}, body, 5, 5))
        assert reply.status == 413
        reply.close()


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\n", "é", "\0"])
def test_a_header_cannot_become_another_one(value: str) -> None:
    with server(says(OK)) as way:
        with pytest.raises(UnsendableError):
            asked(way, Authorization=value)
        assert asked(way) == (200, b"ok")


def test_a_proxy_of_the_environment_is_asked_except_where_it_is_not_wanted(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.replies(as_json({"queues": []}))
    monkeypatch.setenv("http_proxy", stand_in.address)
    with Kotta(server="http://kotta.invalid/below") as kotta:
        assert kotta.queues() == []
    assert stand_in.lines == ["GET /below/api/v2/queues"]
    assert stand_in.requests[0].headers["host"] == "kotta.invalid"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Kotta(server=stand_in.address) as kotta:
        assert kotta.queues() == []
    assert stand_in.lines[1:] == ["GET /queues"]


def test_a_proxy_is_told_the_name_and_password_that_the_environment_has_for_it(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.replies(as_json({"queues": []}))
    address = stand_in.address.replace("http://", "http://ada:p%40ss@")
    monkeypatch.setenv("all_proxy", address.removeprefix("http://"))
    with Kotta(server="http://kotta.invalid") as kotta:
        assert kotta.queues() == []
    # Source: RFC 7617: base64 of ada:p@ss
    assert stand_in.requests[0].headers["proxy-authorization"] == "Basic YWRhOnBAc3M="


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_asked_is_told_of(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("http_proxy", proxy)
    with Kotta(server="http://kotta.invalid") as kotta:
        with pytest.raises(ConfigError, match=r"cannot talk to `http://kotta.invalid`: .* proxy"):
            kotta.queues()


def test_nothing_is_sent_over_connections_that_were_closed() -> None:
    with server(says(OK)) as way:
        assert asked(way) == (200, b"ok")
        way.close()
        with pytest.raises(NoAnswerError):
            asked(way)


def test_the_rest_of_an_answer_that_was_left_is_no_end_of_it() -> None:
    with server(says(OK)) as way:
        reply = way.send(Request("GET", "/", {}, None, 5, 5))
        reply.close()
        with pytest.raises(NoAnswerError):
            list(reply.chunks())


def test_what_a_server_sets_is_not_sent_back() -> None:
    heard: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        for _ in range(2):
            heard.append(hear(peer))
            peer.sendall(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"))

    with server(talk) as way:
        assert [asked(way), asked(way)] == [(200, b"ok")] * 2
    assert heard[0] == heard[1]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_the_length_of_no_body_is_told_where_one_belongs(method: str) -> None:
    heard: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        heard.append(hear(peer))
        peer.sendall(OK)

    with server(talk) as way:
        way.send(Request(method, "/", {}, None, 5, 5)).close()
    assert b"\r\nContent-Length: 0\r\n" in heard[0]


def test_headers_of_one_name_are_the_same_as_their_values_in_a_row() -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nAn-Item: a\r\nan-item: b\r\n\r\n")
    with server(says(answer)) as way:
        reply = way.send(Request("GET", "/", {}, None, 5, 5))
        assert reply.headers["an-item"] == "a, b"
        reply.close()


def test_large_answers_come_in_large_pieces() -> None:
    content = b"x" * (4 << 20)
    with server(
        says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
    ) as way:
        reply = way.send(Request("GET", "/", {}, None, 5, 5))
        pieces = list(reply.chunks())
        reply.close()
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= http_pool.CHUNK_BYTES


@pytest.fixture
def certificates() -> Iterator[tuple[Path, Path]]:
    """A certificate for localhost that nobody vouches for, and its key."""
    with tempfile.TemporaryDirectory() as folder:
        yield made_certificate(Path(folder))


def made_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


@contextmanager
def secure_server(certificate: Path, key: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as peer:
                    says(OK, OK)(peer)
            except OSError:
                plain.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_tls_is_spoken_with_whom_the_environment_trusts_by_the_name_that_was_asked_for(
    certificates: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with secure_server(certificate, key) as port:
        way = Pool(f"https://localhost:{port}")
        assert [asked(way), asked(way)] == [(200, b"ok")] * 2
        way.close()
    with secure_server(certificate, key) as port:
        with pytest.raises(NoAnswerError, match="CERTIFICATE_VERIFY_FAILED"):
            asked(Pool(f"https://127.0.0.1:{port}"))


def test_tls_trusts_nobody_who_makes_his_own_certificate(
    certificates: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with secure_server(*certificates) as port:
        with pytest.raises(NoAnswerError, match="CERTIFICATE_VERIFY_FAILED"):
            asked(Pool(f"https://localhost:{port}"))
