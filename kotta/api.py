"""The routes of the service, typed: one method a route, models back, our errors.

How a request is sent lies in `kotta.connection`. What a workflow is made of calls (waiting,
following, transferring whole folders) lies in `kotta.feed`, `kotta.submitting`, `kotta.uploads` and
`kotta.transfers`.
"""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

from kotta import models
from kotta.answers import Answer, Model
from kotta.config import Server
from kotta.connection import Connection, Content
from kotta.errors import ConnectionFailedError, RequestError
from kotta.output_routes import OutputRoutes, job_path
from kotta.session import Session

if TYPE_CHECKING:
    from kotta.account import Tokens, Users
    from kotta.models.accounts import WhoAmI
    from kotta.models.signed import SignedUpload
    from kotta.upkeep import Upkeep

MAX_LOG_BYTES = 4 << 20
STORE_SECONDS = 60
"""What a service may take longer for an upload: it writes all of it to disk before it answers."""
_JobModel = TypeVar("_JobModel", bound=models.Job)
_KEY = re.compile(r"[!-~]{1,255}\Z")


class LogChunk(NamedTuple):
    """A piece of a job's stream.

    Attributes:
        next_offset: where the next piece begins, bytes from the stream's start.
        ended: nothing will follow.
        attempt: the attempt that wrote it; 0: the job was not started yet.
        next_attempt: nothing will follow of this attempt, and this is the one after it.
    """

    content: bytes
    next_offset: int
    ended: bool
    attempt: int = 0
    next_attempt: int | None = None

    @property
    def offset(self) -> int:
        """Where it begins, bytes from the stream's start."""
        return self.next_offset - len(self.content)


class LogStart(NamedTuple):
    """Where in a stream a reader begins.

    Attributes:
        offset: bytes from the stream's start.
        tail: so many lines before its end instead.
        since: with what came since this moment instead, to the precision of the samples that
            `Kotta.usage` gives. With `tail` as well, the later of the two places counts.
        attempt: 0 for the latest.
    """

    offset: int = 0
    tail: int | None = None
    since: datetime | None = None
    attempt: int = 0

    def params(self) -> dict[str, Any]:
        """The same as the service takes it."""
        given: dict[str, Any] = {"offset": self.offset, "attempt": self.attempt or None}
        given["tail"] = self.tail
        given["since"] = self.since and self.since.astimezone(timezone.utc).isoformat()
        return {name: value for name, value in given.items() if value is not None}


class Api(OutputRoutes):
    """The routes of one service; may be used by several threads."""

    def __init__(
        self,
        server: Server,
        notify: Callable[[str], None] | None = None,
        session: Session | None = None,
    ) -> None:
        super().__init__(Connection(server, notify, session), is_local=server.is_local)

    def close(self) -> None:
        """Gives the connections back; the next use makes new ones."""
        self._connection.close()
        self.close_signed()

    def service(self) -> models.ServiceInfo:
        return self._get(models.ServiceInfo, "/service")

    @property
    def tokens(self) -> Tokens:
        from kotta.account import Tokens

        return Tokens(self._connection)

    @property
    def users(self) -> Users:
        from kotta.account import Users

        return Users(self._connection)

    @property
    def upkeep(self) -> Upkeep:
        from kotta.upkeep import Upkeep

        return Upkeep(self._connection)

    def whoami(self) -> WhoAmI:
        from kotta.models.accounts import WhoAmI

        return self._get(WhoAmI, "/me")

    def stop(self) -> None:
        self._connection.send("POST", "/service/stop")

    def queues(self) -> models.QueuePage:
        return self._get(models.QueuePage, "/queues")

    def submit(
        self, descriptions: Sequence[Mapping[str, Any]], key: str, wait_seconds: float = 0
    ) -> models.SubmitReply:
        """Submits all or none; with the same key, once however often it is repeated.

        Args:
            key: 1 to 255 visible ASCII characters.
            wait_seconds: for so long the answer waits for their end, and tells of it.
        """
        if not _KEY.match(key):
            raise RequestError("an idempotency key is 1 to 255 visible ASCII characters")
        body = {"jobs": list(descriptions)}
        answer = self._connection.send_json(
            "POST",
            "/jobs",
            body,
            params={"wait": wait_seconds} if wait_seconds else None,
            headers={"Idempotency-Key": key},
            wait_seconds=wait_seconds,
            repeatable=True,
        )
        reply = answer.parsed(models.SubmitReply)
        expected = sum(len(description.get("array") or ()) or 1 for description in descriptions)
        if len(reply.jobs) != expected:
            raise answer.strange(f"it tells of {len(reply.jobs)} jobs for {expected}")
        return reply

    def check(self, descriptions: Sequence[Mapping[str, Any]]) -> builtins.list[models.CheckedJob]:
        """What would become of jobs, were they submitted now; nothing is."""
        answer = self._post("/jobs/check", {"jobs": list(descriptions)})
        return answer.parsed(models.CheckReply).jobs

    def list(self, params: Mapping[str, Any]) -> models.JobPage:
        """One page; `params` as docs/api.md names them."""
        return self._page("/jobs", params)

    def select(self, selector: str, limit: int = 100, cursor: str | None = None) -> models.JobPage:
        """The candidates for one job, or a page of the set that `selector` names."""
        params: dict[str, Any] = {"selector": selector, "limit": limit}
        if cursor is not None:
            params["cursor"] = cursor
        return self._page("/jobs/select", params)

    def status(self, job_id: str, wait_seconds: float = 0) -> models.JobDetail:
        """Everything about a job, once it has ended or `wait_seconds` have passed."""
        params = {"wait": wait_seconds} if wait_seconds else None
        return self._about(models.JobDetail, job_id, "GET", job_path(job_id), params, wait_seconds)

    def cancel(self, job_id: str) -> models.Job:
        # cancelling twice is the same as once
        return self._about(models.Job, job_id, "POST", f"{job_path(job_id)}/cancel")

    def cancel_many(self, job_ids: Sequence[str]) -> builtins.list[models.Job]:
        """Asks for the end of up to 10,000 jobs; those that have ended are as they were."""
        return self._post("/jobs/cancel", {"jobs": list(job_ids)}).parsed(models.CancelReply).jobs

    def share(
        self, job_ids: Sequence[str], readers: Sequence[str], *, replace: bool
    ) -> builtins.list[models.SharedJob]:
        """Lets users see up to 10,000 jobs; see `kotta.client.Kotta.share`."""
        body = {"jobs": list(job_ids), "readers": list(readers), "replace": replace}
        return self._post("/jobs/share", body).parsed(models.ShareReply).jobs

    def place(self, job_id: str) -> models.Place:
        """Where a pending job stands in its queue."""
        return self._get(models.Place, f"{job_path(job_id)}/place")

    def changes(
        self,
        after: int | None,
        wait_seconds: float = 0,
        job_ids: Iterable[str] = (),
        *,
        results: bool = False,
        ended: bool = False,
        owner: str | None = None,
        shared: bool = False,
    ) -> models.ChangePage:
        """What changed after a number, as soon as something did or `wait_seconds` have passed.

        Args:
            job_ids: of these jobs alone.
            results: with the results of function calls that have ended.
            ended: of jobs that have ended alone.
            owner: without `job_ids`, of jobs of this user rather than one's own; `*`: of everybody.
            shared: of jobs that others share with one, instead.
        """
        params: dict[str, Any] = {"job": list(job_ids)}
        if results:
            params["results"] = "true"
        if ended:
            params["ended"] = "true"
        if owner:
            params["owner"] = owner
        if shared:
            params["shared"] = "true"
        if after is not None:
            params.update(after=after, wait=wait_seconds)
        return self._get(models.ChangePage, "/changes", params, wait_seconds)

    def log(
        self, job_id: str, stream: str, start: int | LogStart, wait_seconds: float = 0
    ) -> LogChunk:
        """A piece of `stdout` or `stderr` from `start` on; empty if there is none yet.

        Raises:
            ConnectionFailedError: a part of it is missing; ask again.
        """
        if stream not in ("stdout", "stderr"):
            raise RequestError(f"a job has no stream `{stream}`", hint="stdout or stderr")
        start = LogStart(start) if isinstance(start, int) else start
        answer = self._connection.send(
            "GET",
            f"{job_path(job_id)}/logs/{stream}",
            params={**start.params(), "wait": wait_seconds},
            wait_seconds=wait_seconds,
            repeatable=True,
            max_bytes=MAX_LOG_BYTES,
        )
        return _log_chunk(answer, start)

    def usage(self, job_id: str, attempt: int = 0) -> models.Usage:
        """What an attempt of a job has used so far; 0 for the latest."""
        params = {"attempt": attempt} if attempt else None
        answer = self._connection.send(
            "GET", f"{job_path(job_id)}/usage", params=params, repeatable=True
        )
        usage = answer.parsed(models.Usage)
        if usage.id != job_id:
            raise answer.strange("it tells of another job than the one asked for")
        return usage

    def check_uploads(self, sha256: Sequence[str]) -> models.UploadMissing:
        """Which of these contents (10,000 at most) the service does not have."""
        return self._post("/uploads/check", {"sha256": list(sha256)}).parsed(models.UploadMissing)

    def sign_upload(
        self, sha256: str, size_bytes: int, upload_id: str = "", first_part: int = 1
    ) -> SignedUpload:
        """Where a file may be sent in S3; its parts from one on, if it is sent in parts."""
        from kotta.models.signed import SignedUpload

        body = {"size_bytes": size_bytes, "upload_id": upload_id, "first_part": first_part}
        answer = self._post(f"/uploads/{sha256}/urls", body)
        signed = answer.parsed(SignedUpload)
        if not signed.urls or signed.part_bytes < min(size_bytes, 1):
            raise answer.strange("it does not say where the file is to be sent")
        return signed

    def finish_upload(
        self, sha256: str, size_bytes: int, upload_id: str = "", parts: Sequence[str] = ()
    ) -> None:
        """Tells that a file was sent to S3; the service looks whether it is there.

        Raises:
            RequestError: it is not (`not_arrived`).
        """
        body = {"size_bytes": size_bytes, "upload_id": upload_id, "parts": list(parts)}
        self._post(f"/uploads/{sha256}/finish", body)

    def put_signed(
        self, url: str, headers: Mapping[str, str], content: Iterable[bytes], size_bytes: int
    ) -> str:
        """Sends bytes to where the service has signed for; see `kotta.signed`."""
        return self._signed.put(url, headers, content, size_bytes)

    def upload(self, sha256: str, content: Content, size_bytes: int) -> None:
        """Sends a file's bytes; they are named by their content, so it may be done twice."""
        self._connection.send(
            "PUT",
            f"/uploads/{sha256}",
            content=content,
            headers={"Content-Length": str(size_bytes)},
            wait_seconds=STORE_SECONDS,
            repeatable=True,
        )

    def upload_path(self, sha256: str, file: Path) -> None:
        """Has a service of this machine read a file itself, or take it from where it may be left.

        Raises:
            RequestError: it cannot; send its bytes.
        """
        self._connection.send(
            "PUT",
            f"/uploads/{sha256}",
            headers={"Kotta-Path": quote(os.fsencode(file))},
            wait_seconds=STORE_SECONDS,
            repeatable=True,
        )

    def _page(self, path: str, params: Mapping[str, Any]) -> models.JobPage:
        answer = self._connection.send("GET", path, params=params, repeatable=True)
        page = answer.parsed(models.JobPage)
        if page.next_cursor is not None and page.next_cursor == params.get("cursor"):
            raise answer.strange("its page leads to itself")
        return page

    def _get(
        self,
        model: type[Model],
        path: str,
        params: Mapping[str, Any] | None = None,
        wait_seconds: float = 0,
    ) -> Model:
        answer = self._connection.send(
            "GET", path, params=params, wait_seconds=wait_seconds, repeatable=True
        )
        return answer.parsed(model)

    def _post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        # with a key, or doing no more the second time
        return self._connection.send_json("POST", path, body, headers=headers, repeatable=True)

    def _about(
        self,
        model: type[_JobModel],
        job_id: str,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        wait_seconds: float = 0,
    ) -> _JobModel:
        """The answer about one job; a folder may be named by its id, so no other one will do."""
        answer = self._connection.send(
            method, path, params=params, wait_seconds=wait_seconds, repeatable=True
        )
        job = answer.parsed(model)
        if job.id != job_id:
            raise answer.strange("it tells of another job than the one asked for")
        return job


def _log_chunk(answer: Answer, start: LogStart) -> LogChunk:
    offset = _number(answer, "kotta-offset", start.offset)
    next_offset = _number(answer, "kotta-next-offset", -1)
    if next_offset > offset + len(answer.content):
        # what lies between us and the service may hide a cut: a proxy that counts anew does
        raise ConnectionFailedError(f"{answer.where} sent only a part of a piece of the log")
    if next_offset != offset + len(answer.content):
        raise answer.strange("it does not say where this piece of the log ends")
    return LogChunk(
        answer.content,
        next_offset,
        ended=answer.headers.get("kotta-log-ended") == "true",
        attempt=_number(answer, "kotta-attempt", 0),
        next_attempt=_number(answer, "kotta-next-attempt", 0) or None,
    )


def _number(answer: Answer, header: str, default: int) -> int:
    """A header's number; -1, which no service sends, if it is none."""
    text = answer.headers.get(header, str(default))
    return int(text) if text.isascii() and text.isdigit() else -1
