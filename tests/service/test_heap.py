"""What the C library keeps of memory that nobody uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORK = """
import asyncio, os
from kotta_service import heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

heap.use_one()
# what is large and goes, with what is small and stays between
held = [(bytearray(b"x") * 70_000, bytearray(b"x") * 1_000) for _ in range(1_000)]
stays = [small for _, small in held]
del held
before = resident()
heap.EVERY_SECONDS = 0.01
try:
    asyncio.run(asyncio.wait_for(heap.give_back_regularly(), 0.5))
except asyncio.TimeoutError:
    print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_holes_between_what_is_in_use_are_given_back() -> None:
    command = [sys.executable, "-c", WORK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40
