"""The language of the clients of 2016 on the local service's socket, where nobody is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from accounts import need
from first_clients import link, s3
from running_service import RunningService


@pytest.fixture
def curl(service: RunningService) -> Any:
    need("curl", shutil.which("curl") is not None)

    def ask(*words: str) -> bytes:
        command = ["curl", "--silent", "--show-error", "--fail", "--unix-socket"]
        done = subprocess.run([*command, str(service.socket), *words], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


@pytest.mark.of_files
def test_it_is_spoken_without_a_token(service: RunningService, curl: Any, tmp_path: Path) -> None:
    base = "http://localhost/rest/v1"
    (tmp_path / "in.txt").write_text("local")
    url = json.loads(curl("-d", f"filepath={tmp_path}/in.txt", f"{base}/upload_url"))["upload_url"]
    assert url.startswith("http://klab-jobs.localhost/uploads/local/in.txt?")
    curl("--upload-file", str(tmp_path / "in.txt"), url)
    source = s3("klab-jobs", "local", "in.txt")
    told = json.loads(
        curl("-d", "queue=Test&executable=cat in.txt&user_email=any@example.org",
             "-d", f"inputs={source}", f"{base}/submit_task")
    )  # fmt: skip
    assert told["status"] == "Success"
    service.wait({"id": told["job_id"]})
    status = json.loads(curl(f"{base}/status_task/{told['job_id']}"))
    assert status["status"] == "completed"
    outputs = [item["outputs"] for item in status["items"].values() if "outputs" in item]
    links = dict(link(item) for item in outputs)
    assert curl(links["STDOUT.txt"]) == b"local"
    listed = json.loads(curl("-X", "GET", "-d", "x=y", f"{base}/list_tasks"))
    assert listed["items"]["0"]["job_id"] == told["job_id"]
