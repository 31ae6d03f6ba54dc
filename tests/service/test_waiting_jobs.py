"""Jobs that wait although there is room, which no commit has started."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from running_service import RunningService
from waiting import wait_until


def test_what_no_commit_has_started_is_started_all_the_same() -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = RunningService(Path(home), KOTTA_SERVICE_DATABASE="")
        service.start()
        try:
            (first,) = service.submit({"executable": "sleep 300"})
            (second,) = service.submit({"executable": "true", "after": [first["id"]]})
            with contextlib.closing(sqlite3.connect(service.data / "kotta.db")) as database:
                # as after a commit that was to start it and was undone
                database.execute("UPDATE jobs SET waits_for = 0 WHERE id = ?", [second["id"]])
                database.commit()
            path = f"/jobs/{second['id']}"
            wait_until(lambda: service.http.get(path).json()["status"] == "completed", timeout=30)
            service.http.post(f"/jobs/{first['id']}/cancel")
        finally:
            service.close()


def test_a_job_that_cannot_be_begun_holds_up_no_other() -> None:
    with tempfile.TemporaryDirectory(prefix="kotta-") as home:
        service = RunningService(Path(home), KOTTA_SERVICE_DATABASE="")
        service.start()
        try:
            first, second = service.submit(*({"executable": "sleep 1", "cpus": 1},) * 2)
            broken, behind = service.submit({"executable": "true"}, {"executable": "true"})
            with contextlib.closing(sqlite3.connect(service.data / "kotta.db")) as database:
                # as of a version that had other ideas of what may be submitted
                database.execute(
                    "UPDATE jobs SET description = json_set(description, '$.inputs', json('[5]'))"
                    " WHERE id = ?",
                    [broken["id"]],
                )
                database.commit()
            ended = service.wait(first, second, broken, behind)
            assert [job["status"] for job in ended] == [
                "completed", "completed", "failed", "completed",
            ]  # fmt: skip
            assert ended[2]["error"].startswith("the service could not begin it: ")
        finally:
            service.close()
