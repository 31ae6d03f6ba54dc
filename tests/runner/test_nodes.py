"""On a cluster's node each runner is a Python of its own, which pays for all that it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kotta_service.executors.slurm.archive import runner_archive

DEAR = {
    "asyncio", "base64", "cloudpickle", "dataclasses", "http", "inspect", "logging", "pickle",
    "random", "shutil", "socket", "ssl", "subprocess", "tempfile", "threading", "typing", "urllib",
}  # fmt: skip
IMPORTS = (
    "import sys; sys.path.insert(0, sys.argv[1]); import kotta_runner.__main__; print(*sys.modules)"
)


def test_a_scripts_runner_imports_nothing_dear_and_all_of_it_from_its_archive(
    tmp_path: Path,
) -> None:
    archive = runner_archive(tmp_path)
    command = [sys.executable, "-S", "-E", "-c", IMPORTS, str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    loaded = set(done.stdout.split())
    assert {"json", "kotta_runner.run", "kotta_runner.guard"} <= loaded
    assert not loaded & DEAR
