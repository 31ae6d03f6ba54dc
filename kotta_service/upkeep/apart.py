"""A check in a process of its own: `python -m kotta_service.upkeep.apart`.

It goes through all that is kept, which takes long where that is much. Within the service it would
take turns of the interpreter that requests wait for, and leave holes in its memory for good.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

from kotta.errors import ServiceFaultError
from kotta.models.upkeep import CheckReport
from kotta_service.settings import Settings


def check(settings: Settings, data: Path, *, contents: bool) -> CheckReport:
    """The report of a check, once it is over; it ends if this process does.

    Raises:
        ServiceFaultError: it was ended, or failed; its own words are in the log.
        OSError: it cannot be started.
    """
    command = [sys.executable, "-m", __name__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd="/") as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            # what is to be checked, and with which keys, is nothing for a command line
            pickle.dump((settings, data.resolve(), contents), child.stdin)
            child.stdin.flush()
            answer = child.stdout.read()
        except BrokenPipeError:
            answer = b""
        finally:
            child.kill()
    if not answer:
        raise ServiceFaultError("the check was ended before it was over", hint="repeat it")
    found = pickle.loads(answer)  # noqa: S301 (of our own process)
    if isinstance(found, Exception):
        raise found
    report: CheckReport = found
    return report


def main() -> None:
    settings, data, contents = pickle.load(sys.stdin.buffer)  # noqa: S301
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    sys.stdout.buffer.write(_answer(settings, data, contents=contents))
    sys.stdout.buffer.flush()


def _answer(settings: Settings, data: Path, *, contents: bool) -> bytes:
    # imported here: the service has no use for them on this side
    from kotta_service.storage.choosing import storage_of
    from kotta_service.store.database import Database
    from kotta_service.upkeep.backup import DATABASE
    from kotta_service.upkeep.checking import Checker

    database = Database(settings.database or data / DATABASE)
    storage = storage_of(settings, data)
    try:
        return pickle.dumps(Checker(database, storage, data, contents=contents).run())
    except Exception as error:
        return _as_bytes(error)
    finally:
        storage.close()
        database.close()


def _as_bytes(error: Exception) -> bytes:
    try:
        found = pickle.dumps(error)
        pickle.loads(found)  # noqa: S301
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return found


def _end_with_the_service() -> None:
    sys.stdin.buffer.read(1)
    os._exit(1)


if __name__ == "__main__":
    main()
