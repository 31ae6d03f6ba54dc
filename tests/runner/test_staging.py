"""Inputs that cannot be had, and outputs that are not what they seem."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from kotta_runner.environment import environment_path

from .conftest import Attempts, Server, tag, tagged


def failed_in_staging(record: dict[str, Any], *words: str) -> None:
    assert (record["status"], record["reason"]) == ("failed", "staging"), record
    assert record["exit_code"] is None
    for word in words:
        assert word in record["error"]


def test_an_input_of_the_service_is_copied_and_checked(attempts: Attempts, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"bytes")
    digest = hashlib.sha256(b"bytes").hexdigest()
    record = attempts.run(
        "cat in.bin; echo changed > in.bin",
        inputs=[{"name": "in.bin", "path": str(kept), "sha256": digest}],
    )
    assert attempts.output(record, "STDOUT.txt") == b"bytes"
    assert kept.read_bytes() == b"bytes"


def test_an_input_that_is_only_read_is_read_in_place(attempts: Attempts, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"bytes")
    record = attempts.run(
        "cat in.bin; readlink in.bin",
        inputs=[{"name": "in.bin", "path": str(kept), "in_place": True}],
    )
    assert attempts.output(record, "STDOUT.txt").decode() == f"bytes{kept}\n"
    assert kept.read_bytes() == b"bytes"  # the link is removed with the folder, and not that
    gone = attempts.run(
        "true", inputs=[{"name": "in.bin", "path": str(tmp_path / "gone"), "in_place": True}]
    )
    failed_in_staging(gone, "in.bin", os.strerror(errno.ENOENT))
    astray = attempts.run(
        "true", inputs=[{"name": "../in.bin", "path": str(kept), "in_place": True}]
    )
    failed_in_staging(astray, "'../in.bin'")


def test_an_input_with_other_bytes_is_refused(attempts: Attempts, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"bytes")
    launch = attempts.describe(
        "true", inputs=[{"name": "in.bin", "path": str(kept), "sha256": "0" * 64}]
    )
    attempts.hand_over(launch)
    failed_in_staging(attempts.record(launch), "in.bin")
    assert not attempts.file(launch, "started").exists()


def test_an_input_that_is_gone_is_named(attempts: Attempts, tmp_path: Path) -> None:
    record = attempts.run("true", inputs=[{"name": "in.bin", "path": str(tmp_path / "gone")}])
    failed_in_staging(record, "in.bin", os.strerror(errno.ENOENT))
    assert "processing" not in record["timeline"]
    assert record["processing_seconds"] is None


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("missing", "HTTP 404"),
        ("loop", "HTTP 302"),
        ("elsewhere", "file:///nonexistent"),
        ("cut", "8 bytes of 18"),
    ],
)
def test_a_download_that_fails_says_why(
    attempts: Attempts, server: Server, path: str, word: str
) -> None:
    url = server.url(path)
    record = attempts.run("true", inputs=[{"name": "in", "url": url}])
    failed_in_staging(record, url, word)


FAILING = """
import sys, kotta_runner.download
from kotta_runner.__main__ import main
def download(*_):
    raise %s
kotta_runner.download.download = download
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("MemoryError()", "MemoryError"),
        ("ValueError('a\\udc80b')", "a\\udc80b"),
        ("SystemExit", "staging ended without a word"),
    ],
)
def test_a_failure_without_words_is_one_all_the_same(
    attempts: Attempts, tmp_path: Path, error: str, word: str
) -> None:
    inputs = [{"name": "in", "url": "http://127.0.0.1:1/in"}]
    launch = attempts.describe("true", inputs=inputs)
    path = tmp_path / "launch.json"
    path.write_text(json.dumps(launch))
    subprocess.run([sys.executable, "-c", FAILING % error, path], check=True, timeout=20)
    failed_in_staging(attempts.record(launch), word)
    assert not attempts.file(launch, "started").exists()


def test_a_server_that_is_not_there_is_named(attempts: Attempts, server: Server) -> None:
    url = "http://127.0.0.1:1/data"
    record = attempts.run("true", inputs=[{"name": "data", "url": url}])
    failed_in_staging(record, url, os.strerror(errno.ECONNREFUSED))


def test_other_kinds_of_address_are_refused(attempts: Attempts) -> None:
    record = attempts.run("true", inputs=[{"name": "in", "url": "file:///nonexistent"}])
    failed_in_staging(record, "file:///nonexistent", "only http")


def test_a_redirect_is_followed(attempts: Attempts, server: Server) -> None:
    record = attempts.run("cat in", inputs=[{"name": "in", "url": server.url("moved")}])
    assert attempts.output(record, "STDOUT.txt") == server.body


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "..", ""])
def test_an_input_stays_in_the_working_directory(
    attempts: Attempts, server: Server, name: str
) -> None:
    record = attempts.run("true", inputs=[{"name": name, "url": server.url("good")}])
    failed_in_staging(record)
    assert not list(attempts.root.glob("**/out"))


def available(record: dict[str, Any]) -> dict[str, bool]:
    return {output["name"]: output["available"] for output in record["outputs"]}


@pytest.fixture
def describe_installing(attempts: Attempts, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Describes a launch whose requirements are installed by a shell script in place of uv."""

    def describe(command: str, installer: str, **changes: Any) -> dict[str, Any]:
        uv = tmp_path / "bin" / "uv"
        uv.parent.mkdir()
        uv.write_text(f"#!/bin/sh\n{installer}\n")
        uv.chmod(0o755)
        return attempts.describe(
            command,
            requirements="a-package",
            environments=str(tmp_path / "environments"),
            environment={"PATH": f"{uv.parent}:/usr/bin:/bin"},
            **changes,
        )

    return describe


def test_requirements_are_installed_in_time_or_not_at_all(
    attempts: Attempts, tmp_path: Path, describe_installing: Callable[..., dict[str, Any]]
) -> None:
    begun = tmp_path / "begun"
    installer = f"setsid sleep 60 &\ntouch {begun}\nsleep 60"
    launch = describe_installing("true", installer, requirements_seconds=1.2)
    attempts.hand_over(launch)
    record = attempts.record(launch)
    failed_in_staging(record, "its requirements were not installed within 0.02 minutes")
    assert begun.exists()
    assert not attempts.file(launch, "started").exists()
    assert not tagged(tag(launch))


def test_requirements_that_another_job_installs_are_waited_for_in_time(
    attempts: Attempts, describe_installing: Callable[..., dict[str, Any]]
) -> None:
    launch = describe_installing("true", "true", requirements_seconds=0.3)
    lock = Path(environment_path(launch) + ".lock")
    lock.parent.mkdir()
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        attempts.hand_over(launch)
        failed_in_staging(attempts.record(launch), "were not installed within 0.005 minutes")


@pytest.mark.parametrize("limit", ["memory", "processes"])
def test_what_installs_requirements_is_held_to_the_limits_of_its_job(
    attempts: Attempts, describe_installing: Callable[..., dict[str, Any]], limit: str
) -> None:
    takes = "exec python3 -c 'import time; x = b\"x\" * (300 << 20); time.sleep(60)'"
    if limit == "processes":
        takes = "for each in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait"
    limits = {
        "memory_bytes": 200 << 20 if limit == "memory" else None,
        "processes": 6 if limit == "processes" else None,
        "output_bytes": None,
    }
    launch = describe_installing("true", takes, limits=limits)
    attempts.hand_over(launch)
    record = attempts.record(launch)
    reason, words = ("memory", "200 MiB") if limit == "memory" else ("limit", "may have 6")
    assert (record["status"], record["reason"]) == ("failed", reason)
    assert record["error"].startswith("its requirements were not installed: it ")
    assert words in record["error"]
    assert not attempts.file(launch, "started").exists()
    assert not tagged(tag(launch))


def test_nothing_of_an_installer_is_there_with_the_command(
    attempts: Attempts, tmp_path: Path, describe_installing: Callable[..., dict[str, Any]]
) -> None:
    left = tmp_path / "left"
    launch = describe_installing(
        f"for each in $(cat {left}); do test -e /proc/$each && echo $each; done; true",
        'if test "$1" = venv; then for last; do :; done; mkdir -p "$last"; fi\n'
        f"setsid sleep 60 > /dev/null 2>&1 &\necho $! >> {left}",
    )
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert (record["status"], record["error"]) == ("completed", "")
    assert len(left.read_text().split()) == 2
    assert attempts.output(launch, "STDOUT.txt") == b""


def test_what_is_no_regular_file_is_not_available(attempts: Attempts) -> None:
    record = attempts.run(
        "ln -s ../lock link; mkfifo fifo; mkdir folder; echo x > file; ln -s file near;"
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'",
        outputs=["link", "fifo", "folder", "file", "near", "socket"],
    )
    assert record["status"] == "completed"
    assert available(record) == {
        "link": False,
        "fifo": False,
        "folder": False,
        "file": True,
        "near": False,
        "socket": False,
    }
    kept = attempts.root / "outputs" / f"{record['job_id']}.1"
    assert [path.name for path in kept.iterdir()] == ["file"]


def test_an_output_with_other_links_is_copied_and_they_stay_as_they_are(
    attempts: Attempts, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine\n")
    mine.chmod(0o640)
    record = attempts.run(f"ln {mine} out", outputs=["out"])
    assert attempts.output(record, "out") == b"mine\n"
    assert record["outputs"][0]["sha256"] == hashlib.sha256(b"mine\n").hexdigest()
    kept = attempts.root / "outputs" / f"{record['job_id']}.1" / "out"
    assert not kept.samefile(mine)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o640
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_an_output_is_moved_and_not_copied(attempts: Attempts) -> None:
    record = attempts.run("echo x > out; stat -c %i out", outputs=["out", "STDOUT.txt"])
    kept = attempts.root / "outputs" / f"{record['job_id']}.1" / "out"
    assert kept.stat().st_ino == int(attempts.output(record, "STDOUT.txt"))


def test_an_output_on_another_file_system_is_copied(attempts: Attempts) -> None:
    other = Path("/dev/shm")
    if other.stat().st_dev == attempts.root.stat().st_dev:
        pytest.skip("there is one file system only")
    launch = attempts.describe("echo far > out", outputs=["out"])
    kept = other / f"kotta-{launch['job_id']}"
    launch["stage_out"] = {"directory": str(kept)}
    try:
        attempts.hand_over(launch)
        record = attempts.record(launch)
        assert available(record) == {"out": True}
        assert (kept / "out").read_bytes() == b"far\n"
    finally:
        (kept / "out").unlink(missing_ok=True)
        kept.rmdir()


@pytest.mark.parametrize("place", ["absolute", "../secret", "way/secret"])
def test_an_output_is_not_looked_for_elsewhere(attempts: Attempts, place: str) -> None:
    # bait of the test's own, never a file of the machine: broken code would move or change it
    outside = attempts.root / "outside"
    outside.mkdir()
    name = str(outside / "secret") if place == "absolute" else place
    launch = attempts.describe(f"ln -s {outside} way", outputs=[name])
    above = Path(launch["directory"])
    above.mkdir(parents=True, mode=0o700)
    for folder in (outside, above):
        (folder / "secret").write_text("secret")
        (folder / "secret").chmod(0o640)
    attempts.hand_over(launch)
    assert available(attempts.record(launch)) == {name: False}
    for folder in (outside, above):
        assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o640


def test_a_working_directory_swapped_for_a_link_gives_nothing_away(attempts: Attempts) -> None:
    outside = attempts.root / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    record = attempts.run(
        f'echo said; here=$PWD; cd ..; rmdir "$here"; ln -s {outside} "$here"',
        outputs=["secret", "STDOUT.txt"],
    )
    assert available(record) == {"secret": False, "STDOUT.txt": True}
    assert (outside / "secret").exists()


def test_a_command_may_remove_its_working_directory(attempts: Attempts) -> None:
    record = attempts.run('echo said; rmdir "$PWD"', outputs=["file", "STDOUT.txt"])
    assert (record["status"], record["reason"]) == ("completed", "exit")
    assert available(record) == {"file": False, "STDOUT.txt": True}


def test_names_that_are_no_utf8_do_no_harm(attempts: Attempts) -> None:
    launch = attempts.describe(
        r"touch $(printf 'a\377b'); mkdir $(printf 'd\376'); echo x > out", outputs=["out"]
    )
    attempts.hand_over(launch)
    assert available(attempts.record(launch)) == {"out": True}
    work = attempts.file(launch, "work")
    wait_until(lambda: not work.exists() or not any(work.iterdir()))


def test_outputs_that_cannot_be_kept_fail_the_job_and_stay(
    attempts: Attempts, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "a-file"
    in_the_way.touch()
    launch = attempts.describe(
        "echo precious > out", outputs=["out"], stage_out={"directory": f"{in_the_way}/folder"}
    )
    attempts.hand_over(launch)
    record = attempts.record(launch)
    failed_in_staging(record, "the outputs could not be kept", os.strerror(errno.ENOTDIR))
    assert (attempts.file(launch, "work") / "out").read_text() == "precious\n"


def test_a_broken_download_leaves_no_part_of_it(attempts: Attempts, server: Server) -> None:
    launch = attempts.describe("true", inputs=[{"name": "in", "url": server.url("cut")}])
    attempts.hand_over(launch)
    failed_in_staging(attempts.record(launch))
    work = attempts.file(launch, "work")
    wait_until(lambda: not work.exists() or not any(work.iterdir()))
