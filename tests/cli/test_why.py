"""`kotta why`: each reason as the real service and real jobs give it."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from library.stand_in import a_job

from cli.conftest import User
from kotta import JobDetail
from kotta_cli.explaining import Explanation, explain


def _why(user: User, job: str) -> list[str]:
    result = user.quick("why", job)
    assert (result.code, result.err) == (0, "")
    return [line.strip() for line in result.lines]


def test_a_failed_command_is_told_with_the_end_of_its_stderr(user: User) -> None:
    script = "for n in $(seq 20); do echo line $n >&2; done; exit 3"
    job = user.done(executable=script, jobname="fails")
    assert _why(user, job) == [
        f"fails {job[:8]}  ✗ failed",
        "Its command ended by itself: exit code 3.",
        "The end of its stderr:",
        *(f"line {n}" for n in range(11, 21)),
        f"Next:  kotta logs {job[:8]}",
        f"kotta rerun {job[:8]}",
    ]


def test_where_stderr_is_empty_stdout_is_told(user: User) -> None:
    job = user.done(executable="echo nothing to see; exit 1")
    assert _why(user, job)[2:4] == ["The end of its stdout:", "nothing to see"]
    found = user.quick("why", job, "--json").json
    assert (found["stderr"], found["stdout"]) == ([], ["nothing to see"])


@pytest.mark.parametrize(
    ("executable", "told"),
    [
        ("no-such-program", "Its command was not found: exit code 127."),
        ("touch x; ./x", "Its command is not executable: exit code 126."),
        ("sh -c 'kill -11 $$'; exit 139",
         "Something in its command was ended by signal 11 (SIGSEGV): exit code 139."),
        ("kill -TERM $$", "Its command was ended by signal 15 (SIGTERM)."),
    ],
)  # fmt: skip
def test_what_an_exit_code_means_is_told(user: User, executable: str, told: str) -> None:
    assert _why(user, user.done(executable=executable))[1] == told


def test_what_sigkill_may_mean_is_told_with_more_memory(user: User) -> None:
    job = user.done(executable="kill -KILL $$", memory="100 MiB")
    said = _why(user, job)
    assert said[1] == "Its command was ended by signal 9 (SIGKILL)."
    assert said[2] == "Where memory runs out, the system ends a program like that."
    assert f"Next:  kotta rerun {job[:8]} --memory 200MiB" in said
    again = user.kotta("rerun", job, "--memory", "200MiB", "--json").json
    assert again["memory_mib"] == 200


@pytest.fixture
def address() -> Iterator[str]:
    """A server that has nothing."""

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_missing_input_is_told_with_what_its_server_answered(user: User, address: str) -> None:
    job = user.done(executable="true", inputs=[f"{address}/data.csv"])
    assert _why(user, job)[1:] == [
        f"Input {address}/data.csv: HTTP 404 Not Found.",
        "Its command was not started.",
        f"Next:  kotta rerun {job[:8]} --set inputs=URL",
        f"kotta rerun {job[:8]}",
    ]


def test_a_walltime_that_is_over_is_told_with_a_longer_one(user: User) -> None:
    from kotta_cli.explaining import Explanation
    from kotta_cli.failure_reasons import tell_why_it_failed

    # a walltime is a minute at least: too long for this test to wait for
    job = user.client.status(user.done(executable="exit 1"))
    for minutes, more in ((3, "--walltime 6"), (1440, ""), (1000, "--walltime 1440")):
        found = Explanation()
        changed = {"reason": "walltime", "walltime_seconds": minutes * 60, "exit_code": None}
        over = type(job).model_validate({**job.model_dump(), **changed})
        tell_why_it_failed(found, user.client, over)
        assert f"kotta rerun {job.id[:8]} {more}".strip() in found.commands
        assert ("Queue Test allows no more." in found.sentences) == (more == "")


def test_a_job_behind_others_is_told_its_place_and_the_limit(user: User) -> None:
    blocker = user.running(executable="sleep 60", cpus=2, jobname="blocker")
    head = user.submit(executable="true", jobname="head", cpus=2)
    job = user.submit(executable="true", jobname="behind")
    said = _why(user, job)
    assert said[1:3] == [
        "It is number 2 of those that wait in queue Test, which start in order.",
        f"The first, {head[:8]} (head), needs 2 cores, and none of the queue's 2 cores is free.",
    ]
    assert re.fullmatch(
        rf"{blocker[:8]} \(blocker\) has 2 cores and \S+ GiB, and has run \d+ s of 5 h\.", said[3]
    )
    assert said[4:] == ["Next:  kotta queues", f"kotta wait {job[:8]}"]
    assert _why(user, head)[1:3] == [
        "It is the next to start in queue Test.",
        "It needs 2 cores, and none of the queue's 2 cores is free.",
    ]


def test_memory_that_is_lacking_is_told(user: User) -> None:
    room = next(queue for queue in user.client.queues() if queue.name == "Test").memory_mib
    user.running(executable="sleep 60", cpus=1, memory=f"{room - 64} MiB")
    job = user.submit(executable="true", memory="128 MiB")
    assert re.match(
        r"It needs 128\.0 MiB of memory, and 64\.0 MiB of the queue's", _why(user, job)[2]
    )


def test_a_job_that_comes_after_others_names_them(user: User) -> None:
    first = user.running(executable="sleep 60", jobname="first")
    second = user.submit(executable="true", jobname="second", after=[first])
    assert _why(user, second)[1:] == [
        f"It comes after {first[:8]} (first, processing), and starts once that has completed.",
        f"Next:  kotta why {first[:8]}",
        f"kotta wait {second[:8]}",
    ]
    user.client.cancel(first)
    user.client.wait(second, timeout=20)
    said = _why(user, second)
    assert said[1] == f"Job {first} (first), which it was to come after, was cancelled."
    assert said[2:] == [f"Next:  kotta why {first[:8]}", f"kotta rerun {second[:8]}"]
    assert _why(user, first)[1] == "It was cancelled while it ran."


def test_what_runs_and_what_completed_is_told_too(user: User) -> None:
    running = user.running(executable="sleep 60")
    said = _why(user, running)
    assert re.fullmatch(r"It started \d+ s ago, and may run 5 h\.", said[2])
    assert said[3] == f"Next:  kotta logs -f {running[:8]}"
    done = user.done(executable="true", outputs="a.txt")
    assert _why(user, done)[1:3] == [
        "It completed: its command ended with exit code 0.",
        "Of what it declared, it did not make a.txt.",
    ]


def test_long_lines_of_a_job_are_folded_under_their_beginning(user: User) -> None:
    job = user.done(executable=f"echo {'x' * 100} >&2; exit 1")
    window = user.window("why", job, columns=60)
    assert window.end() == 0
    assert window.lines[3:5] == ["    " + "x" * 56, "    " + "x" * 44]


def test_on_a_narrow_terminal_sentences_are_wrapped_at_words(user: User) -> None:
    user.running(executable="sleep 60", cpus=2, jobname="blocker")
    job = user.submit(executable="true", jobname="a job " * 20)
    window = user.window("why", job, columns=60)
    assert window.end() == 0
    assert "  It needs 1 core, and none of the queue's 2 cores is free." in window.lines


class _StandIn:
    """Of a client, what is asked here: there are no queues."""

    def __init__(self, storage_problem: str) -> None:
        self._storage_problem = storage_problem

    def queues(self) -> list[Any]:
        return []

    def service(self) -> Any:
        return SimpleNamespace(storage_problem=self._storage_problem)


def explained(*, status: str = "failed", storage_problem: str = "", **values: Any) -> Explanation:
    job = JobDetail.model_validate(a_job(description={}, status=status, attempt=0, **values))
    client: Any = _StandIn(storage_problem)
    return explain(client, job)


def test_more_memory_than_it_was_seen_to_use_is_advised() -> None:
    used = {"memory_mib": 50, "peak_memory_bytes": 348 << 20}
    error = "it used 348 MiB of memory, and may use 50 MiB"
    found = explained(reason="memory", error=error, **used)
    assert found.commands[0].endswith(" --memory 435MiB")


def test_what_was_never_started_has_done_nothing() -> None:
    words = "its runner could not begin: exec: /opt/python: not found"
    found = explained(reason="lost", error=words)
    assert found.sentences[-2:] == [f"I{words[1:]}.", "Its command was not started."]
    assert "--retries" not in " ".join(found.commands)


_AWAY = "s3://bucket: it does not answer"
_TOLD = f"The service's storage cannot be used at present: {_AWAY}."
_WAITS = "What jobs bring and keep waits until it can."


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "staging_inputs"}, [_TOLD, _WAITS]),
        ({"status": "staging_outputs"}, [_TOLD, _WAITS]),
        ({"reason": "staging", "error": "a.txt could not be kept"}, [_TOLD]),
        ({"reason": "exit", "exit_code": 1}, []),
        ({"status": "completed", "exit_code": 0}, []),
    ],
)
def test_a_storage_that_is_away_is_told_of_where_it_matters(
    values: dict[str, Any], told: list[str]
) -> None:
    sentences = explained(storage_problem=_AWAY, **values).sentences
    assert [words for words in sentences if words in (_TOLD, _WAITS)] == told
    assert _TOLD not in explained(**values).sentences
