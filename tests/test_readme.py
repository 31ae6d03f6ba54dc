"""The README's session is executed, word for word; ids and times alone may differ."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import needed

ROOT = Path(__file__).parents[1]
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z")


def session() -> list[tuple[str, str]]:
    """Every command of the session with what it prints."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    parts = re.split(r"^\$ (.*)\n", block[1], flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture
def newcomer() -> Iterator[dict[str, str]]:
    """The environment of somebody with an empty home, in a folder with our examples."""
    with tempfile.TemporaryDirectory(prefix="kr-") as home:
        Path(home, "run").mkdir(mode=0o700)
        environment = {
            "HOME": home,
            "XDG_RUNTIME_DIR": f"{home}/run",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
        }
        shutil.copytree(ROOT / "examples", Path(home, "here", "examples"))
        yield environment
        subprocess.run(["kotta", "service", "stop"], env=environment, check=False)


def same(text: str) -> str:
    return TIME.sub("<time>", ID.sub("<id>", text))


def test_the_session_in_the_readme_is_true(newcomer: dict[str, str]) -> None:
    needed("jq")
    commands = session()
    assert len(commands) > 5
    for command, expected in commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=Path(newcomer["HOME"], "here"),
            env=newcomer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        said = same("".join(line for line in done.stdout.splitlines(keepends=True)
                            if not line.startswith("started the local service")))  # fmt: skip
        # what a terminal draws while it waits is told to a pipe in lines, which the session omits
        said = re.sub(r"^<time> <id> .*\n", "", said, flags=re.MULTILINE)
        assert said == same(expected), command


def test_the_install_command_names_files_that_exist() -> None:
    command = re.search(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command is not None
    for name in ("constraints.txt", "examples/hello.json"):
        assert name in command[0]
        assert (ROOT / name).is_file()


def test_every_local_link_of_the_docs_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
