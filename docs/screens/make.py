"""Makes the pictures in this folder anew, from the real command on a terminal and a real service.

    python docs/screens/make.py [NAME...]

Every picture is drawn at 80 and at 120 columns. Jobs are staged in a home of its own, so ids and
times differ from run to run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import pyte
from picture import Screen, svg

from kotta import Job, Kotta

HERE = Path(__file__).parent
KOTTA = str(Path(sys.executable).with_name("kotta"))
WIDTHS = (80, 120)
SETTINGS = """\
[queues.Test]
cpus = 4
memory_mib = 8192
max_walltime_minutes = 1440
[queues.Prod]
cpus = 32
memory_mib = 131072
max_walltime_minutes = 10080
"""
TRAIN = """\
import time
cells, began, total = [], time.time(), 0
while time.time() - began < 5:
    total += sum(range(300_000))
    if len(cells) < 14 * (time.time() - began):
        cells.append(bytearray(4 << 20))
    time.sleep(0.003 if time.time() - began < 3 else 0.02)
print("loss 0.0312")
open("model.bin", "wb").write(bytes(3_400_000))
open("metrics.csv", "w").write("epoch,loss\\n1,0.0312\\n")
"""
RESAMPLE = """\
import csv
rows = [{"time": "0", "flux": "12.1"}, {"time": "1", "flux": ""}]
print(sum(float(row["flux"]) for row in rows))
"""


def main() -> None:
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="ks-") as home:
        os.environ.update(_environment(Path(home)))
        os.chdir(home)
        with Kotta() as kotta:
            shown = stage(kotta)
            for name, words in shown.items():
                if not wanted or name in wanted:
                    for columns in WIDTHS:
                        draw(name, words, columns)
            kotta.cancel_many(kotta.select_many("@open"))
        subprocess.run([KOTTA, "service", "stop"], check=False, capture_output=True)


def _environment(home: Path) -> dict[str, str]:
    """A home of its own, in place of all that the caller has set for Kotta."""
    (home / "run").mkdir(mode=0o700)
    (home / ".config/kotta").mkdir(parents=True)
    (home / ".config/kotta/service.toml").write_text(SETTINGS)
    for name in list(os.environ):
        if name.startswith(("KOTTA_", "XDG_")) or name in ("NO_COLOR", "COLUMNS"):
            del os.environ[name]
    return {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
    }


def stage(kotta: Kotta) -> dict[str, list[str]]:
    """Jobs of all kinds; the result is the command line of each picture, by the picture's name."""
    python = {"jobtype": "script", "queue": "Test", "memory": "512 MiB"}
    missing = kotta.submit(
        {**python, "executable": "true", "jobname": "load-catalogue",
         "inputs": ["http://127.0.0.1:9/catalogue.csv"]}
    )  # fmt: skip
    failed = kotta.submit(
        {**python, "executable": "python3 - < resample.py", "jobname": "resample",
         "script_name": "resample.py", "script": RESAMPLE, "walltime": 10}
    )  # fmt: skip
    train = kotta.submit(
        {**python, "executable": "python3 train.py", "jobname": "train", "tags": "paper",
         "script_name": "train.py", "script": TRAIN, "outputs": "model.bin, metrics.csv, plot.png",
         "walltime": 30, "memory": "1 GiB"}
    )  # fmt: skip
    again = kotta.submit({**python, "executable": "true", "jobname": "resample"})
    kotta.wait([missing, failed, train, again])
    sweep = kotta.submit_many(
        [{**python, "executable": "sleep $((KOTTA_PARAM_n < 9 ? 1 : 3600)); exit "
          "$((KOTTA_PARAM_n == 3))", "jobname": "sweep", "tags": "paper", "walltime": 120,
          "array": [{"n": n} for n in range(24)]}]
    )  # fmt: skip
    after = kotta.submit(
        {**python, "executable": "true", "jobname": "merge results", "tags": "paper"}
    )
    kotta.submit({**python, "executable": "sleep 3600", "jobname": "nightly", "queue": "Prod"})
    kotta.wait(sweep[:9])
    time.sleep(2)
    Path("job.json").write_text('{\n  "executable": "python3 fit.py",\n  "waltime": 5\n}\n')
    return _command_lines(train, failed, after, missing)


def _command_lines(train: Job, failed: Job, after: Job, missing: Job) -> dict[str, list[str]]:
    lines = {
        "list": ["list"],
        "watch": ["list", "--watch"],
        "status": ["status", train.id[:8]],
        "usage": ["usage", train.id[:8]],
        "why-pending": ["why", after.id[:8]],
        "why-failed": ["why", failed.id[:8]],
        "why-input": ["why", missing.id[:8]],
        "queues": ["queues"],
        "help": ["--help"],
        "help-list": ["list", "--help"],
        "error": ["submit", "job.json"],
        "error-ambiguous": ["status", "resample"],
    }
    from kotta_cli.command_table import command_names

    return {name: words for name, words in lines.items()
            if words[0].startswith("-") or words[0] in command_names()}  # fmt: skip


def draw(name: str, words: list[str], columns: int) -> None:
    """One picture, of what the window shows in the end or, of a watch, after a while."""
    screen = Screen(columns, 24 if name == "watch" else 100)
    stream = pyte.Stream(screen)
    child = pexpect.spawn(
        KOTTA, words, dimensions=(screen.lines, columns), encoding="utf-8", timeout=20
    )
    ends = time.monotonic() + (2.5 if name == "watch" else 20)
    while time.monotonic() < ends:
        try:
            stream.feed(child.read_nonblocking(65536, timeout=0.1))
        except pexpect.TIMEOUT:
            continue
        except pexpect.EOF:
            break
    title = " ".join(["kotta", *words])
    (HERE / f"{name}-{columns}.svg").write_text(svg(screen, title), encoding="utf-8")
    child.sendintr() if child.isalive() else None
    child.close(force=True)


if __name__ == "__main__":
    main()
