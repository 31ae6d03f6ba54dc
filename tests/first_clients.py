"""The library of 2016, written anew from what it says on the wire, and what it read."""

from __future__ import annotations

import html
import http.client
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from waiting import wait_until

STATES = (
    "pending", "staging_inputs", "processing", "staging_outputs", "completed", "failed",
    "cancelled",
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"


class FirstLibrary:
    """Speaks `/rest/v1` to a service, with forms in the bodies of GETs too."""

    def __init__(self, url: str, **credentials: str) -> None:
        self.url = url
        self.credentials = credentials

    def ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        """The answer's status and JSON; `fields` may hold lists, as fields that are repeated."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            body = None if fields is None else urlencode(fields, doseq=True).encode()
            headers = {} if fields is None else {"Content-Type": FORM}
            connection.request(method, f"/rest/v1/{path}", body, headers)
            answer = connection.getresponse()
            assert answer.headers["Content-Type"] in (
                "application/json",
                "application/problem+json",
            )
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def submit_task(self, **description: Any) -> Any:
        status, told = self.ask("POST", "submit_task", {**description, **self.credentials})
        assert status == 200, told
        return told

    def submitted(self, **description: Any) -> str:
        told = self.submit_task(**description)
        assert set(told) == {"status", "job_id"}, told
        assert told["status"] == "Success"
        job_id: str = told["job_id"]
        return job_id

    def status_task(self, job_id: str) -> dict[str, Any]:
        """What the items say, those that are repeated as lists; {} if there is no such job."""
        status, told = self.ask("GET", f"status_task/{job_id}")
        if status != 200:
            return {}
        found: dict[str, Any] = {"inputs": [], "outputs": []}
        assert list(told["items"]) == [str(number) for number in range(len(told["items"]))]
        for item in told["items"].values():
            ((name, value),) = item.items()
            if name in ("inputs", "outputs"):
                found[name].append(value)
            else:
                assert name not in found
                found[name] = value
        assert found["status"] == told["status"]
        if told["status"] not in STATES:
            raise ValueError(f"no state: {told['status']}")
        return found

    def wait(self, job_id: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            found = self.status_task(job_id)
            return found if found["status"] in ("completed", "failed", "cancelled") else None

        return wait_until(ended, 30, lambda: self.status_task(job_id)) or {}

    def list_tasks(self) -> Any:
        return self.ask("GET", "list_tasks", self.credentials)[1]

    def cancel_task(self, job_id: str, method: str = "GET") -> Any:
        return self.ask(method, f"cancel_task/{job_id}", self.credentials)[1]

    def upload_url(self, filepath: str) -> str:
        told = self.ask("POST", "upload_url", {"filepath": filepath, **self.credentials})[1]
        assert set(told) == {"status", "upload_url"}, told
        url: str = told["upload_url"]
        return url

    def upload_file(self, path: Path) -> str:
        """Puts a file where the service says, and makes the input's URL of that."""
        url = self.upload_url(str(path))
        done = put(path, url)
        assert done == ("200", b""), done
        parts = urlsplit(url)
        return f"s3://{(parts.hostname or '').split('.')[0]}{parts.path}"


def put(path: Path, url: str) -> tuple[str, bytes]:
    """What `curl --upload-file` gets: status and body."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "%{http_code}",
         "--header", "Expect: 100-continue", "--upload-file", str(path), url],
        capture_output=True,
        check=True,
    )  # fmt: skip
    return done.stdout[-3:].decode(), done.stdout[:-3]


def curl(*words: str) -> bytes:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--location", "--max-time", "30", *words],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def link(item: str) -> tuple[str, str | None]:
    """Name and URL of an output or input, None for one that was not made."""
    if found := re.fullmatch(r"<i>([^<>\"]*)</i>", item):
        return html.unescape(found[1]), None
    found = re.fullmatch(r'<a href="([^<>"]*)">([^<>"]*)</a>', item)
    assert found, item
    return html.unescape(found[2]), html.unescape(found[1])


def s3(bucket: str, user: str, name: str) -> str:
    return f"s3://{bucket}/uploads/{user}/{quote(name, safe='')}"
