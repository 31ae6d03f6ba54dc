"""A service over a real S3, from users to runners and back."""

from __future__ import annotations

import hashlib
import html
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from first_clients import FirstLibrary
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from shared_service import SharedService
from waiting import wait_until

from kotta import Kotta
from kotta.errors import DescriptionError, NotFoundError
from kotta_cli.explaining import explain

pytestmark = pytest.mark.of_files  # they bring an S3 of their own


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    s3.client.create_bucket(Bucket="public")
    s3.client.put_object(Bucket="public", Key="open/a b.txt", Body=b"for everybody")
    s3.client.put_object(Bucket="public", Key="of/ada/own.txt", Body=b"for ada")
    s3.client.put_object(Bucket="public", Key="closed/x.txt", Body=b"for nobody")
    return s3.new_bucket()


@pytest.fixture(scope="module")
def shared(s3: S3Server, bucket: str) -> Iterator[SharedService]:
    """A shared service over S3, with users ada and bob."""
    settings = 'inputs = ["s3://public/open/", "s3://public/of/{owner}/"]'
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = SharedService(
            Path(home),
            f"[s3]\n{settings}\n",
            KOTTA_SERVICE_GRACE_SECONDS="1",
            **s3.environment(bucket),
        )
        service.start()
        try:
            service.add_user("ada")
            service.add_user("bob")
            yield service
        finally:
            service.close()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ada(shared: SharedService) -> Iterator[Kotta]:
    with Kotta({"access_token": shared.token("ada")}, server=shared.url) as client:
        yield client


@pytest.fixture
def bob(shared: SharedService) -> Iterator[Kotta]:
    with Kotta({"access_token": shared.token("bob")}, server=shared.url) as client:
        yield client


def run(client: Kotta, **description: Any) -> Any:
    job = client.submit({"walltime": 5, **description})
    client.wait(job, timeout=60)
    return client.status(job.id)


def refusal_of(client: Kotta, url: str) -> tuple[str, str]:
    with pytest.raises(DescriptionError) as refused:
        client.submit({"executable": "true", "inputs": [url]})
    (problem,) = refused.value.problems
    return problem.detail, problem.hint


def test_files_go_to_s3_and_back_past_the_service(
    ada: Kotta, shared: SharedService, s3: S3Server, bucket: str, here: Path
) -> None:
    content = os.urandom(300_000)
    (here / "in.bin").write_bytes(content)
    job = run(
        ada,
        executable="cat in.bin > 'out ü.bin'; echo said; echo warned >&2",
        inputs=["in.bin"],
        outputs=["out ü.bin", "never"],
    )
    assert job.status == "completed", job.error
    sha256 = hashlib.sha256(content).hexdigest()
    folder = f"lab/outputs/{job.id[:2]}/{job.id}.1"
    expected = {f"lab/uploads/ada/{sha256[:2]}/{sha256}", f"{folder}/out ü.bin"}
    assert expected <= set(s3.keys(bucket))
    assert not list((shared.data / "files").rglob("*.bin"))
    ada.fetch(job, here / "got")
    assert (here / "got" / "out ü.bin").read_bytes() == content
    assert b"".join(ada.read_output(job, "STDOUT.txt")) == b"said\n"
    seen = [json.loads(line) for line in shared.log().splitlines() if '"method"' in line]
    assert not [line for line in seen if line.get("method") == "PUT"]
    assert "X-Amz-Signature" not in shared.log()


def test_logs_of_a_job_that_has_ended_are_read_from_s3(ada: Kotta, shared: SharedService) -> None:
    job = run(ada, executable="seq 1 20000; echo bad >&2")
    directory = shared.data / "jobs" / job.id[:2] / f"{job.id}.1"
    wait_until(lambda: not (directory / "stdout").exists())
    log = ada.api.log(job.id, "stdout", 0)
    assert log.content.startswith(b"1\n2\n")
    assert log.ended
    with shared.client(shared.token("ada")) as http:
        tail = http.get(f"/jobs/{job.id}/logs/stdout", params={"tail": 2})
        assert tail.text == "19999\n20000\n"
    assert ada.api.log(job.id, "stderr", 0).content == b"bad\n"
    assert ada.usage(job).samples


def test_who_asks_for_bytes_is_sent_on_without_a_token(ada: Kotta, shared: SharedService) -> None:
    job = run(ada, executable="printf hello")
    http = shared.client(shared.token("ada"))
    answer = http.get(f"/jobs/{job.id}/outputs/STDOUT.txt")
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "private, no-store"
    assert httpx.get(answer.headers["location"], trust_env=False).text == "hello"
    asked = {"names": ["STDOUT.txt", "STDERR.txt"]}
    assert http.post(f"/jobs/{job.id}/outputs", json=asked).text == "hello"


def test_a_file_above_64_mib_goes_in_parts_both_ways(
    ada: Kotta, s3: S3Server, bucket: str, here: Path
) -> None:
    with open(here / "big.bin", "wb") as file:
        file.write(os.urandom(1 << 20) * 65)
    job = run(ada, executable="mv big.bin out.bin", inputs=["big.bin"], outputs=["out.bin"])
    assert job.status == "completed", job.error
    ada.fetch(job, here / "got", ["out.bin"])
    made = (here / "got" / "out.bin").read_bytes()
    assert hashlib.sha256(made).digest() == hashlib.sha256((here / "big.bin").read_bytes()).digest()
    assert s3.client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_an_output_is_an_input_by_either_name_and_not_for_others(
    ada: Kotta, bob: Kotta, bucket: str
) -> None:
    first = run(ada, executable="echo one > a.txt", outputs=["a.txt"])
    url = f"s3://{bucket}/lab/outputs/{first.id[:2]}/{first.id}.1/a.txt"
    assert first.outputs[0].s3_url == url
    for each in (url, f"kotta://jobs/{first.id}/a.txt"):
        job = run(ada, executable="cat a.txt", inputs=[each])
        assert b"".join(ada.read_output(job, "STDOUT.txt")) == b"one\n"
    assert "names a job that does not exist" in refusal_of(bob, url)[0]


def test_what_is_allowed_in_s3_is_an_input_and_nothing_else(
    ada: Kotta, bob: Kotta, bucket: str
) -> None:
    inputs = ["s3://public/open/a%20b.txt", "s3://public/of/ada/own.txt"]
    job = run(ada, executable="cat 'a b.txt' own.txt", inputs=inputs)
    assert b"".join(ada.read_output(job, "STDOUT.txt")) == b"for everybodyfor ada"
    words, hint = refusal_of(bob, inputs[1])
    assert words == "names what you may not have as an input here"
    assert hint == "you may name what is below s3://public/open/, s3://public/of/bob/"
    for url in ("s3://public/closed/x.txt", "s3://public/openly", f"s3://{bucket}/lab/other"):
        assert refusal_of(ada, url)[0] == "names what you may not have as an input here"
    assert "is no URL of an object" in refusal_of(ada, "s3://public/open/../closed/x.txt")[0]
    gone = run(ada, executable="true", inputs=["s3://public/open/gone.txt"])
    assert (gone.status, gone.reason) == ("failed", "staging")
    assert "input s3://public/open/gone.txt: the storage answers 404 NoSuchKey" in gone.error


def test_an_upload_of_whoever_shares_a_job_is_lent(ada: Kotta, bob: Kotta, here: Path) -> None:
    (here / "lent.txt").write_bytes(b"lent by ada")
    job = run(ada, executable="cat lent.txt", inputs=["lent.txt"])
    description = {"executable": "cat lent.txt", "inputs": ada.status(job.id).description["inputs"]}
    with pytest.raises(DescriptionError):
        bob.submit(description)
    ada.share(job.id, ["bob"])
    again = run(bob, **description)
    assert again.status == "completed", again.error
    assert b"".join(bob.read_output(again, "STDOUT.txt")) == b"lent by ada"


def test_the_result_of_a_call_and_its_arguments_may_be_large(ada: Kotta) -> None:
    from kotta import kottajob

    @kottajob(ada, "Test", 5)
    def longer(text: str) -> str:
        return text + "!"

    text = "long " * 100_000
    assert longer(text) == text + "!"


def test_links_of_the_first_clients_lead_to_s3(shared: SharedService, ada: Kotta) -> None:
    job = run(ada, executable="echo x > 'a b.txt'", outputs=["a b.txt"])
    told = FirstLibrary(shared.url).status_task(job.id)["outputs"][0]
    link = html.unescape(told.partition('href="')[2].partition('"')[0])
    found = httpx.get(link, trust_env=False, follow_redirects=True)
    assert found.text == "x\n"
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.txt"


def test_an_upload_that_was_never_finished_is_not_there(ada: Kotta, here: Path) -> None:
    sha256 = hashlib.sha256(b"never told").hexdigest()
    signed = ada.api.sign_upload(sha256, 10)
    ada.api.put_signed(signed.urls[0], signed.headers, [b"never told"], 10)
    assert ada.api.check_uploads([sha256]).missing == [sha256]
    with pytest.raises(DescriptionError, match="cannot be run"):
        ada.submit({"executable": "true", "inputs": [f"kotta://uploads/{sha256}/x"]})
    with pytest.raises(NotFoundError):
        ada.status("3f0c1d52-6f0f-4c57-8a4e-5d5ed5f0a001")


def test_uploads_that_were_announced_together_are_held_to_the_limit_as_they_arrive(
    shared: SharedService, s3: S3Server, bucket: str
) -> None:
    shared.add_user("hal")
    assert shared.http.patch("/users/hal", json={"limits": {"storage_mib": 1}}).status_code == 200
    hal = shared.client(shared.token("hal"))
    contents = {hashlib.sha256(each).hexdigest(): each for each in (b"a" * 700_000, b"b" * 700_000)}
    for sha256, content in contents.items():
        answer = hal.post(f"/uploads/{sha256}/urls", json={"size_bytes": len(content)})
        (url,), headers = answer.json()["urls"], answer.json()["headers"]
        httpx.put(url, content=content, headers=headers, trust_env=False).raise_for_status()
    with ThreadPoolExecutor(2) as pool:
        finished = pool.map(
            lambda sha256: hal.post(f"/uploads/{sha256}/finish", json={"size_bytes": 700_000}),
            contents,
        )
        assert sorted(answer.status_code for answer in finished) == [201, 403]
    kept = [key for key in s3.keys(bucket) if key.startswith("lab/uploads/hal/")]
    assert len(kept) == 1, "what was refused is not left lying"


# what fails


@pytest.fixture
def failing(s3: S3Server) -> Iterator[SharedService]:
    """A service of one's own over S3, whose runners give up soon."""
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        own = s3.environment(s3.new_bucket())
        service = SharedService(
            Path(home),
            KOTTA_SERVICE_GRACE_SECONDS="1",
            KOTTA_SERVICE_S3_GIVE_UP_SECONDS="3",
            **own,
        )
        service.start()
        try:
            yield service
        finally:
            service.close()


def own_bucket(service: SharedService) -> str:
    return service.environment["KOTTA_SERVICE_STORAGE"].split("/")[2]


def test_outputs_that_a_full_bucket_does_not_take_fail_the_job_and_stay(
    failing: SharedService, s3: S3Server
) -> None:
    s3.limit(own_bucket(failing), 100)
    job = failing.run(executable="head -c 1000 /dev/zero > a.bin", outputs=["a.bin"])
    assert (job["status"], job["reason"]) == ("failed", "staging")
    assert "could not be kept: the storage answers 400 EntityTooLarge (tried for" in job["error"]
    assert [output["available"] for output in job["outputs"]] == [False] * len(job["outputs"])
    directory = failing.data / "jobs" / job["id"][:2] / f"{job['id']}.1"
    assert (directory / "work" / "a.bin").stat().st_size == 1000


def test_a_bucket_that_has_room_again_gets_the_outputs(shared: SharedService, s3: S3Server) -> None:
    s3.limit(own_bucket(shared), 100)
    job = shared.submit({"executable": "head -c 1000 /dev/zero > a.bin", "outputs": "a.bin"})[0]
    shared.until_status(job, "staging_outputs")
    s3.limit(own_bucket(shared), None)
    (done,) = shared.wait(job)
    assert done["status"] == "completed", done["error"]


def test_a_job_whose_outputs_do_not_get_through_can_be_cancelled(
    failing: SharedService, s3: S3Server
) -> None:
    s3.limit(own_bucket(failing), 100)
    job = failing.submit({"executable": "head -c 1000 /dev/zero > a.bin", "outputs": "a.bin"})[0]
    failing.until_status(job, "staging_outputs")
    assert failing.http.post(f"/jobs/{job['id']}/cancel").status_code == 200
    (done,) = failing.wait(job)
    assert (done["status"], done["reason"]) == ("cancelled", "user")


def test_an_s3_that_is_away_is_waited_for_and_told_of(
    ada: Kotta, shared: SharedService, s3: S3Server
) -> None:
    ready = httpx.Client(base_url=shared.url, trust_env=False, timeout=30)
    own = ada.submit({"executable": "sleep 1; echo x > a.txt", "outputs": "a.txt"})
    job = shared.submit({"executable": "sleep 1; echo x > a.txt", "outputs": "a.txt"})[0]
    shared.until_status(job, "processing")
    s3.stop("proxy")
    try:
        wait_until(lambda: ready.get("/readyz").json()["lacks"] == ["storage"], timeout=30)
        shared.until_status(job, "staging_outputs")
        checked = shared.http.post(
            f"/uploads/{'0' * 64}/finish", json={"size_bytes": 1, "upload_id": "", "parts": []}
        )
        assert (checked.status_code, checked.json()["code"]) == (503, "storage_unavailable")
        assert checked.headers["retry-after"]
        assert shared.http.get("/service").json()["storage_problem"].startswith("s3://")
        waiting = ada.submit({"executable": "true", "after": [own.id]})
        words = "The service's storage cannot be used at present: s3://"
        for each in (own, waiting):
            sentences = explain(ada, ada.status(each)).sentences
            assert [one for one in sentences if one.startswith(words)], sentences
    finally:
        s3.start()
    (done,) = shared.wait(job, seconds=60)
    assert done["status"] == "completed", done["error"]
    assert shared.output(done, "a.txt") == "x\n"
    wait_until(lambda: ready.get("/readyz").status_code == 200, timeout=30)
    ready.close()


def test_a_service_killed_while_outputs_are_sent_finds_them(shared: SharedService) -> None:
    script = "sleep 1.5; head -c 1000 /dev/zero > a.bin"
    job = shared.submit({"executable": script, "outputs": "a.bin"})[0]
    shared.until_status(job, "processing")
    shared.kill()
    directory = shared.data / "jobs" / job["id"][:2] / f"{job['id']}.1"
    wait_until(lambda: '"staging_outputs"' in (directory / "phase.json").read_text())
    shared.start()
    (done,) = shared.wait(job)
    assert done["status"] == "completed", done["error"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"STORAGE": "s3://no-such-bucket/lab"}, "s3://no-such-bucket: there is no such bucket"),
        ({"S3_SECRET_ACCESS_KEY": "wrong"}, "its secret access key is wrong"),
        ({"S3_ENDPOINT": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
        ({"S3_SECRET_ACCESS_KEY": ""}, "access_key_id and its secret belong together"),
        ({"S3_ENDPOINT": "ftp://x"}, "[s3] endpoint = 'ftp://x' is no address"),
        ({}, ""),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_served(
    s3: S3Server, bucket: str, here: Path, changes: dict[str, str], told: str
) -> None:
    own = {f"KOTTA_SERVICE_{name}": value for name, value in changes.items()}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(here),
        "KOTTA_SERVICE_SERVE_RUN_JOBS_AS_ROOT": "true",
        **s3.environment(bucket),
        **own,
    }
    (here / "service.toml").write_text("")
    words = [
        "serve",
        "--check",
        "--settings",
        str(here / "service.toml"),
        "--data",
        str(here / "d"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "kotta_cli", *words], env=environment, capture_output=True, text=True
    )
    assert told in done.stderr
    assert done.returncode == (1 if told else 0), done.stderr
    assert SECRET_KEY not in done.stderr + done.stdout.replace(ACCESS_KEY, "")
    assert "lab/kotta-check" not in s3.keys(bucket)


def admin(shared: SharedService, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(shared.home),
        "KOTTA_SERVER": f"unix:{shared.socket}",
    }
    command = [sys.executable, "-m", "kotta_cli", "admin", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_lifecycle_of_the_bucket_is_printed_as_s3_takes_it(
    shared: SharedService, bucket: str
) -> None:
    printed = admin(shared, "lifecycle")
    assert (printed.returncode, printed.stderr) == (0, "")
    outputs, unfinished = json.loads(printed.stdout)["Rules"]
    assert outputs["Filter"] == {"Prefix": "lab/outputs/"}
    assert outputs["Transitions"] == [
        {"Days": 30, "StorageClass": "STANDARD_IA"},
        {"Days": 180, "StorageClass": "GLACIER"},
    ]
    assert unfinished["Filter"] == {"Prefix": "lab/"}
    assert unfinished["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    told = json.loads(admin(shared, "lifecycle", "--infrequent-after", "0", "--json").stdout)
    assert (told["bucket"], told["applied"]) == (bucket, False)
    assert len(told["policy"]["Rules"][0]["Transitions"]) == 1
    refused = admin(shared, "lifecycle", "--archive-after", "40")
    assert (
        "S3 archives nothing that has not been in infrequent access for 30 days" in refused.stderr
    )


def test_a_policy_that_s3_does_not_take_is_told_of(shared: SharedService) -> None:
    # Swift knows no lifecycles
    refused = admin(shared, "lifecycle", "--apply")
    assert refused.returncode == 1
    assert "S3 does not take the policy: S3 answers" in refused.stderr


def test_what_nobody_refers_to_is_found_and_pruned_and_the_rest_is_whole(
    shared: SharedService, ada: Kotta, s3: S3Server, bucket: str
) -> None:
    job = run(ada, executable="echo x > a.txt", outputs=["a.txt"])

    def broken(contents: bool) -> list[tuple[str, str]]:
        report = shared.http.post("/admin/check", json={"contents": contents}).json()
        return [
            (each["subject"], each["words"])
            for each in report["defects"]
            if each["kind"] == "broken"
        ]

    assert broken(contents=True) == []
    key = f"lab/outputs/{job.id[:2]}/{job.id}.1/a.txt"
    s3.client.put_object(Bucket=bucket, Key=key, Body=b"yz")
    assert broken(contents=True) == [(job.id, "a.txt holds other bytes")]
    s3.client.delete_object(Bucket=bucket, Key=key)
    assert broken(contents=False) == [(job.id, "a.txt is not there")]
    pruned = shared.http.post("/admin/prune", json={"older_than_seconds": 0}).json()
    assert pruned["jobs"] > 0
    assert [key for key in s3.keys(bucket) if key.startswith("lab/outputs/")] == []
    assert broken(contents=True) == []
