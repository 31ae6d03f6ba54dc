from __future__ import annotations

import json

import pytest

from cli.conftest import User
from kotta import JobState
from kotta.models.array import filled
from kotta.rerunning import as_one, template


def _stdout(user: User, job: str) -> str:
    return b"".join(user.client.logs(job)).decode()


def test_a_job_runs_again_as_it_was(user: User) -> None:
    (user.home / "data.txt").write_text("data\n")
    user.describe(
        executable="cat data.txt", inputs="data.txt", tags="a", env={"X": "1"}, queue="Prod"
    )
    old = user.quick("submit", "job.json", "--wait").lines[0]
    (user.home / "data.txt").unlink()
    result = user.kotta("rerun", old, "--wait", "--quiet")
    assert (result.code, result.err) == (0, "")
    (new,) = result.lines
    assert new != old
    assert _stdout(user, new) == "data\n"
    before, after = (user.client.status(job).description for job in (old, new))
    assert before == after


def test_options_change_it_and_a_command_line_takes_the_place_of_its_own(user: User) -> None:
    old = user.done(executable="echo", args="old", walltime=5)
    result = user.quick("rerun", old, "-t", "7", "--tag", "again", "--wait", "--", "echo", "new")
    detail = user.client.status(result.lines[0])
    assert (detail.walltime_seconds, detail.tags) == (420, ["again"])
    assert _stdout(user, detail.id) == "new\n"


def test_a_wrong_change_is_told_by_its_option_and_nothing_is_submitted(user: User) -> None:
    old = user.done(executable="true")
    result = user.quick("rerun", old, "--walltime", "0")
    assert (result.code, result.out) == (2, "")
    assert "  --walltime 0: walltime must be minutes" in result.err
    assert user.client.select("@last").id == old


def test_all_that_failed_run_again_in_their_order(fresh_user: User) -> None:
    user = fresh_user
    old = [user.done(executable=f"exit {code}", jobname=f"exits {code}") for code in (1, 0, 2)]
    result = user.quick("rerun", "@failed", "--json")
    assert [job["name"] for job in result.json] == ["exits 1", "exits 2"]
    assert not {job["id"] for job in result.json} & set(old)
    user.client.wait([job["id"] for job in result.json])
    assert len(user.client.select_many("@failed")) == 4


def test_sets_run_again_in_the_order_in_which_they_are_named(user: User) -> None:
    for letter in "ab":
        for number in range(2):
            user.done(executable="true", jobname=f"{letter}{number}", tags=f"set-{letter}")
    result = user.quick("rerun", "tag=set-a", "tag=set-b", "--json")
    assert [job["name"] for job in result.json] == ["a0", "a1", "b0", "b1"]


def test_a_set_of_none_is_no_error(fresh_user: User) -> None:
    result = fresh_user.quick("rerun", "@failed")
    assert (result.code, result.out) == (0, "")
    assert "No job fits `@failed`" in result.err
    assert fresh_user.quick("rerun", "@failed", "--json").json == []


def test_one_of_an_array_runs_again_as_the_one_that_it_was(user: User) -> None:
    user.describe(
        executable="echo {lr} $KOTTA_PARAM_lr $KOTTA_ARRAY_INDEX of $KOTTA_ARRAY_SIZE",
        jobname="one of many",
        array=[{"lr": lr} for lr in (0.1, 0.2, 0.3)],
    )
    array = user.quick("submit", "job.json", "--wait").lines[0]
    third = next(job for job in user.client.select_many(array) if job.array_index == 2)
    result = user.quick("rerun", third.id, "--wait", "--json")
    assert (result.json["status"], result.json["name"]) == ("completed", "one of many[2]")
    assert _stdout(user, result.json["id"]) == "0.3 0.3 2 of 3\n"
    assert user.quick("rerun", third.id).lines[0] == user.client.select("@last").id


def test_a_whole_array_runs_again(user: User) -> None:
    words = ["--sweep", "n=1..3", "--name", "whole", "--", "sh", "-c", "echo $KOTTA_PARAM_n"]
    array = user.quick("submit", "--wait", *words).lines[0]
    (again,) = user.quick("rerun", array, "--wait").lines
    jobs = sorted(user.client.select_many(again), key=lambda job: job.array_index or 0)
    assert again != array
    assert [job.name for job in jobs] == ["whole[0]", "whole[1]", "whole[2]"]
    assert [_stdout(user, job.id) for job in jobs] == ["1\n", "2\n", "3\n"]


def test_those_of_an_array_that_failed_are_an_array_that_knows_its_places(user: User) -> None:
    user.describe(
        executable="echo {n}{n} of $KOTTA_ARRAY_INDEX > {n}.txt; test {n} = 12",
        jobname="part {n}",
        outputs=["{n}.txt"],
        tags=["partly"],
        array=[{"n": n} for n in (1, 12, 11)],
    )
    user.quick("submit", "job.json", "--wait")
    failed = [
        job.id for job in user.client.select_many("tag=partly") if job.status is JobState.FAILED
    ]
    (again,) = user.quick("rerun", *failed, "--wait").lines
    said = {
        job.name: b"".join(user.client.read_output(job, f"{job.name[5:]}.txt"))
        for job in user.client.select_many(again)
    }
    assert said == {"part 1": b"11 of 0\n", "part 11": b"1111 of 2\n"}


@pytest.mark.parametrize(
    ("texts", "pattern"),
    [
        (["echo 1", "echo 2"], "echo {n}"),
        (["11 1", "12 2"], "1{n} {n}"),
        (["same", "same"], "same"),
        (["x", "y"], None),
        (["$1", "$2"], None),  # `${n}` is the shell's
        (["echo 1", "echo 22"], None),
    ],
)
def test_what_was_written_for_an_array_is_found_again(
    texts: list[str], pattern: str | None
) -> None:
    documents = [
        {"executable": text, "array": [{"n": str(number)}]}
        for number, text in enumerate(texts, start=1)
    ]
    found = as_one(documents)
    assert (found and found["executable"]) == pattern


def test_a_job_may_become_many(user: User) -> None:
    old = user.done(executable="echo")
    result = user.quick("rerun", old, "--sweep", "n=1..3", "--wait", "--", "echo", "{n}")
    (array,) = result.lines
    jobs = user.client.select_many(array)
    assert sorted(_stdout(user, job.id) for job in jobs) == ["1\n", "2\n", "3\n"]


def _said(user: User, array: str) -> list[str]:
    return [_stdout(user, job.id).strip() for job in user.client.select_many(array)]


_SAY = ["--", "sh", "-c", "echo {x} $KOTTA_PARAM_x {y}"]


def test_a_sweep_gives_an_array_other_values_in_its_command_too(user: User) -> None:
    words = ["--sweep", "x=1,2", "--sweep", "y=a,b", "--name", "swept2", "--wait"]
    old = user.quick("submit", *words, *_SAY).lines[0]
    assert _said(user, old) == ["1 1 a", "1 1 b", "2 2 a", "2 2 b"]
    (new,) = user.quick("rerun", old, "--sweep", "x=8,9,10", "--wait").lines
    assert _said(user, new) == [f"{x} {x} {y}" for y in "ab" for x in (8, 9, 10)]
    assert [job.name for job in user.client.select_many(new)][:2] == ["swept2[0]", "swept2[1]"]
    entries = '{"x": "5", "y": "c"}\n{"x": "6", "y": "d"}\n'
    (new,) = user.quick("rerun", old, "--array", "-", "--wait", stdin=entries).lines
    assert _said(user, new) == ["5 5 c", "6 6 d"]
    refused = user.quick("rerun", old, "--array", "-", stdin='{"x": "5"}\n')
    assert (refused.code, refused.out) == (2, "")
    assert "`y` cannot have other values" in refused.err


def test_one_of_an_array_is_swept_with_its_other_values_as_they_were(user: User) -> None:
    words = ["--sweep", "x=1,2", "--sweep", "y=1,3", "--name", "oneswept", "--wait"]
    array = user.quick("submit", *words, *_SAY).lines[0]
    last = user.client.select_many(array)[-1]
    assert _stdout(user, last.id) == "2 2 3\n"
    (new,) = user.quick("rerun", last.id, "--sweep", "x=8,9", "--wait").lines
    assert _said(user, new) == ["8 8 3", "9 9 3"]
    assert [job.name for job in user.client.select_many(new)] == ["oneswept[0]", "oneswept[1]"]
    assert [job.array for job in user.client.select_many(new)] == [new, new]


def test_a_value_that_is_fixed_in_the_command_is_not_swept(user: User) -> None:
    array = user.quick("submit", "--sweep", "x=1", "--wait", *_SAY).lines[0]
    one = user.client.select_many(array)[0].id
    result = user.quick("rerun", one, "--sweep", "x=8,9")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: `x` cannot have other values: its old one stands in the command or in a file's "
        "name already, or may do so\n"
        "hint: say the command after --, with {x} in it, or submit it anew with --sweep\n"
    )
    (new,) = user.quick("rerun", one, "--sweep", "x=8,9", "--wait", "--", "echo", "{x}").lines
    assert _said(user, new) == ["8", "9"]
    array = user.quick("submit", "--sweep", "x=1,2", "--wait", *_SAY).lines[0]
    (new,) = user.quick("rerun", array, "--sweep", "z=1,2", "--sweep", "x=3", "--wait").lines
    assert _said(user, new) == ["3 3 {y}"] * 2


def test_a_sweep_over_what_may_stand_in_two_places_is_refused(user: User) -> None:
    # of 11 and 111 nobody knows whether the swept 1 and 11 came before the other 1, or after it
    words = ["--sweep", "x=1,11", "--wait", "--", "echo", "1{x}"]
    (array,) = user.quick("submit", *words).lines
    result = user.quick("rerun", array, "--sweep", "x=8")
    assert (result.code, "`x` cannot have other values" in result.err) == (2, True), result.err


def test_what_a_script_reads_from_its_environment_is_swept_of_one_job_too(user: User) -> None:
    words = ["--sweep", "x=2,3", "--name", "env2", "--wait", "--", "printenv", "KOTTA_PARAM_x"]
    array = user.quick("submit", *words).lines[0]
    one = user.client.select_many(array)[0].id
    (new,) = user.quick("rerun", one, "--sweep", "x=8,9", "--wait").lines
    assert _said(user, new) == ["8", "9"]


@pytest.mark.parametrize(
    ("entries", "text", "fixed"),
    [
        ([{"x": "1", "y": "1"}, {"x": "2", "y": "2"}], "{x} {y}", ["x"]),
        ([{"x": "1", "y": "11"}, {"x": "2", "y": "12"}], "{y}", ["x"]),
        ([{"x": "1", "y": "1"}, {"x": "2", "y": "2"}], "-", []),
        ([{"x": "1", "y": "a"}, {"x": "2", "y": "a"}], "{x} {y}", []),
        ([{"x": "1", "y": "a"}, {"x": "1", "y": "b"}], "1 {y}", ["x"]),
        ([{"x": "", "y": "a"}, {"x": "1", "y": "b"}], "{x}{y}", ["x"]),
    ],
)
def test_what_was_written_is_not_guessed(
    entries: list[dict[str, str]], text: str, fixed: list[str]
) -> None:
    documents = [{"executable": filled(text, each), "array": [each]} for each in entries]
    assert template(documents, ["x"])[1] == fixed


def test_a_chain_runs_again_as_a_chain(user: User) -> None:
    first = user.done(executable="echo 1 > a.txt; exit 3", outputs="a.txt")
    make = user.done(executable="sleep 0.1; date +%N > a.txt", outputs="a.txt", jobname="make")
    use = user.submit(
        executable="cat a.txt", inputs=f"kotta://jobs/{make}/a.txt", after=[make], jobname="use"
    )
    user.client.wait([first, use])
    result = user.quick("rerun", use, make, "--wait", "--json")
    assert [job["name"] for job in result.json] == ["use", "make"]
    new_use, new_make = (user.client.status(job["id"]) for job in result.json)
    assert new_use.description["after"] == [new_make.id]
    assert new_use.description["inputs"] == [f"kotta://jobs/{new_make.id}/a.txt"]
    assert _stdout(user, new_use.id) != _stdout(user, use)


def test_of_a_chain_nothing_is_submitted_if_a_later_job_would_be_refused(user: User) -> None:
    first = user.done(executable="true")
    second = user.submit(executable="true", after=[first])
    user.client.wait(second)
    result = user.quick("rerun", first, second, "--queue", "Nowhere")
    assert result.code == 2
    assert "--queue Nowhere" in result.err
    assert user.client.select("@last").id == second


def test_what_a_job_came_after_counts_no_more_once_it_has_ended(user: User) -> None:
    failing = user.running(executable="sleep 60")
    dependent = user.submit(executable="true", after=[failing])
    waits = user.quick("rerun", dependent)
    assert user.client.status(waits.lines[0]).description["after"] == [failing]
    user.client.cancel(failing)
    user.client.wait([failing, dependent])
    assert user.client.status(dependent).status is JobState.CANCELLED
    assert user.quick("rerun", dependent, "--wait").code == 0


def test_a_functions_call_runs_again(user: User) -> None:
    from kotta import kottajob

    @kottajob(user.client, block=False)
    def double(number: int) -> int:
        return number * 2

    job = double(21)
    assert job.result() == 42
    result = user.quick("rerun", job.job_id, "--wait", "--json")
    assert (result.json["status"], result.json["jobtype"]) == ("completed", "python")
    assert json.loads(user.quick("status", result.json["id"], "--json").out)["result"] is not None
    refused = user.quick("rerun", job.job_id, "--", "true")
    assert refused.code == 2
    assert "calls a function" in refused.err
