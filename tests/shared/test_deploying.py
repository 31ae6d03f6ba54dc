"""What docs/deploy.md tells an administrator to type, typed; and restarts with people waiting."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from accounts import need
from shared_service import SharedService
from waiting import wait_until

from kotta_service.deployment import problems
from kotta_service.settings import load_settings

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "deploy.md").read_text()
KOTTA = str(Path(sys.executable).with_name("kotta"))


@pytest.fixture
def service() -> Iterator[SharedService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        some = SharedService(Path(home))
        some.start()
        yield some
        some.close()


def typed(service: SharedService, block: str) -> str:
    """What a marked block of the page prints, with the test's paths in place of its own."""
    found = re.search(rf"<!-- test: {block} -->\n```sh\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    script = found[1].replace("/var/lib/kotta", str(service.data))
    script = script.replace("/var/backups", str(service.home / "backups"))
    script = script.replace("/run/kotta/kotta.sock", str(service.socket))
    path = f"{Path(KOTTA).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        env={**service.environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_users_are_added_over_the_socket(service: SharedService) -> None:
    told = typed(service, "users")
    assert told.count(f"{service.url}/enrol/") == 2
    assert re.search(r"^eve\teve@example.org\tadmin\t", told, re.MULTILINE)
    assert "running=20,cores=16" in told


def test_a_backup_brings_everything_back(service: SharedService) -> None:
    need("sqlite3", shutil.which("sqlite3") is not None)
    done = service.run(executable="sh -c 'echo kept'")
    (running,) = service.submit({"executable": "sleep 60"})
    service.until_status(running, "processing")
    typed(service, "backup")
    service.cancel_all()
    service.stop()
    shutil.rmtree(service.data)
    typed(service, "restore")
    service.start()
    assert service.status(done)["status"] == "completed"
    assert service.output(done, "STDOUT.txt") == "kept\n"
    ended = service.wait(running)[0]
    assert (ended["status"], ended["reason"]) == ("failed", "lost")


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    text = DOCS.split("```toml\n")[1].split("```")[0]
    (tmp_path / "service.toml").write_text(text)
    settings = load_settings(tmp_path / "service.toml")
    assert [words for words in problems(settings) if "certificate" not in words][1:] == []
    assert settings.serve.url == "https://kotta.lab"


def test_the_unit_is_one() -> None:
    need("systemd-analyze", shutil.which("systemd-analyze") is not None)
    unit = (ROOT / "examples" / "kotta.service").read_text()
    for name in re.findall(r"/opt/kotta/bin/(\S+)", unit):
        assert name == "kotta"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kotta.service")
        file.write_text(unit.replace("/opt/kotta/bin/kotta", KOTTA).replace("=kotta\n", "=root\n"))
        done = subprocess.run(
            ["systemd-analyze", "verify", file], capture_output=True, text=True, check=False
        )
    assert "kotta.service" not in done.stderr, done.stderr
    assert "KillMode=process" in unit


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_waits_rides_over_a_restart(service: SharedService, number: int) -> None:
    """It comes back at the same port, as a service does that has one in its settings."""
    service.add_user("ada")
    port = service.url.rpartition(":")[2]
    environment = {**service.environment, "KOTTA_SERVER": service.url, "HOME": str(service.home)}
    environment["KOTTA_TOKEN"] = service.token("ada")
    gate = service.home / "gate"
    script = f"echo begun; while ! test -e {gate}; do sleep 0.05; done; echo over"
    submit = subprocess.run(
        [KOTTA, "submit", "--", "sh", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    job = submit.stdout.strip()
    waiting = [
        subprocess.Popen([KOTTA, *words, job], env=environment, stdout=PIPE, stderr=PIPE, text=True)
        for words in (("wait",), ("logs", "-f"))
    ]
    log, told = waiting[1].stdout, waiting[0].stderr
    assert log is not None
    assert told is not None
    # both have had an answer: what is not there at first is not waited for
    assert log.readline() == "begun\n"
    assert job in told.readline()
    assert service.process is not None
    service.process.send_signal(number)
    assert service.process.wait(5) == (0 if number == signal.SIGTERM else -number)
    service.port = int(port)
    service.start()
    gate.touch()
    assert log.read() == "over\n"
    assert [one.wait(20) for one in waiting] == [0, 0]
    for one in waiting:
        one.communicate()


def test_a_second_signal_waits_for_nobody(service: SharedService) -> None:
    url = service.url.removeprefix("http://")
    host, port = url.split(":")
    sha = "0" * 64
    token = service.add_user("ada") and service.token("ada")
    with socket.create_connection((host, int(port))) as slow:
        head = f"PUT /api/v2/uploads/{sha} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        slow.sendall(f"{head}Content-Length: 1000\r\n\r\nabc".encode())
        incoming = service.data / "files" / "incoming"
        wait_until(lambda: list(incoming.iterdir()))
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(0.5)  # it lets the upload go on
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(3) == 0
    assert list(incoming.iterdir()) == []
