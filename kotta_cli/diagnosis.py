"""What is true of this installation, check by check: what a bug report needs.

A finding names things, never their secrets: of environment variables the names, of addresses and
logs what is left when tokens, passwords and queries are taken out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kotta.errors import KottaError

if TYPE_CHECKING:
    from kotta_cli.context import App

OK, NOTE, PROBLEM = "ok", "note", "problem"
"""As it should be; good to know; wrong."""

_SECRET = re.compile(
    r"(?i)\b((?:[\w-]*(?:token|secret|password|passwd|signature|credential|cookie|api[_-]?key))"
    r"|authorization|bearer)(\"?\s*[=:]\s*\"?|\s+)(?:bearer\s+|basic\s+)?[^\s\"',;&]+"
)
_USER = re.compile(r"(\w+://)[^/@\s]+@")
_QUERY = re.compile(r"(\w+://[^\s?#\"']+)[?#][^\s\"']+")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at, in a word.
        state: `ok`, `note` or `problem`.
        text: what is so; may have several lines.
        advice: what to do about it, or "".
    """

    check: str
    state: str
    text: str
    advice: str = ""

    def shape(self) -> dict[str, str]:
        return {
            "check": self.check,
            "state": self.state,
            "text": self.text,
            "advice": self.advice,
        }


def diagnose(app: App, *, start: bool) -> Iterator[Finding]:
    """Every finding, in the order in which they are best read; none of the checks can fail.

    Args:
        start: start the local service if it does not run, rather than say so.
    """
    from kotta_cli import diagnosis_here as here
    from kotta_cli import diagnosis_service as service

    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "version": here.version,
        "platform": here.platform,
        "folders": here.folders,
        "disk": here.disk,
        "settings": lambda: here.settings(app),
        "variables": here.variables,
        "terminal": lambda: here.terminal(app),
        "completion": here.completion,
        "tools": here.tools,
        "server": lambda: service.server(app),
        "service": lambda: service.service(app, start=start),
        "clock": service.clock,
        "database": service.database,
        "log": service.log,
    }
    for name, check in checks.items():
        try:
            for found in check():
                yield _fit_to_show(found)
        except KottaError as error:
            yield _fit_to_show(Finding(name, PROBLEM, error.message, error.hint))
        except Exception as error:  # what is broken most must not hide the rest
            words = f"cannot be checked: {type(error).__name__}: {error}"
            yield _fit_to_show(Finding(name, PROBLEM, words))


def without_secrets(text: str) -> str:
    """`text` without what looks like a token, a password, or a signed address."""
    text = _USER.sub(r"\1…@", text)
    text = _QUERY.sub(r"\1?…", text)
    return _SECRET.sub(r"\1\2…", text)


def _fit_to_show(found: Finding) -> Finding:
    home = os.path.expanduser("~")

    def fit(text: str) -> str:
        # a home directory has a person's name in it
        text = re.sub(rf"{re.escape(home)}(?=/|\b)", "~", text) if len(home) > 1 else text
        return without_secrets(text)

    return Finding(found.check, found.state, fit(found.text), fit(found.advice))
