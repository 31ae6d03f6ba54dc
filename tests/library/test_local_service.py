from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import wait_until

from kotta import Kotta, local_service, paths, service_process
from kotta.errors import ServiceStartError
from library.conftest import service_pids

RACE = """
import sys, threading
from kotta.local_service import ensure_running
said, errors = [], []
def start():
    try:
        ensure_running(said.append)
    except Exception as error:
        errors.append(repr(error))
threads = [threading.Thread(target=start) for _ in range(8)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(said), *errors)
"""


@pytest.fixture
def data() -> Path:
    return paths.data_directory()


@pytest.fixture
def program(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a shell script stand for the interpreter that runs the service; $9 is the ready pipe."""

    def make(script: str) -> None:
        path = home / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(path))

    return make


def kill(pid: int) -> None:
    """Ends the service at once; its socket is the last thing that the system takes from it."""
    path = local_service.socket_now()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid) and not local_service.is_running(path))


def has_ended(pid: int) -> bool:
    """Whether it runs no more, be it that nobody has taken leave of it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_processes_and_threads_that_race_start_one_service(data: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=30)[0].strip() for racer in racers]
    assert sorted(answers) == ["0", "0", "1"]
    assert len(service_pids(data)) == 1


def test_it_says_once_that_it_started_a_service_which_is_then_found_without_a_lock(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with Kotta(notify=said.append) as first, Kotta(notify=said.append) as second:
        assert first.peek_service() is None
        pid = first.service().pid
        monkeypatch.setattr(local_service, "_only_one_starter", None)
        assert second.service().pid == pid
    assert said == [f"started the local service (pid {pid}, data in {data})"]


def test_what_it_leaves_is_for_this_user_alone(data: Path) -> None:
    before = os.umask(0)
    try:
        path = local_service.ensure_running()
    finally:
        os.umask(before)
    for found in (data / "service.log", data / "service.address", data / "service.start.lock"):
        assert stat.S_IMODE(found.stat().st_mode) == 0o600, found
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_socket_whose_service_was_killed_is_replaced(data: Path) -> None:
    with Kotta() as kotta:
        pid = kotta.service().pid
        kill(pid)
        assert local_service.socket_now().exists()
        assert not local_service.is_running(local_service.socket_now())
        assert kotta.service().pid != pid
        assert len(service_pids(data)) == 1


def test_a_plain_file_in_the_place_of_the_socket_is_replaced(data: Path) -> None:
    paths.socket_path(data).write_text("not a socket")
    with Kotta() as kotta:
        assert kotta.queues()


def test_a_session_with_another_runtime_folder_finds_the_same_service(
    home: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Kotta() as at_login:
        pid = at_login.service().pid
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    with Kotta() as in_cron:
        assert in_cron.service().pid == pid
        kill(pid)
        there = in_cron.service()
    assert there.pid != pid
    assert str(home / f"kotta-{os.getuid()}") in there.address
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    with Kotta() as at_login:
        assert at_login.service().pid == there.pid
    assert len(service_pids(data)) == 1


def test_a_connection_follows_a_service_that_comes_up_elsewhere(
    home: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Kotta() as kotta:
        kill(kotta.service().pid)
        with monkeypatch.context() as elsewhere:
            elsewhere.delenv("XDG_RUNTIME_DIR")
            local_service.ensure_running()
        assert f"kotta-{os.getuid()}" in kotta.service().address
    assert len(service_pids(data)) == 1


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_noted_socket_in_a_folder_that_others_can_use_is_not_trusted(
    home: Path, data: Path, mode: int
) -> None:
    folder = home / "shared"
    folder.mkdir(mode=0o700)
    folder.chmod(mode)
    (data / "service.address").write_text(f"{folder / 's.sock'}\n")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "s.sock"))
        listener.listen()
        assert local_service.socket_now() == paths.socket_path(data)


@pytest.mark.parametrize("noted", [b"", b"\xff\xfe", b"/nowhere\n", b"/\0/x", b"x" * 5000])
def test_a_note_that_makes_no_sense_is_passed_over(data: Path, noted: bytes) -> None:
    (data / "service.address").write_bytes(noted)
    assert local_service.socket_now() == paths.socket_path(data)


def test_a_start_waits_for_a_service_that_is_leaving(data: Path) -> None:
    with Kotta() as kotta, contextlib.closing(socket.socket(socket.AF_UNIX)) as upload:
        pid = kotta.service().pid
        upload.connect(str(local_service.socket_now()))
        # a request that is not over holds the service up
        head = f"PUT /api/v2/uploads/{'0' * 64} HTTP/1.1\r\nHost: k\r\nContent-Length: 9\r\n\r\n1"
        upload.sendall(head.encode())
        path = local_service.socket_now()
        kotta.stop_service()
        wait_until(lambda: not local_service.is_running(path))
        assert service_pids(data) == [pid]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(lambda: kotta.service().pid)
            upload.close()
            assert asked.result(20) != pid
    assert len(service_pids(data)) == 1


def test_a_service_that_does_not_answer_where_it_should_is_told_of(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_service, "LEAVE_SECONDS", 0.1)
    os.unlink(local_service.ensure_running())
    with pytest.raises(ServiceStartError) as caught:
        local_service.ensure_running()
    assert str(data) in caught.value.message
    assert "does not answer" in caught.value.message


def test_stopping_a_service_that_does_not_run_starts_none(data: Path) -> None:
    with Kotta() as kotta:
        kotta.stop_service()
    assert not service_pids(data)


def test_one_that_crashes_at_once_shows_the_end_of_its_log(
    data: Path, program: Callable[[str], None]
) -> None:
    program("echo of no use >&2; for i in 1 2 3 4 5; do echo line $i >&2; done; exit 3")
    with pytest.raises(ServiceStartError) as caught:
        local_service.ensure_running()
    assert "ended while it started" in caught.value.message
    assert "line 1" in caught.value.message
    assert "line 5" in caught.value.message
    assert "of no use" not in caught.value.message
    assert str(data / "service.log") in caught.value.hint


def test_one_that_cannot_start_says_why(program: Callable[[str], None]) -> None:
    message = json.dumps({"error": "the disk is full", "hint": "make room"})
    program(f"echo '{message}' > /dev/fd/$9; exit 1")
    with pytest.raises(ServiceStartError, match="cannot start: the disk is full") as caught:
        local_service.ensure_running()
    assert caught.value.hint == "make room"


@pytest.mark.parametrize("line", ["no json", "[1]", '{"ready": false}', "{}"])
def test_one_that_talks_nonsense_is_taken_for_crashed(
    program: Callable[[str], None], line: str
) -> None:
    program(f"echo '{line}' > /dev/fd/$9")
    with pytest.raises(ServiceStartError, match="ended while it started"):
        local_service.ensure_running()


def test_one_that_is_never_ready_is_ended(
    home: Path, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_process, "START_SECONDS", 0.3)
    program(f"echo $$ > {home}/pid; exec sleep 600")
    with pytest.raises(ServiceStartError, match="did not become ready"):
        local_service.ensure_running()
    assert has_ended(int((home / "pid").read_text()))


def test_an_interpreter_that_is_not_there_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ServiceStartError, match="/nowhere/python"):
        local_service.ensure_running()


def test_a_starter_that_takes_too_long_is_not_waited_for_forever(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(local_service, "OTHERS_START_SECONDS", 0.1)
    with open(data / "service.start.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ServiceStartError, match="another command"):
            local_service.ensure_running()


def test_the_service_does_not_inherit_what_is_meant_for_clients(
    home: Path, program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KOTTA_SERVER", "KOTTA_PROFILE", "PYTHONINSPECT", "KOTTA_SERVICE_GRACE_SECONDS"):
        monkeypatch.setenv(name, "1")
    program(f"env > {home}/env; pwd > {home}/pwd; readlink /proc/self/fd/0 >> {home}/pwd")
    with pytest.raises(ServiceStartError):
        local_service.ensure_running()
    names = {line.partition("=")[0] for line in (home / "env").read_text().splitlines()}
    assert not names & {"KOTTA_SERVER", "KOTTA_PROFILE", "PYTHONINSPECT"}
    assert {"KOTTA_SERVICE_GRACE_SECONDS", "HOME", "XDG_DATA_HOME"} <= names
    assert (home / "pwd").read_text().split() == ["/", "/dev/null"]


@pytest.fixture
def many_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this user may not open as many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_program_with_a_thousand_open_files_can_start_one(many_open_files: None) -> None:
    with Kotta() as kotta:
        assert kotta.queues()


def test_a_program_that_outlives_its_services_takes_leave_of_them(data: Path) -> None:
    with Kotta() as kotta:
        first = kotta.service().pid
        kill(first)
        second = kotta.service().pid
    assert not Path(f"/proc/{first}").exists()
    # what other tests of this process have started is not its business
    assert [pid for pid in service_process._children if pid in (first, second)] == [second]


def test_threads_of_one_connection_start_one_service(data: Path) -> None:
    barrier = threading.Barrier(12)

    def ask() -> int:
        barrier.wait()
        return kotta.service().pid

    with Kotta() as kotta, ThreadPoolExecutor(12) as pool:
        assert len({future.result(30) for future in [pool.submit(ask) for _ in range(12)]}) == 1
    assert len(service_pids(data)) == 1
