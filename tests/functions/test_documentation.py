"""The first example of docs/library.md is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_example_of_the_library_page_runs() -> None:
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    with tempfile.TemporaryDirectory(prefix="kd-") as home:
        Path(home, "run").mkdir(mode=0o700)
        script = Path(home, "example.py")
        script.write_text(block[1])
        environment = {"HOME": home, "XDG_RUNTIME_DIR": f"{home}/run", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60
        )
        kotta = Path(sys.executable).with_name("kotta")
        subprocess.run([kotta, "service", "stop"], env=environment, check=True, capture_output=True)
    assert done.stdout.splitlines() == ["3", "[3, 7]", "30 True", "3"], done.stderr
