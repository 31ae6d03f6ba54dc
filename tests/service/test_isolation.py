"""Queues that isolate their jobs, in a real service; and what a machine cannot do is refused."""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest
from accounts import accounts, need, passable_folder
from running_service import RunningService

from kotta.errors import ConfigError
from kotta_service import deployment, isolation
from kotta_service.settings import QueueSettings, Settings, load_settings

SIZE = "cpus = 2\nmemory_mib = 1024\n"


@pytest.fixture(scope="module")
def account() -> Iterator[pwd.struct_passwd]:
    with accounts(1) as found:
        yield found[0]


@pytest.fixture(scope="module")
def service(account: pwd.struct_passwd) -> Iterator[RunningService]:
    need("bubblewrap", shutil.which("bwrap") is not None)
    with passable_folder() as home:
        settings = home / "config" / "kotta" / "service.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(
            f"[queues.Plain]\n{SIZE}enforce_memory = true\n"
            f'[queues.Mine]\n{SIZE}isolation = "user"\nrun_as = "{account.pw_name}"\n'
            f'[queues.Owners]\n{SIZE}isolation = "user"\n'
            f'[queues.Box]\n{SIZE}isolation = "bubblewrap"\nnetwork = false\nmax_processes = 20\n'
        )
        some = RunningService(home, KOTTA_SERVICE_GRACE_SECONDS="1")
        some.start()
        yield some
        some.close()


def test_a_queue_runs_its_jobs_as_an_account(
    service: RunningService, account: pwd.struct_passwd
) -> None:
    job = service.run(
        queue="Mine",
        executable="/bin/sh s.sh",
        script_name="s.sh",
        script="id -un; echo $USER $HOME",
    )
    assert job["status"] == "completed", job
    assert service.output(job, "STDOUT.txt").split() == [
        account.pw_name,
        account.pw_name,
        account.pw_dir,
    ]


def test_a_job_of_an_owner_without_an_account_is_refused_with_the_reason(
    service: RunningService,
) -> None:
    for path in ("/jobs", "/jobs/check"):
        answer = service.http.post(path, json={"jobs": [{"queue": "Owners", "executable": "id"}]})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/jobs/0/queue"
        assert error["detail"] == "cannot be used: there is no account `local` on this machine"


def test_an_account_reads_nothing_of_the_services_data(
    service: RunningService, account: pwd.struct_passwd
) -> None:
    script = f"""
    cd {service.data} || exit 3
    ls . && echo got; ls jobs && echo got
    for file in kotta.db kotta.db-wal job-tokens.key service.log service.lock; do
      cat $file >/dev/null && echo got $file
    done
    ls files && echo got; ls files/uploads && echo got
    find . jobs files -readable -type f 2>/dev/null | grep -v /work/
    echo looked
    """
    job = service.run(queue="Mine", executable="/bin/sh s.sh", script_name="s.sh", script=script)
    assert job["status"] == "completed", job
    assert service.output(job, "STDOUT.txt") == "looked\n"


def test_a_queue_runs_its_jobs_in_a_sandbox(service: RunningService) -> None:
    script = f"find /tmp -type f | grep -v /work/; ls {service.data}; grep -c : /proc/net/dev"
    job = service.run(queue="Box", executable="/bin/sh s.sh", script_name="s.sh", script=script)
    assert service.output(job, "STDOUT.txt") == "jobs\n1\n", job


def test_a_function_runs_in_a_sandbox(service: RunningService) -> None:
    payload = base64.b64encode(cloudpickle.dumps((lambda x: x + 1, (41,), {}))).decode()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    function = {"name": "f", "python": version, "payload": payload}
    job = service.run(queue="Box", jobtype="python", function=function)
    assert job["status"] == "completed", job
    assert json.loads(base64.b64decode(job["result"]["data"])) == 42


def test_requirements_are_refused_where_they_cannot_be_installed(service: RunningService) -> None:
    wanted = {"queue": "Box", "executable": "id", "requirements": "attrs"}
    answer = service.http.post("/jobs", json={"jobs": [wanted]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/jobs/0/requirements"


def test_a_job_that_used_too_much_memory_says_so(service: RunningService) -> None:
    job = service.run(
        queue="Plain",
        memory=64,
        executable="/bin/sh s.sh",
        script_name="s.sh",
        script="head -c 300M /dev/zero | tail -c 300M | sleep 60",
    )
    assert (job["status"], job["reason"]) == ("failed", "memory")
    assert job["error"].endswith("may use 64 MiB")


def queue(**changes: object) -> Settings:
    size = {"cpus": 1, "memory_mib": 1024, **changes}
    return Settings(queues={"Some": QueueSettings.model_validate(size)})


@pytest.fixture
def data() -> Iterator[Path]:
    with passable_folder() as folder:
        yield folder / "data"


def test_a_plain_queue_needs_nothing(data: Path) -> None:
    assert isolation.problems(queue(), data) == []


def test_a_machine_that_can_isolate_is_not_complained_about(data: Path) -> None:
    need("root", os.geteuid() == 0)
    need("bubblewrap", shutil.which("bwrap") is not None)
    assert isolation.problems(queue(isolation="bubblewrap", network=False), data) == []
    assert isolation.problems(queue(isolation="user"), data) == []


def test_jobs_are_roots_unless_they_take_an_account() -> None:
    need("root", os.geteuid() == 0)
    assert isolation.runs_jobs_as_root(queue())
    assert isolation.runs_jobs_as_root(queue(isolation="bubblewrap"))
    assert not isolation.runs_jobs_as_root(queue(isolation="user"))
    assert any("as root" in words for words in deployment.problems(queue()))
    assert deployment.problems(queue(isolation="user")) == []


def test_a_shared_service_is_not_started_with_a_queue_that_cannot_be_isolated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    found = deployment.problems(queue(isolation="bubblewrap"))
    assert 'queue `Some`: isolation = "bubblewrap" needs `bwrap`: install bubblewrap' in found


def test_without_bubblewrap_a_queue_that_needs_it_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    (words,) = isolation.problems(queue(isolation="bubblewrap"), data)
    assert words == 'queue `Some`: isolation = "bubblewrap" needs `bwrap`: install bubblewrap'


def test_a_bubblewrap_that_does_not_work_is_told_in_its_own_words(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (words,) = isolation.problems(queue(isolation="bubblewrap"), data)
    assert words.endswith("does not work here: bwrap: No permissions to create new namespace")


def test_accounts_need_root_and_a_way_to_the_data(data: Path, tmp_path: Path) -> None:
    need("root", os.geteuid() == 0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (words,) = isolation.problems(queue(isolation="user"), closed / "data")
    assert "cannot enter" in words
    code = (
        "import os, sys; from pathlib import Path; from kotta_service import isolation;"
        "from kotta_service.settings import QueueSettings, Settings;"
        "size = QueueSettings(cpus=1, memory_mib=64, isolation='user');"
        "os.setuid(65534);"
        "print(isolation.problems(Settings(queues={'Some': size}), Path(sys.argv[1])))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(data)], check=True, capture_output=True, text=True
    )
    assert 'isolation = "user" needs a service that is started as root' in told.stdout


def test_accounts_at_slurm_need_a_way_to_the_shared_folder(data: Path, tmp_path: Path) -> None:
    need("root", os.geteuid() == 0)
    settings = queue(isolation="user", executor="slurm")
    assert isolation.problems(settings, data) == []
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    slurm = settings.slurm.model_copy(update={"folder": closed / "kotta"})
    (words,) = isolation.problems(settings.model_copy(update={"slurm": slurm}), data)
    assert "cannot enter" in words
    assert words.endswith("above the shared folder: chmod o+x it")


def test_the_data_directory_stays_closed_where_nobody_has_to_pass_it(
    data: Path, tmp_path: Path
) -> None:
    data.mkdir(mode=0o700)
    settings = queue(isolation="user", executor="slurm")
    slurm = settings.slurm.model_copy(update={"folder": tmp_path})
    isolation.prepare(settings.model_copy(update={"slurm": slurm}), data)
    assert data.stat().st_mode & 0o777 == 0o700
    isolation.prepare(settings, data)
    assert data.stat().st_mode & 0o777 == 0o711
    assert not (data / "jobs").exists()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"network": False}, "need isolation"),
        ({"visible": ["/opt"]}, "need isolation"),
        ({"run_as": "somebody"}, "needs isolation"),
        ({"isolation": "user", "run_as": "nobody-of-that-name"}, "there is no account"),
        ({"isolation": "user", "executor": "parsl"}, 'needs executor = "local" or "slurm"'),
        ({"isolation": "user", "run_as": "root"}, "one of the system's own"),
        ({"isolation": "bubblewrap", "visible": ["/nonexistent"]}, "there is no /nonexistent"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    data: Path, changes: dict[str, object], word: str
) -> None:
    need("root", os.geteuid() == 0)
    assert any(word in words for words in isolation.problems(queue(**changes), data))


@pytest.mark.parametrize("owner", ["root", "daemon", "no-such-person", "../root", "", "a\0b"])
def test_an_owner_gets_no_account_of_the_systems(owner: str) -> None:
    settings = queue(isolation="user")
    with pytest.raises(isolation.NoAccountError):
        isolation.account(settings.queues["Some"], owner)


def test_settings_say_where_inputs_may_come_from(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/data.csv"
        for networks in ("", '["10.0.0.0/8"]'):
            some = RunningService(
                home,
                KOTTA_SERVICE_REFUSE_PRIVATE_INPUTS="true",
                KOTTA_SERVICE_ALLOWED_INPUT_NETWORKS=networks,
            )
            some.start()
            try:
                job = some.run(executable="true", inputs=[url])
            finally:
                some.close()
            assert (job["status"], job["reason"]) == ("failed", "staging")
            assert "127.0.0.1, which this service does not download from" in job["error"]
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_network_that_is_none_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTTA_SERVICE_ALLOWED_INPUT_NETWORKS", '["10.0.0.1/8"]')
    with pytest.raises(ConfigError, match="allowed_input_networks"):
        load_settings()
    monkeypatch.setenv("KOTTA_SERVICE_ALLOWED_INPUT_NETWORKS", '["10.0.0.0/8", "fd00::/8"]')
    assert load_settings().allowed_input_networks == ["10.0.0.0/8", "fd00::/8"]
