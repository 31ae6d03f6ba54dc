"""A home for one measurement."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KOTTA = str(Path(sys.executable).with_name("kotta"))


@contextmanager
def own_home() -> Iterator[Path]:
    """Somebody with an empty home, in this process and below it; their service ends with it."""
    with tempfile.TemporaryDirectory(prefix="kb-") as home:
        run = Path(home, "run")
        run.mkdir(mode=0o700)
        for name in list(os.environ):
            if name.startswith(("KOTTA_", "XDG_")):
                del os.environ[name]
        os.environ.update(HOME=home, XDG_RUNTIME_DIR=str(run))
        try:
            yield Path(home)
        finally:
            stop_service()


def stop_service(environment: dict[str, str] | None = None) -> None:
    """Ends the local service of this home, or of an environment's, if it runs."""
    command = [KOTTA, "service", "stop"]
    subprocess.run(command, env=environment, check=False, capture_output=True)
