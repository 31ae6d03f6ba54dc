"""What the executor of one machine promises beside: its launcher may stand still."""

from __future__ import annotations

import os
import signal
import threading
import time

import psutil
import pytest

from executors.conftest import Placed
from kotta_service.executors import Sight

pytestmark = pytest.mark.parametrize("placed", ["local"], indirect=True)
PIPE_BYTES = 64 << 10


def test_what_is_submitted_waits_for_no_launcher_and_is_started_though_it_stops(
    placed: Placed,
) -> None:
    # of a child that has ended and was not waited for there is no command line to be had
    (launcher,) = [
        each
        for each in psutil.process_iter(["ppid", "cmdline"])
        if each.info["ppid"] == os.getpid()
        and "kotta_runner.launcher" in (each.info["cmdline"] or ())
    ]
    launcher.suspend()
    # more than the pipe holds: some fit into it at once, and some are sent when there is room
    sizes = [100, 6000] * 20
    assert sum(sizes) > PIPE_BYTES
    began = time.monotonic()
    keys = [placed.submit("true", environment={"MORE": "x" * size}) for size in sizes]
    assert time.monotonic() - began < 2
    threading.Timer(0.5, os.kill, (launcher.pid, signal.SIGCONT)).start()
    placed.executor.stop()
    for key in keys:
        record = placed.until(key, Sight.ENDED).record
        assert record is not None
        assert record["exit_code"] == 0
