"""How much one user may have: refused, or made to wait while others overtake, and always told."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from first_clients import FirstLibrary
from postgres_server import NewDatabase
from shared_service import SharedService
from waiting import wait_until

from kotta import Kotta
from kotta.errors import QuotaError
from kotta_cli.explaining import explain

SETTINGS = """
[limits]
queued = 4
running = 1
storage_mib = 1

[queues.Test]
cpus = 4
memory_mib = 4096
"""
SLEEP = {"executable": "sleep 600"}


@pytest.fixture(scope="module")
def limited(new_database: NewDatabase) -> Iterator[SharedService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = SharedService(
            Path(home),
            SETTINGS,
            KOTTA_SERVICE_GRACE_SECONDS="1",
            KOTTA_SERVICE_DATABASE=new_database(),
        )
        service.start()
        try:
            yield service
        finally:
            service.close()


@pytest.fixture
def ada(limited: SharedService, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A user of the test's own."""
    name = f"u{abs(hash(request.node.name)) % 10**9}"
    limited.add_user(name)
    client = limited.client(limited.token(name))
    yield client
    open_ones = "/jobs?status=pending&status=processing&status=staging_inputs"
    for job in client.get(open_ones).json()["jobs"]:
        client.post(f"/jobs/{job['id']}/cancel")
        ended(client, job["id"])


def submit(client: httpx.Client, *descriptions: dict[str, Any]) -> httpx.Response:
    return client.post("/jobs", json={"jobs": descriptions})


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 201, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"/jobs/{job_id}", params={"wait": 5}).json()
        return found if found["ended_at"] else None

    return wait_until(look, timeout=20)


def name_of(client: httpx.Client) -> str:
    return str(client.get("/me").json()["name"])


def set_limits(service: SharedService, client: httpx.Client, **limits: int) -> None:
    answer = service.http.patch(f"/users/{name_of(client)}", json={"limits": limits})
    assert answer.status_code == 200, answer.text


def test_more_than_may_wait_is_refused_and_how_much_is_left_is_told(ada: httpx.Client) -> None:
    ids(submit(ada, SLEEP, SLEEP))
    wait_until(lambda: [each["used"] for each in ada.get("/me").json()["limits"]][:2] == [1, 1])
    refused = submit(ada, *[SLEEP] * 4)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota")
    assert int(refused.headers["retry-after"]) > 0
    detail = refused.json()["detail"]
    assert detail.startswith("4 jobs more would be more than may wait: of your 4, 1 wait already")
    assert "3 more can be submitted" in detail
    assert ada.post("/jobs/check", json={"jobs": [SLEEP] * 4}).status_code == 429
    never = submit(ada, *[SLEEP] * 5)
    assert (never.status_code, never.json()["code"]) == (403, "beyond_quota"), "no time helps"
    assert "retry-after" not in never.headers
    assert len(ada.get("/jobs").json()["jobs"]) == 2
    ids(submit(ada, *[SLEEP] * 3))


def test_jobs_beyond_a_limit_wait_and_others_overtake(
    limited: SharedService, ada: httpx.Client
) -> None:
    first, second = ids(submit(ada, SLEEP, SLEEP))
    limited.add_user("grace")
    grace = limited.client(limited.token("grace"))
    (others,) = ids(submit(grace, {"executable": "true"}))
    wait_until(lambda: grace.get(f"/jobs/{others}").json()["status"] == "completed", timeout=20)
    assert ada.get(f"/jobs/{second}").json()["status"] == "pending"
    place = ada.get(f"/jobs/{second}/place").json()
    limit = {"name": "running", "used": 1, "limit": 1}
    assert place["limit"] == limit
    (told,) = ada.post("/jobs/check", json={"jobs": [SLEEP]}).json()["jobs"]
    assert (told["starts_now"], told["limit"]) == (False, limit)
    with Kotta({"access_token": str(ada.headers["authorization"])[7:]}, server=limited.url) as mine:
        sentences = explain(mine, mine.status(second)).sentences
    assert f"Of {name_of(ada)}'s jobs 1 may run at once, and 1 do." in sentences
    ada.post(f"/jobs/{first}/cancel")
    wait_until(lambda: ada.get(f"/jobs/{second}").json()["status"] == "processing", timeout=20)


def test_an_administrator_gives_one_user_more_which_counts_at_once(
    limited: SharedService, ada: httpx.Client
) -> None:
    _, second = ids(submit(ada, SLEEP, SLEEP))
    assert ada.get(f"/jobs/{second}").json()["status"] == "pending"
    set_limits(limited, ada, running=2)
    wait_until(lambda: ada.get(f"/jobs/{second}").json()["status"] == "processing", timeout=20)
    told = {each["name"]: each for each in ada.get("/me").json()["limits"]}
    assert told["running"] == {"name": "running", "used": 2, "limit": 2}
    assert told["queued"]["limit"] == 4, "what is not named is as everybody's"


def test_cores_are_limited_over_all_jobs_and_more_than_that_is_never_asked_for(
    limited: SharedService, ada: httpx.Client
) -> None:
    set_limits(limited, ada, running=9, cores=2)
    _, second = ids(submit(ada, {**SLEEP, "cpus": 1}, {**SLEEP, "cpus": 2}))
    place = ada.get(f"/jobs/{second}/place").json()
    assert place["limit"] == {"name": "cores", "used": 1, "limit": 2}
    refused = submit(ada, {**SLEEP, "cpus": 3})
    assert (refused.status_code, refused.json()["code"]) == (403, "beyond_quota")
    assert "asks for 3 cores, and yours may use 2 at once" in refused.json()["detail"]


def test_files_beyond_the_limit_are_refused_and_what_runs_ends_properly(
    limited: SharedService, ada: httpx.Client
) -> None:
    made = {"executable": "head -c 900000 /dev/zero > big", "outputs": "big"}
    for _ in range(2):
        (job_id,) = ids(submit(ada, made))
        found = ended(ada, job_id)
        sizes = {output["name"]: output["size_bytes"] for output in found["outputs"]}
        assert (found["status"], sizes["big"]) == ("completed", 900_000)
    refused = submit(ada, made)
    assert (refused.status_code, refused.json()["code"]) == (403, "beyond_quota")
    assert "may hold 1 MiB: they hold 1.7 MiB, and 0.0 MiB are left" in refused.json()["detail"]
    content = b"x"
    path = f"/uploads/{hashlib.sha256(content).hexdigest()}"
    assert ada.put(path, content=content).status_code == 403
    token = str(ada.headers["authorization"])[7:]
    with (
        Kotta({"access_token": token}, server=limited.url) as client,
        pytest.raises(QuotaError, match="MiB are left") as error,
    ):
        client.submit({"executable": "true"})
    assert error.value.retry_after_seconds is None
    set_limits(limited, ada, storage_mib=100)
    assert ada.put(path, content=content).status_code == 201
    assert ada.put(path, content=content).status_code == 200


def storage_of(client: httpx.Client) -> dict[str, int]:
    answer = client.get("/me")
    assert answer.status_code == 200, answer.text
    limits = {each["name"]: each for each in answer.json()["limits"]}
    found = limits["storage_mib"]
    return {"used": found["used"], "limit": found["limit"]}


def address_of(content: bytes) -> str:
    return f"/uploads/{hashlib.sha256(content).hexdigest()}"


def kept_uploads(service: SharedService) -> int:
    """How many uploads lie in the storage, whether or not anybody has them."""
    return sum(path.is_file() for path in (service.data / "files" / "uploads").rglob("*"))


def test_an_upload_of_a_size_that_nobody_announced_is_held_to_the_limit(
    limited: SharedService, ada: httpx.Client
) -> None:
    content = os.urandom(3 << 20)
    kept = kept_uploads(limited)
    pieces = (content[start : start + 65_536] for start in range(0, len(content), 65_536))
    refused = ada.put(address_of(content), content=pieces)
    assert (refused.status_code, refused.json()["code"]) == (403, "beyond_quota")
    assert storage_of(ada) == {"used": 0, "limit": 1}
    assert kept_uploads(limited) == kept
    fits = content[:1000]
    assert ada.put(address_of(fits), content=iter([fits])).status_code == 201
    assert ada.put(address_of(fits), content=iter([fits])).status_code == 200


def test_uploads_that_come_at_once_are_held_to_the_limit_together(
    limited: SharedService, ada: httpx.Client
) -> None:
    kept = kept_uploads(limited)
    together = threading.Barrier(6)
    token = str(ada.headers["authorization"])[7:]

    def send(number: int) -> int:
        content = bytes([number]) * 700_000

        def pieces() -> Iterator[bytes]:
            yield content[:1000]
            together.wait(20)  # all of them have been let in
            yield content[1000:]

        headers = {"Content-Length": str(len(content))}
        client = limited.client(token)
        return client.put(address_of(content), content=pieces(), headers=headers).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(send, range(6)))
    assert statuses == [201, 403, 403, 403, 403, 403]
    assert storage_of(ada) == {"used": 1, "limit": 1}
    assert kept_uploads(limited) == kept + 1, "what was refused is not left lying"


def test_a_refused_upload_leaves_the_same_file_of_another_user(
    limited: SharedService, ada: httpx.Client
) -> None:
    limited.add_user("hal")
    hal = limited.client(limited.token("hal"))
    content = os.urandom(900_000)
    assert hal.put(address_of(content), content=content).status_code == 201
    assert ada.put(address_of(b"x" * 300_000), content=b"x" * 300_000).status_code == 201
    assert ada.put(address_of(content), content=iter([content])).status_code == 403
    url = f"kotta://uploads/{hashlib.sha256(content).hexdigest()}/data"
    (job_id,) = ids(submit(hal, {"executable": "wc -c data", "inputs": [url]}))
    assert ended(hal, job_id)["status"] == "completed"


def test_uploads_of_the_first_clients_are_held_to_the_limit(
    limited: SharedService, ada: httpx.Client, tmp_path: Path
) -> None:
    first = FirstLibrary(limited.url, access_token=str(ada.headers["authorization"])[7:])
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    kept = kept_uploads(limited)
    link = urlsplit(first.upload_url("big"))
    url = f"{limited.url}{link.path}?{link.query}"
    for content in ((tmp_path / "big").read_bytes(), iter([(tmp_path / "big").read_bytes()])):
        refused = httpx.put(url, content=content, trust_env=False)
        assert (refused.status_code, refused.json()["code"]) == (403, "beyond_quota")
    assert (storage_of(ada)["used"], kept_uploads(limited)) == (0, kept)


def test_the_operator_has_no_limits(limited: SharedService) -> None:
    assert limited.http.get("/me").json()["limits"] == []
    jobs = limited.submit(*[{"executable": "true"}] * 6)
    assert {job["status"] for job in limited.wait(*jobs)} == {"completed"}
