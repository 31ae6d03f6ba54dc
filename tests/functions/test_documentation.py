"""Examples of docs/library.md and of the README are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "first_words", "said"),
    [
        ("README.md", "from kotta import Kotta, kottajob", ["3", "[3, 7]"]),
        ("docs/library.md", "from kotta import Kotta, kottajob", ["3", "[3, 7]", "30 True", "3"]),
        (
            "docs/library.md",
            "from kotta import Kotta\n",
            ["2 True", "['completed', 'completed']", "300.0"],
        ),
    ],
)
def test_an_example_of_a_page_runs(page: str, first_words: str, said: list[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (block,) = (each for each in blocks if each.startswith(first_words))
    with tempfile.TemporaryDirectory(prefix="kd-") as home:
        Path(home, "run").mkdir(mode=0o700)
        script = Path(home, "example.py")
        script.write_text(block)
        environment = {"HOME": home, "XDG_RUNTIME_DIR": f"{home}/run", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60
        )
        kotta = Path(sys.executable).with_name("kotta")
        subprocess.run([kotta, "service", "stop"], env=environment, check=True, capture_output=True)
    assert done.stdout.splitlines() == said, done.stderr
