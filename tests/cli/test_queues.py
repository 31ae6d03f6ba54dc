from __future__ import annotations

from cli.conftest import User
from kotta.models import Queue
from kotta_cli.render.queue_table import queue_lines


def test_json_has_the_shape_of_the_api(user: User) -> None:
    found = {queue["name"]: queue for queue in user.kotta("queues", "--json").json}
    assert set(found) == {"Test", "Prod"}
    assert set(found["Test"]) == {
        "name",
        "executor",
        "cpus",
        "memory_mib",
        "cpus_used",
        "memory_used_mib",
        "running",
        "pending",
        "pending_after",
        "max_walltime_minutes",
    }


def test_in_a_pipe_a_queue_is_a_line_of_plain_values(user: User) -> None:
    lines = user.quick("queues").lines
    assert {line.split("\t")[0] for line in lines} == {"Test", "Prod"}
    assert all(value.isdigit() for line in lines for value in line.split("\t")[1:])


def test_on_a_terminal_it_is_a_table_and_what_fits(user: User) -> None:
    window = user.window("queues", columns=60)
    assert window.end() == 0
    header, *rows = window.lines
    assert header.split() == ["QUEUE", "RUNNING", "PENDING", "CORES", "MEMORY", "WALLTIME"]
    assert [row.split()[0] for row in rows[:2]] == ["Test", "Prod"]
    assert [row.split(":")[0] for row in rows[3:]] == ["Test", "Prod"]


def test_what_fits_is_the_largest_job_that_starts_at_once(fresh_user: User) -> None:
    (fresh_user.home / ".config/kotta").mkdir(parents=True)
    (fresh_user.home / ".config/kotta/service.toml").write_text(
        "[queues.Test]\ncpus = 2\nmemory_mib = 2048\nmax_walltime_minutes = 600\n"
    )
    page = _page(fresh_user)
    assert "Test: a job of up to 2 cores and 2.0 GiB starts at once." in page
    assert "··········  0 of 2" in page
    first = fresh_user.running(executable="sleep 60", cpus=1, memory="1 GiB")
    fresh_user.submit(executable="true", after=[first])
    page = _page(fresh_user)
    assert "Test: a job of up to 1 core and 1.0 GiB starts at once." in page
    assert "█████·····  1 of 2" in page
    second = fresh_user.running(executable="sleep 60", cpus=1, memory="512 MiB")
    assert "Test: no core is free; a new job waits for one that runs." in _page(fresh_user)
    fresh_user.submit(executable="true", cpus=2)
    assert "Test: 1 job waits already; a new one starts after them." in _page(fresh_user)
    assert "##########  2 of 2" in _page(fresh_user, LANG="C", LC_ALL="C", PYTHONUTF8="0",
                                      PYTHONCOERCECLOCALE="0")  # fmt: skip
    fresh_user.client.cancel_many([first, second])


def test_memory_that_nobody_counts_is_not_said_to_be_none() -> None:
    """As in Parsl's blocks, whose nodes have what they have."""
    values = {"memory_mib": 0, "memory_used_mib": 0, "running": 1, "pending": 0}
    queue = Queue(
        name="Blocks", executor="parsl", cpus=8, cpus_used=2, max_walltime_minutes=60, **values
    )
    _, row = queue_lines([queue], 100)
    assert row.plain.split() == [
        "Blocks", "1", "0", "██········", "2", "of", "8", "not", "counted", "1", "h",
    ]  # fmt: skip


def _page(user: User, **environment: str) -> str:
    window = user.window("queues", columns=100, **environment)
    assert window.end() == 0
    return window.text


def test_queues_can_be_completed_afterwards(user: User) -> None:
    user.quick("queues")
    assert set(user.kotta("__complete", "queues", "").lines) == {"Test", "Prod"}
