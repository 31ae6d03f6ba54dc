"""Starting, stopping, idling, and refusing to start."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from running_service import RunningService
from waiting import wait_until

from kotta_service.settings import load_settings


def refusal(own_service: RunningService) -> dict[str, str]:
    """What a service says that cannot start."""
    command = [sys.executable, "-m", "kotta_service", "--local", "--socket", own_service.socket]
    ended = subprocess.run(
        [*command, "--data", own_service.data, "--ready-fd", "1"],
        env=own_service.environment,
        capture_output=True,
        timeout=20,
    )
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr, ended.stderr
    answer: dict[str, str] = json.loads(ended.stdout)
    return answer


def test_a_second_service_on_the_same_data_is_refused(own_service: RunningService) -> None:
    assert "another service" in refusal(own_service)["error"]
    assert own_service.http.get("/service").status_code == 200


def test_a_stale_socket_is_replaced(own_service: RunningService) -> None:
    own_service.kill()
    assert own_service.socket.exists()
    own_service.start()
    assert own_service.http.get("/service").status_code == 200


def test_a_wrong_setting_is_named(stopped_service: RunningService) -> None:
    folder = stopped_service.home / "config" / "kotta"
    folder.mkdir(parents=True)
    (folder / "service.toml").write_text("[queues.Test]\ncpus = 0\nmemory_mib = 100\n")
    answer = refusal(stopped_service)
    assert "service.toml:2: [queues.Test] cpus" in answer["error"]


def test_an_unwritable_data_directory_is_named(stopped_service: RunningService) -> None:
    stopped_service.data = Path("/proc/nothing")
    assert "/proc/nothing" in refusal(stopped_service)["error"]


def test_a_too_long_socket_path_is_named(stopped_service: RunningService) -> None:
    stopped_service.socket = stopped_service.home / ("x" * 120)
    assert "107 bytes" in refusal(stopped_service)["hint"]


def test_a_database_that_is_none_or_newer_is_told_plainly(stopped_service: RunningService) -> None:
    stopped_service.environment["KOTTA_SERVICE_DATABASE"] = ""
    stopped_service.start()
    stopped_service.stop()
    with closing(sqlite3.connect(stopped_service.data / "kotta.db")) as rows:
        rows.execute("UPDATE alembic_version SET version_num = '0999'")
        rows.commit()
    answer = refusal(stopped_service)
    assert "was written by a newer release (0999)" in answer["error"]
    assert "install the newest Kotta" in answer["hint"]
    check = [sys.executable, "-m", "kotta_cli", "serve", "--check", "--data", stopped_service.data]
    environment = {**stopped_service.environment, "KOTTA_SERVICE_SERVE_RUN_JOBS_AS_ROOT": "true"}
    checked = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=30)
    assert "was written by a newer release (0999)" in checked.stderr
    for path in stopped_service.data.glob("kotta.db*"):
        path.unlink()
    (stopped_service.data / "kotta.db").write_text("this is no database")
    assert refusal(stopped_service)["error"].startswith("the database cannot be used: ")
    serve = ["serve", "--data", stopped_service.data, "--socket", stopped_service.socket]
    ended = subprocess.run(
        [sys.executable, "-m", "kotta_cli", *serve],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "error: the database cannot be used: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_queues_come_from_the_settings_file(stopped_service: RunningService) -> None:
    folder = stopped_service.home / "config" / "kotta"
    folder.mkdir(parents=True)
    (folder / "service.toml").write_text("[queues.Night]\ncpus = 1\nmemory_mib = 100\n")
    stopped_service.start()
    queues = stopped_service.http.get("/queues").json()["queues"]
    assert [queue["name"] for queue in queues] == ["Night"]
    assert stopped_service.run(executable="true", queue="Night")["status"] == "completed"


def test_an_idle_service_leaves_but_not_while_a_job_runs(stopped_service: RunningService) -> None:
    stopped_service.environment["KOTTA_SERVICE_IDLE_STOP_SECONDS"] = "0.5"
    stopped_service.start()
    process = stopped_service.process
    assert process is not None
    stopped_service.submit({"executable": "sleep 2"})
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    assert wait_until(lambda: process.poll() is not None, timeout=10)
    assert process.returncode == 0
    assert not stopped_service.socket.exists()


def test_it_can_be_asked_to_stop(own_service: RunningService) -> None:
    assert own_service.http.post("/service/stop").status_code == 202
    assert own_service.process is not None
    assert own_service.process.wait(10) == 0


def test_a_full_disk_is_said_and_nothing_is_kept(
    stopped_service: RunningService, tmp_path: Path
) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        (mount / "rest").write_bytes(b"x" * (2 << 20))
        stopped_service.data = mount / "data"
        stopped_service.start()
        accepted = 0
        body = {"jobs": [{"executable": "true # " + "x" * 90_000} for _ in range(4)]}
        while (answer := stopped_service.http.post("/jobs", json=body)).status_code == 201:
            accepted += 4
            assert accepted < 200
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        listed = stopped_service.http.get("/jobs", params={"limit": 1000}).json()["jobs"]
        assert len(listed) == accepted
        ready = stopped_service.http.build_request("GET", "http://kotta/readyz")
        with contextlib.suppress(OSError), open(mount / "rest", "ab", buffering=0) as rest:
            while rest.write(b"x" * 4096):
                pass

        def is_unready() -> bool:
            # what there is of the write-ahead log takes a few small writes yet
            stopped_service.http.post("/jobs", json={"jobs": [{"executable": "true"}]})
            return stopped_service.http.send(ready).status_code == 503

        assert wait_until(is_unready, timeout=20)
        assert stopped_service.http.send(ready).json()["lacks"] == ["disk"]
        assert "the disk of the database is full" in stopped_service.log()
        (mount / "rest").unlink()
        assert stopped_service.http.send(ready).json() == {"status": "ready", "lacks": []}
        assert "the disk of the database has room again" in stopped_service.log()
        stopped_service.stop()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_setting_from_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "service.toml"
    file.write_text("grace_seconds = 5\n")
    assert load_settings(file).grace_seconds == 5
    monkeypatch.setenv("KOTTA_SERVICE_GRACE_SECONDS", "7")
    assert load_settings(file).grace_seconds == 7


_TRACED = """
from opentelemetry import trace

class Provider(trace.TracerProvider):
    def get_tracer(self, *_, **__):
        open({asked!r}, "w").close()
        return trace.NoOpTracer()

trace.set_tracer_provider(Provider())
"""


def test_nothing_of_what_is_asked_is_told_elsewhere(stopped_service: RunningService) -> None:
    home = stopped_service.home
    (home / "sitecustomize.py").write_text(_TRACED.format(asked=str(home / "asked")))
    stopped_service.environment["PYTHONPATH"] = str(home)
    stopped_service.start()
    stopped_service.run(executable="true")
    assert not (home / "asked").exists()
