from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from waiting import wait_until

from cli.conftest import KOTTA, User


@pytest.fixture(scope="module")
def jobs(lasting: User) -> list[str]:
    """Two completed jobs and a failed one, oldest first."""
    return [
        lasting.done(executable="true", jobname="list-a"),
        lasting.done(executable="exit 1", jobname="list-b"),
        lasting.done(executable="true", jobname="list-c", queue="Prod"),
    ]


def _names(user: User, *words: str) -> list[str]:
    return [job["name"] for job in user.quick("list", "--json", "--name", "list-*", *words).json]


def test_newest_come_first(user: User, jobs: list[str]) -> None:
    assert _names(user) == ["list-c", "list-b", "list-a"]


def test_filters_narrow_it(user: User, jobs: list[str]) -> None:
    assert _names(user, "--status", "failed") == ["list-b"]
    assert _names(user, "--status", "failed", "--status", "completed", "--queue", "Test") == [
        "list-b",
        "list-a",
    ]
    assert _names(user, "--queue", "Prod") == ["list-c"]
    assert user.quick("list", "--name", "list-?", "-L", "1").out.count("\n") == 1


def test_nothing_found_is_an_empty_list(user: User) -> None:
    assert user.quick("list", "--json", "--name", "nothing").out == "[]\n"
    result = user.quick("list", "--name", "nothing")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_in_a_pipe_rows_are_tab_separated_and_complete(user: User, jobs: list[str]) -> None:
    (line,) = user.kotta("list", "--name", "list-b").lines
    job, name, status, queue, kind, submitted = line.split("\t")
    assert (job, name, status, queue, kind) == (jobs[1], "list-b", "failed", "Test", "script")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", submitted)


def test_json_has_the_shape_of_the_api(user: User, jobs: list[str]) -> None:
    (job,) = user.quick("list", "--name", "list-b", "--json").json
    assert job["submitted_at"].endswith("Z")
    assert (job["walltime_seconds"], job["exit_code"], job["reason"]) == (18000.0, 1, "exit")


def test_all_follows_every_page(user: User) -> None:
    user.client.submit_many([{"executable": "true", "jobname": "paged"} for _ in range(120)])
    assert len(user.quick("list", "--name", "paged").lines) == 100
    assert len(user.quick("list", "--name", "paged", "--all").lines) == 120


def test_on_a_terminal_it_is_a_table_with_short_ids(user: User, jobs: list[str]) -> None:
    window = user.window("list", "--name", "list-*")
    assert window.end() == 0
    header, first, second, *_ = window.lines
    assert header.split() == ["ID", "NAME", "STATUS", "ELAPSED", "QUEUE", "SUBMITTED"]
    assert first.split()[:4] == [jobs[2][:8], "list-c", "✓", "completed"]
    assert second.split()[:4] == [jobs[1][:8], "list-b", "✗", "failed"]
    assert re.search(r"(now|\d+ (s|min) ago)$", second)
    assert (window.color_of("✓ completed"), window.color_of("✗ failed")) == ("green", "red")


def test_on_a_terminal_a_footer_says_that_there_is_more(user: User, jobs: list[str]) -> None:
    window = user.window("list", "--limit", "2")
    assert window.end() == 0
    assert window.lines[-1] == "The newest 2; --all shows every one, --limit N more of them."


def test_on_a_terminal_without_jobs_it_says_how_to_make_one(user: User) -> None:
    window = user.window("list", "--name", "nothing")
    assert window.end() == 0
    assert window.lines == ["No jobs here. `kotta submit job.json` makes one."]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_long_and_wide_names_give_way(user: User, columns: int) -> None:
    user.done(executable="true", jobname=f"wide-{columns}-" + "日本語" * 40)
    window = user.window("list", "--name", f"wide-{columns}-*", columns=columns)
    assert window.end() == 0
    assert len(window.lines) == 2
    assert "✓ completed" in window.lines[1]
    assert re.search(r"(now|\d+ s ago)$", window.lines[1])


def test_without_colour_nothing_is_lost(user: User, jobs: list[str]) -> None:
    window = user.window("list", "--name", "list-b", NO_COLOR="1")
    assert window.end() == 0
    assert "✗ failed" in window.text
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", window.raw)


def test_forced_colour_paints_the_state_in_a_pipe(user: User, jobs: list[str]) -> None:
    out = user.kotta("list", "--name", "list-b", CLICOLOR_FORCE="1").out
    assert "\t\x1b[31mfailed\x1b[0m\t" in out


def test_rich_is_not_imported_in_a_pipe(user: User, jobs: list[str]) -> None:
    imported = user.kotta("list", PYTHONPROFILEIMPORTTIME="1").err
    assert "kotta_cli.render.job_table" in imported
    assert not re.search(r"\| +rich", imported)


def test_watching_redraws_as_jobs_change_and_leaves_the_last_picture(user: User) -> None:
    window = user.window("list", "--watch", "--name", "seen-*", rows=20)
    window.until("no jobs", "Ctrl-C ends the watch")
    job = user.submit(executable="sleep 1; exit 2", jobname="seen-1")
    window.until(job[:8], "● processing", "1 processing")
    window.until("✗ failed", "1 failed")
    window.interrupt()
    assert window.end() == 0
    assert window.lines[-1] == "1 failed"
    assert window.lines[-3].split()[:4] == [job[:8], "seen-1", "✗", "failed"]


def test_watching_survives_a_change_of_the_windows_size(user: User) -> None:
    many = [{"executable": "true", "jobname": f"size-{n:02}"} for n in range(30)]
    user.client.wait(user.client.submit_many(many))
    window = user.window("list", "--watch", "--name", "size-*", columns=120, rows=40)
    window.until("30 completed", "TYPE")
    window.resize(columns=62, rows=12)
    window.until_it(lambda: len(window.lines) <= 12 and "22 not shown" in window.lines[-1])
    assert window.lines[0].split() == ["ID", "NAME", "STATUS", "SUBMITTED"]
    assert all(line.count("size-") == 1 for line in window.lines[1:-2])
    window.resize(columns=100, rows=40)
    window.until("30 completed", "TYPE", "size-00")
    assert len(window.lines) == 1 + 30 + 2
    window.interrupt()
    assert window.end() == 0


def test_a_watch_that_is_ended_by_a_signal_leaves_the_terminal_as_it_was(user: User) -> None:
    window = user.window("list", "--watch", "--name", "nothing")
    window.until("no jobs")
    window.kill(signal.SIGTERM)
    assert window.end() == 143
    assert window.raw.rstrip().endswith("\x1b[?25h") or "\x1b[?1049l" in window.raw


def test_a_watch_shows_the_fields_and_the_order_that_are_asked_for(user: User) -> None:
    for name in ("order-b", "order-c", "order-a"):
        user.done(executable="true", jobname=name)
    window = user.window(
        "list", "--watch", "--name", "order-*", "--fields", "name,exit_code", "--sort", "name"
    )
    window.until("3 completed")
    rows = [line.split() for line in window.lines[:4]]
    assert rows == [["NAME", "EXIT"], ["order-a", "0"], ["order-b", "0"], ["order-c", "0"]]
    user.done(executable="true", jobname="order-bb")
    window.until("4 completed")
    assert [line.split()[0] for line in window.lines[1:5]] == [
        "order-a",
        "order-b",
        "order-bb",
        "order-c",
    ]
    window.interrupt()
    assert window.end() == 0


def test_a_watch_of_more_than_fits_shows_what_runs(user: User) -> None:
    first = user.running(executable="sleep 60", jobname="crowd-first")
    user.client.submit_many([{"executable": "true", "jobname": "crowd", "after": [first]}] * 40)
    window = user.window("list", "--watch", "--name", "crowd*", rows=12)
    window.until("crowd-first", "● processing", "40 pending", "33 not shown")
    user.client.cancel(first)
    window.until("41 cancelled")
    window.interrupt()
    assert window.end() == 0


def test_a_watch_ticks_while_nothing_changes(user: User) -> None:
    user.running(executable="sleep 60", jobname="ticking")
    window = user.window("list", "--watch", "--name", "ticking")
    window.until("● processing")
    window.until_it(lambda: re.search(r"processing +2 s ", window.text) is not None, timeout=10)
    window.interrupt()
    assert window.end() == 0


@contextmanager
def _watching(user: User, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`kotta list --watch WORDS` in a pipe, which is ended with Ctrl-C unless it has ended."""
    with subprocess.Popen(
        [KOTTA, "list", "--watch", *words],
        stdout=subprocess.PIPE,
        env=user.environment,
        cwd=user.home,
        text=True,
    ) as watch:
        try:
            yield watch
            if watch.poll() is None:
                watch.send_signal(signal.SIGINT)
                assert watch.wait(10) == 0
        finally:
            watch.kill()


def _next(watch: subprocess.Popen[str]) -> str:
    assert watch.stdout is not None
    return watch.stdout.readline()


def test_watching_in_a_pipe_prints_a_line_at_once_for_each_change(user: User) -> None:
    before = user.done(executable="true", jobname="piped-1")
    with _watching(user, "--name", "piped-*") as watch:
        assert _next(watch).split("\t")[:3] == [before, "piped-1", "completed"]
        job = user.submit(executable="sleep 0.5", jobname="piped-2")
        states = [_next(watch).split("\t")[:3:2]]
        while states[-1] != [job, "completed"]:
            states.append(_next(watch).split("\t")[:3:2])
        assert [job, "processing"] in states


def test_watching_as_json_prints_present_jobs_then_changes(user: User) -> None:
    before = user.done(executable="true", jobname="jsonl-1")
    with _watching(user, "--json", "--name", "jsonl-*") as watch:
        assert json.loads(_next(watch))["id"] == before
        after = user.submit(executable="true", jobname="jsonl-2")
        assert json.loads(_next(watch))["id"] == after


def test_watching_one_state_tells_of_jobs_that_enter_it(user: User) -> None:
    before = user.done(executable="false", jobname="only-before")
    with _watching(user, "--status", "failed", "--name", "only-*") as watch:
        assert _next(watch).split("\t")[0] == before
        user.done(executable="true", jobname="only-completed")
        failed = user.submit(executable="false", jobname="only-failed")
        assert _next(watch).split("\t")[0] == failed


def test_nobody_hears_that_the_reader_of_a_watch_has_gone(user: User) -> None:
    user.done(executable="true", jobname="gone-1")
    with _watching(user, "--json", "--name", "gone-*") as watch:
        _next(watch)
        assert watch.stdout is not None
        watch.stdout.close()
        user.done(executable="true", jobname="gone-2")
        wait_until(lambda: watch.poll() is not None)
        assert watch.returncode == 141


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_watch_leaves_with_its_reader_though_nothing_changes(
    user: User, words: tuple[str, ...]
) -> None:
    name = f"left{''.join(words)}"  # of one job, so that all has been read
    user.done(executable="true", jobname=name)
    with _watching(user, *words, "--name", name) as watch:
        _next(watch)
        assert watch.stdout is not None
        watch.stdout.close()
        assert watch.wait(10) == 141


def test_watching_in_a_pipe_prints_the_fields_that_are_asked_for(user: User) -> None:
    user.done(executable="false", jobname="narrow-1")
    words = ("--name", "narrow-*", "--fields", "name,exit_code")
    with _watching(user, *words) as watch:
        assert _next(watch) == "narrow-1\t1\n"
    with _watching(user, "--json", "--name", "narrow-*", "--fields", "name") as watch:
        assert _next(watch) == '{"name": "narrow-1"}\n'
    with _watching(user, "--name", "narrow-*", "--quiet") as watch:
        assert re.fullmatch(r"[0-9a-f-]{36}\n", _next(watch))


def test_a_watch_takes_brackets_in_a_pattern_as_they_are(user: User) -> None:
    with _watching(user, "--name", "bracket[?]", "--fields", "name") as watch:
        user.client.submit_many([{"executable": "true", "jobname": "bracket", "array": [1, 2]}])
        assert _next(watch) == "bracket[0]\n"


def test_sorting_looks_at_all_that_fit_and_not_at_the_newest(user: User) -> None:
    for number in (3, 1, 2):
        user.done(executable=f"exit {number}", jobname=f"sorted-{number}")
    words = ("list", "--name", "sorted-*", "--fields", "name", "--limit", "1")
    assert user.quick(*words, "--sort", "exit_code").out == "sorted-1\n"
    assert user.quick(*words, "--sort", "-exit_code").out == "sorted-3\n"
    window = user.window(*words, "--sort", "-exit_code")
    assert window.end() == 0
    assert window.lines[-1] == "1 of 3; --limit N shows more of them, --all every one."


def test_an_unknown_field_or_time_is_told_with_the_nearest(user: User) -> None:
    assert "did you mean `exit_code`?" in user.quick("list", "--sort", "-exitcode").err
    assert "did you mean `status`?" in user.quick("list", "--fields", "id,state").err
    assert "2d, 90min" in user.quick("list", "--since", "yesterday").err


def test_since_leaves_out_what_is_older(user: User, jobs: list[str]) -> None:
    assert _names(user, "--since", "1h") == ["list-c", "list-b", "list-a"]
    assert _names(user, "--since", "2999-01-01") == []


def test_on_a_terminal_an_array_is_one_row_with_its_progress(user: User) -> None:
    array = {"executable": "exit $KOTTA_PARAM_x", "jobname": "sweep", "tags": "swept"}
    jobs = user.client.submit_many([{**array, "array": [{"x": n % 2} for n in range(30)]}])
    user.client.wait(jobs)
    alone = user.done(executable="true", jobname="alone", tags="swept")
    window = user.window("list", "--tag", "swept", columns=120)
    assert window.end() == 0
    assert len(window.lines) == 3
    assert window.lines[1].split()[:2] == [alone[:8], "alone"]
    assert jobs[0].array is not None
    assert window.lines[2].startswith(f"{jobs[0].array[:8]}  sweep  30 jobs: ✗15 ✓15")
    assert "✗ failed" in window.lines[2]
    assert len(user.quick("list", "--tag", "swept").lines) == 31
    assert len(user.quick("list", "--array", "sweep", "--status", "failed").lines) == 15


def test_an_array_whose_jobs_have_names_of_their_own_is_called_by_what_they_share(
    user: User,
) -> None:
    user.client.submit_many(
        [{"executable": "true", "jobname": "own-{x}", "array": [{"x": 1}, {"x": 2}], "tags": "own"}]
    )
    window = user.window("list", "--tag", "own")
    assert window.end() == 0
    assert window.lines[1].split()[1:3] == ["own-*", "2"]


def test_the_limit_counts_an_array_once(user: User) -> None:
    user.client.submit_many(
        [{"executable": "true", "jobname": f"row-{n}", "array": [1] * 60, "tags": "rows"}
         for n in range(3)]
    )  # fmt: skip
    window = user.window("list", "--tag", "rows", "--limit", "2")
    assert window.end() == 0
    names = [line.split()[1:3] for line in window.lines[1:3]]
    assert names == [["row-2", "60"], ["row-1", "60"]]
    assert window.lines[3].startswith("The newest 2;")


def test_an_array_that_is_not_there_is_an_error(user: User) -> None:
    result = user.quick("list", "--array", "nothing")
    assert result.code == 1
    assert "no array, or more than one, is called `nothing`" in result.err
