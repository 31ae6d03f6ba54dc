"""A process that makes one call after another: what calls share by it, and what they must not."""

from __future__ import annotations

import base64
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from waiting import wait_until

from runner.conftest import Attempts

cloudpickle.register_pickle_by_value(sys.modules[__name__])
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


class Calls:
    """Makes calls through one launcher, which has one runner as they come one after another."""

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts

    def launch(
        self, function: Callable[..., Any], *args: Any, name: str = "f", **changes: Any
    ) -> dict[str, Any]:
        payload = base64.b64encode(cloudpickle.dumps((function, args, {}))).decode()
        call = {"name": name, "python": HERE, "payload": payload}
        return self.attempts.describe("", function=call, **changes)

    def record(self, function: Callable[..., Any], *args: Any, **changes: Any) -> dict[str, Any]:
        launch = self.launch(function, *args, **changes)
        self.attempts.hand_over(launch)
        record = self.attempts.record(launch)
        # the runner is idle only now, and another launch would start a second one before
        self.attempts.told("ended", launch)
        return record

    def value(self, function: Callable[..., Any], *args: Any, **changes: Any) -> Any:
        record = self.record(function, *args, **changes)
        assert record["status"] == "completed", (record, self.attempts.log())
        return cloudpickle.loads(base64.b64decode(record["result"]["data"]))


@pytest.fixture
def calls(attempts: Attempts) -> Calls:
    return Calls(attempts)


def who() -> tuple[int]:
    """A tuple, so that every result is a pickle."""
    return (os.getpid(),)


def test_calls_of_a_function_share_a_process_and_nothing_else_of_each_other(calls: Calls) -> None:
    def look() -> tuple[Any, ...]:
        found = (os.getpid(), dict(os.environ), os.getcwd(), os.listdir(), os.umask(0), [*sys.argv])
        os.environ["LEFT"] = "behind"
        os.chdir("/")
        os.umask(0o777)
        sys.argv.append("more")
        print("said", found[1]["KOTTA_JOB_ID"])
        return found

    first = calls.launch(look)
    second = calls.launch(look)
    seen = []
    for launch in (first, second):
        calls.attempts.hand_over(launch)
        record = calls.attempts.record(launch)
        calls.attempts.told("ended", launch)
        said = calls.attempts.output(launch, "STDOUT.txt").decode()
        assert said == f"said {launch['job_id']}\n"
        seen.append(cloudpickle.loads(base64.b64decode(record["result"]["data"])))
    (one, its, folder, files, mask, words), (other, others, elsewhere, *same) = seen
    assert one == other
    assert same == [files, mask, words] == [[], 0o022, [""]]
    assert folder == f"{first['directory']}/work"
    assert elsewhere == f"{second['directory']}/work"
    for launch, variables in ((first, its), (second, others)):
        assert variables == {
            **launch["environment"],
            "KOTTA_JOB_ID": launch["job_id"],
            "TURING_JOB_ID": launch["job_id"],
            "KOTTA_ATTEMPT": "1",
            "KOTTA_TAG": f"{launch['job_id']}/1",
        }


def test_what_has_been_imported_need_not_be_imported_again(calls: Calls) -> None:
    def imports() -> tuple[int, bool]:
        known = "wave" in sys.modules
        import wave  # noqa: F401

        return os.getpid(), known

    (one, knew), (other, knows) = calls.value(imports), calls.value(imports)
    assert one == other
    assert (knew, knows) == (False, True)


def a_thread() -> None:
    import threading

    threading.Thread(target=threading.Event().wait, daemon=True).start()


def a_child_process() -> None:
    import subprocess

    subprocess.run(["true"], check=True)


def a_process_that_runs_on() -> None:
    import subprocess

    subprocess.Popen(["sleep", "60"])


def an_open_file() -> None:
    os.dup(0)


def closed_files() -> None:
    os.closerange(3, 100)


def a_signal_handler() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def an_alarm() -> None:
    signal.alarm(600)


def a_limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def a_search_path() -> None:
    sys.path.append("/nonexistent")


def another_stdout() -> None:
    import io

    sys.stdout = io.StringIO()


def a_depth_of_recursion() -> None:
    sys.setrecursionlimit(5000)


def a_handler_of_logging() -> None:
    import logging

    logging.basicConfig()


def niceness() -> None:
    os.nice(1)


def much_memory() -> None:
    sys.modules["kept"] = b"x" * (70 << 20)  # type: ignore[assignment]


def a_module_of_its_folder() -> None:
    Path("helper.py").write_text("value = 1")
    import helper  # type: ignore[import-not-found]

    assert helper.value == 1


def a_thread_that_is_not_threadings() -> None:
    import _thread
    import time

    runs: list[int] = []
    _thread.start_new_thread(lambda: (runs.append(1), time.sleep(60)), ())
    while not runs:
        time.sleep(0.001)


def another_stdin() -> None:
    with open("/etc/hostname") as file:
        os.dup2(file.fileno(), 0)


def a_handler_of_a_logger() -> None:
    import logging

    logging.getLogger("mine").addHandler(logging.StreamHandler())


def a_blocked_signal() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def fewer_cores() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def no_collection() -> None:
    import gc

    gc.disable()


def a_folder_of_modules() -> None:
    Path("parts").mkdir()
    Path("parts/one.py").write_text("value = 1")
    import parts.one  # type: ignore[import-not-found]

    assert parts.one.value == 1


def a_module_that_cannot_be_looked_at() -> None:
    import types

    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            raise ImportError(name)

    sys.modules["lazy"] = Lazy("lazy")
    sys.excepthook = sys.modules["lazy"]  # type: ignore[assignment]


@pytest.mark.parametrize(
    "leave",
    [
        a_thread, a_thread_that_is_not_threadings, another_stdin, a_handler_of_a_logger,
        a_blocked_signal, fewer_cores, no_collection, a_folder_of_modules,
        a_module_that_cannot_be_looked_at,
        a_child_process, a_process_that_runs_on, an_open_file, closed_files,
        a_signal_handler, an_alarm, a_limit, a_search_path, another_stdout, a_depth_of_recursion,
        a_handler_of_logging, niceness, much_memory, a_module_of_its_folder,
    ],
    ids=lambda function: function.__name__,
)  # fmt: skip
def test_a_call_that_leaves_something_behind_is_its_processs_last(
    calls: Calls, leave: Callable[[], None]
) -> None:
    def leaves() -> tuple[int]:
        leave()
        return (os.getpid(),)

    resources = {"memory_mib": 128}
    first = calls.value(leaves, resources=resources)
    assert calls.value(who, resources=resources) != first
    assert not Path(f"/proc/{first[0]}").exists()


def test_a_fork_that_returns_has_no_say_in_what_becomes_of_the_call(calls: Calls) -> None:
    def forks() -> tuple[str, int]:
        import time

        child = os.fork()
        if not child:
            return "child", 0
        time.sleep(0.5)
        assert os.waitpid(child, 0)[1] == 0
        return "parent", os.getpid()

    found, first = calls.value(forks)
    assert found == "parent"
    assert calls.value(who) != (first,)


def test_a_fork_that_raises_does_not_fail_the_call(calls: Calls) -> None:
    def forks() -> tuple[str]:
        child = os.fork()
        if not child:
            raise RuntimeError("in the child")
        os.waitpid(child, 0)
        return ("parent",)

    assert calls.value(forks) == ("parent",)


def test_what_could_not_be_written_does_not_come_in_the_next_calls_output(calls: Calls) -> None:
    def prints(word: str, count: int) -> tuple[int]:
        import contextlib

        with contextlib.suppress(OSError):
            print(word * count)
        return (os.getpid(),)

    limits = {"output_bytes": 4096}
    first = calls.launch(prints, "secret ", 10_000, limits=limits)
    calls.attempts.hand_over(first)
    calls.attempts.record(first)
    calls.attempts.told("ended", first)
    assert calls.attempts.output(first, "STDOUT.txt").startswith(b"secret secret")
    launch = calls.launch(prints, "mine", 1, limits=limits)
    calls.attempts.hand_over(launch)
    calls.attempts.record(launch)
    assert calls.attempts.output(launch, "STDOUT.txt") == b"mine\n"


@pytest.mark.parametrize("count", [1, 40_000])
def test_a_caller_that_does_not_listen_is_ended_at_walltime(calls: Calls, count: int) -> None:
    """However much it is to be told: nobody waits for it to read that."""
    many = {"PATH": "/usr/bin:/bin", **{f"LONG{number}": "x" * count for number in range(8)}}
    (process,) = calls.value(who, environment=many)
    os.kill(process, signal.SIGSTOP)
    began = time.monotonic()
    record = calls.record(who, environment=many, walltime_seconds=0.5)
    assert (record["status"], record["reason"]) == ("failed", "walltime")
    assert time.monotonic() - began < 5
    assert calls.value(who, environment=many) != (process,)


def test_what_raises_is_no_trace(calls: Calls) -> None:
    def bad() -> None:
        raise ValueError(os.getpid())

    record = calls.record(bad)
    assert (record["status"], record["exit_code"]) == ("failed", 1)
    assert record["error"] == f"ValueError: {calls.value(who)[0]}"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "g"},
        {"owner": "somebody else"},
        {"environment": {"PATH": "/usr/bin", "OMP_NUM_THREADS": "1"}},
        {"limits": {"output_bytes": 1 << 20}},
        {"resources": {"memory_mib": 64}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_kind_of_call_gets_another_process(calls: Calls, changes: dict[str, Any]) -> None:
    assert calls.value(who, **changes) != calls.value(who)


def test_a_module_that_has_changed_on_disk_is_imported_anew(calls: Calls, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "KOTTA_TEST": "1"}
    (tmp_path / "edited.py").write_text("version = 1")

    def finds() -> tuple[int, int]:
        """As the finder of an editable installation does it, which leaves `sys.path` alone."""
        import importlib.util

        if "edited" not in sys.modules:
            spec = importlib.util.spec_from_file_location("edited", tmp_path / "edited.py")
            module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
            sys.modules["edited"] = module
            spec.loader.exec_module(module)  # type: ignore[union-attr]
        return os.getpid(), sys.modules["edited"].version

    one, old = calls.value(finds, environment=environment)
    same, still = calls.value(finds, environment=environment)
    assert (one, old) == (same, still)
    (tmp_path / "edited.py").write_text("version = 22")
    other, new = calls.value(finds, environment=environment)
    assert (old, new) == (1, 22)
    assert other != one


def test_chance_begins_anew_with_each_call(calls: Calls) -> None:
    def thrown() -> tuple[int, float]:
        import random

        value = random.random()
        random.seed(1)
        return os.getpid(), value

    found = [calls.value(thrown) for _ in range(3)]
    assert len({process for process, _ in found}) == 1
    assert len({value for _, value in found}) == 3


def test_the_context_of_decimals_is_the_calls_own(calls: Calls) -> None:
    def precision() -> tuple[int, int]:
        import decimal

        found = decimal.getcontext().prec
        decimal.getcontext().prec = 5
        return os.getpid(), found

    assert calls.value(precision) == calls.value(precision)


def test_what_an_extension_prints_is_in_its_own_calls_output(calls: Calls) -> None:
    def prints(word: str) -> tuple[int]:
        import ctypes

        ctypes.CDLL(None).printf(word.encode())
        return (os.getpid(),)

    launches = [calls.launch(prints, word) for word in ("one", "two")]
    for launch in launches:
        calls.attempts.hand_over(launch)
        calls.attempts.record(launch)
        calls.attempts.told("ended", launch)
    said = [calls.attempts.output(launch, "STDOUT.txt") for launch in launches]
    assert said == [b"one", b"two"]


def test_each_call_has_used_what_it_used(calls: Calls) -> None:
    def computes(seconds: float, mib: int) -> tuple[int]:
        import time

        held = bytearray(mib << 20)
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        del held
        return (os.getpid(),)

    first = calls.record(computes, 0.4, 100)
    second = calls.record(computes, 0.0, 0)
    assert first["result"] == second["result"]  # by the same process
    assert 0.4 <= first["cpu_seconds"] < 0.7
    assert 0 <= second["cpu_seconds"] < 0.2
    assert first["peak_memory_bytes"] > 100 << 20
    assert second["peak_memory_bytes"] < first["peak_memory_bytes"] - (70 << 20)


def test_a_process_that_was_killed_between_two_calls_is_replaced(calls: Calls) -> None:
    (first,) = calls.value(who)
    os.kill(first, signal.SIGKILL)
    assert calls.value(who) != (first,)


def test_walltime_and_cancel_end_the_process_and_not_the_next_call(calls: Calls) -> None:
    def sleeps() -> None:
        import time

        Path("pid").write_text(str(os.getpid()))
        time.sleep(60)

    first = calls.value(who)
    record = calls.record(sleeps, walltime_seconds=0.3, outputs=["pid"])
    assert (record["status"], record["reason"]) == ("failed", "walltime")
    assert calls.attempts.output(record, "pid").decode() == str(first[0])
    second = calls.value(who)
    assert second != first

    launch = calls.launch(sleeps)
    calls.attempts.hand_over(launch)
    wait_until(calls.attempts.file(launch, "work/pid").exists)
    calls.attempts.cancel(launch)
    assert calls.attempts.record(launch)["status"] == "cancelled"
    calls.attempts.told("ended", launch)
    assert not Path(f"/proc/{second[0]}").exists()
    assert calls.value(who) != second


def test_a_killed_runner_takes_its_caller_along(calls: Calls) -> None:
    def sleeps() -> None:
        import time

        Path("pid").write_text(str(os.getpid()))
        time.sleep(60)

    calls.value(who)
    launch = calls.launch(sleeps)
    calls.attempts.hand_over(launch)
    pid = calls.attempts.file(launch, "work/pid")
    process = wait_until(lambda: pid.exists() and pid.read_text())
    os.kill(calls.attempts.pid(launch), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{process}").exists())


def test_a_command_finds_no_caller_beside_it(calls: Calls) -> None:
    (first,) = calls.value(who)
    record = calls.attempts.run("true")
    assert record["status"] == "completed"
    assert not Path(f"/proc/{first}").exists()
