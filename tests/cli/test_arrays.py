"""Arrays at the command's level: one object of many jobs; and jobs that come after others."""

from __future__ import annotations

import json
import re

import pytest

from cli.conftest import User
from kotta import JobState


def _said(user: User, array: str) -> list[str]:
    """What each job of an array wrote, by its index."""
    jobs = sorted(user.client.select_many(array), key=lambda job: job.array_index or 0)
    return [b"".join(user.client.logs(job)).decode().strip() for job in jobs]


def test_a_sweep_is_a_job_for_each_combination_and_one_id(user: User) -> None:
    words = ["--sweep", "lr=0.1,0.2", "--sweep", "n=1..2", "-w", "-q"]
    result = user.kotta("submit", *words, "--", "echo", "{lr}", "{n}")
    assert (result.code, len(result.lines)) == (0, 1)
    assert _said(user, result.lines[0]) == ["0.1 1", "0.1 2", "0.2 1", "0.2 2"]


@pytest.mark.parametrize("is_stdin", [False, True])
def test_a_file_has_an_entry_a_line(user: User, is_stdin: bool) -> None:
    text = '{"name": "a b", "n": 1}\r\n\n{"name": "c", "n": 2.5}\n'
    (user.home / "entries.jsonl").write_text(text)
    result = user.quick(
        "submit",
        "--array",
        "-" if is_stdin else "entries.jsonl",
        "--wait",
        "--",
        "sh",
        "-c",
        'echo "$KOTTA_PARAM_name" {n} ${n} $KOTTA_ARRAY_INDEX/$KOTTA_ARRAY_SIZE',
        stdin=text if is_stdin else "",
    )
    assert result.code == 0, result.err
    assert _said(user, result.lines[0]) == ["a b 1 0/2", "c 2.5 1/2"]


def test_plain_lines_are_values(user: User) -> None:
    (user.home / "words.txt").write_text("one\ntwo words\n[3]\n")
    result = user.quick("submit", "--array", "words.txt", "-w", "--", "echo", "{value}")
    assert _said(user, result.lines[0]) == ["one", "two words", "[3]"]


def test_a_sweep_multiplies_what_the_description_has_and_goes_over_it(user: User) -> None:
    user.describe(executable="echo {a} {b}", array=[{"a": 1, "b": 1}, {"a": 2, "b": 1}])
    result = user.quick("submit", "job.json", "--sweep", "b=3,4", "--wait")
    assert _said(user, result.lines[0]) == ["1 3", "1 4", "2 3", "2 4"]


def test_each_job_may_have_a_local_input_of_its_own(user: User) -> None:
    for name in ("x", "y"):
        (user.home / f"{name}.txt").write_text(f"this is {name}")
    words = ["--sweep", "f=x,y", "-i", "{f}.txt", "--wait", "--", "cat", "{f}.txt"]
    assert _said(user, user.quick("submit", *words).lines[0]) == ["this is x", "this is y"]
    refused = user.quick("submit", "--sweep", "f=x,z", "-i", "{f}.txt", "--", "true")
    assert refused.code == 2
    assert "z.txt` is not there" in refused.err


def test_what_an_entry_calls_its_own_is_not_written_over(user: User) -> None:
    for name in ("x", "y"):
        (user.home / f"{name}.txt").write_text(f"this is {name}")
    words = ["--sweep", "input_0=x,y", "-i", "{input_0}.txt", "--wait"]
    result = user.quick("submit", *words, "--", "cat", "{input_0}.txt")
    assert _said(user, result.lines[0]) == ["this is x", "this is y"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sweep", "lr"], "error: `--sweep lr` has no name"),
        (["--sweep", "1=2"], "error: `--sweep 1=2` has no name"),
        (["--sweep", "a=1,,2"], "error: `--sweep a=1,,2` has an empty value"),
        (["--sweep", "a=9..1"], "error: `--sweep a=9..1` must count upwards"),
        (["--sweep", "a=1..99999"], "error: `--sweep a=1..99999` must count upwards"),
        (["--sweep", "a=1..200", "--sweep", "b=1..200"], "error: that makes 40000 jobs"),
        (["--sweep", "a=1", "--sweep", "a=2"], "error: two `--sweep` have the same name"),
        (["--array", "nowhere"], "error: cannot read nowhere"),
        (["--array", "empty"], "error: empty holds no entries"),
        (["--array", "broken"], '  broken:2:7: expecting value\n      2 | {"a": }\n'),
        (["--array", "nested"], "  --array nested: array `a` must be text or a number"),
        (["--array", "latin"], "error: latin is not UTF-8 text: byte 1 is 0xe9"),
        (["--array", "-", "-"], "error: standard input cannot be both"),
    ],
)
def test_what_makes_no_array_is_told(user: User, words: list[str], said: str) -> None:
    (user.home / "empty").write_text("\n\n")
    (user.home / "broken").write_text('{"a": 1}\n{"a": }\n')
    (user.home / "nested").write_text('{"a": [1]}\n')
    (user.home / "latin").write_bytes(b"n\xe9\n")
    before = [job.id for job in user.client.list(limit=1).jobs]
    result = user.quick("submit", *words, *(() if words[-1] == "-" else ("--", "true")))
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert [job.id for job in user.client.list(limit=1).jobs] == before


@pytest.mark.parametrize("way", [[], ["--check"]])
def test_a_name_that_no_entry_has_is_remarked_on(user: User, way: list[str]) -> None:
    words = ["submit", "--sweep", "lr=1,2", "-n", "fit {seed}", *way]
    command = ["--", "sh", "-c", "true {lrr} {lr} ${lrr} {lrr} '{print $1}' '{\"a\": 1}' {}"]
    result = user.quick(*words, *command)
    assert (result.code, result.err.splitlines()[:2]) == (
        0,
        [
            "`{lrr}` stays as it is: the array has no such name; did you mean `{lr}`?",
            "`{seed}` stays as it is: the array has no such name",
        ],
    )
    assert "{" not in "".join(result.err.splitlines()[2:])
    for silent in ("--quiet", "--json"):
        assert user.quick(*words, silent, *command).err.count("{") == 0
    assert "{" not in user.quick("submit", *way, "--", "echo", "{lrr}").err


def test_json_is_the_list_of_its_jobs(user: User) -> None:
    jobs = user.quick("submit", "--sweep", "n=1,2", "--json", "--", "true").json
    assert [job["array_index"] for job in jobs] == [0, 1]
    assert len({job["array"] for job in jobs}) == 1


def test_status_shows_an_array_as_one_thing(user: User) -> None:
    words = ["--sweep", "n=0..2", "--name", "trio", "--", "sh", "-c", "exit {n}"]
    done = user.quick("submit", "--wait", *words)
    assert done.code == 2, done
    array = done.lines[0]
    result = user.kotta("status", array)
    text = re.sub(r"[\d.]+ s\b", "N s", result.out)  # how long each took
    jobs = sorted(user.client.select_many(array), key=lambda job: job.array_index or 0)
    assert f"Name: trio\nArray: {array}\nJobs: 3\ncompleted: 1\nfailed: 2\n" in text
    assert f"  [1] {jobs[1].id}: failed, N s, exit code 1, n=1\n" in text
    assert f"  Why: kotta why {jobs[1].id}\n" in text
    shape = user.quick("status", array, "--json").json
    assert (shape["array"], shape["name"]) == (array, "trio")
    assert shape["counts"] == {"completed": 1, "failed": 2}
    assert [job["exit_code"] for job in shape["jobs"]] == [0, 1, 2]
    assert shape["ended_at"] == max(job["ended_at"] for job in shape["jobs"])


def test_a_large_array_shows_its_failures_and_its_slowest_on_a_terminal(user: User) -> None:
    words = ["--sweep", "n=0..24", "--name", "big", "--", "sh", "-c", "[ {n} != 7 ]"]
    done = user.quick("submit", "--wait", *words)
    assert done.code == 1, done
    array = done.lines[0]
    window = user.window("status", array[:8])
    assert window.end() == 0
    assert window.lines[0] == "big"
    assert "████████████████████████  25 of 25 jobs have ended" in window.text
    rows = [line for line in window.lines if re.match(r"  \[\d+\] ", line)]
    assert len(rows) == 4
    assert re.match(r"  \[7\] [0-9a-f]{8}  +✗ failed +\d+ ms +exit code 1  n=7", rows[0])
    assert max(map(len, window.lines)) <= 80


def test_a_set_that_is_no_array_is_shown_job_by_job(user: User) -> None:
    words = ["--sweep", "n=1,2", "--tag", "shown", "--", "true"]
    array = user.quick("submit", "--wait", *words).lines[0]
    assert len(user.quick("status", "tag=shown", "--json").json) == 2
    assert isinstance(user.quick("status", array, "--json").json, dict)


def test_a_bar_follows_an_array_and_counts_remain(user: User) -> None:
    words = ["--sweep", "n=1..12", "--", "sh", "-c", "[ {n} != 3 ]"]
    window = user.window("submit", "--wait", *words, columns=100)
    assert window.end() == 1
    assert re.fullmatch(r"✗ sh\[2\] failed: exit code 1 after \d+ ms", window.lines[1])
    assert window.lines[2:] == ["12 jobs: 11 completed · 1 failed"]
    assert re.search(r"█+.*of 12 ended", window.raw) or "12 ended" in window.raw


def test_ctrl_c_names_the_array_and_cancels_nothing(user: User) -> None:
    window = user.window("submit", "--wait", "--sweep", "n=1..9", "--", "sleep", "60")
    window.until("of 9 ended")
    window.interrupt()
    assert window.end() == 130
    array = window.lines[0]
    assert f"  kotta wait {array[:8]}    waits again" in window.lines
    jobs = user.client.select_many(array)
    assert not any(job.status.is_terminal for job in jobs)
    assert user.quick("cancel", array, "--yes").code == 0
    ended = user.client.wait(jobs, timeout=30)
    assert {job.status for job in ended} == {JobState.CANCELLED}


def test_after_takes_selectors_and_waits_for_all_they_mean(user: User) -> None:
    words = ["--sweep", "n=1,2", "--tag", "first", "--", "sleep", "0.3"]
    array = user.quick("submit", *words).lines[0]
    first = [job.id for job in user.client.select_many(array)]
    for words in (["--after", array], ["--after", "tag=first", "--after", "@last"]):
        job = user.quick("submit", *words, "--", "true").lines[0]
        assert set(first) <= set(user.client.status(job).description["after"])
    assert user.quick("wait", job).code == 0


def test_what_comes_after_a_failure_is_cancelled_and_why_says_so(user: User) -> None:
    first = user.submit(jobname="bad one", executable="sleep 3; exit 3")
    second = user.quick("submit", "--after", "bad one", "--name", "second", "--", "true").lines[0]
    waiting = user.quick("why", second)
    assert f"It comes after {first[:8]} (bad one, " in waiting.out
    result = user.kotta("wait", second)
    assert result.code == 143
    why = user.quick("why", second)
    assert f"kotta why {first[:8]}" in why.out
    assert f"job {first} (bad one)" in why.out.replace("Job", "job")
    status = user.quick("status", second, "--json").json
    assert (status["status"], status["reason"]) == ("cancelled", "dependency")


def test_after_nothing_or_what_has_failed_is_refused(user: User) -> None:
    failed = user.done(executable="exit 1")
    for words, code, said in (
        (["--after", "tag=nobody"], 1, "no job fits `tag=nobody`, so there is nothing to come"),
        (["--after", "nobody"], 1, "no job is called `nobody`"),
        (["--after", failed], 2, f"names job {failed}, which has failed"),
    ):
        result = user.quick("submit", *words, "--", "true")
        assert (result.code, result.out) == (code, ""), result
        assert said in result.err


def test_of_a_list_of_jobs_each_may_be_an_array(user: User) -> None:
    many = [{"executable": "true", "array": [1, 2]}, {"executable": "true"}]
    result = user.quick("submit", "-", stdin=json.dumps(many))
    assert len(result.lines) == 2
    assert [len(user.client.select_many(line)) for line in result.lines] == [2, 1]
