"""Serves: a local service on a socket of its user's, a shared one on the network as well."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import socket as sockets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kotta.errors import ConfigError, KottaError
from kotta_service.listening import network_socket, own_socket, owned
from kotta_service.logging_format import log_as_json, log_as_text

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kotta_service.settings import Settings

logger = logging.getLogger("kotta_service")
_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3  # Source: mallopt(3), malloc.h
LARGE_BYTES = 128 << 10
"""Of memory: such a piece is taken from the kernel, and given back to it, by itself."""
SWITCH_SECONDS = 0.0005
GARBAGE_THRESHOLD = 20_000
"""Objects made since the last collection; Python's own is 700."""


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
        from kotta_service.parsl_settings import problems as parsl_problems
        from kotta_service.s3_settings import problems as s3_problems
        from kotta_service.settings import load_settings
        from kotta_service.slurm_settings import problems as slurm_problems
        from kotta_service.store.backends import problems

        settings = load_settings()
        if idle_stop_seconds is not None:
            settings = settings.model_copy(update={"idle_stop_seconds": idle_stop_seconds})
        if found := isolation.problems(settings, data):
            raise ConfigError(
                f"jobs cannot be isolated as the settings say: {'; '.join(found)}",
                hint="kotta serve --check",
            )
        if found := slurm_problems(settings):
            raise ConfigError("; ".join(found), hint="see [slurm] in the settings")
        if found := parsl_problems(settings):
            raise ConfigError("; ".join(found), hint="see [parsl] in the settings")
        if found := problems(settings.database):
            raise ConfigError("; ".join(found), hint="see `database` in the settings")
        if found := list(s3_problems(settings.storage, settings.s3)):
            raise ConfigError("; ".join(found), hint="see `storage` and [s3] in the settings")
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
    log = log_as_json if settings.serve.log_format == "json" else log_as_text
    log(settings.serve.log_level)
    with (
        owned(data, with_others=bool(settings.database)),
        own_socket(socket) as own,
        network_socket(settings.serve.host, settings.serve.port) as network,
    ):
        port = network.getsockname()[1]
        serve = settings.serve.model_copy(update={"port": port})
        settings = settings.model_copy(update={"serve": serve, "idle_stop_seconds": 0})
        tell_ready = _when_ready(ready_fd, url=serve.url)

        def ready() -> None:
            # of all that is logged the one line that has to be there
            level = max(logger.getEffectiveLevel(), logging.INFO)
            facts = {"url": serve.url, "port": port, "data": str(data), "pid": os.getpid()}
            logger.log(level, "serving %s", serve.url, extra={"facts": facts})
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
    from kotta_service.app import build
    from kotta_service.server import Server, Way

    _keep_memory_whole()
    app = build(
        settings,
        data=data,
        address=f"unix:{path}",
        is_shared=network is not None,
        log_file=log_file,
        stop=lambda: server.leave(),
    )
    _prefer_latency()
    ways = [Way.to_own_socket(app, own)]
    if network is not None:
        ways.insert(0, Way.to_network(app, network, settings.serve))
    server = Server(app, ways, ready)
    # what is told to who started it is not logged with all that led to it
    logging.getLogger("uvicorn.error").addFilter(lambda _: not _is_told(_failure(app)))
    # uvicorn leaves by itself where the application could not be opened
    with contextlib.suppress(SystemExit):
        server.run(sockets=[ways[0].socket])
    if not server.started:
        failure = _failure(app)
        if failure is not None and _is_told(failure):
            raise failure
        where = f": see {log_file}" if log_file else ""
        raise ConfigError(f"the service could not start{where}") from failure


def _failure(app: FastAPI) -> Exception | None:
    """Why its parts could not be opened, if they could not."""
    failure: Exception | None = getattr(app.state, "failure", None)
    return failure


def _is_told(failure: Exception | None) -> bool:
    """Whether its own words say what is wrong; else the log has to."""
    return isinstance(failure, (KottaError, OSError))


def _keep_memory_whole() -> None:
    """Keeps holes out of the memory that the C library holds, where that is glibc.

    Every thread to come takes from one heap: else each has its own, with holes that no other can
    use; a service under load for four minutes held 24 MiB of them, and ever more. What is small is
    Python's own business, and locked anyway. What is large stays out of that heap: glibc would
    put there whatever is no larger than the largest that it ever got back, and after answers and
    pieces of files have gone, holes are left between what stays.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def _prefer_latency() -> None:
    """Lets the writer have its turn as soon as a commit is on disk, and collects garbage seldom.

    Between a job's end and the next one's start lie a few steps in different threads, each of which
    would wait 5 ms for a thread that computes; measured on two cores, a map of short calls runs a
    quarter faster like this.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what is loaded by now stays
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
