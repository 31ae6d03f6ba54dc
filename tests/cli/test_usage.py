from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from library.stand_in import A_JOB_ID, a_job

from cli.conftest import Page, User
from kotta import Job, JobState, Usage, UsageSample
from kotta_cli.render.usage_page import busy, spread, usage_lines

BEGIN = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
MIB = 1 << 20


@pytest.fixture(scope="module")
def used(lasting: User) -> str:
    """A job that was sampled a few times."""
    busy_for_a_while = "timeout 1.7 sh -c 'while :; do :; done'; head -c 9000 /dev/zero > f; true"
    return lasting.done(executable=busy_for_a_while, jobname="[b]used", memory="64 MiB")


def a_sample(seconds: float, cpu: float, mib: int | None, **more: Any) -> UsageSample:
    at = BEGIN + timedelta(seconds=seconds)
    memory = None if mib is None else mib * MIB
    return UsageSample(seconds=seconds, at=at, cpu_seconds=cpu, memory_bytes=memory, **more)


def page(*samples: UsageSample, unicode: bool = True, cpus: int = 2, **changed: Any) -> list[str]:
    """The page of a job that asked for 100 MiB, on 80 columns without colours."""
    job = Job.model_validate(a_job(cpus=cpus, **changed))
    usage = Usage(
        id=A_JOB_ID, attempt=1, cpus=cpus, memory_mib=100, walltime_seconds=60, samples=samples
    )
    return usage_lines(job, usage, Page(tty=True, unicode=unicode).app.out)


def test_json_is_the_samples_of_the_api(user: User, used: str) -> None:
    found = user.quick("usage", used, "--json").json
    assert (found["id"], found["attempt"], found["memory_mib"]) == (used, 1, 64)
    start, *between, end = found["samples"]
    assert (start["seconds"], start["cores"], start["memory_bytes"]) == (0, None, None)
    assert max(sample["cores"] for sample in [*between, end]) > 0.1
    assert end["at"].endswith("Z")
    assert end["disk_bytes"] >= 9000
    assert list(user.quick("usage", used, "--json=samples").json) == ["samples"]


def test_in_a_pipe_each_sample_is_a_line(user: User, used: str) -> None:
    result = user.kotta("usage", used)
    rows = [line.split("\t") for line in result.lines]
    assert (result.code, result.err) == (0, "")
    assert len(rows) >= 3
    assert rows[0] == ["0.000", "", "", rows[0][3], "0", "0", "0"]
    for seconds, cores, memory, disk, processes, stdout, stderr in rows[1:-1]:
        assert re.fullmatch(r"\d+\.\d{3} \d+\.\d{3}", f"{seconds} {cores}")
        assert int(memory) > 0
        assert int(processes) > 0
        assert (disk, stdout, stderr) == ("0", "0", "0")


@pytest.mark.parametrize("columns", [60, 120, 200])
def test_on_a_terminal_it_is_drawn_to_the_width(user: User, used: str, columns: int) -> None:
    window = user.window("usage", used, columns=columns)
    assert window.end() == 0
    assert window.lines[0].startswith(f"[b]used {used[:8]}  ✓ completed  ")
    for name in ("CPU  ", "Memory  ", "Disk  "):
        assert any(line.startswith(name) for line in window.lines)
    assert max(len(line) for line in window.lines) == columns - 1
    assert "of 1 asked for" in window.text
    assert "of 64.0 MiB asked for" in window.text
    assert window.color_of("█") == "cyan"


def test_charts_are_ascii_where_the_locale_is_not_utf8_and_plain_without_colours(
    user: User, used: str
) -> None:
    window = user.window("usage", used, LANG="C", LC_ALL="C", PYTHONUTF8="0", NO_COLOR="1")
    assert window.end() == 0
    assert window.text.isascii()
    assert "\x1b" not in window.raw


def test_a_short_job_has_what_there_is(user: User) -> None:
    job = user.done(executable="true")
    assert len(user.quick("usage", job).lines) == 2
    window = user.window("usage", job)
    assert window.end() == 0
    assert "Memory  too short to be measured, of 1.0 GiB asked for" in window.lines


def test_a_job_without_samples_says_so(user: User) -> None:
    held = user.running(executable="sleep 60")
    waiting = user.submit(executable="true", after=[held])
    result = user.quick("usage", waiting)
    assert (result.code, result.out) == (0, "")
    assert result.err == "There are no samples yet: the job is pending.\n"
    assert user.quick("usage", waiting, "--json").json["samples"] == []
    user.client.cancel(waiting)
    assert "its command was never started" in user.quick("usage", waiting).err


def test_watching_ends_with_the_job_and_leaves_the_last_picture(user: User) -> None:
    job = user.submit(executable="sleep 1.2", jobname="watched")
    window = user.window("usage", "-w", job)
    assert window.end() == 0
    assert "✓ completed" in window.text
    assert window.text.count("Memory") == 1
    followed = user.submit(executable="sleep 1.2")
    rows = user.kotta("usage", "--watch", followed).lines
    assert rows == user.quick("usage", followed).lines


def test_ctrl_c_leaves_a_watch(user: User) -> None:
    job = user.running(executable="sleep 60", jobname="watched on")
    window = user.window("usage", "-w", job, rows=24)
    window.until("watched on", "Memory", "Disk")
    window.interrupt()
    assert window.end() == 0
    assert "● processing" in window.text
    assert user.client.status(job).status is JobState.PROCESSING


def test_what_cannot_be_watched_is_a_usage_error(user: User, used: str) -> None:
    for more in (["--json"], ["--attempt", "1"]):
        assert user.quick("usage", used, "-w", *more).code == 2
    assert "no attempt 2" in user.quick("usage", used, "--attempt", "2").err


def test_a_limit_is_drawn_where_much_of_it_was_used_and_named_anyway() -> None:
    much = page(a_sample(0, 0, None), a_sample(10, 15, 50), a_sample(20, 15, 90))
    assert much[2] == "CPU  0.75 cores on average, 1.5 at most, of 2 asked for"
    assert much[3].startswith("       2 ┤┄┄┄")
    assert "Memory  90.0 MiB at most, of 100.0 MiB asked for" in much
    assert any(line.startswith(" 100 MiB ┤┄┄┄") for line in much)
    little = page(a_sample(0, 0, None), a_sample(10, 1, 3))
    assert not any("┄" in line for line in little)
    assert any(line.startswith("   3 MiB ┤") for line in little)


def test_memory_beyond_what_was_asked_for_is_above_the_line() -> None:
    lines = page(a_sample(0, 0, 10), a_sample(10, 1, 200), a_sample(20, 1, 10))
    assert any(line.startswith(" 200 MiB ┤  ") for line in lines)
    assert any(line.startswith(" 100 MiB ┤┄┄") for line in lines)


def test_cores_are_those_of_the_time_between_samples() -> None:
    samples = [a_sample(0, 0, None), a_sample(2, 4, 1), a_sample(4, 4, 1)]
    assert busy(samples, 4) == [2, 2, 0, 0]
    assert busy(samples, 2) == [2, 0]
    assert busy([a_sample(0, 0, None)], 2) == [0, 0]


def test_a_peak_is_not_lost_between_columns() -> None:
    samples = [a_sample(n, 0, None if n == 0 else 99 if n == 5 else 1) for n in range(11)]
    assert spread(samples, 5, lambda sample: sample.memory_bytes) == [
        MIB, MIB, 99 * MIB, MIB, MIB
    ]  # fmt: skip
    assert spread(samples, 20, lambda sample: sample.memory_bytes)[:3] == [None, None, MIB]
