"""Jobs at a real Slurm that run as accounts, and what an account that means harm can do."""

from __future__ import annotations

import base64
import hashlib
import json
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from accounts import open_python, passable_folder
from running_service import RunningService
from s3_server import S3Server
from slurm_cluster import SlurmCluster
from waiting import wait_until

SECRET = "known to root alone"


@pytest.fixture(scope="module")
def service(slurm: SlurmCluster, two_accounts: list[pwd.struct_passwd]) -> Iterator[RunningService]:
    with passable_folder() as home:
        settings = home / "config" / "kotta" / "service.toml"
        settings.parent.mkdir(parents=True)
        queues = "".join(
            f'[queues.{name}]\nexecutor = "slurm"\npartition = "Prod"\nisolation = "user"\n{more}'
            for name, more in (
                ("First", f'run_as = "{two_accounts[0].pw_name}"\n'),
                ("Second", f'run_as = "{two_accounts[1].pw_name}"\n'),
                ("Owners", ""),
            )
        )
        settings.write_text(f"max_output_mib = 64\n{slurm.settings(python=open_python())}{queues}")
        some = RunningService(home)
        some.start()
        yield some
        some.close()
        slurm.until_idle()


@pytest.fixture
def secret(service: RunningService) -> Path:
    """A file that no account may read, in a folder that it can enter, on the same file system."""
    path = service.home / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def run(service: RunningService, script: str, **more: Any) -> dict[str, Any]:
    return service.run(**{"queue": "First", "script_name": "s.sh", "script": script,
                          "executable": "/bin/sh s.sh", **more})  # fmt: skip


def directory_of(service: RunningService, job: dict[str, Any], attempt: int = 1) -> Path:
    return service.data / "slurm" / "jobs" / job["id"][:2] / f"{job['id']}.{attempt}"


def manifest(job: dict[str, Any]) -> dict[str, bool]:
    return {output["name"]: output["available"] for output in job["outputs"]}


def test_a_job_at_slurm_is_its_accounts_from_the_beginning(
    slurm: SlurmCluster, service: RunningService, account: pwd.struct_passwd
) -> None:
    script = """
    id -un; echo $HOME $USER
    ps -o user:32= -p $PPID
    grep NoNewPrivs /proc/self/status
    squeue -h -o %u -j $SLURM_JOB_ID
    """
    job = run(service, script, env={"SLURM_CONF": slurm.environment["SLURM_CONF"]})
    name = account.pw_name
    assert job["status"] == "completed", job
    assert service.output(job, "STDOUT.txt").split() == [
        *(name, account.pw_dir, name, name),
        *("NoNewPrivs:", "1", name),
    ], service.output(job, "STDERR.txt")
    assert directory_of(service, job).stat().st_uid == account.pw_uid


def test_inputs_that_the_service_keeps_are_given_and_outputs_taken_over(
    service: RunningService,
) -> None:
    content = b"an upload" * 1000
    sha256 = hashlib.sha256(content).hexdigest()
    assert service.http.put(f"/uploads/{sha256}", content=content).status_code == 201
    first = run(
        service,
        "cat up.bin up.bin > twice; echo said; echo wrong >&2",
        inputs=[f"kotta://uploads/{sha256}/up.bin"],
        outputs=["twice", "not-made"],
    )
    assert manifest(first) == {
        "twice": True,
        "not-made": False,
        "s.sh": True,
        "STDOUT.txt": True,
        "STDERR.txt": True,
    }
    assert service.output_bytes(first, "twice") == content * 2
    assert service.output(first, "STDERR.txt") == "wrong\n"
    for name in ("twice", "STDOUT.txt"):
        kept = service.data / "files" / "outputs" / first["id"][:2] / f"{first['id']}.1" / name
        about = kept.stat()
        assert (about.st_uid, about.st_mode & 0o777, about.st_nlink) == (0, 0o600, 1)
    assert [*directory_of(service, first).glob("input-*")] == []
    second = run(
        service,
        "sha256sum twice; echo more >> twice && echo written",
        queue="Second",
        inputs=[f"kotta://jobs/{first['id']}/twice"],
    )
    told = service.output(second, "STDOUT.txt")
    assert told.split()[0] == hashlib.sha256(content * 2).hexdigest()
    assert service.output_bytes(first, "twice") == content * 2


def test_a_function_is_called_as_an_account(
    service: RunningService, account: pwd.struct_passwd
) -> None:
    def whoami(word: str) -> list[Any]:
        import os

        return [word, os.getuid(), os.environ["HOME"]]

    payload = base64.b64encode(cloudpickle.dumps((whoami, ("x",), {}))).decode()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    job = service.run(
        queue="First",
        jobtype="python",
        function={"name": "f", "python": version, "payload": payload},
    )
    assert job["status"] == "completed", job
    result = json.loads(base64.b64decode(job["result"]["data"]))
    assert result == ["x", account.pw_uid, account.pw_dir]


def test_a_job_is_followed_and_cancelled_while_it_runs(service: RunningService) -> None:
    job = service.submit(
        {"queue": "First", "executable": "echo early; echo kept > a; sleep 300", "outputs": "a"}
    )[0]
    service.until_status(job, "processing")

    def log() -> Any:
        return service.http.get(f"/jobs/{job['id']}/logs/stdout").text == "early\n"

    wait_until(log, timeout=10)
    wait_until(lambda: service.http.get(f"/jobs/{job['id']}/usage").json()["samples"], timeout=10)
    service.http.post(f"/jobs/{job['id']}/cancel")
    ended = service.wait(job)[0]
    assert (ended["status"], ended["reason"]) == ("cancelled", "user")
    assert service.output(ended, "a") == "kept\n"


def test_another_account_reads_nothing_of_a_job_or_of_the_service(
    service: RunningService, account: pwd.struct_passwd
) -> None:
    job = service.submit({"queue": "First", "executable": "sleep 300"})[0]
    service.until_status(job, "processing")
    directory = directory_of(service, job)
    script = f"""
    for folder in {service.data} {service.data}/slurm {service.data}/slurm/jobs {directory.parent} \
      {directory} {service.data}/slurm/news {service.data}/files/outputs; do
      ls $folder && echo listed $folder
    done
    for file in {directory}/claim {directory}/launch.json {directory}/stdout \
      {service.data}/job-tokens.key {service.data}/kotta.db; do
      cat $file && echo read $file
    done
    touch {directory}/cancel && echo cancelled
    rm {service.data}/slurm/news/* {directory}/alive && echo removed
    echo looked
    """
    looked = run(service, script, queue="Second")
    assert service.output(looked, "STDOUT.txt") == "looked\n"
    assert service.status(job)["status"] == "processing"
    assert not list(directory.glob("launch*"))
    service.http.post(f"/jobs/{job['id']}/cancel")
    service.wait(job)


def test_an_owner_without_an_account_is_refused(service: RunningService) -> None:
    wanted = {"queue": "Owners", "executable": "id"}
    answer = service.http.post("/jobs", json={"jobs": [wanted]})
    assert answer.status_code == 422
    assert "there is no account `local`" in answer.json()["errors"][0]["detail"]


FORGED = """
cd ..
mkdir -p outputs
%(harm)s
cat > forged <<END
{"format": 1, "job_id": "%(job_id)s", "attempt": 1, "status": "completed", "reason": "exit",
 "exit_code": 0, "timeline": {"staging_inputs": 1700000000, "ended": 1700000001},
 "outputs": [%(outputs)s]}
END
mv forged exit.json
: > ../../../news/$KOTTA_JOB_ID.1
sleep 2
"""


def forged(harm: str, outputs: str, job_id: str = "$KOTTA_JOB_ID") -> str:
    lines = ", ".join(
        f'{{"name": "{name}", "available": true, "size_bytes": {len(SECRET)}, "sha256": null}}'
        for name in outputs.split()
    )
    return FORGED % {"harm": harm, "job_id": job_id, "outputs": lines}


def everything_told_of(service: RunningService, job: dict[str, Any]) -> str:
    """All that the service answers of a job."""
    paths = ["", "/logs/stdout", "/logs/stderr", "/usage"]
    paths += [f"/outputs/{output['name']}" for output in job["outputs"]]
    return "\n".join(service.http.get(f"/jobs/{job['id']}{path}").text for path in paths)


def test_what_an_account_puts_in_the_place_of_outputs_and_streams_leaks_nothing(
    service: RunningService, secret: Path
) -> None:
    names = "link fifo folder foreign good undeclared"
    harm = f"""
    ln -s {secret} outputs/link; ln -s {secret} outputs/undeclared; mkfifo outputs/fifo
    mkdir outputs/folder; ln -s /etc/hostname outputs/foreign
    printf %0{len(SECRET)}d 7 > outputs/good
    for name in stdout stderr usage.jsonl phase.json alive runner.log; do
      rm -f $name; ln -s {secret} $name
    done
    """
    job = run(
        service,
        forged(harm, names),
        outputs=["link", "fifo", "folder", "foreign", "good"],
    )
    assert (job["status"], job["reason"]) == ("failed", "staging")
    assert "output link is no plain file of the job's account" in job["error"]
    assert [name for name, is_there in manifest(job).items() if is_there] == ["good"]
    assert "undeclared" not in manifest(job)
    assert SECRET not in everything_told_of(service, job)
    assert int(service.output(job, "good")) == 7


HARMS = (
    "mkfifo exit.json phase.json claim.new; ln -s {secret} alive.new",
    "ln -s {secret} exit.json; ln -sf {secret} runner.log",
    "head -c 1000000 /dev/zero | tr '\\0' '[' > exit.json",
    'ln -s {secret} cancel; echo \'{{"phase": [], "timeline": 7}}\' > phase.json',
)


def test_hostile_records_harm_their_own_job_alone(service: RunningService, secret: Path) -> None:
    jobs = service.submit(
        *(
            {
                "queue": "First",
                "executable": f"cd ..; {harm.format(secret=secret)}; "
                ": > ../../../news/$KOTTA_JOB_ID.1; sleep 60",
            }
            for harm in HARMS
        )
    )
    for job in jobs:
        wait_until((directory_of(service, job) / "started").exists, timeout=20)
    another = run(service, "echo fine", queue="Second")
    assert service.output(another, "STDOUT.txt") == "fine\n"
    for job in jobs:
        service.http.post(f"/jobs/{job['id']}/cancel")
    for ended in service.wait(*jobs, seconds=60):
        assert ended["status"] in ("cancelled", "failed")
        assert SECRET not in everything_told_of(service, ended)
    assert secret.read_text() == SECRET


def test_a_record_speaks_of_its_own_job_alone(service: RunningService) -> None:
    other = service.submit({"queue": "Second", "executable": "sleep 300"})[0]
    service.until_status(other, "processing")
    job = run(service, forged(f": > ../../../news/{other['id']}.1", "", other["id"]))
    assert (job["status"], job["reason"]) == ("failed", "lost")
    assert service.status(other)["status"] == "processing"
    escaping = run(service, forged("", "../../../../secret"), outputs=["a"])
    assert (escaping["status"], escaping["reason"]) == ("failed", "lost")
    service.http.post(f"/jobs/{other['id']}/cancel")
    service.wait(other)


def test_a_job_of_another_account_that_has_the_same_name_is_not_believed(
    slurm: SlurmCluster, service: RunningService, two_accounts: list[pwd.struct_passwd]
) -> None:
    job = service.submit({"queue": "First", "executable": "sleep 300"})[0]
    service.until_status(job, "processing")
    name = f"kotta-{job['id']}-1"
    uid = two_accounts[0].pw_uid
    numbers = [
        slurm.ask(
            *("sbatch", "--parsable", f"--uid={two_accounts[1].pw_uid}", "--chdir=/"),
            *("--mem=10", "-o", "/dev/null", f"--job-name={called}", "--wrap", "sleep 300"),
        ).strip()
        for called in (name, f"x\n{uid}|RUNNING|7|0|None|{name}", "kotta-x-²")
    ]
    assert all(numbers)
    own = set(slurm.ask("squeue", "-h", "-a", f"--name={name}", "-o", "%i").split()) - set(numbers)
    slurm.ask("scancel", "--signal=KILL", "--full", *own)
    ended = service.wait(job)[0]
    assert ended["error"].startswith("cancelled by the cluster")
    left = slurm.ask("squeue", "-h", "-a", "-t", "RUNNING", "-o", "%i").split()
    slurm.ask("scancel", *numbers)
    assert set(numbers) <= set(left)


def test_a_killed_runner_is_lost_and_tried_again_as_the_account(
    service: RunningService, account: pwd.struct_passwd
) -> None:
    command = "test $KOTTA_ATTEMPT = 2 || kill -9 $PPID; id -un"
    job = service.run(queue="First", executable=command, retries=1)
    assert (job["status"], job["attempt"]) == ("completed", 2), job
    assert service.output(job, "STDOUT.txt") == f"{account.pw_name}\n"


def test_a_service_that_was_killed_takes_over_what_was_made_meanwhile(
    service: RunningService,
) -> None:
    job = service.submit(
        {"queue": "First", "executable": "sleep 1; echo made > a; echo said", "outputs": "a"}
    )[0]
    service.until_status(job, "processing")
    service.kill()
    directory = directory_of(service, job)
    wait_until((directory / "exit.json").exists, timeout=20)
    assert (directory / "outputs" / "a").exists()
    service.start()
    ended = service.wait(job)[0]
    assert ended["status"] == "completed", ended
    assert service.output(ended, "a") == "made\n"
    assert service.output(ended, "STDOUT.txt") == "said\n"


@pytest.mark.slow
def test_with_files_in_s3_an_account_asks_for_its_own(
    slurm: SlurmCluster, s3: S3Server, account: pwd.struct_passwd
) -> None:
    with passable_folder() as home:
        settings = home / "config" / "kotta" / "service.toml"
        settings.parent.mkdir(parents=True)
        url = f"unix:{home}/s.sock"
        queue = f'isolation = "user"\nrun_as = "{account.pw_name}"'
        text = slurm.settings(python=open_python(), url=url)
        settings.write_text(text.replace("[queues.Test]", f"[queues.Test]\n{queue}"))
        some = RunningService(home, **s3.environment(s3.new_bucket()))
        some.start()
        some.socket.chmod(0o666)  # as good as an address that nodes reach
        try:
            first = some.run(executable="id -un > a", outputs=["a"])
            inputs = [f"kotta://jobs/{first['id']}/a"]
            second = some.run(executable="cat a", inputs=inputs)
            assert some.output(second, "STDOUT.txt") == f"{account.pw_name}\n"
        finally:
            some.close()
            slurm.until_idle()
