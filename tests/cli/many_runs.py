"""Runs many command lines, each in a process of its own that has everything imported already.

A program: it reads one JSON list from stdin, of the arguments of `run`, and writes a list of what
each printed. A new interpreter for each would take four times as long.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import sys
import termios
import threading
from typing import Any


def run(
    words: list[str], environment: dict[str, str], columns: int, is_closed: bool
) -> dict[str, Any]:
    """What one command line printed, and its exit code; on a terminal both streams are one.

    Args:
        columns: of the terminal; 0: in a pipe.
        is_closed: nobody reads the pipe.
    """
    if columns:
        pid, terminal = pty.fork()
        if not pid:
            _become(words, environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        out, err = _all_of(terminal), ""
    else:
        (out_reader, out_writer), (err_reader, err_writer) = os.pipe(), os.pipe()
        if is_closed:
            os.close(out_reader)
            out_reader = os.open(os.devnull, os.O_RDONLY)
        pid = os.fork()
        if not pid:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out_writer, 1)
            os.dup2(err_writer, 2)
            os.closerange(3, 64)
            _become(words, environment)
        os.close(out_writer)
        os.close(err_writer)
        told: list[str] = []
        reading = threading.Thread(target=lambda: told.append(_all_of(err_reader)))
        reading.start()
        out = _all_of(out_reader)
        reading.join()
        err = told[0]
    _, status = os.waitpid(pid, 0)
    return {"out": out, "err": err, "code": os.waitstatus_to_exitcode(status)}


def _become(words: list[str], environment: dict[str, str]) -> None:
    """What `kotta` does when it is started, but for the imports; does not return."""
    code = 70
    try:
        if os.isatty(0):
            # until the window has its size
            while not os.get_terminal_size(0).columns:
                pass
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        sys.argv = ["kotta", *words]
        from kotta_cli.entry import run as run_kotta

        code = run_kotta()
        sys.stdout.flush()
    finally:
        os._exit(code)


def _all_of(fd: int) -> str:
    read = bytearray()
    while True:
        try:
            chunk = os.read(fd, 1 << 16)
        except OSError:
            chunk = b""  # the other end of the terminal is closed
        if not chunk:
            os.close(fd)
            return read.decode()
        read += chunk


def _import_everything() -> None:
    import httpx  # noqa: F401
    import rich.console
    import rich.live
    import rich.progress  # noqa: F401

    import kotta_cli.main  # noqa: F401
    from kotta_cli.command_table import command_names
    from kotta_cli.tree import load

    for name in command_names():
        load(name)


if __name__ == "__main__":
    _import_everything()
    print(json.dumps([run(**request) for request in json.load(sys.stdin)]))
