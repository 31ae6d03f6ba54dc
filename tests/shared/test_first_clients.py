"""`/rest/v1` as the clients of 2016 speak it, on a real service, with the real curl."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from accounts import need
from first_clients import FirstLibrary, curl, link, put, s3
from shared_service import SharedService
from waiting import wait_until

from kotta_service.v1 import routes

EXAMPLES = Path(__file__).parents[2] / "examples"
ECHO = {"executable": "/bin/echo hello", "queue": "Test"}
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\Z")


@pytest.fixture(scope="module", autouse=True)
def _with_curl() -> None:
    need("curl", shutil.which("curl") is not None)


@pytest.fixture
def ada(shared: SharedService) -> FirstLibrary:
    return FirstLibrary(shared.url, access_token=shared.token("ada"))


@pytest.fixture
def bob(shared: SharedService) -> FirstLibrary:
    return FirstLibrary(shared.url, access_token=shared.token("bob"))


def sample(name: str, **more: Any) -> dict[str, Any]:
    found = json.loads((EXAMPLES / name).read_text())
    return {"queue": "Test", **found, "user_email": "ada@example.org", **more}


def outputs(status: dict[str, Any]) -> dict[str, str | None]:
    return dict(link(item) for item in status["outputs"])


def fetched(status: dict[str, Any], name: str) -> bytes:
    url = outputs(status)[name]
    assert url is not None
    return curl(url)


def test_a_script_writes_its_file(ada: FirstLibrary) -> None:
    job_id = ada.submitted(
        user_email="ada@example.org", executable="/bin/bash test.sh", jobname="Test",
        queue="Test", script_name="test.sh",
        script="#!/bin/bash \r\n echo Hello World &> foo.txt \r\n",
        jobtype="script", output_file_stdout="STDOUT.txt", output_file_stderr="STDERR.txt",
        outputs="foo.txt", inputs="", walltime="5", args="",
    )  # fmt: skip
    assert uuid.UUID(job_id).version == 4
    status = ada.wait(job_id)
    assert list(outputs(status)) == ["foo.txt", "test.sh", "STDOUT.txt", "STDERR.txt"]
    assert fetched(status, "foo.txt") == b"Hello World\n"
    assert b"\r" not in fetched(status, "test.sh")
    expected = {
        "job_id": job_id, "jobname": "Test", "username": "ada", "user_email": "ada@example.org",
        "queue": "Test", "jobtype": "script", "executable": "/bin/bash test.sh",
        "status": "completed", "walltime": 300, "inputs": [],
    }  # fmt: skip
    assert {name: status[name] for name in expected} == expected
    stamps = [status[name] for name in ("submit_stamp", "submit_time", "start_time")]
    assert all(STAMP.match(stamp) for stamp in [*stamps, status["complete_time"]])
    assert status["submit_stamp"] == status["submit_time"] <= status["complete_time"]
    for name in ("z_stagein_dur", "z_processing_dur", "z_stageout_dur"):
        assert 0 <= status[name] < 30
    assert "ERROR" not in status
    assert "reason" not in status


def test_the_samples_run(ada: FirstLibrary) -> None:
    hello = ada.wait(ada.submitted(**sample("hello.json")))
    echo = ada.wait(ada.submitted(**sample("echo.json")))
    text = ada.upload_file(EXAMPLES / "shakespeare.txt")
    count = ada.wait(ada.submitted(**sample("count.json", inputs=text)))
    assert [job["status"] for job in (hello, echo, count)] == ["completed"] * 3
    assert fetched(echo, "STDOUT.txt") == b"Hello World!\n"
    assert outputs(echo)["none.sh"] is None
    assert b" the\n" in fetched(count, "counts.txt")
    assert hello["outputs"]
    ((name, url),) = [link(item) for item in count["inputs"]]
    assert name == "shakespeare.txt"
    assert curl(url or "") == (EXAMPLES / "shakespeare.txt").read_bytes()


def test_curl_alone_is_a_client(shared: SharedService, tmp_path: Path) -> None:
    token, base = shared.token("ada"), f"{shared.url}/rest/v1"
    (tmp_path / "form").write_text(f"access_token={token}")
    form = ("-d", f"@{tmp_path}/form")
    told = json.loads(
        curl(*form, "-d", "queue=Test", "--data-urlencode", "executable=echo é; sleep 60",
             "-d", "walltime=5", f"{base}/submit_task")
    )  # fmt: skip
    job_id = told["job_id"]
    listed = json.loads(curl("-X", "GET", *form, f"{base}/list_tasks"))
    assert listed["status"] == "Success"
    newest = listed["items"]["0"]
    assert set(newest) == {"job_id", "status", "jobtype", "submit_stamp"}
    assert (newest["job_id"], newest["jobtype"]) == (job_id, "script")
    for _ in range(2):  # twice is the same as once
        cancelled = curl("-X", "GET", *form, f"{base}/cancel_task/{job_id}")
        assert json.loads(cancelled) == {"status": "Success"}
    assert FirstLibrary(shared.url).wait(job_id)["status"] == "cancelled"


def test_a_long_script_is_sent_after_the_service_says_so(ada: FirstLibrary, tmp_path: Path) -> None:
    token, script = ada.credentials["access_token"], tmp_path / "script"
    script.write_text("#!/bin/sh\n# " + "long & " * 100_000 + "\necho done\n")
    (tmp_path / "fields").write_text(f"access_token={token}&queue=Test&script_name=a.sh")
    told = json.loads(
        curl("-H", "Expect: 100-continue", "-d", f"@{tmp_path}/fields", "--data-urlencode",
             f"script@{script}", "-d", "executable=./a.sh", f"{ada.url}/rest/v1/submit_task")
    )  # fmt: skip
    assert fetched(ada.wait(told["job_id"]), "STDOUT.txt") == b"done\n"


def test_inputs_and_outputs_may_be_said_in_every_way(ada: FirstLibrary, tmp_path: Path) -> None:
    urls = []
    for name in ("a", "b", "c", "d", "e"):
        (tmp_path / name).write_text(name)
        urls.append(ada.upload_file(tmp_path / name))
    status = ada.wait(
        ada.submitted(
            **ECHO | {"executable": "cat a b c d e | tee 1 2 3 4"},
            inputs=[f" {urls[0]} , {urls[1]}", urls[2]],
            input_url1=urls[3],
            input_url_last=urls[4],
            outputs=["1, 2 ", "3"],
            output_file1="4",
            output_never=" never.txt ",
        )
    )
    assert [link(item)[0] for item in status["inputs"]] == ["a", "b", "c", "d", "e"]
    named = ["1", "2", "3", "4", "never.txt", "STDOUT.txt", "STDERR.txt"]
    assert list(outputs(status)) == named
    assert outputs(status)["never.txt"] is None
    assert fetched(status, "4") == b"abcde"


def test_names_are_escaped_as_these_clients_know_it(ada: FirstLibrary) -> None:
    odd = '<b>&"it\'s" é%.txt'
    quoted = odd.replace("'", "'\\''")
    command = f"echo odd > '{quoted}'"
    status = ada.wait(ada.submitted(queue="Test", executable=command, outputs=[odd, "<i>no"]))
    shown = status["outputs"][0]
    assert shown.endswith(">&lt;b&gt;&amp;&quot;it's&quot; é%.txt</a>")
    assert "&" not in shown.split('"')[1]
    assert fetched(status, odd) == b"odd\n"
    assert status["outputs"][1] == "<i>&lt;i&gt;no</i>"


@pytest.mark.of_files
def test_what_is_served_is_never_a_page(ada: FirstLibrary) -> None:
    status = ada.wait(
        ada.submitted(**ECHO | {"executable": "echo '<script>' > x.html"}, outputs="x.html")
    )
    url = outputs(status)["x.html"] or ""
    assert url.startswith(ada.url)
    answer = httpx.get(url, trust_env=False)
    assert (answer.status_code, answer.text) == (200, "<script>\n")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''x.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    part = httpx.get(url, headers={"Range": "bytes=1-6"}, trust_env=False)
    assert (part.status_code, part.text) == (206, "script")


def test_a_link_is_good_for_its_file_and_its_time(
    shared: SharedService, ada: FirstLibrary, bob: FirstLibrary
) -> None:
    mine = outputs(ada.wait(ada.submitted(**ECHO)))
    other = outputs(bob.wait(bob.submitted(**ECHO)))
    url, query = (mine["STDOUT.txt"] or "").split("?")
    expires = int(query.removeprefix("signature=").split(".")[0])
    assert 24 * 60 < expires - time.time() <= 25 * 60
    theirs = (other["STDOUT.txt"] or "").split("?")[0]
    for bad in (
        url,
        f"{url}?signature=",
        f"{url}?signature=é",
        f"{url}?{query}0",
        f"{url}?{query.replace(str(expires), str(expires + 1))}",
        f"{url.replace('STDOUT', 'STDERR')}?{query}",
        f"{url.replace('/1/', '/2/')}?{query}",
        f"{url.replace('/outputs/', '/inputs/')}?{query}",
        f"{theirs}?{query}",
    ):
        assert httpx.get(bad, trust_env=False).status_code == 403, bad
    signature = query.removeprefix("signature=")
    assert signature not in shared.log()


def test_failures_say_why(ada: FirstLibrary) -> None:
    exit_3 = ada.submitted(**ECHO | {"executable": "exit 3"})
    too_long = ada.submitted(**ECHO | {"executable": "sleep 60"}, walltime="0.005")
    killed = ada.submitted(**ECHO | {"executable": "kill -9 $$"})
    unreachable = ada.submitted(**ECHO, inputs="http://127.0.0.1:9/a?x=1&y=2")
    ended = [ada.wait(job_id) for job_id in (exit_3, too_long, killed, unreachable)]
    assert [job["status"] for job in ended] == ["failed"] * 4
    assert [job["ERROR_CODE"] for job in ended] == [3, 1001, 137, 1]
    assert all(job["ERROR"] for job in ended)
    assert ended[3]["inputs"] == ['<a href="http://127.0.0.1:9/a?x=1&amp;y=2">a</a>']
    assert outputs(ended[0])["STDOUT.txt"] is not None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cancelling_says_when_and_why(ada: FirstLibrary, bob: FirstLibrary, method: str) -> None:
    running = ada.submitted(**ECHO | {"executable": "touch here; exec sleep 60"})
    wait_until(lambda: ada.status_task(running)["status"] == "processing")
    assert "outputs" not in str(ada.ask("GET", f"status_task/{running}"))
    assert bob.cancel_task(running, method)["status"] == "Fail"
    assert ada.cancel_task(running, method) == {"status": "Success"}
    status = ada.wait(running)
    assert status["reason"] == "cancelled by request"
    assert STAMP.match(status["cancel_time"])
    assert status["ERROR_CODE"] == 1002
    ended = ada.submitted(**ECHO)
    ada.wait(ended)
    refused = ada.cancel_task(ended, method)
    assert refused == {"status": "Fail", "reason": f"job {ended} has completed already"}


def test_a_job_has_its_id_in_its_environment(ada: FirstLibrary) -> None:
    job_id = ada.submitted(**ECHO | {"executable": "echo $TURING_JOB_ID $KOTTA_JOB_ID"})
    assert fetched(ada.wait(job_id), "STDOUT.txt") == f"{job_id} {job_id}\n".encode()


def test_the_id_of_a_job_is_all_that_its_status_takes(
    shared: SharedService, ada: FirstLibrary
) -> None:
    nobody = FirstLibrary(shared.url)
    job_id = ada.submitted(**ECHO)
    assert nobody.wait(job_id)["status"] == "completed"
    for wrong in (str(uuid.uuid4()), job_id[:8], job_id.upper(), "x", "%00"):
        assert nobody.ask("GET", f"status_task/{wrong}")[0] != 200


def test_jobs_are_those_of_the_modern_api(shared: SharedService, ada: FirstLibrary) -> None:
    modern = shared.client(ada.credentials["access_token"])
    job = modern.post("/jobs", json={"jobs": [{"executable": "echo modern"}]}).json()["jobs"][0]
    assert fetched(ada.wait(job["id"]), "STDOUT.txt") == b"modern\n"
    assert ada.list_tasks()["items"]["0"]["job_id"] == job["id"]
    mine = ada.submitted(**ECHO)
    found = modern.get(f"/jobs/{mine}", params={"wait": 20}).json()
    assert (found["status"], found["walltime_seconds"]) == ("completed", 300 * 60)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"queue": ""}, "queue is missing"),
        ({"queue": "Nowhere"}, "`Nowhere` is no queue here"),
        ({"queue": ["Test", "Prod"]}, "`queue` stands there twice"),
        ({"user_email": "bob@example.org"}, "user_email is not the address"),
        ({"walltime": "soon"}, "walltime must be a number"),
        ({"walltime": "99999999"}, "walltime must be minutes"),
        ({"walltime": "20000"}, "walltime is 20000"),
        ({"executable": ""}, "nothing to run"),
        ({"outputs": "../up"}, "contains `/`"),
        ({"script": "x", "script_name": "../up"}, "contains `/`"),
        ({"inputs": "ftp://h/a"}, "is no URL"),
        pytest.param(
            {"inputs": "s3://elsewhere/a"}, "no S3 is configured", marks=pytest.mark.of_files
        ),
        ({"inputs": "s3://klab-jobs/uploads/ada/never"}, "has not been uploaded"),
        ({"inputs": "kotta://jobs/x/y"}, "does not exist"),
        ({"env": "A=1"}, "env cannot be said in a form"),
        ({"access_token": ""}, "an `access_token` is needed"),
        ({"access_token": "kotta_t_" + "A" * 43}, "does not count"),
        ({"access_token": "", "refresh_token": "kotta_r_x"}, "`refresh_token` does not count"),
    ],
)
def test_refusals_say_why(ada: FirstLibrary, change: dict[str, Any], reason: str) -> None:
    fields = {**ECHO, **ada.credentials, **change}
    status, told = ada.ask("POST", "submit_task", fields)
    assert (status, told["status"]) == (200, "Fail")
    assert set(told) == {"status", "reason"}
    assert reason in told["reason"]
    assert "\n" not in told["reason"]


def test_fields_that_mean_nothing_are_passed_over(ada: FirstLibrary) -> None:
    job_id = ada.submitted(**ECHO, comment="of 2016", user_email="ADA@example.org")
    assert ada.wait(job_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"\xff=\xff", "application/x-www-form-urlencoded", "no form that can be read"),
        (b"a=%ff", "application/x-www-form-urlencoded", "no form that can be read"),
        (b"{}", "application/json", "is not application/x-www-form-urlencoded"),
        (b"a=1&" * 30_000, "application/x-www-form-urlencoded", "no form that can be read"),
        (b"a=" + b"x" * (5 << 20), "application/x-www-form-urlencoded", "4 MiB at most"),
        (b"a=" + b"x" * (65 << 20), "application/x-www-form-urlencoded", "MiB at most"),
        (b"access_token=a%00b&queue=Test", "", "is not application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded", "an `access_token` is needed"),
    ],
)
def test_a_hostile_body_is_a_refusal(
    shared: SharedService, body: bytes, kind: str, reason: str
) -> None:
    url = f"{shared.url}/rest/v1/submit_task"
    answer = httpx.post(url, content=body, headers={"Content-Type": kind}, trust_env=False)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["status"] == "Fail"
    assert reason in told["reason"]


def test_a_token_is_good_for_its_scopes_alone(shared: SharedService) -> None:
    reader = FirstLibrary(shared.url, access_token=shared.token("ada", ("read",)))
    assert reader.list_tasks()["status"] == "Success"
    assert "scope `write`" in reader.submit_task(**ECHO)["reason"]
    told = reader.ask("POST", "upload_url", {"filepath": "a", **reader.credentials})[1]
    assert told["status"] == "Fail"


def test_nobody_lists_or_cancels_what_is_somebody_elses(
    ada: FirstLibrary, bob: FirstLibrary
) -> None:
    job_id = ada.submitted(**ECHO)
    assert job_id not in str(bob.list_tasks())
    unknown = str(uuid.uuid4())
    theirs, none = bob.cancel_task(job_id), bob.cancel_task(unknown)
    assert theirs["reason"].replace(job_id, unknown) == none["reason"]


def test_a_refresh_token_counts_as_long_as_nobody_renews_the_login(shared: SharedService) -> None:
    tokens = shared.login("ada")
    first = FirstLibrary(shared.url, access_token="expired", refresh_token=tokens.refresh_token)
    # it is not used up: these clients cannot keep the next one
    for _ in range(3):
        assert first.list_tasks()["status"] == "Success"
    assert shared.client(tokens.access_token).get("/me").json()["name"] == "ada"

    renewed = (
        shared.client()
        .post(
            "/login/token",
            data={
                "grant_type": "refresh_token",
                "client_id": "kotta",
                "refresh_token": tokens.refresh_token,
            },
        )
        .json()
    )
    refused = first.list_tasks()
    assert refused["status"] == "Fail"
    # and nobody is logged out by a client that shows an old one
    assert shared.client(renewed["access_token"]).get("/me").status_code == 200
    script = FirstLibrary(
        shared.url, access_token=shared.token("ada"), refresh_token=tokens.refresh_token
    )
    assert script.list_tasks()["status"] == "Success"


def test_an_upload_is_an_input_of_its_owner(
    ada: FirstLibrary, bob: FirstLibrary, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("ada's")
    url = ada.upload_url(str(tmp_path / "a.txt"))
    port = ada.url.rpartition(":")[2]
    assert url.startswith(f"http://klab-jobs.localhost:{port}/uploads/ada/a.txt?signature=")
    mine = ada.upload_file(tmp_path / "a.txt")
    assert mine == "s3://klab-jobs/uploads/ada/a.txt"
    same = "https://s3-us-west-2.amazonaws.com/klab-jobs/uploads/ada/a.txt"
    for source in (mine, same):
        status = ada.wait(ada.submitted(**ECHO | {"executable": "cat a.txt"}, inputs=source))
        assert fetched(status, "STDOUT.txt") == b"ada's"
    never = bob.submit_task(**ECHO, inputs=s3("klab-jobs", "ada", "never"))
    theirs = bob.submit_task(**ECHO, inputs=mine)
    assert theirs == never
    assert theirs["status"] == "Fail"


def test_a_job_keeps_the_bytes_that_it_was_submitted_with(
    shared: SharedService, ada: FirstLibrary, tmp_path: Path
) -> None:
    file = tmp_path / "again.txt"
    file.write_text("first")
    source = ada.upload_file(file)
    blocker = ada.submitted(**ECHO | {"executable": "sleep 60"}, cpus=cpus(shared))
    waiting = ada.submitted(**ECHO | {"executable": "cat again.txt"}, inputs=source)
    file.write_text("second")
    assert ada.upload_file(file) == source
    later = ada.submitted(**ECHO | {"executable": "cat again.txt"}, inputs=source)
    ada.cancel_task(blocker)
    assert fetched(ada.wait(waiting), "STDOUT.txt") == b"first"
    assert fetched(ada.wait(later), "STDOUT.txt") == b"second"


def cpus(shared: SharedService) -> int:
    queues = shared.http.get("/queues").json()["queues"]
    found: int = next(queue["cpus"] for queue in queues if queue["name"] == "Test")
    return found


def test_an_upload_url_takes_one_file_of_one_name(ada: FirstLibrary, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("2")
    url = ada.upload_url("one")
    assert put(one, url)[0] == "200"
    assert put(one, url)[0] == "200"  # the same again, because an answer may get lost
    assert put(other, url)[0] == "403"
    assert put(other, ada.upload_url("one").replace("/one?", "/other?"))[0] == "403"
    assert put(other, ada.upload_url("one").replace("/ada/", "/bob/"))[0] == "403"
    assert put(other, ada.upload_url("one").split("?")[0])[0] == "403"
    status = ada.wait(
        ada.submitted(**ECHO | {"executable": "cat one"}, inputs=s3("klab-jobs", "ada", "one"))
    )
    assert fetched(status, "STDOUT.txt") == b"1"


COPY = "find . -maxdepth 1 -type f -size +0 -exec cat {} +"


@pytest.mark.parametrize(
    "name", ["a b.txt", "100%.txt", "é?#&=+;.txt", "<x>\"'.txt", "-rf", "a\\b", "%2e%2e", "..."]
)
def test_odd_names_of_uploads_stay_themselves(ada: FirstLibrary, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(name)
    source = ada.upload_file(tmp_path / name)
    status = ada.wait(ada.submitted(**ECHO | {"executable": COPY}, inputs=source))
    assert fetched(status, "STDOUT.txt").decode() == name
    assert link(status["inputs"][0])[0] == name


@pytest.mark.parametrize(
    ("filepath", "name"),
    [
        ("/etc/../a/b.txt", "b.txt"),
        ("../../b.txt", "b.txt"),
        (r"C:\Users\ada\b.txt", "b.txt"),
        ("C:/Users/ada/b.txt", "b.txt"),
        (r"\\server\share\b.txt", "b.txt"),
    ],
)
def test_the_last_component_of_a_path_names_an_upload(
    ada: FirstLibrary, filepath: str, name: str
) -> None:
    assert f"/uploads/ada/{name}?" in ada.upload_url(filepath)


@pytest.mark.parametrize("filepath", ["", "/", "a/", "..", "a/..", ".", "a\nb", "\x00", "x" * 256])
def test_what_names_no_file_gets_no_upload_url(ada: FirstLibrary, filepath: str) -> None:
    told = ada.ask("POST", "upload_url", {"filepath": filepath, **ada.credentials})[1]
    assert told["status"] == "Fail"
    assert "filepath" in told["reason"]


def test_an_upload_of_any_size_arrives(ada: FirstLibrary, tmp_path: Path) -> None:
    for size in (0, 1, 70 << 20):
        file = tmp_path / f"{size}.bin"
        file.write_bytes(os.urandom(1 << 20) * (size >> 20) or b"x" * size)
        source = ada.upload_file(file)
        status = ada.wait(ada.submitted(**ECHO | {"executable": "wc -c *.bin"}, inputs=source))
        assert fetched(status, "STDOUT.txt").split()[0] == str(size).encode()


def test_an_upload_that_breaks_off_leaves_nothing(shared: SharedService, ada: FirstLibrary) -> None:
    url = httpx.URL(ada.upload_url("cut"))
    with socket.create_connection((httpx.URL(ada.url).host, url.port)) as connection:
        head = f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 1000)
        wait_until(lambda: list((shared.data / "files/incoming").iterdir()))
    wait_until(lambda: '"status": 0' in shared.log(), what=shared.log)
    assert not list((shared.data / "files/incoming").iterdir())
    assert "Traceback" not in shared.log()
    told = ada.submit_task(**ECHO, inputs=s3("klab-jobs", "ada", "cut"))
    assert told["status"] == "Fail"


def test_no_token_or_signature_is_in_the_log(
    shared: SharedService, ada: FirstLibrary, tmp_path: Path
) -> None:
    (tmp_path / "f").write_text("f")
    url = ada.upload_url("f")
    put(tmp_path / "f", url)
    status = ada.wait(ada.submitted(**ECHO))
    fetched(status, "STDOUT.txt")
    ada.list_tasks()
    # a line is written once its request is answered
    wait_until(lambda: '"route": "/rest/v1/list_tasks"' in shared.log(), what=shared.log)
    log = shared.log()
    assert '"route": "/uploads/{owner}/{name}"' in log
    assert ada.credentials["access_token"] not in log
    assert url.partition("signature=")[2] not in log
    assert "signature=" not in log
    assert f"status_task/{status['job_id']}" not in log
    assert '"route": "/rest/v1/status_task/{job_id}"' in log


def test_no_token_is_kept_or_seen_by_a_job(shared: SharedService, ada: FirstLibrary) -> None:
    token, refresh_token = ada.credentials["access_token"], shared.login("ada").refresh_token
    both = FirstLibrary(shared.url, access_token=token, refresh_token=refresh_token)
    seen = fetched(
        both.wait(both.submitted(**ECHO | {"executable": "env; ps axeww"})), "STDOUT.txt"
    )
    kept = [path.read_bytes() for path in shared.data.rglob("*") if path.is_file()]
    assert len(kept) > 5
    for secret in (token.encode(), refresh_token.encode()):
        assert secret not in seen
        assert not any(secret in content for content in kept)


def test_a_link_to_an_output_of_ones_own_is_an_input(
    shared: SharedService, ada: FirstLibrary, bob: FirstLibrary
) -> None:
    made = ada.submitted(**ECHO | {"executable": "echo one > 'a b.txt'"}, outputs="a b.txt")
    url = outputs(ada.wait(made))["a b.txt"] or ""
    # a shared service downloads nothing from this machine, and this link is on it
    job_id = ada.submitted(**ECHO | {"executable": "cat 'a b.txt'"}, inputs=url)
    status = ada.wait(job_id)
    assert fetched(status, "STDOUT.txt") == b"one\n"
    ((name, again),) = [link(item) for item in status["inputs"]]
    assert (name, curl(again or "")) == ("a b.txt", b"one\n")
    for other in (url[:-1] + "x", url.replace("/1/", "/2/")):
        assert ada.wait(ada.submitted(**ECHO, inputs=other))["status"] == "failed"
    assert bob.wait(bob.submitted(**ECHO, inputs=url))["status"] == "failed"


def test_an_upload_is_an_input_for_the_clients_of_today_too(
    shared: SharedService, ada: FirstLibrary, tmp_path: Path
) -> None:
    (tmp_path / "today.txt").write_text("today")
    source = ada.upload_file(tmp_path / "today.txt")
    description = {"executable": "cat today.txt", "inputs": [source]}
    modern = shared.client(ada.credentials["access_token"])
    job = modern.post("/jobs", json={"jobs": [description]}).json()["jobs"][0]
    assert fetched(ada.wait(job["id"]), "STDOUT.txt") == b"today"
    never = {**description, "inputs": ["https://example.org/a", source + "x"]}
    refused = modern.post("/jobs/check", json={"jobs": [never]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/jobs/0/inputs/1"


def test_an_administrator_may_do_without_them() -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = SharedService(Path(home), "[serve]\nfirst_clients = false\n")
        service.start()
        try:
            first = FirstLibrary(service.url)
            for path in ("list_tasks", f"status_task/{uuid.uuid4()}"):
                assert first.ask("GET", path)[0] == 404
            assert httpx.put(f"{service.url}/uploads/a/b", trust_env=False).status_code == 404
        finally:
            service.close()


def test_every_route_is_told_of_in_the_page_of_the_first_clients() -> None:
    page = (EXAMPLES.parent / "docs/first-clients.md").read_text()
    told = set(re.findall(r"`([A-Z]+) ((?:[a-z]+_[a-z]+)(?:/<job_id>)?)`", page))
    there = {
        (method, route.path.removeprefix("/rest/v1/").replace("{job_id}", "<job_id>"))
        for route in routes.router.routes
        for method in route.methods  # type: ignore[attr-defined]
    }
    assert told == there
