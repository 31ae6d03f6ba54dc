"""Sends requests to one service: what is repeated, how long it takes, how much is read.

Knows no route (`kotta.api`) and no meaning of an answer (`kotta.answers`).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from kotta import bounded, local_service
from kotta._version import __version__
from kotta.answers import STOPPING, Answer
from kotta.certificates import refusal as certificate_refusal
from kotta.config import Server
from kotta.errors import (
    ConfigError,
    ConnectionFailedError,
    LoginRequiredError,
    RequestError,
    UnavailableError,
)
from kotta.http_pool import (
    WHOLE_SECONDS,
    NoAnswerError,
    NotInTimeError,
    Pool,
    Reply,
    Request,
    UnsendableError,
)
from kotta.session import Session

logger = logging.getLogger(__name__)
T = TypeVar("T")

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
PAUSES_SECONDS = (0.05, 0.25)
"""Before the second try and the third, which is the last."""
AWAY_SECONDS = 30.0
"""For so long a service is asked again that says when its database may be back."""
WHOLE_ANSWER_SECONDS = WHOLE_SECONDS
"""From the first byte of an answer to its last; of one that streams, of its head."""
MAX_ANSWER_BYTES = 32 << 20
MAX_TARGET_BYTES = 64 << 10
NOT_IN_TIME = "no_answer_in_time"

Ask: TypeAlias = Callable[[Pool, Mapping[str, str]], T]
"""Sends a request with the headers that say who asks."""
Content = Callable[[], Iterable[bytes]]
"""Makes a request's body anew, as often as it has to be sent."""


class Connection:
    """A pool of connections to one service, made when first used; for several threads.

    A request that is safe to repeat is repeated where no answer comes. The local service is looked
    for, and started if need be, before that: it may have left for idleness, or have been killed.
    """

    def __init__(
        self,
        server: Server,
        notify: Callable[[str], None] | None = None,
        session: Session | None = None,
    ) -> None:
        self._server = server
        self._session = session or Session(server.address)
        self._notify = notify
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._retired: list[Pool] = []
        self._address = ""
        self._pid = 0

    @property
    def where(self) -> str:
        """What to call the service in an error."""
        return "the local service" if self._server.is_local else self._server.address

    def close(self) -> None:
        """Gives the connections back; the next use makes new ones."""
        with self._lock:
            pools = [*self._retired, *([self._pool] if self._pool else [])]
            self._retired, self._pool = [], None
            # those of the process that we were forked from are not ours to close
            for pool in pools if self._pid == os.getpid() else ():
                pool.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | Content | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
        repeatable: bool = False,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """The answer, if it is a good one, else the error that it tells of.

        Args:
            wait_seconds: how much longer than usual the service may take.
            repeatable: sent twice, it does no more than sent once.
            max_bytes: a longer answer is an error.

        Raises:
            ConnectionFailedError: no answer came.
            KottaError: what the answer says.
        """

        def ask(pool: Pool, authorization: Mapping[str, str]) -> Answer:
            body = content() if callable(content) else content
            sent = {**(headers or {}), **authorization}
            request = _request(method, path, params, body, sent, wait_seconds)
            answer = self._answer(pool.send(request), max_bytes)
            if not 200 <= answer.status < 300:
                raise answer.failure()
            return answer

        return self._repeated(ask, repeatable=repeatable)

    def send_json(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
        repeatable: bool = False,
    ) -> Answer:
        """The same with a body of JSON."""
        return self.send(
            method,
            path,
            params=params,
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            wait_seconds=wait_seconds,
            repeatable=repeatable,
        )

    @contextmanager
    def stream(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        content: bytes | None = None,
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """An answer without content, and its bytes as they come; it must change nothing to ask.

        Args:
            content: JSON.
        """
        headers = dict(headers or {})
        if content is not None:
            headers["Content-Type"] = "application/json"

        def ask(pool: Pool, authorization: Mapping[str, str]) -> Reply:
            sent = {**headers, **authorization}
            request = _request(method, path, content=content, headers=sent)
            reply = pool.send(request._replace(is_streamed=True))
            if reply.status not in (200, 204, 206):
                raise self._answer(reply, MAX_ANSWER_BYTES).failure()
            return reply

        reply = self._repeated(ask, repeatable=True)
        try:
            with self._translated():
                yield self._begun(reply), reply.chunks()
        finally:
            reply.close()

    def _repeated(self, ask: Ask[T], *, repeatable: bool) -> T:
        pauses = list(PAUSES_SECONDS)
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return self._asked(ask)
            except UnavailableError as error:
                if not _is_worth_repeating(error, repeatable):
                    raise
                told = error.retry_after_seconds
                if told is not None and time.monotonic() + told < deadline:
                    pause = max(told, PAUSES_SECONDS[-1])
                elif pauses:
                    pause = pauses.pop(0)
                else:
                    raise
                logger.info("%s; asking again", error)
            time.sleep(pause)
            if self._server.is_local:
                self._find_local_service()

    def _asked(self, ask: Ask[T]) -> T:
        token = self._session.token()
        try:
            return self._asked_with(token, ask)
        except LoginRequiredError as error:
            # it may have been ended or have expired a moment ago, and another be to be had
            if token is None or error.code != "token_invalid" or not self._session.renew(token):
                raise
        return self._asked_with(self._session.token(), ask)

    def _asked_with(self, token: str | None, ask: Ask[T]) -> T:
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        pool = self._connected()
        with self._translated():
            return ask(pool, authorization)

    def _answer(self, reply: Reply, max_bytes: int) -> Answer:
        answer = Answer(self.where, reply.status, reply.headers)
        try:
            return answer._replace(content=bounded.content_of(reply, max_bytes))
        except bounded.OutOfBoundsError as error:
            raise answer.strange(str(error)) from error
        finally:
            reply.close()

    def _begun(self, reply: Reply) -> Answer:
        """An answer of which nothing but the head has been read."""
        answer = Answer(self.where, reply.status, reply.headers)
        try:
            bounded.check_encoding(reply)
        except bounded.OutOfBoundsError as error:
            raise answer.strange(str(error)) from error
        return answer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Makes the errors of what is below ours."""
        try:
            yield
        except NotInTimeError as error:
            raise ConnectionFailedError(
                f"no answer in time from {self.where}", hint=self._hint, code=NOT_IN_TIME
            ) from error
        except UnsendableError as error:
            raise _unsendable() from error
        except NoAnswerError as error:
            if (refused := certificate_refusal(self.where, error)) is not None:
                raise refused from error
            raise ConnectionFailedError(
                f"no answer from {self.where}: {error}", hint=self._hint
            ) from error

    @property
    def _hint(self) -> str:
        return "kotta service logs" if self._server.is_local else "is the address right?"

    def _connected(self) -> Pool:
        # a forked process must not talk on its parent's connections
        if self._pool is None or self._pid != os.getpid():
            with self._lock:
                if self._pool is None or self._pid != os.getpid():
                    address = self._server.address
                    if self._server.is_local:
                        address = f"unix:{local_service.ensure_running(self._notify)}"
                    self._pool, self._address = _made(address), address
                    self._pid = os.getpid()
        return self._pool

    def _find_local_service(self) -> None:
        """Starts it if need be; it may listen elsewhere now, if somebody else started it."""
        with self._lock:
            address = f"unix:{local_service.ensure_running(self._notify)}"
            if self._pool is not None and address != self._address:
                # other threads may be using it
                self._retired.append(self._pool)
                self._pool, self._address = _made(address), address


def _made(address: str) -> Pool:
    try:
        return Pool(address)
    except ValueError as error:
        raise ConfigError(f"cannot talk to `{address}`: {error}") from error


def _request(
    method: str,
    path: str,
    params: Mapping[str, Any] | None = None,
    content: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    wait_seconds: float = 0,
) -> Request:
    sent = {"User-Agent": f"kotta/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
    try:
        query = urlencode(params, doseq=True, quote_via=quote) if params else ""
    except UnicodeEncodeError as error:
        raise _unsendable() from error
    target = f"/api/v2{path}?{query}" if query else f"/api/v2{path}"
    if len(target) > MAX_TARGET_BYTES:
        raise RequestError("the request cannot be sent: its address is too long")
    return Request(
        method,
        target,
        sent,
        content,
        connect_seconds=CONNECT_SECONDS,
        answer_seconds=ANSWER_SECONDS + wait_seconds,
        whole_seconds=WHOLE_ANSWER_SECONDS + wait_seconds,
    )


def _unsendable() -> RequestError:
    return RequestError("something in the request is not text that can be sent")


def _is_worth_repeating(error: UnavailableError, repeatable: bool) -> bool:
    if error.code == STOPPING:
        return True
    if error.retry_after_seconds is not None:
        return repeatable
    # who did not answer in half a minute has enough to do
    lost = isinstance(error, ConnectionFailedError) and error.code != NOT_IN_TIME
    return lost and repeatable
