from __future__ import annotations

from cli.conftest import User


def test_json_has_the_shape_of_the_api(user: User) -> None:
    found = {queue["name"]: queue for queue in user.kotta("queues", "--json").json}
    assert set(found) == {"Test", "Prod"}
    assert set(found["Test"]) == {
        "name",
        "cpus",
        "memory_mib",
        "cpus_used",
        "memory_used_mib",
        "running",
        "pending",
        "max_walltime_minutes",
    }


def test_in_a_pipe_a_queue_is_a_line_of_plain_values(user: User) -> None:
    lines = user.quick("queues").lines
    assert {line.split("\t")[0] for line in lines} == {"Test", "Prod"}
    assert all(value.isdigit() for line in lines for value in line.split("\t")[1:])


def test_on_a_terminal_it_is_a_table(user: User) -> None:
    window = user.window("queues", columns=60)
    assert window.end() == 0
    header, *rows = window.lines
    assert header.split() == ["QUEUE", "RUNNING", "PENDING", "CORES", "MEMORY", "WALLTIME"]
    assert {row.split()[0] for row in rows} == {"Test", "Prod"}


def test_queues_can_be_completed_afterwards(user: User) -> None:
    user.quick("queues")
    assert set(user.kotta("__complete", "queues", "").lines) == {"Test", "Prod"}
