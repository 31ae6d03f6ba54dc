from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cli.conftest import User
from kotta import JobState

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def _stdout(user: User, job: str) -> bytes:
    return b"".join(user.client.logs(job))


def test_the_jobs_id_is_printed_alone(user: User) -> None:
    result = user.kotta("submit", user.describe(executable="true"))
    assert result.code == 0
    assert re.fullmatch(UUID + "\n", result.out)


def test_the_first_command_says_that_it_started_the_service_but_not_in_json(
    fresh_user: User,
) -> None:
    first = fresh_user.kotta("submit", fresh_user.describe(executable="true"))
    assert re.fullmatch(r"started the local service \(pid \d+, data in .*\)\n", first.err)
    assert fresh_user.kotta("list").err == ""
    fresh_user.kotta("service", "stop")
    assert fresh_user.kotta("list", "--json").err == ""


def test_a_description_can_come_from_stdin(user: User) -> None:
    result = user.kotta("submit", "-", stdin='{"executable": "true", "jobname": "from stdin"}')
    assert user.client.status(result.out.strip()).name == "from stdin"


def test_a_list_submits_many_and_prints_their_ids_in_order(user: User) -> None:
    many = json.dumps([{"executable": "true", "jobname": f"many-{n}"} for n in range(3)])
    result = user.quick("submit", "-", stdin=many)
    assert result.code == 0
    assert [user.client.status(job).name for job in result.lines] == ["many-0", "many-1", "many-2"]


def test_of_a_list_all_are_submitted_or_none(user: User) -> None:
    two = [{"executable": "true", "jobname": "never"}, {"executable": "true", "queue": "Nowhere"}]
    result = user.quick("submit", "-", stdin=json.dumps(two))
    assert result.code == 2
    assert user.client.list(name="never").jobs == []


def test_a_script_alone_is_a_job(user: User) -> None:
    (user.home / "hello.sh").write_text("#!/bin/sh\necho hello from $0\n")
    result = user.quick("submit", "--script", "hello.sh", "--wait")
    assert result.code == 0
    detail = user.client.status(result.out.strip())
    assert (detail.name, detail.description["script_name"]) == ("hello.sh", "hello.sh")
    assert _stdout(user, result.out.strip()) == b"hello from ./hello.sh\n"


def test_a_script_joins_a_description_which_may_name_it(user: User) -> None:
    (user.home / "a.sh").write_text("echo a\n")
    job = user.describe(executable="sh b.sh", script_name="b.sh")
    result = user.quick("submit", job, "--script", "a.sh", "--wait")
    assert result.code == 0
    assert _stdout(user, result.out.strip()) == b"a\n"


def test_local_inputs_are_found_beside_the_description(user: User) -> None:
    (user.home / "folder").mkdir(exist_ok=True)
    (user.home / "folder/data.txt").write_text("some data\n")
    job = user.describe("folder/job.json", executable="cat data.txt", inputs="data.txt")
    result = user.quick("submit", job, "--wait")
    assert _stdout(user, result.out.strip()) == b"some data\n"


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ({"executable": "true"}, 0),
        ({"executable": "exit 3"}, 3),
        ({"executable": "kill -9 $$"}, 137),
        ({"executable": "sleep 30", "walltime": 0.002}, 124),
        ({"executable": "true", "inputs": "http://localhost:1/nothing"}, 125),
    ],
)
def test_with_wait_the_exit_code_is_the_jobs(
    user: User, description: dict[str, Any], code: int
) -> None:
    result = user.quick("submit", "-", "--wait", stdin=json.dumps(description))
    assert result.code == code


def test_with_wait_several_jobs_give_the_largest_of_their_codes(user: User) -> None:
    many = [{"executable": f"exit {code}"} for code in (1, 7, 0)]
    assert user.kotta("submit", "-", "--wait", stdin=json.dumps(many)).code == 7


def test_with_fetch_the_outputs_are_brought(user: User) -> None:
    job = user.describe(executable="echo made > made.txt", outputs="made.txt")
    result = user.quick("submit", job, "--fetch")
    assert result.code == 0
    assert (user.home / result.out.strip() / "made.txt").read_text() == "made\n"


def test_with_fetch_a_missing_output_is_told_and_exits_with_one(user: User) -> None:
    job = user.describe(executable="true", outputs="never.txt")
    result = user.kotta("submit", job, "--fetch")
    assert result.code == 1
    assert "never.txt is not available: the job did not make it" in result.err


def test_with_fetch_the_code_of_a_failed_job_comes_first(user: User) -> None:
    job = user.describe(executable="exit 5", outputs="never.txt")
    assert user.quick("submit", job, "--fetch").code == 5


def test_json_is_a_job_or_a_list_of_them(user: User) -> None:
    one = user.quick("submit", user.describe(executable="true"), "--json").json
    assert (one["name"], one["queue"]) == ("true", "Test")
    many = user.quick("submit", "-", "--json", stdin='[{"executable": "true"}]').json
    assert [job["name"] for job in many] == ["true"]


def test_json_with_fetch_is_the_ended_job_and_what_was_brought(user: User) -> None:
    job = user.quick("submit", user.describe(executable="true"), "--fetch", "--json").json
    assert (job["status"], job["exit_code"]) == ("completed", 0)
    assert job["fetch"] == {
        "job": job["id"],
        "directory": str(user.home / job["id"]),
        "fetched": ["STDOUT.txt", "STDERR.txt"],
        "already_there": [],
        "unavailable": [],
    }


def test_a_wrong_field_is_shown_in_its_line(user: User) -> None:
    (user.home / "wrong.json").write_text('{\n  "executable": "true",\n  "waltime": 5\n}\n')
    result = user.kotta("submit", "wrong.json")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "error: wrong.json has 1 problem",
        "  wrong.json:3:3: waltime is not a known field (did you mean `walltime`?)",
        '      3 |   "waltime": 5',
        "        |   ^",
    ]


def test_what_only_the_service_knows_to_be_wrong_is_shown_in_its_line_too(user: User) -> None:
    (user.home / "wrong.json").write_text('[{"executable": "true",\n "queue": "Nowhere"}]\n')
    result = user.quick("submit", "wrong.json")
    assert result.code == 2
    assert "  wrong.json:2:11: " in result.err
    assert '      2 |  "queue": "Nowhere"}]\n        |           ^' in result.err


def test_text_that_is_not_json_is_shown_where_it_breaks(user: User) -> None:
    result = user.kotta("submit", "-", stdin='{"executable": true false}')
    assert result.code == 2
    assert "standard input:1:21: " in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit"], "there is nothing to submit"),
        (["submit", "nowhere.json"], "cannot read nowhere.json: No such file or directory"),
        (["submit", "."], "cannot read .: Is a directory"),
        (["submit", "--script", "nowhere.sh"], "cannot read nowhere.sh: No such file"),
        (["submit", "--script", "latin.sh"], "latin.sh is not UTF-8 text: byte 1 is 0xe9"),
    ],
)
def test_what_cannot_be_read_is_refused_with_two(user: User, words: list[str], said: str) -> None:
    (user.home / "latin.sh").write_bytes(b"#\xe9")
    result = user.quick(*words)
    assert (result.code, result.out) == (2, "")
    assert f"error: {said}" in result.err


def test_on_a_terminal_a_line_follows_the_job_and_its_end_stays(user: User) -> None:
    user.describe("line.json", executable="sleep 1; exit 3", jobname="follow me")
    window = user.window("submit", "line.json", "--wait")
    window.until("processing  follow me")
    assert window.color_of("processing") == "blue"
    assert window.end() == 3
    assert re.fullmatch(UUID, window.lines[0])
    assert re.fullmatch(r"✗ follow me failed: exit code 3 after 1\.\d+ s", window.lines[1])
    assert len(window.lines) == 2


def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(user: User) -> None:
    user.describe("long.json", executable="sleep 60", jobname="goes on")
    window = user.window("submit", "long.json", "--wait")
    window.until("processing  goes on")
    window.interrupt()
    assert window.end() == 130
    short = window.lines[0][:8]
    assert window.lines[1:] == [
        "Stopped waiting. What was submitted runs on:",
        f"  kotta wait {short}    waits again",
        f"  kotta cancel {short}  ends it",
    ]
    job = user.client.status(window.lines[0])
    assert job.status is JobState.PROCESSING
    user.client.cancel(job)


def test_on_a_dumb_terminal_each_change_has_a_line(user: User) -> None:
    user.describe("dumb.json", executable="sleep 0.5", jobname="plainly")
    window = user.window("submit", "dumb.json", "--wait", TERM="dumb")
    assert window.end() == 0
    assert "\x1b" not in window.raw
    assert re.fullmatch(r"[\d:.TZ-]+ [0-9a-f]{8} plainly: completed after \d+ ms", window.lines[-1])


def test_quiet_shows_nothing_but_the_id(user: User) -> None:
    user.describe("quiet.json", executable="true")
    window = user.window("submit", "quiet.json", "--wait", "--quiet")
    assert window.end() == 0
    assert len(window.lines) == 1
    assert re.fullmatch(UUID, window.lines[0])


def test_on_a_terminal_it_says_what_to_type_next(user: User) -> None:
    user.describe("next.json", executable="true")
    window = user.window("submit", "next.json")
    assert window.end() == 0
    short = window.lines[0][:8]
    assert (
        window.lines[1]
        == f"Follow it with `kotta wait {short}`, read it with `kotta logs -f {short}`."
    )
