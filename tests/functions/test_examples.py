"""Every example is run as it stands, by somebody with an empty home."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
LAST_LINES = {
    "blocking_sum.py": "the sum is 45",
    "count_words.py": "2 a",
    "handle_errors.py": "a good call after all: 0.25",
    "numpy_requirements.py": "the mean is 332833.5",
    "parallel_sums.py": "all of it: 12497500",
    "two_rounds.py": "the total is 435",
}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="ke-") as home:
        Path(home, "run").mkdir(mode=0o700)
        environment = {"HOME": home, "XDG_RUNTIME_DIR": f"{home}/run", "PATH": os.environ["PATH"]}
        yield environment
        kotta = Path(sys.executable).with_name("kotta")
        subprocess.run([kotta, "service", "stop"], env=environment, check=True, capture_output=True)


def test_every_script_is_known_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(LAST_LINES)


@pytest.mark.parametrize("name", sorted(LAST_LINES))
def test_a_script_runs(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == LAST_LINES[name]
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing where it is run"


def test_the_notebook_runs(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in [name for name in os.environ if name.startswith(("KOTTA_", "XDG_"))]:
        monkeypatch.delenv(variable)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()

    shown = [_shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert any("45" in text for text in shown)
    assert any("12497500" in text for text in shown)
    assert any("2 poem.txt" in text for text in shown)
    assert any("NoneType" in text for text in shown)
    card = next(cell for cell in notebook.cells if cell.source == "job").outputs[0]["data"]
    assert "completed" in card["text/html"]
    assert "completed" in card["text/plain"]


def _shown(cell: Any) -> str:
    found = []
    for output in cell.outputs:
        assert output.output_type != "error", output
        found.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(found)
