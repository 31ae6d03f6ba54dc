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
