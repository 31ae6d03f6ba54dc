"""Starts a local service: `python -m kotta_service --local --socket PATH --data DIRECTORY`.

The entry for a client that needs one; `kotta serve` is the one for people.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from kotta.errors import KottaError
from kotta_service.serving import serve_local, tell


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m kotta_service")
    parser.add_argument("--local", action="store_true", required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ready-fd", type=int)
    options = parser.parse_args()
    try:
        serve_local(socket=options.socket, data=options.data, ready_fd=options.ready_fd)
    except (KottaError, OSError) as error:
        if options.ready_fd is None:
            raise
        tell(options.ready_fd, {"error": str(error), "hint": getattr(error, "hint", "")})
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(main())
