"""Serves: a local service on a socket of its user's, a shared one on the network as well."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import socket as sockets
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from kotta.errors import ConfigError
from kotta_service.listening import network_socket, own_socket, owned
from kotta_service.logging_format import log_as_json, log_as_text

if TYPE_CHECKING:
    import uvicorn

    from kotta_service.settings import Settings

logger = logging.getLogger("kotta_service")
SWITCH_SECONDS = 0.0005
GARBAGE_THRESHOLD = 20_000
"""Objects made since the last collection; Python's own is 700."""
LEAVE_SECONDS = 10


def serve_local(
    *,
    socket: Path,
    data: Path,
    idle_stop_seconds: float | None = None,
    ready_fd: int | None = None,
    log_to_stderr: bool = False,
) -> None:
    """Serves this user until asked to leave: by a signal, by `kotta service stop`, or for idleness.

    Args:
        socket: path of the Unix socket to listen on; only this user can reach it.
        data: directory for everything it must not lose.
        idle_stop_seconds: overrides the setting of that name; 0: never.
        ready_fd: a pipe that gets a line of JSON once it accepts connections; see `tell`.
        log_to_stderr: what a person in front of it wants; else stderr is the log file's already.

    Raises:
        KottaError: it cannot serve; the message says why.
    """
    os.umask(0o077)  # what is made here is this user's alone, from its first moment
    log_as_text()
    with owned(data), own_socket(socket) as listener:
        # slow to import, so only once it is sure that there is something to serve
        from kotta_service import isolation
        from kotta_service.settings import load_settings

        settings = load_settings()
        if idle_stop_seconds is not None:
            settings = settings.model_copy(update={"idle_stop_seconds": idle_stop_seconds})
        if found := isolation.problems(settings, data):
            raise ConfigError(
                f"jobs cannot be isolated as the settings say: {'; '.join(found)}",
                hint="kotta serve --check",
            )
        logger.info("serving %s, data in %s, pid %d", socket, data, os.getpid())
        log_file = None if log_to_stderr else data / "service.log"
        _run(settings, data, socket, listener, None, log_file, _when_ready(ready_fd))


def serve_shared(
    settings: Settings,
    *,
    socket: Path,
    data: Path,
    ready_fd: int | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serves everybody who has a token, over TCP, and its operator over a socket, until a signal.

    Args:
        settings: with which `kotta_service.deployment.problems` finds nothing wrong.
        on_ready: told the address that it listens on.

    Raises:
        KottaError: it cannot serve; the message says why.
    """
    os.umask(0o077)
    (log_as_json if settings.serve.log_format == "json" else log_as_text)()
    with (
        owned(data),
        own_socket(socket) as own,
        network_socket(settings.serve.host, settings.serve.port) as network,
    ):
        port = network.getsockname()[1]
        serve = settings.serve.model_copy(update={"port": port})
        settings = settings.model_copy(update={"serve": serve, "idle_stop_seconds": 0})
        logger.info("serving %s, data in %s, pid %d", serve.url, data, os.getpid())
        tell_ready = _when_ready(ready_fd, url=serve.url)

        def ready() -> None:
            tell_ready()
            on_ready(serve.url)

        _run(settings, data, socket, own, network, None, ready)


def tell(descriptor: int, message: dict[str, object]) -> None:
    """Tells who started the service how that went: `{"ready": true, …}` or `{"error": "…", …}`."""
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    os.close(descriptor)


def _when_ready(descriptor: int | None, **facts: object) -> Callable[[], None]:
    def ready() -> None:
        if descriptor is not None:
            tell(descriptor, {"ready": True, "pid": os.getpid(), **facts})

    return ready


def _run(
    settings: Settings,
    data: Path,
    path: Path,
    own: sockets.socket,
    network: sockets.socket | None,
    log_file: Path | None,
    ready: Callable[[], None],
) -> None:
    import uvicorn

    from kotta_service.app import build
    from kotta_service.doors import Door, Marked

    app = build(
        settings,
        data=data,
        address=f"unix:{path}",
        is_shared=network is not None,
        log_file=log_file,
        stop=lambda: server.leave(),
    )

    class Server(uvicorn.Server):
        """A server that opens a second door, and can be asked to leave."""

        def leave(self) -> None:
            self.should_exit = True
            if parts := getattr(app.state, "parts", None):
                # wakes those who wait for a change: they would hold the server up
                parts.feed.close()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.leave()

        async def startup(self, sockets: list[sockets.socket] | None = None) -> None:
            await super().startup(sockets)
            if not self.started:
                return
            if network is not None:
                await self._open_own_door()
            ready()

        async def _open_own_door(self) -> None:
            # the same server, so that one end ends both; but no TLS, and nobody is asked for tokens
            config = _config(Marked(app, Door.OWN))
            config.load()

            def protocol() -> asyncio.Protocol:
                made: Any = config.http_protocol_class
                protocol: asyncio.Protocol = made(
                    config=config,
                    server_state=self.server_state,
                    app_state=self.lifespan.state,
                )
                return protocol

            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(protocol, sock=own, backlog=2048))

    _prefer_latency()
    if network is None:
        config = _config(Marked(app, Door.OWN))
    else:
        config = _config(Marked(app, Door.NETWORK), settings)
    server = Server(config)
    server.run(sockets=[network or own])
    if not server.started:
        where = f": see {log_file}" if log_file else ""
        raise ConfigError(f"the service could not start{where}")


def _config(app: Any, settings: Settings | None = None) -> uvicorn.Config:
    """How a door is served; with settings, one to the network."""
    import uvicorn

    serve = None if settings is None else settings.serve
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="asyncio",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=LEAVE_SECONDS,
        timeout_keep_alive=60,
        server_header=False,
        proxy_headers=serve is not None and bool(serve.trusted_proxies),
        forwarded_allow_ips=list(serve.trusted_proxies) if serve else None,
        ssl_certfile=serve.tls_certificate if serve else None,
        ssl_keyfile=serve.tls_key if serve else None,
    )


def _prefer_latency() -> None:
    """Lets the writer have its turn as soon as a commit is on disk, and collects garbage seldom.

    Between a job's end and the next one's start lie a few steps in different threads, each of which
    would wait 5 ms for a thread that computes; measured on two cores, a map of short calls runs a
    quarter faster like this.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what is loaded by now stays
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
