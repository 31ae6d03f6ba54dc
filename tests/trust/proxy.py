"""A TCP proxy that does to answers what networks do."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time

WAYS = ("cut", "reset", "silent", "slow", "refused")
"""Ends the connection after some bytes, in order or not; says nothing more; takes its time; or
ends it before a byte."""
SILENT_SECONDS = 600.0


class Proxy:
    """Stands before a server; `harm_next` connections are harmed in a way, others are not."""

    def __init__(self, target: tuple[str, int], way: str, chance: random.Random) -> None:
        self._target, self._way, self._chance = target, way, chance
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._left = self.harmed = 0
        self._up_to = 1
        self._thread = threading.Thread(target=self._accept)

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def harm_next(self, count: int, up_to_bytes: int) -> None:
        """Harms so many connections, each after some number of bytes of what the server says."""
        with self._lock:
            self._left, self._up_to = count, up_to_bytes

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            at = self._harm_at()
            if at is not None and self._way == "refused":
                return
            with socket.create_connection(self._target) as server:
                threading.Thread(target=_pass, args=(client, server), daemon=True).start()
                self._answer(server, client, at)

    def _harm_at(self) -> int | None:
        """After how many bytes this connection is harmed, None for never."""
        with self._lock:
            if not self._left:
                return None
            self._left -= 1
            self.harmed += 1
            return self._chance.randrange(self._up_to)

    def _answer(self, server: socket.socket, client: socket.socket, at: int | None) -> None:
        sent = 0
        while chunk := server.recv(16384):
            if at is None or sent + len(chunk) <= at:
                client.sendall(chunk)
                sent += len(chunk)
                continue
            client.sendall(chunk[: at - sent])
            if self._way == "reset":
                # Source: socket(7): lingering for no time ends a connection by RST
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif self._way == "silent":
                self._over.wait(SILENT_SECONDS)
            elif self._way == "slow":
                time.sleep(0.5)
                client.sendall(chunk[at - sent :])
                at, sent = None, sent + len(chunk)
                continue
            return


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
