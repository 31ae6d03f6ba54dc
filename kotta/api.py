"""The typed HTTP layer: one method a route, models back, and every failure as one of our errors.

What a workflow is made of calls (waiting, following, transferring whole folders) lies in
`kotta.client` and `kotta.transfers`.
"""

from __future__ import annotations

import builtins
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from pydantic import BaseModel, ValidationError

from kotta import local_service
from kotta._version import __version__
from kotta.config import Server
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
from kotta.models import (
    ChangePage,
    Job,
    JobDetail,
    JobPage,
    QueuePage,
    ServiceInfo,
    SubmitReply,
    UploadMissing,
)


def _import_httpx() -> Any:
    """Httpx without its own command line, whose imports (rich, pygments) double its start-up time.

    httpx does without it where those are not installed; this makes it look so for a moment.
    """
    blocked = "httpx._main"
    if "httpx" not in sys.modules and blocked not in sys.modules:
        sys.modules[blocked] = None  # type: ignore[assignment]
        try:
            import httpx
        finally:
            del sys.modules[blocked]
    import httpx

    return httpx


httpx = _import_httpx()
logger = logging.getLogger(__name__)
Model = TypeVar("Model", bound=BaseModel)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
TRIES = 4
CHUNK_BYTES = 1 << 20
MAX_JSON_BYTES = 64 << 20
MAX_LOG_BYTES = 4 << 20
_BY_STATUS: dict[int, type[KottaError]] = {
    401: LoginRequiredError,
    403: LoginRequiredError,
    404: NotFoundError,
    409: ConflictError,
    503: UnavailableError,
    507: StorageFullError,
}


@dataclass(frozen=True)
class LogChunk:
    """A piece of a job's stream.

    Attributes:
        next_offset: where the next piece begins, bytes from the stream's start.
        ended: nothing will follow.
    """

    content: bytes
    next_offset: int
    ended: bool


class Api:
    """The routes of one service, over one pool of connections; may be used by several threads."""

    def __init__(self, server: Server, notify: Callable[[str], None] | None = None) -> None:
        self._server = server
        self._notify = notify
        self._client = self._connected()

    def close(self) -> None:
        self._client.close()

    def service(self) -> ServiceInfo:
        return self._get(ServiceInfo, "/service")

    def stop(self) -> None:
        self._json("POST", "/service/stop")

    def queues(self) -> QueuePage:
        return self._get(QueuePage, "/queues")

    def submit(self, descriptions: Sequence[Mapping[str, Any]], key: str) -> builtins.list[Job]:
        """Submits all or none; with the same key, once however often it is repeated."""
        body = {"jobs": list(descriptions)}
        headers = {"Idempotency-Key": key}
        answer = self._json("POST", "/jobs", body=body, headers=headers, repeatable=True)
        return _parsed(SubmitReply, answer).jobs

    def list(self, params: Mapping[str, Any]) -> JobPage:
        """One page; `params` as docs/api.md names them."""
        return self._get(JobPage, "/jobs", params)

    def select(self, selector: str) -> JobPage:
        return self._get(JobPage, "/jobs/select", {"selector": selector})

    def status(self, job_id: str, wait_seconds: float = 0) -> JobDetail:
        """Everything about a job, once it has ended or `wait_seconds` have passed."""
        path = f"/jobs/{quote(job_id, safe='')}"
        params = {"wait": wait_seconds} if wait_seconds else None
        return self._get(JobDetail, path, params, wait_seconds)

    def cancel(self, job_id: str) -> Job:
        path = f"/jobs/{quote(job_id, safe='')}/cancel"
        # cancelling twice is the same as once
        return _parsed(Job, self._json("POST", path, repeatable=True))

    def changes(
        self,
        after: int | None,
        wait_seconds: float = 0,
        job_ids: Iterable[str] = (),
        *,
        results: bool = False,
    ) -> ChangePage:
        """What changed after a number, as soon as something did or `wait_seconds` have passed.

        Args:
            results: with the results of function calls that have ended.
        """
        params: dict[str, Any] = {"job": list(job_ids)}
        if results:
            params["results"] = "true"
        if after is not None:
            params.update(after=after, wait=wait_seconds)
        return self._get(ChangePage, "/changes", params, wait_seconds)

    def log(self, job_id: str, stream: str, offset: int, wait_seconds: float = 0) -> LogChunk:
        """A piece of `stdout` or `stderr` from `offset` on; empty if there is none yet."""
        path = f"/jobs/{quote(job_id, safe='')}/logs/{stream}"
        params = {"offset": offset, "wait": wait_seconds}
        answer = self._send("GET", path, params=params, wait_seconds=wait_seconds, repeatable=True)
        content = answer.content
        next_offset = answer.headers.get("kotta-next-offset", "")
        if not next_offset.isdigit() or int(next_offset) != offset + len(content):
            raise _strange(answer, "it does not say where this piece of the log ends")
        return LogChunk(content, int(next_offset), answer.headers.get("kotta-log-ended") == "true")

    @contextmanager
    def output(
        self, job_id: str, name: str, offset: int = 0, etag: str = ""
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """An output's bytes as they come; the local service's are read from its disk.

        Args:
            offset: where to begin, if the file still has this `etag`.

        Yields:
            Where the bytes really begin (0 if the service sends all of it), and the bytes.
        """
        path = f"/jobs/{quote(job_id, safe='')}/outputs/{quote(name, safe='')}"
        headers = {"Range": f"bytes={offset}-", "If-Range": etag} if offset else {}
        if self._server.is_local:
            headers["Kotta-Accept"] = "path"
        with self._translated():
            request = self._request("GET", path, headers=headers)
            answer = self._client.send(request, stream=True)
            try:
                if self._server.is_local and answer.status_code == 204:
                    with open(unquote(answer.headers["kotta-path"]), "rb") as file:
                        file.seek(offset)
                        yield offset, iter(partial(file.read, CHUNK_BYTES), b"")
                    return
                if answer.status_code not in (200, 206):
                    answer.read()
                    raise _failure(answer)
                begins = _begins_at(answer, offset)
                yield begins, answer.iter_bytes(CHUNK_BYTES)
            finally:
                answer.close()

    def check_uploads(self, sha256: Sequence[str]) -> builtins.list[str]:
        """Those of these contents that the service does not have."""
        body = {"sha256": list(sha256)}
        answer = self._json("POST", "/uploads/check", body=body, repeatable=True)
        return _parsed(UploadMissing, answer).missing

    def upload(self, sha256: str, content: Iterable[bytes], size_bytes: int) -> None:
        """Sends a file's bytes, once: an iterable cannot be sent again."""
        self._send(
            "PUT",
            f"/uploads/{sha256}",
            content=content,
            headers={"Content-Length": str(size_bytes)},
            wait_seconds=60,
        )

    def _get(
        self,
        model: type[Model],
        path: str,
        params: Mapping[str, Any] | None = None,
        wait_seconds: float = 0,
    ) -> Model:
        answer = self._json("GET", path, params=params, wait_seconds=wait_seconds, repeatable=True)
        return _parsed(model, answer)

    def _json(self, method: str, path: str, *, body: Any = None, **how: Any) -> Any:
        if body is not None:
            how["content"] = json.dumps(body).encode()
            how["headers"] = {"Content-Type": "application/json", **how.get("headers", {})}
        return self._send(method, path, **how)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
        repeatable: bool = False,
    ) -> Any:
        """The answer, if it is a good one.

        A repeatable request is sent again where no answer comes; the local service is started
        again before that, as it may have left for idleness or have been killed.
        """
        for attempt in range(1, TRIES + 1):
            try:
                with self._translated():
                    request = self._request(method, path, params, content, headers, wait_seconds)
                    return self._answer(request)
            except ConnectionFailedError:
                refused = not self._server.is_local or attempt == TRIES
                if attempt == TRIES or (refused and not repeatable):
                    raise
                if not repeatable and local_service.is_running(local_service.socket_now()):
                    raise
                time.sleep(0.02 * 4 ** (attempt - 1) if attempt > 1 else 0)
                if self._server.is_local:
                    local_service.ensure_running(self._notify)
        raise AssertionError("unreachable")

    def _answer(self, request: Any) -> Any:
        answer = self._client.send(request, stream=True)
        try:
            received, size = [], 0
            for chunk in answer.iter_bytes():
                size += len(chunk)
                if size > MAX_JSON_BYTES:
                    raise _strange(answer, "its answer is too long")
                received.append(chunk)
            answer._content = b"".join(received)
        finally:
            answer.close()
        if not answer.is_success:
            raise _failure(answer)
        return answer

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
    ) -> Any:
        timeout = httpx.Timeout(ANSWER_SECONDS + wait_seconds, connect=CONNECT_SECONDS)
        return self._client.build_request(
            method,
            "/api/v2" + path,
            params=params,
            content=content,
            headers=headers,
            timeout=timeout,
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            where = "the local service" if self._server.is_local else self._server.address
            words = str(error) or type(error).__name__
            raise ConnectionFailedError(
                f"no answer from {where}: {words}",
                hint="kotta service logs" if self._server.is_local else "is the address right?",
            ) from error

    def _connected(self) -> Any:
        headers = {"User-Agent": f"kotta/{__version__}", "Accept-Encoding": "identity"}
        if self._server.is_local or self._server.address.startswith("unix:"):
            path = (
                str(local_service.ensure_running(self._notify))
                if self._server.is_local
                else self._server.address.removeprefix("unix:")
            )
            # verify=False: no certificates are loaded for what never leaves this machine
            transport = httpx.HTTPTransport(uds=path, verify=False)
            return httpx.Client(
                transport=transport, base_url="http://kotta", headers=headers, trust_env=False
            )
        return httpx.Client(base_url=self._server.address, headers=headers)


def _parsed(model: type[Model], answer: Any) -> Model:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise _strange(answer, f"its answer is no {model.__name__}") from error


def _failure(answer: Any) -> KottaError:
    """The error that an answer tells of."""
    request_id = answer.headers.get("kotta-request-id")
    try:
        problem = json.loads(answer.content)
        code, detail = str(problem["code"]), str(problem["detail"])
        hint = str(problem.get("hint", ""))
        fields = tuple(
            FieldProblem(str(item["pointer"]), str(item["detail"]), str(item.get("hint", "")))
            for item in problem.get("errors", ())
        )
    except (ValueError, KeyError, TypeError):
        return _strange(answer, f"it answered {answer.status_code} without saying why")
    if code == "bad_description":
        return DescriptionError(detail, problems=fields, hint=hint, request_id=request_id)
    fallback = ServiceFaultError if answer.status_code >= 500 else RequestError
    kind = _BY_STATUS.get(answer.status_code, fallback)
    return kind(detail, hint=hint, code=code, request_id=request_id)


def _strange(answer: Any, words: str) -> ServiceFaultError:
    return ServiceFaultError(
        f"what answers at {answer.request.url.host or 'this address'} is no Kotta service, or a "
        f"broken one: {words}",
        hint="check the address with: kotta service status",
        request_id=answer.headers.get("kotta-request-id"),
    )


def _begins_at(answer: Any, offset: int) -> int:
    if answer.status_code == 200:
        return 0
    if not answer.headers.get("content-range", "").startswith(f"bytes {offset}-"):
        raise _strange(answer, "it sent another part of the file than the one asked for")
    return offset
