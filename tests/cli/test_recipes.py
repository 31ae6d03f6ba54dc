"""The recipes are executed with the real jq, word for word; ids alone may differ."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from programs import needed

from cli.conftest import User

PAGE = Path(__file__).parents[2] / "docs/recipes.md"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATE_LINE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z .*\n", re.MULTILINE)
"""What stderr tells a log of a job that is waited for; a person sees a line that goes again."""


def _recipes() -> list[tuple[str, str]]:
    text = "".join(
        re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    )
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.slow
def test_the_recipes_print_what_the_page_says(fresh_user: User) -> None:
    needed("jq")
    fresh_user.kotta("queues")
    recipes = _recipes()
    assert sum(" | jq " in command for command, _ in recipes) >= 10
    for command, expected in recipes:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=fresh_user.home,
            env=fresh_user.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        told = _STATE_LINE.sub("", done.stdout)
        assert _ID.sub("<id>", told) == _ID.sub("<id>", expected), command
