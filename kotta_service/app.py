"""Puts the parts together, and opens and closes them in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from kotta._version import __version__
from kotta_service import problems
from kotta_service.accounts import providers
from kotta_service.accounts.keys import TokenKeys
from kotta_service.accounts.logins import Logins
from kotta_service.accounts.passwords import Passwords
from kotta_service.accounts.remembered import Remembered
from kotta_service.audit import Looks
from kotta_service.callers import Caller
from kotta_service.dispatcher import Dispatcher
from kotta_service.executors.router import configured
from kotta_service.feed import Feed
from kotta_service.front import Activity, Front
from kotta_service.gate import Gate
from kotta_service.launching import Launches
from kotta_service.openapi import describe
from kotta_service.parts import Parts
from kotta_service.persisting import persist_task
from kotta_service.routes import (
    changes,
    enrolment,
    files,
    health,
    jobs,
    login,
    metrics,
    pages,
    provider_pages,
    runner,
    runner_files,
    service,
    sharing,
    tokens,
    upkeep,
    users,
)
from kotta_service.s3_inputs import S3Inputs
from kotta_service.settings import Settings
from kotta_service.storage.choosing import storage_of
from kotta_service.storage.watching import StorageWatch
from kotta_service.store import queues
from kotta_service.store.database import Database, last_change
from kotta_service.store.migration import prepare
from kotta_service.tokens import JobTokens
from kotta_service.turns import Turn
from kotta_service.upkeep.retention import prune_regularly
from kotta_service.v1 import files as first_clients_files
from kotta_service.v1 import routes as first_clients

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from kotta_service.metrics import Metrics

logger = logging.getLogger(__name__)
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False,
    "auto_configure": False,
}  # fmt: skip
"""Else variables of whoever starts a service could have FastAPI send requests elsewhere."""


def build(
    settings: Settings,
    *,
    data: Path,
    address: str,
    is_shared: bool = False,
    log_file: Path | None,
    stop: Callable[[], None],
) -> FastAPI:
    """The service as an ASGI application; its parts are opened when it is started.

    Args:
        data: the directory that holds everything it must not lose.
        address: where this machine's clients and runners reach it.
        is_shared: whether it serves others than the user who runs it.
        stop: called when it wants to leave.
    """
    activity = Activity()
    figures = _metrics() if is_shared else None

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with contextlib.ExitStack() as stack:
            try:
                opened = _opened(settings, data, address, figures, log_file, activity, stop)
                app.state.parts = parts = stack.enter_context(opened)
            except Exception as error:
                app.state.failure = error  # for whoever started us
                raise
            tasks = [
                asyncio.create_task(persist_task(what, partial(work, parts)))
                for what, work in (
                    ("leaving when idle", _stop_when_idle),
                    ("forgetting what is old", prune_regularly),
                    ("watching the storage", _watch_storage),
                )
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    app = FastAPI(
        title="Kotta",
        version=__version__,
        description="Runs jobs, and keeps what they make.",
        lifespan=lifespan,
        openapi_url=None,  # see `describe`
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        generate_unique_id_function=lambda route: route.name,  # the verb
    )
    for router in (
        changes.router,  # looked for in this order, and each call of a function asks these two
        jobs.direct,
        jobs.router,
        sharing.router,
        files.router,
        service.router,
        login.router,
        tokens.router,
        users.router,
        upkeep.router,
        runner.router,
        runner_files.router,
    ):
        app.include_router(router, prefix="/api/v2", responses=problems.ERROR_ANSWERS)
    app.include_router(health.router)
    app.include_router(login.metadata)
    if is_shared:
        app.include_router(metrics.router, responses=problems.ERROR_ANSWERS)
        for part in (pages, provider_pages, enrolment):
            app.include_router(part.router)
    if settings.serve.first_clients:
        for router in (first_clients.router, first_clients_files.router):
            app.include_router(router)
    problems.install(app)
    describe(app)
    app.add_middleware(Gate, most=settings.serve.max_requests_per_user)
    app.add_middleware(Front, activity=activity, metrics=figures)
    return app


@contextlib.contextmanager
def _opened(
    settings: Settings,
    data: Path,
    address: str,
    figures: Metrics | None,
    log_file: Path | None,
    activity: Activity,
    stop: Callable[[], None],
) -> Iterator[Parts]:
    dispatcher: Dispatcher
    executors = configured(
        settings,
        data,
        on_phase=lambda key, timeline, begun=None: dispatcher.runner_entered(key, timeline, begun),
        on_exit=lambda key, record, begun=None: dispatcher.runner_left(key, record, begun),
    )
    executors.start()  # first: its launcher comes up while the database is opened
    database = Database(settings.database or data / "kotta.db")
    prepare(database.backend)
    with database.read() as connection:
        feed = Feed(last_change(connection))
    storage = storage_of(settings, data)
    job_tokens = JobTokens.from_file(data / "job-tokens.key")
    launches = Launches(
        settings,
        storage,
        job_tokens,
        executors,
        data / "environments",
        address,
        is_shared=figures is not None,
    )
    turn = Turn(database, "local", may_take=settings.dispatch)
    dispatcher = Dispatcher(database, executors, launches, storage, settings, turn)

    remembered: Remembered[Caller] = Remembered()
    database.on_change = feed.publish
    database.on_accounts = remembered.forget
    database.start()
    dispatcher.start()
    try:
        parts = Parts(
            settings=settings,
            database=database,
            feed=feed,
            looks=Looks(),
            storage=storage,
            storage_watch=StorageWatch(storage),
            s3_inputs=S3Inputs(settings),
            tokens=job_tokens,
            logins=Logins(TokenKeys(data / "token-keys.json", settings.serve.url)),
            remembered=remembered,
            passwords=Passwords(database),
            providers=providers.configured(settings.login),
            executors=executors,
            dispatcher=dispatcher,
            activity=activity,
            metrics=figures,
            data=data,
            address=address,
            is_shared=figures is not None,
            log_file=log_file,
            started_at=time.time(),
            stop=stop,
        )
        if figures is not None:
            figures.watch(parts)
        yield parts
    finally:
        dispatcher.stop()
        database.close()
        executors.stop()
        storage.close()


def _metrics() -> Metrics:
    from kotta_service.metrics import Metrics

    return Metrics()


async def _watch_storage(parts: Parts) -> None:
    if parts.settings.storage:  # plain files do not go away, and cost nothing so
        await parts.storage_watch.tell_regularly()


async def _stop_when_idle(parts: Parts) -> None:
    limit = parts.settings.idle_stop_seconds
    while limit:
        await asyncio.sleep(min(limit / 4, 30))
        if parts.activity.idle_seconds < limit:
            continue
        with parts.database.read() as connection:
            busy = any(
                load.running or load.pending
                for load in queues.loads(connection, with_pending=True).values()
            )
        if busy:
            parts.activity.touch()
        elif parts.activity.idle_seconds >= limit:
            logger.info("idle for %.0f s: leaving", limit)
            parts.stop()
            return
