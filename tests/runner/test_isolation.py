"""Jobs under an account of their own and in bubblewrap: what they see, and that they end."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pickle
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from accounts import accounts, need, open_python, passable_folder
from waiting import wait_until

import kotta_runner

from .conftest import Attempts, tag, tagged

PATH = "/usr/bin:/bin"
TREE = (
    # five processes: one in the foreground, two in sessions of their own, two orphans of those
    "setsid sh -c 'sleep 1000 & sleep 1001' & "
    "(setsid sh -c 'trap \"\" TERM; (sleep 1002 &) ; sleep 1003' &) ; touch begun; sleep 1004"
)
Isolate = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def two_accounts() -> Iterator[list[pwd.struct_passwd]]:
    with accounts(2) as found:
        yield found


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    with passable_folder() as root:
        some = Attempts(root)
        yield some
        some.close()
        assert "Traceback" not in some.log()


@pytest.fixture(params=["process", "user", "bubblewrap"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def isolation(request: pytest.FixtureRequest, kind: str) -> dict[str, Any]:
    if kind == "user":
        return as_user(request.getfixturevalue("two_accounts")[0])
    return in_bubblewrap() if kind == "bubblewrap" else {"kind": "process"}


def as_user(account: pwd.struct_passwd) -> dict[str, Any]:
    return {
        "kind": "user",
        "uid": account.pw_uid,
        "gid": account.pw_gid,
        "groups": [account.pw_gid],
    }


def in_bubblewrap(**changes: Any) -> dict[str, Any]:
    program = shutil.which("bwrap")
    need("bubblewrap", program is not None)
    return {"kind": "bubblewrap", "program": program, "network": True, "visible": [], **changes}


def said(attempts: Attempts, record: dict[str, Any]) -> list[str]:
    assert record["status"] == "completed", (
        record,
        attempts.output(record, "STDERR.txt"),
        attempts.log(),
    )
    return attempts.output(record, "STDOUT.txt").decode().splitlines()


def test_a_job_has_its_files_and_streams(
    attempts: Attempts, isolation: dict[str, Any], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"brought\n")
    record = attempts.run(
        "./run.sh one two",
        script={
            "name": "run.sh",
            "text": "cat in; echo $2; echo more >> /dev/stdout; echo > out; pwd",
        },
        inputs=[{"name": "in", "path": str(kept)}],
        outputs=["STDOUT.txt", "STDERR.txt", "out", "in"],
        isolation=isolation,
    )
    work = str(attempts.root / "jobs" / f"{record['job_id']}.1" / "work")
    assert said(attempts, record) == ["brought", "two", "more", work]
    assert [output["available"] for output in record["outputs"]] == [True] * 4
    for file in (attempts.root / "outputs" / f"{record['job_id']}.1").iterdir():
        about = file.stat()
        assert (about.st_uid, about.st_mode & 0o777) == (os.getuid(), 0o600)


@pytest.mark.parametrize("how", ["cancel", "walltime"])
def test_nothing_of_a_tree_of_processes_outlives_its_job(
    attempts: Attempts, isolation: dict[str, Any], how: str
) -> None:
    walltime = 1.0 if how == "walltime" else 60.0
    launch = attempts.start(TREE, isolation=isolation, walltime_seconds=walltime, grace_seconds=0.3)
    wait_until(lambda: len(sleepers(tag(launch))) == 5, what=lambda: tagged(tag(launch)))
    if how == "cancel":
        attempts.cancel(launch)
    record = attempts.record(launch)
    expected = ("cancelled", "user") if how == "cancel" else ("failed", "walltime")
    assert (record["status"], record["reason"]) == expected
    assert tagged(tag(launch)) == []


def sleepers(text: str) -> list[int]:
    found = []
    for process in tagged(text):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process}/comm").read_text() == "sleep\n":
                found.append(process)
    return found


def test_a_job_is_asked_to_end_before_it_is_made_to(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    launch = attempts.start(
        "trap 'echo goodbye; exit 3' TERM; echo ready; while :; do sleep 0.05; done",
        isolation=isolation,
        grace_seconds=10,
    )
    wait_until(lambda: b"ready" in attempts.file(launch, "stdout").read_bytes())
    attempts.cancel(launch)
    assert attempts.record(launch)["status"] == "cancelled"
    assert attempts.output(launch, "STDOUT.txt") == b"ready\ngoodbye\n"


def test_a_job_that_uses_too_much_memory_is_ended_and_says_so(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    record = attempts.run(
        "head -c 400M /dev/zero | tail -c 400M | sleep 60",
        isolation=isolation,
        limits={"memory_bytes": 100 << 20, "processes": None, "output_bytes": None},
    )
    assert (record["status"], record["reason"], record["exit_code"]) == ("failed", "memory", None)
    assert "MiB of memory, and may use 100 MiB" in record["error"]
    assert record["peak_memory_bytes"] > 100 << 20


def test_a_job_with_too_many_processes_is_ended_and_says_so(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    record = attempts.run(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 60 & done; wait; sleep 60",
        isolation=isolation,
        limits={"memory_bytes": None, "processes": 8, "output_bytes": None},
    )
    assert (record["status"], record["reason"]) == ("failed", "limit")
    assert record["error"].endswith("processes, and may have 8")
    assert tagged(f"{record['job_id']}/1") == []


def test_within_its_limits_a_job_is_left_alone(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    record = attempts.run(
        "head -c 20M /dev/zero | tail -c 20M | sleep 1; sleep 60 & sleep 0.6; echo done",
        isolation=isolation,
        limits={"memory_bytes": 200 << 20, "processes": 8, "output_bytes": 1 << 20},
    )
    assert said(attempts, record) == ["done"]


def test_outputs_that_are_too_large_fail_the_job_and_the_others_are_kept(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    record = attempts.run(
        "echo said; head -c 700K /dev/zero > a; head -c 700K /dev/zero > b",
        outputs=["STDOUT.txt", "a", "b"],
        isolation=isolation,
        limits={"memory_bytes": None, "processes": None, "output_bytes": 1 << 20},
    )
    assert (record["status"], record["reason"]) == ("failed", "limit")
    assert record["error"] == "b was not kept: the outputs of a job may hold 1 MiB"
    assert [output["available"] for output in record["outputs"]] == [True, True, False]


def test_a_job_that_failed_by_itself_says_which_output_was_too_large_as_well(
    attempts: Attempts,
) -> None:
    record = attempts.run(
        "head -c 3M /dev/zero > a; exit 3", outputs=["a"], limits={"output_bytes": (3 << 20) - 1}
    )
    assert (record["status"], record["reason"], record["exit_code"]) == ("failed", "exit", 3)


def test_folders_within_folders_are_removed(attempts: Attempts) -> None:
    code = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    record = attempts.run(f'{sys.executable} -c "{code}"; echo done')
    assert said(attempts, record) == ["done"]
    assert not (attempts.root / "jobs" / f"{record['job_id']}.1" / "work").exists()


def test_no_file_of_a_job_grows_beyond_what_outputs_may_hold(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    record = attempts.run(
        "sleep 0.2; head -c 3M /dev/zero > big; stat -c %s big",
        isolation=isolation,
        limits={"memory_bytes": None, "processes": None, "output_bytes": 1 << 20},
    )
    assert said(attempts, record) == [str(1 << 20)]


def test_no_token_is_where_a_job_can_look(
    attempts: Attempts, isolation: dict[str, Any], receiver: Any, kind: str
) -> None:
    receiver.open()
    canary = secrets.token_hex(16)
    record = attempts.run(
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'; env; "
        "find . .. ../.. ../../.. -maxdepth 3 -type f -readable -exec cat {} + 2>/dev/null; "
        "head -c 1 /proc/$PPID/mem 2>/dev/null && echo read; true",
        isolation=isolation,
        service={"address": f"unix:{receiver.path}", "token": canary},
        environment={"PATH": PATH},
    )
    text = "\n".join(said(attempts, record))
    assert "KOTTA_TAG" in text
    assert canary not in text
    assert canary.encode() not in attempts.output(record, "STDERR.txt")
    if kind != "process":
        assert "read" not in text.splitlines()


def call(attempts: Attempts, function: Any, **changes: Any) -> dict[str, Any]:
    payload = base64.b64encode(cloudpickle.dumps((function, (), {}))).decode()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return attempts.run(
        "", function={"name": "f", "python": version, "payload": payload}, **changes
    )


def test_a_function_in_a_sandbox_has_no_token_in_its_memory(
    attempts: Attempts, receiver: Any
) -> None:
    receiver.open()
    token = "canary-" + secrets.token_hex(8)
    digest = hashlib.sha256(token.encode()).hexdigest()

    def look() -> tuple[int, int, str]:
        """Tokens found in memory, without holding one to compare with; bytes read; the folder."""
        import hashlib
        from pathlib import Path

        found, size = 0, 0
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            for line in Path("/proc/self/maps").read_text().splitlines():
                places, mode = line.split()[:2]
                start, end = (int(text, 16) for text in places.split("-"))
                if "rw" not in mode:
                    continue
                memory.seek(start)
                content = memory.read(end - start)
                size += len(content)
                at = -1
                while (at := content.find(b"canary-", at + 1)) >= 0:
                    word = content[at : at + 23]
                    found += hashlib.sha256(word).hexdigest() == digest
        return found, size, Path.cwd().name

    record = call(
        attempts,
        look,
        isolation=in_bubblewrap(),
        service={"address": f"unix:{receiver.path}", "token": token},
    )
    assert record["status"] == "completed", (record, attempts.output(record, "STDERR.txt"))
    found, size, folder = cloudpickle.loads(base64.b64decode(record["result"]["data"]))
    assert size > 1 << 20
    assert (found, folder) == (0, "work")


def test_a_function_runs_as_its_account_in_a_python_that_it_can_read(
    attempts: Attempts, two_accounts: list[pwd.struct_passwd]
) -> None:
    python = open_python()
    library = attempts.root / "library"
    for package in (cloudpickle, kotta_runner):
        source = Path(package.__file__).parent
        shutil.copytree(source, library / source.name)
    for path in (library, *library.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    payload = base64.b64encode(pickle.dumps((os.getuid, (), {}))).decode()
    launch = attempts.describe(
        "",
        function={"name": "getuid", "python": version, "payload": payload},
        isolation=as_user(two_accounts[0]),
        environment={"PATH": PATH, "PYTHONPATH": str(library)},
    )
    told = attempts.root / "launch.json"
    told.write_text(json.dumps(launch))
    where = {"PATH": PATH, "PYTHONPATH": str(library)}
    subprocess.run([python, "-m", "kotta_runner", told], check=True, env=where)
    record = attempts.record(launch)
    assert record["status"] == "completed", (record, attempts.output(record, "STDERR.txt"))
    assert json.loads(base64.b64decode(record["result"]["data"])) == two_accounts[0].pw_uid


def test_a_job_runs_as_its_account_and_gains_nothing(
    attempts: Attempts, two_accounts: list[pwd.struct_passwd]
) -> None:
    account = two_accounts[0]
    record = attempts.run(
        "id -u; id -g; id -G; grep -c 'NoNewPrivs:.1' /proc/self/status; umask; "
        "grep CapEff /proc/self/status; stat -c '%u %a' .; ls -l /proc/self/fd | wc -l",
        isolation=as_user(account),
    )
    uid, gid = str(account.pw_uid), str(account.pw_gid)
    lines = said(attempts, record)
    assert lines[:5] == [uid, gid, gid, "1", "0022"]
    assert lines[5].split() == ["CapEff:", "0" * 16]
    assert lines[6] == f"{uid} 700"
    assert int(lines[7]) <= 5  # 0, 1, 2, its own of the folder, and a line above


def test_an_account_cannot_read_what_is_another_accounts_or_the_services(
    attempts: Attempts, two_accounts: list[pwd.struct_passwd], tmp_path: Path
) -> None:
    upload = attempts.root / "upload"
    upload.write_bytes(b"theirs")
    upload.chmod(0o600)
    other = attempts.start(
        "echo private > file; sleep 60",
        inputs=[{"name": "in", "path": str(upload)}],
        isolation=as_user(two_accounts[1]),
    )
    folder = other["directory"]
    record = attempts.run(
        f"cd {folder}; for file in work/file work/in stdout lock {upload}; do "
        'cat "$file" && echo got; done; '
        "ls . && echo got; ls work && echo got; ls ../../jobs && echo got; "
        "touch cancel && echo got; echo x > started && echo got; mv work w && echo got; "
        f"kill -9 {attempts.pid(other)} && echo got; true",
        isolation=as_user(two_accounts[0]),
    )
    assert said(attempts, record) == []
    attempts.cancel(other)
    assert attempts.record(other)["status"] == "cancelled"


def test_root_is_no_account_for_a_job(attempts: Attempts) -> None:
    need("root", os.geteuid() == 0)
    record = attempts.run("id -u", isolation={"kind": "user", "uid": 0, "gid": 0, "groups": [0]})
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert "a job does not run as root" in record["error"]


def test_a_download_is_made_by_the_account(
    attempts: Attempts, two_accounts: list[pwd.struct_passwd], server: Any
) -> None:
    record = attempts.run(
        "stat -c '%u %a' in; cat in",
        inputs=[{"name": "in", "url": server.url("good")}],
        isolation=as_user(two_accounts[0]),
    )
    assert said(attempts, record)[0] == f"{two_accounts[0].pw_uid} 600"


def test_what_a_sandbox_does_not_show_is_not_there(attempts: Attempts, tmp_path: Path) -> None:
    visible = tmp_path / "visible"
    visible.mkdir()
    (visible / "tool").write_text("tool\n")
    (attempts.root / "beside").write_text("a secret\n")
    mark = f"kotta-{secrets.token_hex(4)}"
    record = attempts.run(
        f"cat {attempts.root}/beside; cat ../lock; ls -A /root /home; cat /etc/shadow; "
        f"echo x > ../started; touch /usr/{mark} /etc/{mark} {visible}/{mark}; "
        f"touch /tmp/{mark} && echo private; cat {visible}/tool; echo /proc/[0-9]* | wc -w",
        isolation=in_bubblewrap(visible=[str(visible)]),
    )
    lines = said(attempts, record)
    assert lines[:2] == ["private", "tool"]
    assert int(lines[2]) <= 4
    assert not attempts.file(record | {"directory": str(visible)}, mark).exists()
    for folder in ("/usr", "/etc", "/tmp"):
        assert not (Path(folder) / mark).exists()


def test_a_sandbox_without_network_reaches_nothing(attempts: Attempts, server: Any) -> None:
    host, port = server.server_address
    command = (
        f"/usr/bin/env bash -c 'exec 3<>/dev/tcp/{host}/{port} && echo reached'; "
        "tail -n +3 /proc/net/dev | cut -d: -f1"
    )
    alone = attempts.run(command, isolation=in_bubblewrap(network=False))
    assert [line.strip() for line in said(attempts, alone)] == ["lo"]
    joined = attempts.run(command, isolation=in_bubblewrap())
    assert "reached" in said(attempts, joined)


def test_what_a_job_puts_into_its_environment_acts_within_its_sandbox_only(
    attempts: Attempts,
) -> None:
    given = {
        "PATH": PATH,
        "LD_PRELOAD": "/proc/self/cwd/evil.so",
        "WITH": "two\nlines = é",
        "E": "",
    }
    launch = attempts.start(
        'printf "%s|%s|%s" "$LD_PRELOAD" "$WITH" "${E-unset}"; touch begun; sleep 60',
        isolation=in_bubblewrap(),
        environment=given,
    )
    wait_until((attempts.file(launch, "work") / "begun").exists, what=attempts.log)
    outside = 0
    for process in tagged(tag(launch)):
        folder = Path(f"/proc/{process}")
        if (folder / "comm").read_text() == "bwrap\n":
            assert (folder / "environ").read_bytes() == f"KOTTA_TAG={tag(launch)}\0".encode()
            assert b"evil" not in (folder / "cmdline").read_bytes()
            outside += 1
    assert outside
    attempts.cancel(launch)
    attempts.record(launch)
    text = attempts.output(launch, "STDOUT.txt").decode()
    assert text == "/proc/self/cwd/evil.so|two\nlines = é|"


def test_requirements_are_never_installed_outside_a_sandbox(attempts: Attempts) -> None:
    record = attempts.run(
        "true", requirements="attrs", environments="/nonexistent", isolation=in_bubblewrap()
    )
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert record["error"] == "requirements cannot be installed for a job in a sandbox"


def test_an_accounts_installer_is_ended_in_time(
    attempts: Attempts, two_accounts: list[pwd.struct_passwd]
) -> None:
    seen = attempts.root / "seen"
    seen.touch()
    seen.chmod(0o666)
    uv = attempts.root / "uv"
    uv.write_text(f"#!/bin/sh\nid -u > {seen}\nsetsid sleep 60 &\nsleep 60\n")
    uv.chmod(0o755)
    launch = attempts.describe(
        "true",
        requirements="attrs",
        requirements_seconds=1.2,
        environments=str(attempts.root / "environments" / "one"),
        environment={"PATH": f"{uv.parent}:{PATH}"},
        isolation=as_user(two_accounts[0]),
    )
    attempts.hand_over(launch)
    record = attempts.record(launch)
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert record["error"] == "its requirements were not installed within 0.02 minutes"
    assert seen.read_text() == f"{two_accounts[0].pw_uid}\n"
    assert tagged(tag(launch)) == []


def test_what_a_killed_runner_leaves_is_found_and_ended(
    attempts: Attempts, isolation: dict[str, Any]
) -> None:
    launch = attempts.start(TREE, isolation=isolation)
    wait_until(lambda: len(sleepers(tag(launch))) == 5, what=lambda: tagged(tag(launch)))
    os.kill(attempts.pid(launch), signal.SIGKILL)
    subprocess.run([sys.executable, "-m", "kotta_runner.leftovers", tag(launch)], check=True)
    assert tagged(tag(launch)) == []


def test_a_sandbox_that_cannot_be_made_says_why(attempts: Attempts) -> None:
    record = attempts.run("true", isolation=in_bubblewrap(program="/nonexistent/bwrap"))
    assert (record["status"], record["reason"]) == ("failed", "staging")
    assert "the command cannot be started" in record["error"]
