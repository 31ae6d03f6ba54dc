"""`python kotta-runner.pyz LAUNCH.json`: runs the attempt that a launch file describes."""

from __future__ import annotations

import gc
import json
import os
import sys

from kotta_runner import TYPE_CHECKING
from kotta_runner.guard import guarded
from kotta_runner.run import run_attempt
from kotta_runner.signals import CancelSignal

if TYPE_CHECKING:
    from typing import Any, Dict


def main() -> int:
    # what is loaded by now stays, and need not be looked at again
    gc.freeze()
    gc.enable()
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m kotta_runner LAUNCH.json\n")
        return 2
    try:
        with open(sys.argv[1], "rb") as file:
            launch = json.load(file)
    except FileNotFoundError:
        # another runner had it before; what it is about, and its token, are left to nobody
        sys.stderr.write("%s is gone: this attempt is somebody else's\n" % sys.argv[1])
        return 0
    os.umask(0o077)
    if launch.get("cluster"):
        return guarded(lambda: _run(launch))
    _run(launch)
    return 0


def _run(launch: Dict[str, Any]) -> None:
    run_attempt(launch, CancelSignal())


if __name__ == "__main__":
    sys.exit(main())
