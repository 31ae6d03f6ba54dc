"""How fast `kotta fetch` brings 1 GiB and 1,000 files of 100 kB, beside `cp` and `curl`.

Every figure is the median of whole processes, run in turn, so that all meet the same load; the bare
interpreter stands beside them, being part of every `kotta`. Where others are at work, compare
the seconds of a processor: those of the command alone, without the service's. One machine: the
local service on its Unix socket, beside `cp -r` from a folder of the same files. Loopback: the same
service on TCP, without tokens, beside `curl --parallel` from it. SHA-256 alone is what no verified
copy can be faster than.

    python benchmarks/transfers.py [--runs 5] [--mib 1024] [--files 1000] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kotta import Kotta

KOTTA = str(Path(sys.executable).with_name("kotta"))
FILE_BYTES = 100_000
BARE = [sys.executable, "-c", "pass"]
SERVE = """
import os, sys
from pathlib import Path
import uvicorn
from kotta_service.app import build
from kotta_service.doors import Door, Marked
from kotta_service.settings import load_settings
os.umask(0o077)
port, data = int(sys.argv[1]), Path(sys.argv[2])
app = build(load_settings(), data=data, address=f"http://127.0.0.1:{port}", log_file=None,
            stop=lambda: None)
uvicorn.run(Marked(app, Door.OWN), host="127.0.0.1", port=port, http="httptools", ws="none",
            loop="asyncio", access_log=False, log_level="error", server_header=False)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="runs for each figure")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--files", type=int, default=1000, help="how many small files")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="kb-"))
    try:
        rows = measure(home, options.runs, options.mib, options.files)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    print(f"{'':<44}{'s':>8}{'CPU s':>8}{'peak MiB':>10}")
    for name, row in rows.items():
        print(f"{name:<44}{row['seconds']:>8.3f}{row['cpu_seconds']:>8.3f}{row['peak_mib']:>10.0f}")
    return 0


def measure(home: Path, runs: int, mib: int, files: int) -> dict[str, dict[str, float]]:
    (home / "run").mkdir(mode=0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "LANG": "C.UTF-8",
    }
    os.chdir(home)
    size = f"{mib / 1024:g} GiB"
    commands: dict[str, list[str]] = {"python -c pass": BARE}
    jobs = make_jobs(environment, mib, files)
    rows = {}
    originals = {kind: original_of(home, job) for kind, job in jobs.items()}
    names = {"large": size, "small": f"{files} files"}
    commands[f"sha256, {size}"] = [sys.executable, "-c", HASH, str(originals["large"] / "large")]
    for kind, job in jobs.items():
        commands[f"one machine, {names[kind]}: cp -r"] = ["cp", "-r", str(originals[kind]), "out"]
        commands[f"one machine, {names[kind]}: kotta fetch"] = fetch(job, [])
    rows |= figures(commands, runs, environment)
    subprocess.run([KOTTA, "service", "stop"], env=environment, stdout=subprocess.DEVNULL)
    with served(home, environment) as address:
        commands = {}
        for kind, job in jobs.items():
            where = f"loopback TCP, {names[kind]}"
            commands[f"{where}: curl --parallel"] = curl(home, address, job, originals[kind])
            commands[f"{where}: kotta fetch"] = fetch(job, ["--server", address])
        rows |= figures(commands, runs, environment)
    return rows


HASH = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


def fetch(job: str, options: list[str]) -> list[str]:
    return [KOTTA, *options, "fetch", job, "--quiet", "-o", "out"]


def curl(home: Path, address: str, job: str, original: Path) -> list[str]:
    """All files of a job by one curl, whose own default is 50 at a time."""
    config = home / f"{job}.curl"
    config.write_text(
        "".join(
            f'url = "{address}/api/v2/jobs/{job}/outputs/{path.name}"\noutput = "out/{path.name}"\n'
            for path in original.iterdir()
        )
    )
    return ["curl", "--silent", "--fail", "--parallel", "--create-dirs", "-K", str(config)]


def make_jobs(environment: dict[str, str], mib: int, files: int) -> dict[str, str]:
    names = [f"f{n}" for n in range(files)]
    script = f"for n in range({files}): open(f'f{{n}}', 'wb').write(os.urandom({FILE_BYTES}))"
    descriptions = {
        "large": {
            "executable": f"head -c {mib << 20} /dev/urandom > large",
            "outputs": ["large"],
        },
        "small": {
            "executable": f'python3 -c "import os\n{script}"',
            "outputs": names,
        },
    }
    jobs = {}
    for kind, description in descriptions.items():
        done = subprocess.run(
            [KOTTA, "submit", "-", "--wait"],
            input=json.dumps({**description, "walltime": 10}),
            text=True,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        jobs[kind] = done.stdout.strip()
    return jobs


def original_of(home: Path, job: str) -> Path:
    return next((home / ".local/share/kotta/files/outputs").glob(f"*/{job}.*"))


def figures(
    commands: dict[str, list[str]], runs: int, environment: dict[str, str]
) -> dict[str, dict[str, float]]:
    runs_of: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            shutil.rmtree("out", ignore_errors=True)
            # what the one before has written must not be paid for by this one
            os.sync()
            measured = run(command, environment)
            if turn:
                runs_of[name].append(measured)
    rows = {}
    for name, measures in runs_of.items():
        seconds, cpu_seconds, peaks = zip(*measures, strict=True)
        rows[name] = {
            "seconds": round(statistics.median(seconds), 3),
            "cpu_seconds": round(statistics.median(cpu_seconds), 3),
            "peak_mib": round(max(peaks), 1),
        }
    return rows


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Seconds from start to end, those of a processor, and the most memory it had, MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} exited with {process.returncode}")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


@contextmanager
def served(home: Path, environment: dict[str, str]) -> Iterator[str]:
    """The same service, on TCP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = home / ".local/share/kotta"
    command = [sys.executable, "-c", SERVE, str(port), str(data)]
    service = subprocess.Popen(command, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        with Kotta(server=address) as client:
            wait_until(lambda: answers(client))
        yield address
    finally:
        service.terminate()
        service.wait()


def answers(client: Kotta) -> bool:
    from kotta.errors import ConnectionFailedError

    try:
        return bool(client.service())
    except ConnectionFailedError:
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("the service did not start")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
