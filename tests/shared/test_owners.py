"""What is somebody else's answers exactly as what does not exist, on every route there is."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from shared_service import SharedService
from waiting import wait_until

SECRET = "canary-of-ada"
"""Stands in everything of ada's that has a name or a text."""


@dataclass
class Things:
    """What a user has: ids by what they are ids of, and everything that tells of it."""

    ids: dict[str, str] = field(default_factory=dict)

    def telltales(self) -> list[str]:
        return [*self.ids.values(), SECRET]


@pytest.fixture(scope="module")
def ada(shared: SharedService) -> httpx.Client:
    return shared.client(shared.token("ada"))


@pytest.fixture(scope="module")
def bob(shared: SharedService) -> httpx.Client:
    return shared.client(shared.token("bob"))


@pytest.fixture(scope="module")
def eve(shared: SharedService) -> httpx.Client:
    return shared.client(shared.token("eve"))


def submit(client: httpx.Client, *descriptions: dict[str, Any], key: str = "") -> list[str]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post("/jobs", json={"jobs": descriptions}, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"/jobs/{job_id}", params={"wait": 10}).json()
        return found if found["ended_at"] else None

    return wait_until(look, timeout=30)


@pytest.fixture(scope="module")
def things(ada: httpx.Client) -> Iterator[Things]:
    """What ada has: a job that has ended, one that runs, one that waits, an array, an upload."""
    made = {"executable": "echo x > made.txt; echo out", "outputs": "made.txt", "tags": [SECRET]}
    (done,) = submit(ada, {**made, "jobname": SECRET}, key=SECRET)
    (running,) = submit(ada, {"executable": "sleep 600", "jobname": f"{SECRET}-2"})
    (waiting,) = submit(ada, {"executable": "true", "jobname": f"{SECRET}-3", "after": [running]})
    parts = submit(ada, {"executable": "true", "jobname": f"{SECRET}-4", "array": [1, 2]})
    array = ada.get(f"/jobs/{parts[0]}").json()["array"]
    content = SECRET.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    assert ada.put(f"/uploads/{sha256}", content=content).status_code == 201
    token = ada.post("/tokens", json={"label": SECRET, "scopes": ["read"]}).json()["id"]
    ended(ada, done)
    wait_until(lambda: ada.get(f"/jobs/{running}").json()["status"] == "processing", timeout=20)
    ids = {"done": done, "running": running, "waiting": waiting, "array": array, "token": token}
    yield Things({**ids, "sha256": sha256})
    ada.post(f"/jobs/{running}/cancel")


@dataclass
class Probe:
    """A request that names something; `{}` stands for its id.

    Attributes:
        of: which of ada's things it is tried with.
    """

    method: str
    path: str
    of: tuple[str, ...]
    url: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, client: httpx.Client, identifier: str) -> httpx.Response:
        text = json.dumps(self.body).replace("{}", identifier)
        body = None if self.body is None else json.loads(text)
        url = self.url.replace("{}", identifier)
        return client.request(self.method, url, json=body, headers=self.headers)


JOBS = ("done", "running", "waiting")


def job(**changes: Any) -> dict[str, Any]:
    return {"jobs": [{"executable": "true", **changes}]}


PROBES = [
    Probe("POST", "/jobs", JOBS, "/jobs", job(after=["{}"])),
    Probe("POST", "/jobs", JOBS, "/jobs", job(inputs=["kotta://jobs/{}/made.txt"])),
    Probe("POST", "/jobs", ("sha256",), "/jobs", job(inputs=["kotta://uploads/{}/x"])),
    Probe("POST", "/jobs/check", JOBS, "/jobs/check", job(after=["{}"])),
    Probe("POST", "/jobs/check", JOBS, "/jobs/check", job(inputs=["kotta://jobs/{}/made.txt"])),
    Probe("POST", "/jobs/check", ("sha256",), "/jobs/check", job(inputs=["kotta://uploads/{}/x"])),
    Probe("POST", "/jobs/cancel", JOBS, "/jobs/cancel", {"jobs": ["{}"]}),
    Probe("POST", "/jobs/share", JOBS, "/jobs/share", {"jobs": ["{}"], "readers": ["bob"]}),
    Probe("GET", "/jobs", ("array",), "/jobs?array={}"),
    Probe("GET", "/jobs", ("array",), "/jobs?array={}&owner=ada"),
    Probe("GET", "/jobs", ("array",), "/jobs?array={}&owner=*"),
    Probe("GET", "/jobs", ("array",), "/jobs?array={}&shared=true"),
    Probe("GET", "/jobs/select", (*JOBS, "array"), "/jobs/select?selector={}"),
    Probe("GET", "/jobs/{job_id}", JOBS, "/jobs/{}"),
    Probe("GET", "/jobs/{job_id}", ("done",), "/jobs/{}?wait=1"),
    Probe("GET", "/jobs/{job_id}/place", JOBS, "/jobs/{}/place"),
    Probe("POST", "/jobs/{job_id}/cancel", JOBS, "/jobs/{}/cancel"),
    Probe("GET", "/jobs/{job_id}/outputs/{name}", JOBS, "/jobs/{}/outputs/made.txt"),
    Probe(
        "GET",
        "/jobs/{job_id}/outputs/{name}",
        ("done",),
        "/jobs/{}/outputs/made.txt",
        headers={"Kotta-Accept": "path", "Range": "bytes=100-"},
    ),
    Probe("POST", "/jobs/{job_id}/outputs", JOBS, "/jobs/{}/outputs", {"names": ["made.txt"]}),
    Probe("GET", "/jobs/{job_id}/logs/{stream}", JOBS, "/jobs/{}/logs/stdout"),
    Probe("GET", "/jobs/{job_id}/logs/{stream}", ("done",), "/jobs/{}/logs/stderr?attempt=1"),
    Probe("GET", "/jobs/{job_id}/logs/{stream}", ("running",), "/jobs/{}/logs/stdout?wait=1"),
    Probe("GET", "/jobs/{job_id}/usage", JOBS, "/jobs/{}/usage"),
    Probe("GET", "/jobs/{job_id}/usage", ("done",), "/jobs/{}/usage?attempt=7"),
    Probe("GET", "/changes", JOBS, "/changes?after=0&job={}"),
    Probe("GET", "/changes", ("done",), "/changes?after=0&job={}&results=true&wait=0.2"),
    Probe("POST", "/uploads/check", ("sha256",), "/uploads/check", {"sha256": ["{}"]}),
    Probe("DELETE", "/tokens/{token_id}", ("token",), "/tokens/{}"),
    # a job's own token is not known by who asks
    Probe(
        "POST",
        "/runner/reports",
        JOBS,
        "/runner/reports",
        {"job_id": "{}", "attempt": 1, "timeline": {"processing": 1}},
    ),
    Probe(
        "POST",
        "/runner/inputs",
        JOBS,
        "/runner/inputs",
        {"job_id": "{}", "attempt": 1, "inputs": []},
    ),
    Probe(
        "POST",
        "/runner/uploads",
        JOBS,
        "/runner/uploads",
        {"job_id": "{}", "attempt": 1, "files": []},
    ),
    Probe(
        "POST",
        "/runner/uploads/finish",
        JOBS,
        "/runner/uploads/finish",
        {
            "job_id": "{}",
            "attempt": 1,
            "name": "made.txt",
            "size_bytes": 1,
            "sha256": "0" * 64,
            "parts": [],
        },
    ),
]

NAME_NOTHING = {
    ("GET", "/service"),
    ("GET", "/queues"),
    ("GET", "/me"),
    ("GET", "/tokens"),
    ("POST", "/tokens"),
}
"""Routes that take no id; what they answer must not tell of others either."""
ADMINISTRATORS = {
    ("POST", "/service/stop"),
    ("GET", "/users"),
    ("POST", "/users"),
    ("PATCH", "/users/{name}"),
    ("POST", "/users/{name}/invitation"),
    ("POST", "/admin/check"),
    ("POST", "/admin/prune"),
    ("GET", "/admin/backup"),
    ("POST", "/admin/lifecycle"),
}
BY_CONTENT = {
    ("PUT", "/uploads/{sha256}"),
    ("POST", "/uploads/{sha256}/urls"),
    ("POST", "/uploads/{sha256}/finish"),
}
"""Whoever has the content learns nothing; see the test of it."""
BEFORE_ANYBODY_IS_KNOWN = ("/login/",)


def routes(shared: SharedService) -> set[tuple[str, str]]:
    paths = shared.http.get("/openapi.json").json()["paths"]
    return {
        (method.upper(), path.removeprefix("/api/v2"))
        for path, methods in paths.items()
        if path.startswith("/api/v2/") and not path[7:].startswith(BEFORE_ANYBODY_IS_KNOWN)
        for method in methods
    }


def test_no_route_is_forgotten_here(shared: SharedService) -> None:
    tried = {(probe.method, probe.path) for probe in PROBES}
    assert routes(shared) == tried | NAME_NOTHING | ADMINISTRATORS | BY_CONTENT


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe.method} {probe.url}"[:60])
def test_what_is_somebody_elses_answers_as_what_does_not_exist(
    probe: Probe, bob: httpx.Client, things: Things
) -> None:
    for kind in probe.of:
        theirs = things.ids[kind]
        unknown = uuid.uuid4().hex * 2 if kind == "sha256" else str(uuid.uuid4())
        of_theirs, of_unknown = probe.send(bob, theirs), probe.send(bob, unknown)
        assert told(of_theirs, theirs) == told(of_unknown, unknown)
        assert all(word not in of_theirs.text for word in things.telltales() if word != theirs), (
            of_theirs.text
        )


def told(answer: httpx.Response, identifier: str) -> tuple[int, dict[str, str], str]:
    """All that an answer tells but for the id that was asked for, and what is new in each."""
    news = ("kotta-request-id", "date")
    headers = {key: value for key, value in answer.headers.items() if key not in news}
    body = answer.text.replace(identifier, "ID")
    if answer.headers["content-type"].startswith("application/") and body:
        content = json.loads(body)
        content.pop("request_id", None)
        # the feed's latest number is one for the whole service
        for counter in ("last", "change"):
            if counter in content:
                content[counter] = 0
                headers.pop("content-length", None)
        body = json.dumps(content)
    return answer.status_code, headers, body


def test_nothing_of_others_is_listed_or_told(bob: httpx.Client, things: Things) -> None:
    paths = [
        "/jobs", "/jobs?owner=ada", "/jobs?owner=*", "/jobs?shared=true", f"/jobs?tag={SECRET}",
        "/jobs?name=*", "/jobs/select?selector=@last", f"/jobs/select?selector=tag={SECRET}",
        f"/jobs/select?selector={SECRET}", "/jobs/select?selector=*", "/jobs/select?selector=@open",
        f"/jobs/select?selector={things.ids['done'][:8]}", "/changes?after=0", "/queues",
        "/service", "/tokens", "/me",
    ]  # fmt: skip
    for path in paths:
        answer = bob.get(path)
        assert answer.status_code == 200, answer.text
        for word in (*things.telltales(), things.ids["done"][:8]):
            assert word not in answer.text.replace(path, ""), path


def test_an_idempotency_key_is_ones_own(bob: httpx.Client, things: Things) -> None:
    (mine,) = submit(bob, {"executable": "true"}, key=SECRET)
    assert mine not in things.ids.values()


def test_who_has_a_content_learns_nothing_by_sending_it(bob: httpx.Client, things: Things) -> None:
    sha256 = things.ids["sha256"]
    assert bob.post("/uploads/check", json={"sha256": [sha256]}).json()["missing"] == [sha256]
    assert bob.put(f"/uploads/{sha256}", content=SECRET.encode()).status_code == 201


def test_jobs_in_front_are_counted_and_not_named(
    bob: httpx.Client, ada: httpx.Client, things: Things
) -> None:
    queues = {queue["name"]: queue for queue in bob.get("/queues").json()["queues"]}
    (large,) = submit(ada, {"executable": "sleep 600", "cpus": queues["Test"]["cpus"],
                            "jobname": f"{SECRET}-5"})  # fmt: skip
    try:
        (mine,) = submit(bob, {"executable": "true"})
        place = bob.get(f"/jobs/{mine}/place")
        if place.json()["position"] > 1:
            assert place.json()["next_up"] is None
        for word in (*things.telltales(), large):
            assert word not in place.text
        bob.post(f"/jobs/{mine}/cancel")
    finally:
        ada.post(f"/jobs/{large}/cancel")


def test_where_the_service_is_on_its_machine_is_told_to_administrators_alone(
    shared: SharedService, bob: httpx.Client, eve: httpx.Client
) -> None:
    answer = bob.get("/service")
    found = answer.json()
    assert [found[name] for name in ("pid", "data_directory", "log_file", "peak_memory_bytes")] == [
        None
    ] * 4
    assert found["address"] == shared.url
    assert str(shared.home) not in answer.text
    for client in (eve, shared.http):
        assert client.get("/service").json()["data_directory"] == str(shared.data)
    weak = shared.client(shared.token("eve", ("read", "write")))
    assert weak.get("/service").json()["pid"] is None
    for client in (bob, weak):
        assert client.post("/service/stop").json()["code"] == "not_admin"
    assert shared.process is not None
    assert shared.process.poll() is None


def test_what_is_for_administrators_is_refused_whatever_it_names(
    shared: SharedService, bob: httpx.Client
) -> None:
    bodies = {
        "/users": {"name": "x", "email": "x@example.org"},
        "/users/{name}": {},
        "/admin/check": {},
        "/admin/prune": {"older_than_seconds": 1e9, "dry_run": True},
    }
    for method, path in ADMINISTRATORS:
        answers = [
            bob.request(method, path.replace("{name}", name), json=bodies.get(path))
            for name in ("ada", "nobody")
        ]
        assert [answer.status_code for answer in answers] == [403, 403], path
        assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_how_long_an_answer_takes_does_not_tell_that_a_job_exists(
    ada: httpx.Client, bob: httpx.Client
) -> None:
    (large,) = submit(ada, {"executable": "true", "script_name": "s", "script": "x" * 1_000_000})

    asked = [(ada, large), (bob, large), (bob, str(uuid.uuid4()))]
    best = [float("inf")] * len(asked)
    for _ in range(400):
        # by turns, so that what else the machine does falls on all of them
        for number, (client, job_id) in enumerate(asked):
            began = time.perf_counter()
            client.get(f"/jobs/{job_id}")
            best[number] = min(best[number], time.perf_counter() - began)
        its_owner, somebody, unknown = best
        # to read such a job takes several times as long as not to find it
        if somebody < unknown + (its_owner - unknown) / 2:
            return
    pytest.fail(f"owner, somebody and unknown took {best} s at best")
