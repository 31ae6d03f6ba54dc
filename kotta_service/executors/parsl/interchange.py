"""`python -m kotta_service.executors.parsl.interchange PARENT`: Parsl's interchange, and its end.

Parsl's own runs on when the process that started it is killed, and its blocks with it, for ever.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_LOOK_SECONDS = 0.5


def main() -> None:
    parent = int(sys.argv.pop(1))
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
