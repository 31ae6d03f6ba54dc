"""How long a command takes from start to end, beside the bare interpreter.

Every figure is the median of whole processes, run in turn with `python -c pass` so that both meet
the same load; the ratio is what can be compared between machines. Of the command lines that a user
might know, those that are on PATH are run in the same way: hf, aws, globus, dx and sky.

    python benchmarks/startup.py [--runs 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KOTTA = str(Path(sys.executable).with_name("kotta"))
JOBS = 20
BUDGETS = {
    "kotta --version": 2.5,
    "kotta __complete jobs ''": 2.5,
    "Tab after kotta fetch @last": 2.5,
    "kotta --help": 9.0,
    "kotta list": 17.0,
}
COMMANDS = {
    "kotta --version": [KOTTA, "--version"],
    "kotta __complete jobs ''": [KOTTA, "__complete", "jobs", ""],
    "Tab after kotta fetch @last": [KOTTA, "__complete", "job-then-outputs", "", "fetch", "@last"],
    "kotta --help": [KOTTA, "--help"],
    "kotta list": [KOTTA, "list"],
}
PEERS = ("hf --help", "aws --version", "globus --help", "dx --help", "sky --help")
"""From huggingface_hub, awscli, globus-cli, dxpy and skypilot."""
BARE = [sys.executable, "-c", "pass"]


@contextmanager
def user_with_jobs() -> Iterator[dict[str, str]]:
    """The environment of somebody whose service runs and has ended 20 jobs."""
    home = Path(tempfile.mkdtemp(prefix="kb-"))
    (home / "run").mkdir(mode=0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "LANG": "C.UTF-8",
    }
    jobs = json.dumps([{"executable": "true", "jobname": f"job-{n}"} for n in range(JOBS)])
    try:
        subprocess.run(
            [KOTTA, "submit", "-", "--wait"],
            input=jobs,
            text=True,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        yield environment
    finally:
        subprocess.run([KOTTA, "service", "stop"], env=environment, stdout=subprocess.DEVNULL)
        shutil.rmtree(home, ignore_errors=True)


def milliseconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return (time.perf_counter() - began) * 1000


def measure(runs: int) -> dict[str, dict[str, float | None]]:
    figures = {}
    with user_with_jobs() as environment:
        for name, command in {**COMMANDS, **peers()}.items():
            milliseconds(command, environment)
            bare, whole = [], []
            for _ in range(runs):
                bare.append(milliseconds(BARE, environment))
                whole.append(milliseconds(command, environment))
            python, median = statistics.median(bare), statistics.median(whole)
            figures[name] = {
                "milliseconds": round(median, 1),
                "python_milliseconds": round(python, 1),
                "ratio": round(median / python, 2),
                "budget": BUDGETS.get(name),
            }
    return figures


def peers() -> dict[str, list[str]]:
    return {line: line.split() for line in PEERS if shutil.which(line.split()[0])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20, help="runs for each figure, at least 10")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(max(options.runs, 10))
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    print(f"{'command':<26}{'ms':>8}{'python -c pass':>16}{'ratio':>8}{'budget':>8}")
    for name, row in figures.items():
        print(
            f"{name:<26}{row['milliseconds']:>8}{row['python_milliseconds']:>16}"
            f"{row['ratio']:>8}{row['budget'] or '':>8}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
