"""Jobs that are shared on purpose, and what administrators see."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from running_service import RunningService
from shared_service import SharedService
from waiting import wait_until

from kotta import Kotta
from kotta.errors import ConflictError, NotFoundError

SCHEMAS = Path(__file__).parents[2] / "kotta_cli/schemas"
MADE = {"executable": "echo out; echo kept > made.txt", "outputs": "made.txt", "jobname": "made"}


class Person:
    """A user of the shared service, by its API and by commands."""

    def __init__(self, shared: SharedService, name: str) -> None:
        self.token = shared.token(name)
        self.http = shared.client(self.token)
        self._environment = {
            **shared.environment,
            "KOTTA_SERVER": shared.url,
            "KOTTA_TOKEN": self.token,
            "XDG_CACHE_HOME": str(shared.home / f"cache-{name}"),
        }
        self._url = shared.url

    def kotta(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kotta_cli", *words],
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def submit(self, **description: Any) -> str:
        return self.submit_many(description)[0]

    def submit_many(self, *descriptions: dict[str, Any]) -> list[str]:
        answer = self.http.post("/jobs", json={"jobs": descriptions})
        assert answer.status_code == 201, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    def done(self, **description: Any) -> str:
        job_id = self.submit(**{**MADE, **description})
        wait_until(lambda: self.status(job_id)["ended_at"], timeout=30)
        return job_id

    def status(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/jobs/{job_id}", params={"wait": 5}).json()
        return found

    def share(self, *ids: str, readers: tuple[str, ...], replace: bool = False) -> httpx.Response:
        body = {"jobs": ids, "readers": readers, "replace": replace}
        return self.http.post("/jobs/share", json=body)


@pytest.fixture(scope="module")
def ada(shared: SharedService) -> Person:
    return Person(shared, "ada")


@pytest.fixture(scope="module")
def bob(shared: SharedService) -> Person:
    return Person(shared, "bob")


@pytest.fixture(scope="module")
def eve(shared: SharedService) -> Person:
    return Person(shared, "eve")


@pytest.mark.of_files
def test_a_reader_sees_all_there_is_of_a_job_until_nobody_does(ada: Person, bob: Person) -> None:
    job_id = ada.done()
    paths = ("", "/logs/stdout", "/usage", "/outputs/made.txt", "/place")
    assert {bob.http.get(f"/jobs/{job_id}{path}").status_code for path in paths} == {404}

    shared = ada.share(job_id, readers=("bob",))
    assert shared.json()["jobs"] == [{"id": job_id, "name": "made", "shared_with": ["bob"]}]
    assert {bob.http.get(f"/jobs/{job_id}{path}").status_code for path in paths} == {200}
    assert bob.http.get(f"/jobs/{job_id}/outputs/made.txt").text == "kept\n"
    names = {"names": ["made.txt"]}
    assert bob.http.post(f"/jobs/{job_id}/outputs", json=names).text == "kept\n"
    found = bob.status(job_id)
    assert (found["owner"], found["shared_with"]) == ("ada", [])
    assert ada.status(job_id)["shared_with"] == ["bob"]

    ada.share(job_id, readers=(), replace=True)
    assert {bob.http.get(f"/jobs/{job_id}{path}").status_code for path in paths} == {404}


def test_what_is_shared_with_everybody_is_so_with_each(ada: Person, bob: Person) -> None:
    job_id = ada.done()
    assert ada.share(job_id, readers=("*", "bob", "ada")).json()["jobs"][0]["shared_with"] == [
        "*",
        "bob",
    ]
    assert bob.status(job_id)["owner"] == "ada"
    assert ada.share(job_id, readers=("bob",), replace=True).status_code == 200
    assert ada.status(job_id)["shared_with"] == ["bob"]


def test_a_reader_changes_nothing(ada: Person, bob: Person) -> None:
    job_id = ada.submit(executable="sleep 60")
    ada.share(job_id, readers=("bob",))
    assert bob.http.post(f"/jobs/{job_id}/cancel").status_code == 404
    assert bob.http.post("/jobs/cancel", json={"jobs": [job_id]}).status_code == 404
    assert bob.share(job_id, readers=("*",)).status_code == 404
    assert bob.http.post("/jobs", json={"jobs": [{"executable": "true", "after": [job_id]}]}
                         ).status_code == 422  # fmt: skip
    assert ada.status(job_id)["cancel_requested_at"] is None
    ada.http.post(f"/jobs/{job_id}/cancel")


def test_what_comes_before_a_shared_job_stays_its_owners(ada: Person, bob: Person) -> None:
    first = ada.submit(executable="sleep 60", jobname="hidden")
    second = ada.submit(executable="true", after=[first])
    ada.share(second, readers=("bob",))
    place = bob.http.get(f"/jobs/{second}/place")
    assert place.json()["needs"] == []
    assert "hidden" not in place.text
    assert ada.http.get(f"/jobs/{second}/place").json()["needs"][0]["id"] == first
    ada.http.post(f"/jobs/{first}/cancel")


def test_an_output_of_a_shared_job_is_an_input_until_nobody_sees_it(
    ada: Person, bob: Person
) -> None:
    job_id = ada.done()
    mine = {"executable": "cat made.txt", "inputs": [f"kotta://jobs/{job_id}/made.txt"]}
    assert bob.http.post("/jobs", json={"jobs": [mine]}).status_code == 422
    ada.share(job_id, readers=("bob",))
    copy = bob.submit(**mine)
    wait_until(lambda: bob.status(copy)["ended_at"], timeout=30)
    assert bob.http.get(f"/jobs/{copy}/logs/stdout").text == "kept\n"
    ada.share(job_id, readers=(), replace=True)
    assert bob.http.post("/jobs", json={"jobs": [mine]}).status_code == 422


def test_a_reader_submits_a_shared_job_again_as_theirs_uploads_and_all(
    ada: Person, bob: Person
) -> None:
    content = b"brought by ada"
    sha256 = hashlib.sha256(content).hexdigest()
    ada.http.put(f"/uploads/{sha256}", content=content)
    ada.done(executable="cat data", inputs=[f"kotta://uploads/{sha256}/data"], jobname="lent",
             outputs="")  # fmt: skip
    job_id = ada.status(ada.http.get("/jobs?name=lent").json()["jobs"][0]["id"])["id"]
    ada.share(job_id, readers=("bob",))
    again = bob.kotta("rerun", job_id, "--wait", "--json", "id,owner,status")
    assert again.returncode == 0, again.stderr
    copy = json.loads(again.stdout)
    assert (copy["owner"], copy["status"]) == ("bob", "completed")
    assert bob.kotta("logs", copy["id"]).stdout == content.decode()
    # the content is lent with the job, not given
    check = bob.http.post("/uploads/check", json={"sha256": [sha256]}).json()
    assert check["missing"] == [sha256]
    ada.share(job_id, readers=(), replace=True)
    assert "has not been uploaded" in bob.kotta("rerun", copy["id"]).stderr


def test_what_does_not_exist_is_shared_by_nobody_and_with_nobody(ada: Person, bob: Person) -> None:
    job_id = ada.done()
    for ids, readers in (((job_id, "nope"), ("bob",)), ((job_id,), ("bob", "nobody"))):
        answer = ada.share(*ids, readers=readers)
        assert answer.status_code == 404
        assert ada.status(job_id)["shared_with"] == []
    assert "there is no user nobody" in answer.text


def test_jobs_times_readers_are_bounded(ada: Person) -> None:
    ids, readers = ["4f6c0000-0000-4000-8000-000000000000"] * 1_000, [f"r{n}" for n in range(51)]
    answer = ada.http.post("/jobs/share", json={"jobs": ids, "readers": readers})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "the 50,000 shares that can be made at once" in answer.json()["detail"]
    within = ada.http.post("/jobs/share", json={"jobs": ids, "readers": readers[:50]})
    assert within.status_code == 404


def test_a_program_shares_more_in_parts(
    shared: SharedService, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kotta.client.MAX_SHARES_AT_ONCE", 4)
    ids = [ada.done() for _ in range(3)]
    with Kotta({"access_token": ada.token}, server=shared.url) as client:
        told = client.share(ids, ["bob", "eve"])
        assert [(job.id, job.shared_with) for job in told] == [
            (each, ["bob", "eve"]) for each in ids
        ]
        assert all(bob.http.get(f"/jobs/{each}").status_code == 200 for each in ids)
        assert [job.shared_with for job in client.share(ids, [], replace=True)] == [[]] * 3


def test_nobody_is_there_to_share_with_at_ones_own_service() -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = RunningService(Path(home))
        service.start()
        try:
            with Kotta(server=f"unix:{service.socket}") as client:
                job = client.submit({"executable": "true"})
                assert job.owner == "local"
                with pytest.raises(ConflictError, match="nobody to share with"):
                    client.share(job, ["bob"])
        finally:
            service.close()


def test_shares_are_made_told_listed_and_ended_by_commands(ada: Person, bob: Person) -> None:
    (first, *_) = ids = ada.submit_many({"executable": "true", "jobname": "sweep", "array": [1, 2]})
    wait_until(lambda: all(ada.status(each)["ended_at"] for each in ids), timeout=30)
    shared = ada.kotta("share", "sweep", "--with", "bob", "--json")
    value = json.loads(shared.stdout)
    jsonschema.validate(value, json.loads((SCHEMAS / "share.json").read_text()))
    assert sorted(job["id"] for job in value) == sorted(ids)
    assert ada.kotta("share", first, "--with", "everyone").stdout == f"{first}\t*,bob\n"
    assert ada.kotta("share", first).stdout == f"{first}\t*,bob\n"
    assert "\nShared with: everybody, bob\n" in ada.kotta("status", first).stdout
    assert "\nOwner: ada\n" in bob.kotta("status", first).stdout

    rows = [line.split("\t") for line in bob.kotta("list", "--shared").stdout.splitlines()]
    assert {(row[0], row[-1]) for row in rows} >= {(each, "ada") for each in ids}
    assert first not in bob.kotta("list").stdout
    for whose in (["--owner", "ada"], ["--everyone"], ["--owner", "ada", "--shared"]):
        assert first in bob.kotta("list", *whose).stdout
    assert first not in bob.kotta("list", "--owner", "eve").stdout
    # by what a list shows of an id, and the array as a whole
    assert json.loads(bob.kotta("status", first[:8], "--json", "id").stdout) == {"id": first}
    array = ada.status(first)["array"]
    assert bob.kotta("wait", array).returncode == 0

    off = ada.kotta("share", "sweep", "--with", "off")
    assert sorted(off.stdout.splitlines()) == sorted(f"{each}\t" for each in ids)
    assert bob.kotta("list", "--shared", "--name", "sweep*").stdout == ""
    assert bob.kotta("status", first).returncode == 1
    both = ada.kotta("share", "sweep", "--with", "off", "--with", "bob")
    assert (both.returncode, "for nobody" in both.stderr) == (2, True)


def test_a_reader_follows_a_shared_job_to_its_end(
    shared: SharedService, ada: Person, bob: Person
) -> None:
    gate = shared.home / "gate"
    job_id = ada.submit(
        executable=f"echo one; while [ ! -e {gate} ]; do sleep 0.1; done; echo two; exit 3"
    )
    ada.share(job_id, readers=("bob",))
    found: dict[str, subprocess.CompletedProcess[str]] = {}
    commands = (("wait", job_id), ("logs", "-f", job_id))
    threads = [
        threading.Thread(target=lambda words=words: found.update({words[0]: bob.kotta(*words)}))
        for words in commands
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: bob.http.get(f"/jobs/{job_id}/logs/stdout").text == "one\n", timeout=20)
    gate.touch()
    for thread in threads:
        thread.join()
    assert "failed" in found["wait"].stderr
    assert found["wait"].returncode not in (0, 4)
    assert found["logs"].stdout == "one\ntwo\n"


def test_more_shared_jobs_than_are_named_one_by_one_are_waited_for(
    shared: SharedService, ada: Person
) -> None:
    ids = ada.submit_many({"executable": "true", "array": [{"i": n} for n in range(120)]})
    ada.share(*ids, readers=("bob",))
    client = Kotta({"access_token": shared.token("bob")}, server=shared.url)
    with client:
        ended = client.wait(ids, timeout=90)
    assert {job.status.value for job in ended} == {"completed"}


def test_administrators_see_and_end_everybodys_and_it_is_written_down(
    shared: SharedService, ada: Person, bob: Person, eve: Person
) -> None:
    job_id = ada.submit(executable="echo hello; sleep 600", jobname="endless")
    wait_until(lambda: "hello" in eve.kotta("logs", job_id).stdout, timeout=20)
    rows = [line.split("\t") for line in eve.kotta("list", "--everyone").stdout.splitlines()]
    assert [job_id, "ada"] in [[row[0], row[-1]] for row in rows]
    assert job_id in eve.kotta("list", "--owner", "ada").stdout
    assert job_id not in eve.kotta("list").stdout
    assert "endless" in eve.kotta("status", job_id[:8]).stdout
    assert eve.kotta("status", "endless").returncode == 1, "names are of one's own"
    assert eve.kotta("cancel", job_id).returncode == 0
    wait_until(lambda: ada.status(job_id)["status"] == "cancelled", timeout=20)

    written = [line for line in audit(shared) if job_id in str(line)]
    assert {(line["message"].split(" job=")[0], line.get("at")) for line in written} >= {
        ("eve looked at a job", "status"),
        ("eve looked at a job", "stdout"),
        ("eve cancelled a job", None),
    }
    assert all((line["user"], line["owner"]) == ("eve", "ada") for line in written)
    assert any("eve listed jobs owner=everybody" in line["message"] for line in audit(shared))
    assert not any(line["user"] == "ada" and "looked" in line["message"] for line in audit(shared))


def audit(shared: SharedService) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in shared.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["logger"] == "kotta_service.audit"]


def test_without_the_scope_an_administrator_is_as_everybody(
    shared: SharedService, ada: Person
) -> None:
    job_id = ada.done()
    weak = shared.client(shared.token("eve", ("read", "write")))
    assert weak.get(f"/jobs/{job_id}").status_code == 404
    assert weak.post(f"/jobs/{job_id}/cancel").status_code == 404
    assert weak.get("/jobs?owner=ada").json()["jobs"] == []
    # nor does administering let one share what is another's
    assert shared.client(shared.token("eve")).post(
        "/jobs/share", json={"jobs": [job_id], "readers": ["bob"]}
    ).status_code == 404  # fmt: skip


def test_the_operator_sees_all_by_the_services_own_socket(
    shared: SharedService, ada: Person
) -> None:
    job_id = ada.done()
    client = Kotta(server=f"unix:{shared.socket}")
    assert client.status(job_id).owner == "ada"
    assert job_id in [job.id for job in client.list(owner="*").jobs]
    assert job_id not in [job.id for job in client.list().jobs]
    with pytest.raises(NotFoundError):
        client.status("0" * 36)
