"""How to call every command where it has something to say, for tests about all of them.

A new command wants its lines here: without arguments it is tried as it is.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any

from cli.conftest import User
from kotta_cli.command_table import command_names
from kotta_cli.tree import below, load

INVOCATIONS: dict[str, list[str]] = {
    "submit": ["job.json", "jobs.json", "job.json --fetch", "job.json --check"],
    "status": ["made", "made failed", "@failed", "many"],
    "list": ["", "--status pending", "--name nobody"],
    "wait": ["made", "made other"],
    "logs": ["made"],
    "usage": ["made"],
    "fetch": ["made -o made --force"],
    "why": ["made", "@failed"],
    "rerun": ["made --name again", "made other --name again"],
    "diff": ["made failed"],
    "admin check": ["", "--contents"],
    "admin backup": ["backup.tar --force"],
    "admin prune": ["--older-than 30d --yes", "--storage-mib 100000 --dry-run"],
    "cancel": ["sleeping", "tag=nobody"],
    "completion install": ["fish"],
    "completion uninstall": ["fish"],
    "upload": ["job.json jobs.json"],
    "cp": ["made:made.txt copy.txt --force"],
    "cat": ["made:made.txt"],
    "completion": ["bash"],
    "config get": ["queue"],
    "config set": ["queue Test"],
}
"""Command → the words after it, a line for each call."""

LASTING = ("serve", "config edit")
"""Commands that do not end by themselves; their own tests see to them."""

ELSEWHERE = ("share", "admin user ", "admin restore", "admin lifecycle", "token ", "config unset")
"""What commands begin with that can be called once, or mean something at a shared service alone.

Their own tests see to them.
"""

LAST = ("service stop",)
"""What would be in the way of the others."""


@dataclass
class Call:
    """A command, and one way to call it."""

    path: str
    words: str
    command: Any = field(repr=False)

    @property
    def line(self) -> list[str]:
        return [*self.path.split(), *shlex.split(self.words)]

    @property
    def has_json(self) -> bool:
        return any("--json" in param.opts for param in self.command.params)

    def __str__(self) -> str:
        return f"{self.path} {self.words}".strip()


def every_command() -> dict[str, Any]:
    """Path → command, of all that can be called."""
    return {
        path: command
        for name in command_names()
        for path, command in below(name, load(name)).items()
        if not hasattr(command, "commands")
    }


def every_call() -> list[Call]:
    """Every command, each in the ways named above."""
    calls = [
        Call(path, words, command)
        for path, command in every_command().items()
        if path not in LASTING and not path.startswith(ELSEWHERE)
        for words in INVOCATIONS.get(path, [""])
    ]
    return sorted(calls, key=lambda call: call.path in LAST)


def prepare(user: User) -> None:
    """Give a user the jobs and files that the lines above speak of."""
    made = {"executable": "echo out; echo err >&2; echo made > made.txt", "outputs": "made.txt"}
    user.describe("job.json", jobname="again", **made)
    (user.home / "jobs.json").write_text('[{"executable": "true"}, {"executable": "true"}]')
    user.done(jobname="failed", executable="echo gone >&2; exit 3")
    user.done(jobname="other", executable="true")
    user.done(jobname="made", **made)
    user.client.submit_many([{"executable": "true", "jobname": "many", "array": [1, 2]}])
    user.submit(jobname="sleeping", executable="sleep 60")
