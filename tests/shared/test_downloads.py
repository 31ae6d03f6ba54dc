"""What a shared service downloads for its users: from public addresses, and where settings say."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running_service import TERMINAL
from shared_service import SharedService
from stand_in_site import Site
from waiting import wait_until


@contextmanager
def serving(settings: str) -> Iterator[SharedService]:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = SharedService(Path(home), settings)
        service.start()
        try:
            service.add_user("ada")
            yield service
        finally:
            service.close()


def run(service: SharedService, url: str) -> tuple[dict[str, Any], str]:
    """A user's job that reads one input, once it has ended, and what it wrote."""
    ada = service.client(service.token("ada"))
    answer = ada.post("/jobs", json={"jobs": [{"executable": "cat data.csv", "inputs": [url]}]})
    assert answer.status_code == 201, answer.text
    path = f"/jobs/{answer.json()['jobs'][0]['id']}"
    job = wait_until(lambda: (found := ada.get(path).json())["status"] in TERMINAL and found)
    return job, ada.get(f"{path}/logs/stdout").text


def test_nothing_is_downloaded_from_this_machine() -> None:
    with serving("") as service, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        job, _ = run(service, f"http://127.0.0.1:{listener.getsockname()[1]}/data.csv")
        with pytest.raises(TimeoutError):
            listener.accept()
    assert (job["status"], job["reason"]) == ("failed", "staging")
    assert "127.0.0.1, which this service does not download from" in job["error"]


def test_a_network_in_the_settings_may_be_downloaded_from() -> None:
    site = Site()
    try:
        site.answers["/data.csv"] = lambda _: b"1,2\n"
        with serving('allowed_input_networks = ["127.0.0.0/8"]') as service:
            job, written = run(service, f"{site.url}/data.csv")
    finally:
        site.close()
    assert job["status"] == "completed", job["error"]
    assert written == "1,2\n"
