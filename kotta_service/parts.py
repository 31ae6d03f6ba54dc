"""The parts of a running service, put together once and handed to every request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from kotta_service.accounts.logins import Logins
from kotta_service.accounts.passwords import Passwords
from kotta_service.accounts.providers import Provider
from kotta_service.accounts.remembered import Remembered
from kotta_service.audit import Looks
from kotta_service.dispatcher import Dispatcher
from kotta_service.executors.router import Executors
from kotta_service.feed import Feed
from kotta_service.front import Activity
from kotta_service.s3_inputs import S3Inputs
from kotta_service.settings import Settings
from kotta_service.storage import Storage
from kotta_service.storage.watching import StorageWatch
from kotta_service.store.database import Database
from kotta_service.tokens import JobTokens

if TYPE_CHECKING:
    from kotta_service.callers import Caller
    from kotta_service.metrics import Metrics


@dataclass(frozen=True)
class Parts:
    """Everything a route may need.

    Attributes:
        remembered: whose tokens were used a moment ago.
        metrics: what it counts; None in a service of one user's own.
        address: how clients on this machine reach this service.
        is_shared: whether it serves others than the user who runs it.
        log_file: where it logs, None if to standard error.
        started_at: seconds since 1970.
        stop: asks the service to leave once the requests at hand are answered.
    """

    settings: Settings
    database: Database
    feed: Feed
    looks: Looks
    storage: Storage
    storage_watch: StorageWatch
    s3_inputs: S3Inputs
    tokens: JobTokens
    logins: Logins
    remembered: Remembered[Caller]
    passwords: Passwords
    providers: Mapping[str, Provider]
    executors: Executors
    dispatcher: Dispatcher
    activity: Activity
    metrics: Metrics | None
    data: Path
    address: str
    is_shared: bool
    log_file: Path | None
    started_at: float
    stop: Callable[[], None]

    @property
    def url(self) -> str:
        """Where users reach it, and what it calls itself."""
        return self.settings.serve.url if self.is_shared else self.address


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


WithParts = Annotated[Parts, Depends(_parts)]
