from __future__ import annotations

import os
import signal
import subprocess

from cli.conftest import KOTTA, User


def test_bare_it_shows_its_commands(user: User) -> None:
    result = user.kotta("service")
    assert result.code == 0
    assert "kotta service COMMAND [OPTIONS]" in result.out


def test_status_does_not_start_it_and_exits_with_one(idle_user: User) -> None:
    result = idle_user.quick("service", "status")
    assert (result.code, result.err) == (1, "")
    assert "is not running" in result.out
    assert idle_user.quick("service", "status", "--json").json == {
        "running": False,
        "service": None,
    }


def test_status_tells_where_it_is_and_what_it_does(user: User) -> None:
    assert user.client.service()
    shape = user.kotta("service", "status", "--json").json
    assert shape["running"] is True
    result = user.kotta("service", "status")
    assert result.code == 0
    facts = dict(line.split(": ", 1) for line in result.lines)
    assert facts["Status"] == "running"
    assert facts["Process"] == str(shape["service"]["pid"])
    assert facts["Data"] == str(user.home / ".data/kotta")
    window = user.window("service", "status")
    assert window.end() == 0
    assert window.lines[0] == "The local service is running"


def test_stop_ends_it_and_jobs_run_on(fresh_user: User) -> None:
    job = fresh_user.submit(executable="sleep 1; echo done")
    pid = fresh_user.kotta("service", "status", "--json").json["service"]["pid"]
    result = fresh_user.kotta("service", "stop")
    assert (result.code, result.out) == (0, f"Stopped the local service (pid {pid}).\n")
    assert fresh_user.kotta("service", "status").code == 1
    assert fresh_user.kotta("wait", job).code == 0
    assert fresh_user.kotta("logs", job).out == "done\n"


def test_stopping_what_does_not_run_is_no_failure(idle_user: User) -> None:
    result = idle_user.quick("service", "stop")
    assert (result.code, result.out) == (0, "The local service was not running.\n")


def test_its_log_can_be_read_while_it_runs_and_afterwards(fresh_user: User) -> None:
    fresh_user.quick("queues")
    running = fresh_user.quick("service", "logs")
    assert "serving" in running.out
    fresh_user.quick("service", "stop")
    assert fresh_user.quick("service", "logs").out.startswith(running.out)


def test_its_log_can_be_followed(user: User) -> None:
    assert user.client.service()
    window = user.window("service", "logs", "-f", columns=120)
    window.until("serving")
    window.interrupt()
    assert window.end() == 130


def test_there_is_no_log_before_it_ever_ran(idle_user: User) -> None:
    result = idle_user.quick("service", "logs")
    assert result.code == 1
    assert "has never run here" in result.err


def test_a_wait_goes_on_over_a_killed_service(fresh_user: User) -> None:
    gate = fresh_user.home / "gate"
    fresh_user.describe(
        executable=f"until [ -e {gate} ]; do sleep 0.05; done", jobname="outlives it"
    )
    window = fresh_user.window("submit", "job.json", "--wait")
    window.until("processing")
    pid = fresh_user.kotta("service", "status", "--json").json["service"]["pid"]
    os.kill(pid, signal.SIGKILL)
    window.until_it(lambda: window.text.count("started the local service") == 2)
    gate.touch()
    assert window.end() == 0
    assert window.lines[-1].startswith("✓ outlives it completed")


def test_a_watch_goes_on_over_a_killed_service_and_tells_afterwards(fresh_user: User) -> None:
    pid = fresh_user.client.service().pid
    window = fresh_user.window("list", "--watch")
    window.until("no jobs")
    os.kill(pid, signal.SIGKILL)
    fresh_user.quick("submit", fresh_user.describe(executable="true", jobname="afterwards"))
    window.until("afterwards", "✓ completed")
    window.interrupt()
    assert window.end() == 0
    assert sum("afterwards" in line for line in window.lines) == 1


def test_serve_runs_the_service_in_the_foreground(fresh_user: User) -> None:
    socket = fresh_user.home / "own.sock"
    serve = subprocess.Popen(
        [KOTTA, "serve", "--local", "--socket", socket, "--data", fresh_user.home / "own"],
        stderr=subprocess.PIPE,
        env={**fresh_user.environment, "PYTHONWARNINGS": ""},
        text=True,
    )
    assert serve.stderr is not None
    first = serve.stderr.readline()
    assert first == f"Serving at unix:{socket} with data in {socket.parent}/own; Ctrl-C ends it.\n"
    for line in serve.stderr:
        if "pid" in line:
            break
    server = f"unix:{socket}"
    job = fresh_user.kotta(
        "--server", server, "submit", "-", "--wait", stdin='{"executable": "true"}'
    )
    assert job.code == 0
    assert fresh_user.kotta("service", "status").code == 1
    assert fresh_user.kotta("--server", server, "service", "logs").code == 1
    serve.send_signal(signal.SIGINT)
    assert serve.wait(20) == 0
    serve.stderr.close()


def test_two_services_cannot_share_their_data(user: User) -> None:
    assert user.client.service()
    result = user.kotta("serve", "--local", "--socket", str(user.home / "second.sock"))
    assert result.code == 1
    assert "another service is at work" in result.err
