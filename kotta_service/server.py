"""The HTTP server: one for all the ways in, which one signal asks to leave.

Slow to import, for uvicorn.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket as sockets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from kotta_service.connections import Bounded, most_connections, watch
from kotta_service.doors import Door, Marked, behind_proxies
from kotta_service.persisting import persist_task
from kotta_service.settings import ServeSettings

logger = logging.getLogger("kotta_service")
LEAVE_SECONDS = 10
"""How long answers that have begun may take, once the service was asked to leave."""
BACKLOG = 2048


@dataclass(frozen=True)
class Way:
    """A socket that listens, and how what comes in there is served."""

    socket: sockets.socket
    config: uvicorn.Config
    tls: tuple[Path, Path] | None = None

    @classmethod
    def to_own_socket(cls, app: FastAPI, socket: sockets.socket) -> Way:
        return cls(socket, _config(Marked(app, Door.OWN)))

    @classmethod
    def to_network(cls, app: FastAPI, socket: sockets.socket, serve: ServeSettings) -> Way:
        return cls(socket, _config(behind_proxies(app, serve.trusted_proxies), serve), serve.tls)


class Server(uvicorn.Server):
    """Serves by the first way, and by the others beside it.

    Args:
        ready: called once connections are accepted.
    """

    def __init__(self, app: FastAPI, ways: Sequence[Way], ready: Callable[[], None]) -> None:
        super().__init__(ways[0].config)
        self._app = app
        self._ways = ways
        self._ready = ready

    def leave(self) -> None:
        """Answers what has been asked, and leaves; call it on the loop."""
        self.should_exit = True
        if parts := getattr(self._app.state, "parts", None):
            # wakes those who wait for a change: they would hold the server up
            parts.feed.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # who asks twice waits for nobody's answer
        self.force_exit = self.should_exit
        self.leave()

    async def startup(self, sockets: list[sockets.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        for way in self._ways[1:]:
            await self._open(way)
        for way in self._ways:
            if way.tls is not None and way.config.ssl is not None:
                renew = partial(_renew_certificate, way.config.ssl, *way.tls)
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)
        # as long as the server: nothing else holds the task
        look = partial(watch, self.server_state.connections)
        self._watcher = asyncio.create_task(persist_task("looking after connections", look))
        self._ready()

    async def shutdown(self, sockets: list[sockets.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
            # the database is closed all the same; uvicorn would leave that out
            await self.lifespan.shutdown()

    async def _open(self, way: Way) -> None:
        way.config.load()

        def protocol() -> asyncio.Protocol:
            made: Any = way.config.http_protocol_class
            protocol: asyncio.Protocol = made(
                config=way.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            return protocol

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(protocol, sock=way.socket, backlog=BACKLOG)
        self.servers.append(listener)


class _FromNetwork(Bounded):
    most = most_connections()


def _config(app: ASGIApp, serve: ServeSettings | None = None) -> uvicorn.Config:
    certificate, key = (serve and serve.tls) or (None, None)
    made: Any = app
    return uvicorn.Config(
        made,
        http="httptools" if serve is None else _FromNetwork,
        ws="none",
        loop="asyncio",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=LEAVE_SECONDS,
        timeout_keep_alive=60,
        server_header=False,
        proxy_headers=False,  # that is `behind_proxies`
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def _renew_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Takes a certificate that was renewed for the connections to come."""
    try:
        # into one of its own first: what does not fit together would leave this one without any
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, key, password=lambda: ""
        )
        context.load_cert_chain(certificate, key)
    except OSError as error:
        logger.error("the certificate cannot be used, the old one goes on: %s", error)
        return
    logger.info("took the certificate in %s", certificate)
