from __future__ import annotations

from cli.conftest import User


def test_what_was_asked_for_is_compared_field_by_field_and_scripts_line_by_line(
    user: User,
) -> None:
    same = {"script_name": "a.sh", "queue": "Test", "jobname": "compared"}
    first = user.done(
        script="#!/bin/sh\necho one\necho two\n",
        walltime=5,
        tags="a,b",
        env={"X": 1, "Y": 2},
        **same,
    )
    second = user.done(
        script="#!/bin/sh\necho one\necho 2\n", walltime=7, tags="b,c", env={"X": 3, "Z": 4}, **same
    )
    result = user.kotta("diff", first, second)
    assert result.code == 0
    lines = result.lines
    assert lines[:2] == [f"--- {first} compared", f"+++ {second} compared"]
    assert (
        "\n".join(
            ["@@ script @@", "@@ -1,4 +1,4 @@", " #!/bin/sh", " echo one", "-echo two", "+echo 2"]
        )
        in result.out
    )
    for line in ("-walltime: 5", "+walltime: 7", "-tags: a", "+tags: c", "-env.X: 1",
                 "+env.X: 3", "-env.Y: 2", "+env.Z: 4"):  # fmt: skip
        assert line in lines
    assert not any("queue" in line or "jobname" in line for line in lines)


def test_ends_and_what_was_made_are_compared(user: User) -> None:
    first = user.done(executable="echo 1 > x; exit 0", outputs="x")
    second = user.done(executable="exit 3", outputs="x")
    lines = user.quick("diff", first, second).lines
    states = [line for line in lines if line[1:].startswith("status")]
    assert states == ["-status: completed", "+status: failed"]
    assert "+exit_code: 3" in lines
    assert any(line.startswith("-outputs.x: 2 bytes, SHA-256 ") for line in lines)
    assert "+outputs.x: not available" in lines
    window = user.window("diff", first, second)
    assert window.end() == 0
    assert (window.color_of("-status"), window.color_of("+status")) == ("red", "green")


def test_times_and_memory_do_not_make_a_difference(user: User) -> None:
    jobs = [user.done(executable="echo same") for _ in range(2)]
    shape = user.quick("diff", *jobs, "--json").json
    assert (shape["first"], shape["second"], shape["is_same"]) == (*jobs, True)
    assert (shape["described"], shape["ended"]) == ([], [])
    assert {"processing_seconds", "cpu_seconds"} & {each["field"] for each in shape["measured"]}
    window = user.window("diff", *jobs)
    assert window.end() == 0
    assert window.lines[0] == "They were asked for the same, and ended the same."


def test_a_running_job_can_be_compared(user: User) -> None:
    running = user.running(executable="sleep 60")
    done = user.done(executable="sleep 0")
    lines = user.quick("diff", running, done).lines
    assert "-status: processing" in lines
    assert "-processing: not known" in lines


def test_text_of_a_job_cannot_do_anything_to_the_terminal(user: User) -> None:
    first = user.done(script="echo \x1b[2Jone\r\n", script_name="a.sh", executable="true")
    second = user.done(script="echo \u202etwo\n", script_name="a.sh", executable="true")
    result = user.quick("diff", first, second, CLICOLOR_FORCE="0")
    assert "\x1b" not in result.out
    assert "\u202e" not in result.out
    assert "-echo one\\r" in result.lines


def test_an_array_is_not_one_job(user: User) -> None:
    array = user.quick("submit", "--sweep", "n=1,2", "--", "true").lines[0]
    result = user.quick("diff", array, "@last")
    assert result.code == 1
    assert "means 2 jobs, and this takes one" in result.err
    assert user.quick("diff", "@last").code == 2
