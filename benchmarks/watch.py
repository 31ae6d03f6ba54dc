"""What `kotta list --watch` costs while 1,000 jobs change, beside the bare interpreter.

    python benchmarks/watch.py [--jobs 1000] [--columns 120] [--rows 40] [--json]

The watch is a process of its own on a terminal of its own. Its CPU time is read from /proc when the
jobs are submitted and when the last of them has ended, so its start is not counted; the figure for
the whole process, start included, stands beside `python -c pass`. The jobs are `true`, so they
change as fast as the service can make them; a pipe is watched in the same way afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KOTTA = str(Path(sys.executable).with_name("kotta"))
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=120)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with own_home():
        figures = {"python -c pass, CPU ms": bare_cpu_seconds() * 1e3}
        size = struct.pack("HHHH", options.rows, options.columns, 0, 0)
        for name in ("terminal", "pipe"):
            window = size if name == "terminal" else None
            for key, figure in watched(options.jobs, window).items():
                figures[f"{name}: {key}"] = figure
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<64} {figure:>10.1f}")


@contextmanager
def own_home() -> Iterator[None]:
    """Somebody with an empty home, in this process and below it."""
    with tempfile.TemporaryDirectory(prefix="kb-") as home:
        Path(home, "run").mkdir(mode=0o700)
        for name in list(os.environ):
            if name.startswith(("KOTTA_", "XDG_")):
                del os.environ[name]
        os.environ.update(
            HOME=home, XDG_RUNTIME_DIR=f"{home}/run", TERM="xterm-256color", LANG="C.UTF-8"
        )
        os.environ.pop("COLUMNS", None)
        yield
        subprocess.run([KOTTA, "service", "stop"], check=False, capture_output=True)


def watched(jobs: int, window: bytes | None) -> dict[str, float]:
    """CPU time of a watch while that many jobs go through all their states."""
    from kotta import Kotta

    with Kotta() as kotta:
        with watch_process(window) as (pid, written):
            first_change = kotta.list(limit=1).change
            before, began = cpu_seconds(pid), time.perf_counter()
            kotta.wait(kotta.submit_many([{"executable": "true", "array": list(range(jobs))}]))
            time.sleep(0.5)  # for the last picture
            seconds = time.perf_counter() - began
            whole = cpu_seconds(pid)
            changes = kotta.list(limit=1).change - first_change
    return {
        f"{jobs} jobs changed in, s": seconds,
        "changes a second": changes / seconds,
        "CPU of the watch, % of a core": 100 * (whole - before) / seconds,
        "CPU of the whole process, start included, ms": whole * 1e3,
        "written, KiB a second": written() / seconds / 1024,
    }


@contextmanager
def watch_process(window: bytes | None) -> Iterator[tuple[int, Callable[[], int]]]:
    """A watch that has drawn its first picture; its process id, and what it has written so far."""
    if window is None:
        near, far = os.pipe()
    else:
        near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, window)
    count = [0]

    def read() -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(near, 1 << 16):
                count[0] += len(chunk)

    process = subprocess.Popen([KOTTA, "list", "--watch"], stdout=far, stderr=subprocess.DEVNULL)
    os.close(far)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(1.5)
    try:
        yield process.pid, lambda: count[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        reader.join(5)
        os.close(near)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def bare_cpu_seconds() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(10):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / 10


if __name__ == "__main__":
    main()
