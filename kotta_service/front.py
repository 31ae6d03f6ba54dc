"""What every request passes first: its name, the bound on its body, and the count of callers."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kotta_service.doors import Door, door_of
from kotta_service.problems import problem

if TYPE_CHECKING:
    from kotta_service.metrics import Metrics

logger = logging.getLogger(__name__)
requests = logging.getLogger("kotta_service.requests")
MAX_BODY_BYTES = 64 << 20
MAX_RUNNER_BODY_BYTES = 16 << 20
"""A record of 10,000 outputs with the longest names there are has 10 MiB."""
_OF_RUNNERS = "/api/v2/runner/"
_UNBOUNDED = ("/api/v2/uploads/", "/uploads/")
"""What is PUT below these is a file, whose route bounds it itself."""
_API = "/api/v2"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")


class Activity:
    """Who calls, so that an idle service can tell that it is idle."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._last = time.monotonic()

    def begin(self) -> None:
        self.in_flight += 1

    def end(self) -> None:
        self.in_flight -= 1
        self._last = time.monotonic()

    def touch(self) -> None:
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Time since the last caller left, 0 while there is one."""
        return 0.0 if self.in_flight else time.monotonic() - self._last


class Front:
    """ASGI middleware; outermost, so that no failure leaves without an answer and a name."""

    def __init__(self, app: ASGIApp, activity: Activity, metrics: Metrics | None) -> None:
        self._app = app
        self._activity = activity
        self._metrics = metrics
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"{self._prefix}-{next(self._numbers)}"
        scope["kotta.request_id"] = name
        told = _Told(name)

        async def heard() -> Message:
            message = await receive()
            told.received_bytes += len(message.get("body", b""))
            return message

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                told.status = message["status"]
                MutableHeaders(scope=message)["Kotta-Request-Id"] = name
            else:
                told.sent_bytes += len(message.get("body", b""))
            await send(message)

        self._activity.begin()
        try:
            await self._app(scope, _bounded(scope, heard), named)
        except ClientDisconnect:
            pass  # nobody is there to be told; the line of the log has status 0
        except asyncio.CancelledError:
            # the service leaves, and this would have taken too long
            if not told.status:
                words = "the service is leaving, and did not finish this"
                answer = problem(503, "unavailable", words, request_id=name)
                await answer(scope, receive, named)
        except Exception:
            facts = {"request_id": name}
            logger.exception(
                "request %s %s %s failed",
                name,
                scope["method"],
                _route(scope),
                extra={"facts": facts},
            )
            if not told.status:
                words = "the service failed to carry this out"
                hint = "see its log: kotta service logs"
                answer = problem(500, "service_fault", words, hint=hint, request_id=name)
                await answer(scope, receive, named)
        finally:
            self._activity.end()
            if self._metrics is not None:
                self._metrics.requested(
                    scope["method"],
                    _route(scope),
                    told.status,
                    time.monotonic() - told.began,
                    told.received_bytes,
                    told.sent_bytes,
                )
            if door_of(scope) is Door.NETWORK:
                told.note(scope)


@dataclass
class _Told:
    """What the log's line says of a request from the network."""

    name: str
    status: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    began: float = field(default_factory=time.monotonic)

    def note(self, scope: Scope) -> None:
        """Writes the line; never the query, which may hold codes."""
        route = _route(scope)
        facts = {
            "request_id": self.name,
            "method": scope["method"],
            "route": route,
            "status": self.status,
            "seconds": round(time.monotonic() - self.began, 4),
            "received_bytes": self.received_bytes,
            "sent_bytes": self.sent_bytes,
            "user": scope.get("kotta.caller", ""),
            "client": (scope.get("client") or ("",))[0],
        }
        # what a proxy or a script calls the request; only ours is sure to be one request's alone
        theirs = Headers(scope=scope).get("x-request-id", "")
        if _REQUEST_ID.match(theirs):
            facts["x_request_id"] = theirs
        words = (scope["method"], route, self.status)
        requests.info("%s %s %s", *words, extra={"facts": facts})


def _route(scope: Scope) -> str:
    """The route as it was declared: what a path holds may be a secret, as in a link to enrol by."""
    route = str(getattr(scope.get("route"), "path", ""))
    # a router that was included does not know below what
    is_below = bool(route) and scope["path"].startswith(f"{_API}/")
    return f"{_API}{route}" if is_below and not route.startswith(_API) else route


def _too_large(most: int) -> HTTPException:
    # FastAPI makes any other exception, while it reads a body, a body that is not JSON
    return HTTPException(413, f"a request may hold {most >> 20} MiB at most")


def _bounded(scope: Scope, receive: Receive) -> Receive:
    if scope["method"] == "PUT" and scope["path"].startswith(_UNBOUNDED):
        return receive
    most = MAX_RUNNER_BODY_BYTES if scope["path"].startswith(_OF_RUNNERS) else MAX_BODY_BYTES
    announced = Headers(scope=scope).get("content-length", "0")
    received = 0

    async def bounded() -> Message:
        nonlocal received
        if announced.isdigit() and int(announced) > most:
            raise _too_large(most)
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    return bounded
