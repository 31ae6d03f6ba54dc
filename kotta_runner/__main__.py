"""`python kotta-runner.pyz LAUNCH.json`: runs the attempt that a launch file describes."""

from __future__ import annotations

import json
import os
import sys

from kotta_runner.run import run_attempt
from kotta_runner.signals import CancelSignal


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m kotta_runner LAUNCH.json\n")
        return 2
    with open(sys.argv[1], "rb") as file:
        launch = json.load(file)
    os.umask(0o077)
    run_attempt(launch, CancelSignal())
    return 0


if __name__ == "__main__":
    sys.exit(main())
