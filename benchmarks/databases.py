"""Submissions a second over SQLite, over PostgreSQL, and through two processes on one PostgreSQL.

    python benchmarks/databases.py [--json] [--seconds 5]

Each client sends one job a request over a connection that it keeps, to a queue that is full, so
that nothing else happens. PostgreSQL is the tests' own, but syncs to the disk as SQLite does.
Rounds of all three take turns, and the median counts: on a machine that does other things they
differ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from postgres_server import PostgresServer, programs
from shared_service import SharedService

CLIENTS = 32
ROUNDS = 3
SETTINGS = "[queues.Test]\ncpus = 1\nmemory_mib = 100\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=5, help="of each round")
    options = parser.parse_args()
    found = programs()
    if found is None:
        raise SystemExit("databases.py needs PostgreSQL: apt install postgresql")
    figures = measured(found, options.seconds)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<52} {figure:>10.2f}")


def measured(found: Path, seconds: float) -> dict[str, float]:
    with ExitStack() as opened:
        folders = [
            Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="kb-"))) for _ in range(5)
        ]
        server = PostgresServer(folders.pop(), found, syncs=True)
        opened.callback(server.stop)
        server.start()
        shared = server.new_database()
        lone = started(opened, folders.pop())
        one = started(opened, folders.pop(), server.new_database())
        pair = [started(opened, folders.pop(), shared)]
        pair.append(started(opened, folders.pop(), shared, data=pair[0].data))
        setups = {"SQLite": [lone], "PostgreSQL": [one], "PostgreSQL, two processes": pair}
        rates: dict[str, list[float]] = {name: [] for name in setups}
        for _ in range(ROUNDS):
            for name, services in setups.items():
                rates[name].append(rate([each.socket for each in services], seconds))
    figures = {f"{name}, submits/s": statistics.median(each) for name, each in rates.items()}
    sqlite, one_process, two_processes = figures.values()
    return {
        **figures,
        "PostgreSQL as a multiple of SQLite (0.7 at least)": one_process / sqlite,
        "two processes as a multiple of one (1.2 at least)": two_processes / one_process,
    }


def started(
    opened: ExitStack, home: Path, database: str = "", data: Path | None = None
) -> SharedService:
    """A process whose only core is taken."""
    service = SharedService(home, SETTINGS, KOTTA_SERVICE_DATABASE=database)
    service.data = data or service.data
    service.start()
    opened.callback(service.kill)
    if data is None:
        job = service.submit({"executable": "sleep 600"})[0]
        service.until_status(job, "processing")
        opened.callback(service.http.post, f"/jobs/{job['id']}/cancel")
    return service


def rate(sockets: Sequence[Path], seconds: float) -> float:
    """Answers a second to many clients, spread evenly over these sockets."""

    async def run() -> float:
        begun = time.perf_counter()
        until = begun + seconds
        clients = [client(sockets[i % len(sockets)], until) for i in range(CLIENTS)]
        return sum(await asyncio.gather(*clients)) / (time.perf_counter() - begun)

    return asyncio.run(run())


async def client(socket: Path, until: float) -> int:
    # bytes rather than a client's library: what is measured is the service
    body = json.dumps({"jobs": [{"executable": "true"}]}).encode()
    head = f"POST /api/v2/jobs HTTP/1.1\r\nHost: kotta\r\nContent-Length: {len(body)}\r\n"
    request = head.encode() + b"Content-Type: application/json\r\n\r\n" + body
    reader, writer = await asyncio.open_unix_connection(str(socket))
    count = 0
    while time.perf_counter() < until:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201"), answer
        length = answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        count += 1
    writer.close()
    return count


if __name__ == "__main__":
    main()
