"""What every request passes first: its name, the bound on its body, and the count of callers."""

from __future__ import annotations

import itertools
import logging
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kotta_service.doors import Door, door_of
from kotta_service.problems import problem

logger = logging.getLogger(__name__)
requests = logging.getLogger("kotta_service.requests")
MAX_BODY_BYTES = 64 << 20
_UNBOUNDED = ("/api/v2/uploads/", "/uploads/")
"""Paths below this bound their bodies themselves."""


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

    def __init__(self, app: ASGIApp, activity: Activity) -> None:
        self._app = app
        self._activity = activity
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"{self._prefix}-{next(self._numbers)}"
        scope["kotta.request_id"] = name
        started, status = False, 0

        async def named(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                MutableHeaders(scope=message)["Kotta-Request-Id"] = name
            await send(message)

        began = time.monotonic()
        self._activity.begin()
        try:
            await self._app(scope, _bounded(scope, receive), named)
        except Exception:
            logger.exception("request %s %s %s failed", name, scope["method"], scope["path"])
            if not started:
                words = "the service failed to carry this out"
                hint = "see its log: kotta service logs"
                answer = problem(500, "service_fault", words, hint=hint, request_id=name)
                await answer(scope, receive, named)
        finally:
            self._activity.end()
            if door_of(scope) is Door.NETWORK:
                _note(scope, name, status, time.monotonic() - began)


def _note(scope: Scope, name: str, status: int, seconds: float) -> None:
    """A line of the log for a request from the network; never its query, which may hold codes."""
    # the route as it was declared: what a path holds may be a secret, as in a link to enrol by
    route = getattr(scope.get("route"), "path", "")
    facts = {
        "request_id": name,
        "method": scope["method"],
        "route": route,
        "status": status,
        "seconds": round(seconds, 4),
        "user": scope.get("kotta.caller", ""),
        "client": (scope.get("client") or ("",))[0],
    }
    requests.info("%s %s %s", scope["method"], route, status, extra={"facts": facts})


def _too_large() -> HTTPException:
    # FastAPI makes any other exception, while it reads a body, a body that is not JSON
    return HTTPException(413, f"a request may hold {MAX_BODY_BYTES >> 20} MiB at most")


def _bounded(scope: Scope, receive: Receive) -> Receive:
    if scope["path"].startswith(_UNBOUNDED):
        return receive
    announced = Headers(scope=scope).get("content-length", "0")
    received = 0

    async def bounded() -> Message:
        nonlocal received
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            raise _too_large()
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return bounded
