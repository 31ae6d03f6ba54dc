"""Five hundred names made to harm, through every view: nothing of them reaches the terminal.

The service refuses such names; a service that means harm would not. So the views are given answers
that no service of ours gives, by an API in this process.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from rich.cells import cell_len

from cli.conftest import Page
from kotta import JobDetail, Kotta
from kotta.api import LogChunk
from kotta.errors import DescriptionError, FieldProblem, KottaError, ServiceFaultError
from kotta.models import Change, ChangePage, Job, JobPage, Output, Place, Queue, Usage
from kotta_cli.main import main
from kotta_cli.render.errors import show_error

SEED = 20161
MARKUP = "[bold red]x[/bold red]"
_HARM = (
    "\x1b[5;35mblink", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\link",
    "\x1b]52;c;aGk=\x07", "\x1b]unended", "\x1bP+q\x1b\\", "\x1b^pm\x1b\\", "\x1b_apc\x1b\\",
    "\x9b5m", "\x9d0;c1\x9c", "\x90dcs\x9c", "\x1b[6n", "\x1b[?1049h", "\x1bc", "\x1b(0", "\x1b#8",
    "\x1b", "\x1b[", "\x1b\x1b[5m", "\x1b[\x1b[5m5m", "\x1b]\x1b[5m", "\x07", "\x08\x08", "\x0e",
    "\r\x1b[K", "\nerror: no\n", "\x0b", "\x0c", "\x7f", "\x85", "\u2028", "\u2029", "\t", "\x00",
    "\u202egnp.exe", "\u2066\u2069", "\u200f", "\u061c", "\ufeff", "\U000e0041", "\ufff9",
    MARKUP, "[/]", "[link=http://evil]x[/link]", ":skull:", "{0}", "%s", "%n", "$(reboot)", "`id`",
    "日本語", "e\u0301\u0327", "👩‍👩‍👧", "a" * 40, " ", "-", "'", '"', "\\", "\\x1b[5m",
)  # fmt: skip
_OURS = re.compile(
    r"\x1b\[(?:(?:[0-4]|3[0-7]|39|9[0-7]|49)(?:;(?:[0-4]|3[0-7]|39|9[0-7]|49))*)?m"  # colours
    r"|\x1b\[\?(?:25|1049)[lh]|\x1b\[H|\x1b\[2K|\x1b\[1?A"  # what rich's live pictures are made of
)
_NOT_OURS = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def _names(count: int = 500) -> list[str]:
    chance = random.Random(SEED)
    return ["".join(chance.choices(_HARM, k=chance.randint(1, 6))) for _ in range(count)]


NAMES = _names()
STATES = ("pending", "processing", "completed", "failed", "cancelled")


def _job(number: int, name: str) -> JobDetail:
    other = NAMES[-number]
    status = STATES[number % len(STATES)]
    ended = status in ("completed", "failed", "cancelled")
    return JobDetail.model_validate(
        {
            "id": f"{number:08x}-0000-4000-8000-000000000000",
            "name": name,
            "status": status,
            "reason": {"failed": "staging", "cancelled": "dependency"}.get(status),
            "queue": other,
            "jobtype": name,
            "tags": [name, other],
            "cpus": 1,
            "memory_mib": 1024,
            "walltime_seconds": 60,
            "attempt": 1,
            "submitted_at": NOW,
            "started_at": NOW,
            "ended_at": NOW if ended else None,
            "exit_code": 3 if status == "failed" else None,
            "error": other,
            "change": number + 1,
            "user_email": name,
            "description": {
                "executable": name,
                "args": other,
                "script": name,
                "script_name": other,
                "inputs": [name],
                "env": {name: other},
                "output_file_stdout": name,
                "output_file_stderr": other,
            },
            "outputs": [Output(name=name, available=False), Output(name=other, available=ended)],
            "timeline": [{"status": status, "at": NOW, "attempt": 1}],
            "cancel_requested_at": None,
            "result": None,
            "staging_inputs_seconds": None,
            "processing_seconds": 1,
            "staging_outputs_seconds": None,
            "cpu_seconds": 1,
            "peak_memory_bytes": 1,
        }
    )


JOBS = [_job(number, name) for number, name in enumerate(NAMES)]
QUEUES = [
    Queue(
        name=name,
        cpus=2,
        memory_mib=2048,
        cpus_used=1,
        memory_used_mib=1,
        running=1,
        pending=1,
        max_walltime_minutes=5,
    )
    for name in NAMES
]


class HostileApi:
    """Answers like the typed layer of a connection, with jobs of such names."""

    def list(self, params: Any) -> JobPage:
        return JobPage(jobs=list(JOBS), change=1)

    def select(self, selector: str, *_: Any) -> JobPage:
        if selector.startswith("="):
            return JobPage(jobs=[JOBS[int(selector[1:])]])
        return JobPage(jobs=list(JOBS), is_set=selector == "all")

    def status(self, job_id: str, *_: Any) -> JobDetail:
        return JOBS[int(job_id[:8], 16)]

    def changes(self, after: int, *_: Any, **__: Any) -> ChangePage:
        if after > 1:
            raise ServiceFaultError(NAMES[0], hint=NAMES[1], request_id=NAMES[2])
        return ChangePage(changes=[Change(number=job.change, job=job) for job in JOBS], last=900)

    def queues(self) -> Any:
        return type("QueuePage", (), {"queues": QUEUES})

    def service(self) -> Any:
        return SimpleNamespace(storage_problem=NAMES[0])

    def place(self, job_id: str) -> Place:
        jobs = [Job.model_validate(job.model_dump()) for job in JOBS[:5]]
        return Place(
            job=jobs[0],
            position=2,
            needs=jobs if int(job_id[:8], 16) % 2 else [],
            next_up=jobs[1],
            head_lacks="cpus",
            queue=QUEUES[0],
            running=jobs,
        )

    def log(self, job_id: str, *_: Any) -> LogChunk:
        said = NAMES[int(job_id[:8], 16)].encode("utf-8", "replace")
        return LogChunk(said, len(said), ended=True)

    def usage(self, job_id: str, *_: Any) -> Usage:
        samples = [{"seconds": second, "at": NOW, "cpu_seconds": second} for second in (0, 1)]
        return Usage.model_validate(
            {
                "id": job_id,
                "attempt": 1,
                "cpus": 1,
                "memory_mib": 1,
                "walltime_seconds": 60,
                "samples": samples,
            }
        )

    def cancel_many(self, ids: Any) -> list[Job]:
        return [self.status(job_id) for job_id in ids]

    def close(self) -> None:
        pass


def _run(home: Path, *words: str, unicode: bool = True, columns: int = 200) -> str:
    """Everything that a command writes to a terminal."""
    page = Page(tty=True, color=True, unicode=unicode)
    client = Kotta(server="unix:/nowhere")
    client.api = HostileApi()  # type: ignore[assignment]
    page.app.connect = lambda _: client
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "COLUMNS": str(columns),
        "TZ": "UTC",
    }
    with patch.dict(os.environ, environment, clear=True):
        main(list(words), page.app)
    return page.out + page.err


def _assert_harmless(text: str) -> None:
    left = _OURS.sub("", text)
    found = _NOT_OURS.search(left)
    assert found is None, repr(left[max(0, found.start() - 60) : found.end() + 20])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def test_the_names_would_do_harm() -> None:
    assert len(set(NAMES)) > 450
    assert sum(_NOT_OURS.search(_OURS.sub("", name)) is not None for name in NAMES) > 400


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--all"),
        ("list", "--all", "--fields", "id,name,status,queue,jobtype,tags,error,reason"),
        ("list", "--all", "--json"),
        ("list", "--all", "--sort", "name"),
        ("list", "--watch"),
        ("list", "--watch", "--json"),
        ("status", "all"),
        ("status", "all", "--json"),
        ("why", "all"),
        ("why", "all", "--json"),
        ("queues",),
        ("queues", "--json"),
        ("cancel", "all", "--yes"),
        ("cancel", "=0", "--yes"),
        ("cancel", "several"),
        ("cancel", "several", "--json"),
        ("wait", "all"),
        ("wait", "=1"),
        ("fetch", "=2"),
        ("diff", "=1", "=2"),
        ("diff", "=1", "=2", "--json"),
        ("usage", "=1"),
        ("cat", "=2:*"),
        ("cp", "=2:*", "here/"),
    ],
    ids=" ".join,
)
def test_no_foreign_escape_reaches_the_terminal(home: Path, words: tuple[str, ...]) -> None:
    shown = _run(home, *words)
    assert len(shown) > 20
    _assert_harmless(shown)


@pytest.mark.parametrize("words", [("logs", "all"), ("logs", "=1")], ids=" ".join)
def test_of_what_jobs_write_colours_alone_reach_it(home: Path, words: tuple[str, ...]) -> None:
    shown = _run(home, *words)
    assert len(shown) > 5
    _assert_harmless(re.sub(r"\x1b\[[0-9;:]*m", "", shown))
    if words[1] == "all":
        assert all(re.match(r"(\x1b\[[0-9;]*m)*[0-9a-f]{8} ", line) for line in shown.splitlines())


def test_nothing_is_read_as_markup(home: Path) -> None:
    number = next(n for n, name in enumerate(NAMES) if name.startswith(MARKUP))
    for words in (("list", "--all", "--fields", "name"), ("status", f"={number}"), ("why", "all")):
        assert MARKUP in _run(home, *words)
    assert ":skull:" in _run(home, "list", "--all", "--fields", "name")


def test_what_a_person_typed_is_no_exception(home: Path) -> None:
    for name in NAMES[:60]:
        if name.strip() and "\x00" not in name and not name.startswith("-"):
            _assert_harmless(_run(home, name))
            _assert_harmless(_run(home, "list", "--status", name))
            _assert_harmless(_run(home, "list", "--fields", name, f"--{name}"))


def test_errors_of_every_kind_are_told_without_harm() -> None:
    for first, second in zip(NAMES, reversed(NAMES), strict=True):
        page = Page(tty=True, color=True)
        problem = FieldProblem(f"/{first}/{second}", second, first, 1, 3)
        error = DescriptionError(
            first, source=second, text=f"{first}\n{second}", problems=(problem,), hint=second
        )
        show_error(page.app, error, 1)
        show_error(page.app, ServiceFaultError(first, hint=second, request_id=first), 1)
        page.app.as_json = True
        show_error(page.app, KottaError(first, hint=second), 1)
        _assert_harmless(page.err)


def test_the_completion_cache_holds_no_harm(home: Path) -> None:
    _run(home, "list", "--all")
    _run(home, "queues")
    caches = list((home / ".cache" / "kotta").iterdir())
    assert len(caches) == 1
    _assert_harmless(caches[0].read_text())
    assert caches[0].read_text().count("\njob\t") > 100


def test_where_the_locale_is_ascii_all_is_ascii(home: Path) -> None:
    for words in (("list", "--all"), ("status", "=3"), ("why", "all"), ("queues",)):
        shown = _run(home, *words, unicode=False)
        assert shown.isascii()
        _assert_harmless(shown)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(home: Path, columns: int) -> None:
    for words in (("list", "--all"), ("queues",), ("why", "all")):
        for line in _OURS.sub("", _run(home, *words, columns=columns)).splitlines():
            assert cell_len(line) <= columns, (words, line)
