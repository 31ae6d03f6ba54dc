"""Starts the service: `python -m kotta_service --local --socket PATH --data DIRECTORY`.

It owns its data directory by a lock for as long as it lives, so two of them can never be at the
same data, and a socket that is found there without an owner is a leftover that may be replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import json
import logging
import os
import signal
import socket as sockets
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from kotta.errors import ConfigError, ConflictError, KottaError

logger = logging.getLogger("kotta_service")
SWITCH_SECONDS = 0.0005
GARBAGE_THRESHOLD = 20_000
"""Objects made since the last collection; Python's own is 700."""


def main() -> int:
    """The entry for a client that needs the local service; see `serve`."""
    parser = argparse.ArgumentParser(prog="python -m kotta_service")
    parser.add_argument("--local", action="store_true", required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args()
    return serve(socket=options.socket, data=options.data, ready_fd=options.ready_fd)


def serve(
    *,
    socket: Path,
    data: Path,
    idle_stop_seconds: float | None = None,
    ready_fd: int | None = None,
    log_to_stderr: bool = False,
) -> int:
    """Serves until it is asked to leave, by a signal, by `kotta service stop`, or for idleness.

    Args:
        socket: path of the Unix socket to listen on; only this user can reach it.
        data: directory for everything it must not lose.
        idle_stop_seconds: overrides the setting of that name; 0: never.
        ready_fd: a pipe that gets one line of JSON once it accepts connections, or cannot:
            `{"ready": true, "pid": N}` or `{"error": "…", "hint": "…"}`.
        log_to_stderr: what a person in front of it wants; else stderr is the log file's already.

    Returns:
        The process's exit code. Without `ready_fd`, an error is raised instead.

    Raises:
        KottaError: it cannot serve; the message says why.
    """
    os.umask(0o077)  # what is made here is this user's alone, from its first moment
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        with _owned(data), _listening(socket) as listener:
            _run(listener, socket, data, idle_stop_seconds, ready_fd, log_to_stderr)
    except (KottaError, OSError) as error:
        if ready_fd is None:
            raise
        _tell(ready_fd, {"error": str(error), "hint": getattr(error, "hint", "")})
        return 1
    return 0


def _run(
    listener: sockets.socket,
    path: Path,
    data: Path,
    idle_stop_seconds: float | None,
    ready_fd: int | None,
    log_to_stderr: bool,
) -> None:
    # slow to import, so only once it is sure that there is something to serve
    import uvicorn

    from kotta_service.app import build
    from kotta_service.settings import load_settings

    settings = load_settings()
    if idle_stop_seconds is not None:
        settings = settings.model_copy(update={"idle_stop_seconds": idle_stop_seconds})

    class Server(uvicorn.Server):
        def leave(self) -> None:
            self.should_exit = True
            if parts := getattr(app.state, "parts", None):
                # wakes those who wait for a change: they would hold the server up
                parts.feed.close()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.leave()

        async def startup(self, sockets: list[sockets.socket] | None = None) -> None:
            await super().startup(sockets)
            if ready_fd is not None and self.started:
                _tell(ready_fd, {"ready": True, "pid": os.getpid()})

    app = build(
        settings,
        data=data,
        address=f"unix:{path}",
        log_file=None if log_to_stderr else data / "service.log",
        stop=lambda: server.leave(),
    )
    _prefer_latency()
    server = Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            loop="asyncio",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=60,
            server_header=False,
        )
    )
    logger.info("serving %s, data in %s, pid %d", path, data, os.getpid())
    server.run(sockets=[listener])
    if not server.started:
        raise ConfigError(f"the service could not start: see {data / 'service.log'}")


@contextlib.contextmanager
def _owned(data: Path) -> Iterator[None]:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "service.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"cannot keep data in {data}: {error.strerror}",
            hint="set XDG_DATA_HOME to a folder that you can write to",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another service is at work on {data}", hint="kotta service status"
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[sockets.socket]:
    path.unlink(missing_ok=True)
    listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    # the socket is made with its mode: there is no moment in which others could connect
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {path}: {error}",
            hint="a socket's path may have 107 bytes at most; set XDG_RUNTIME_DIR to a short one",
        ) from error
    finally:
        os.umask(before)
    listener.listen(2048)
    inode = path.stat().st_ino
    try:
        yield listener
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == inode:
                path.unlink()
        listener.close()


def _prefer_latency() -> None:
    """Lets the writer have its turn as soon as a commit is on disk, and collects garbage seldom.

    Between a job's end and the next one's start lie a few steps in different threads, each of which
    would wait 5 ms for a thread that computes; measured on two cores, a map of short calls runs a
    quarter faster like this.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()  # what is loaded by now stays
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)


def _tell(descriptor: int, message: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    os.close(descriptor)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(main())
