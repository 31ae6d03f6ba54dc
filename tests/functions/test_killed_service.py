"""The service is killed while calls run: nothing is lost, nothing runs twice."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from waiting import wait_until

from kotta import Kotta, KottaExecutor, kottajob

CALLS = 100
# httpcore leaves the socket of a failed connect to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def test_a_map_of_100_survives_kill_9_and_each_function_runs_once(newcomer: Path) -> None:
    ran = newcomer / "ran"
    ran.mkdir()

    def once(number: int) -> int:
        import os
        import time

        time.sleep(0.02)  # so that they take a while together, however fast the machine
        # O_EXCL: a second run would fail, and not be counted as one
        os.close(os.open(ran / f"{number}.{os.getpid()}", os.O_CREAT | os.O_EXCL))
        return number * number

    with Kotta() as konn:
        function = kottajob(konn, "Test", 5)(once)
        values = function.map(range(CALLS))
        wait_until(lambda: len(os.listdir(ran)) > CALLS // 5, timeout=30)
        before = konn.service().pid
        os.kill(before, signal.SIGKILL)
        assert len(os.listdir(ran)) < CALLS
        assert list(values) == [number * number for number in range(CALLS)]
        assert konn.service().pid != before
    numbers = [int(name.partition(".")[0]) for name in os.listdir(ran)]
    assert sorted(numbers) == list(range(CALLS))


def test_a_blocking_call_survives_it(newcomer: Path) -> None:
    started = newcomer / "started"

    def slow() -> str:
        import time

        started.touch()
        time.sleep(1)
        return "done"

    found: list[str] = []
    with Kotta() as konn, KottaExecutor(konn) as executor:
        function = kottajob(konn, "Test", 5)(slow)
        waiting = threading.Thread(target=lambda: found.append(function()))
        waiting.start()
        future = executor.submit(slow)
        wait_until(started.exists)
        os.kill(konn.service().pid, signal.SIGKILL)
        waiting.join(60)
        assert found == ["done"]
        assert future.result(60) == "done"
