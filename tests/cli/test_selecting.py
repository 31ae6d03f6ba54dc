"""One grammar for naming jobs, through the commands that take it."""

from __future__ import annotations

import shlex
import uuid

import pytest

from cli.conftest import User
from kotta import JobState
from kotta.models import Job


def _word() -> str:
    """A name that no other test gives."""
    return f"n{uuid.uuid4().hex[:10]}"


def _ids(user: User, *words: str) -> list[str]:
    return [job["id"] for job in user.quick("wait", "--json", *words).json]


def test_several_words_mean_each_job_once_in_the_order_given(user: User) -> None:
    name = _word()
    first = user.done(executable="true", jobname=f"{name}-1", tags=name)
    second = user.done(executable="true", jobname=f"{name}-2")
    assert _ids(user, f"{name}-2", f"tag={name}", f"{name}-*", first[:10]) == [second, first]


def test_a_glob_tells_capitals_apart_and_takes_brackets_as_they_are(user: User) -> None:
    name = _word()
    plain = user.done(executable="true", jobname=f"{name}[0]")
    user.done(executable="true", jobname=f"{name}0")
    user.done(executable="true", jobname=f"{name.upper()}[0]")
    assert _ids(user, f"{name}[0*", f"{name}[?]") == [plain]
    assert user.quick("list", "--name", f"{name}[*", "-q").lines == [plain]


@pytest.mark.parametrize("name", ["@here", "lr=0.1", "-dash", "50%_off", "a b", "é", "tag", "{x}"])
def test_odd_names_name_their_jobs(user: User, name: str) -> None:
    job = user.client.wait(user.client.submit({"executable": "true", "jobname": name}))[0]
    assert user.quick("wait", "--json", "--", name).json["id"] == job.id


def test_a_short_name_that_could_begin_an_id_is_a_name(user: User) -> None:
    ids = {job.id for job in user.client.list(limit=1000).jobs}
    letter = next(iter(ids))[0]
    job = user.done(executable="true", jobname=letter)
    assert user.quick("wait", "--json", letter).json["id"] == job


def test_from_eight_characters_on_ids_win_over_names(user: User) -> None:
    job = user.done(executable="true")
    user.done(executable="true", jobname=job[:8])
    assert user.quick("wait", "--json", job[:8]).json["id"] == job


@pytest.mark.parametrize(
    ("line", "what"),
    [
        *((f"{verb} @failed ''", "JOB") for verb in ("status", "wait", "logs", "why", "rerun")),
        *((f"{verb} ''", "JOB") for verb in ("cancel --yes", "share", "fetch", "usage")),
        ("fetch @failed --job ''", "JOB"),
        ("diff @last ''", "JOB"),
        ("list --array ''", "`--array`"),
    ],
)
def test_an_empty_word_is_refused(user: User, line: str, what: str) -> None:
    user.done(executable="true")
    result = user.quick(*shlex.split(line))
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[0] == f"error: {what} is empty"


def test_what_fits_several_is_refused_and_they_are_listed(user: User) -> None:
    name = _word()
    jobs = [user.done(executable="true", jobname=name) for _ in range(12)]
    result = user.quick("cancel", name)
    assert result.code == 1
    lines = result.err.splitlines()
    assert lines[0] == f"error: `{name}` means 12 jobs"
    assert lines[1] == f"  {jobs[-1]}  {name}  completed"
    assert lines[11:] == ["  and 2 more", "hint: give one of the ids, or enough of it"]


def test_a_word_that_is_an_arrays_name_and_a_jobs_is_refused(user: User) -> None:
    name = _word()
    job = user.submit(executable="true", jobname=name)
    array = user.client.submit_many([{"executable": "true", "jobname": name, "array": [1, 2]}])
    result = user.quick("cancel", name, "--yes")
    assert result.code == 1
    assert f"  {job}  {name}  " in result.err
    assert f"  {array[0].array}  {name}  array\n" in result.err
    assert array[0].array is not None
    assert len(_ids(user, array[0].array[:13])) == 2


def test_two_arrays_of_one_name_are_told_apart_by_their_ids(user: User) -> None:
    name = _word()
    arrays = [
        user.client.submit_many([{"executable": "true", "jobname": name, "array": [n, n]}])[0].array
        for n in range(2)
    ]
    candidates = user.quick("wait", name, "--json")
    assert {f'"id": "{array}"' in candidates.err for array in arrays} == {True}


def _begins_as_its_array(user: User, blocker: str, size: int) -> Job:
    """The first job of an array, both of whose ids begin with the same sign."""
    description = {"executable": "true", "after": [blocker], "array": [*range(size)]}
    for _ in range(50):
        for job in user.client.submit_many([description] * 8):
            if job.array_index == 0 and job.array is not None and job.array[0] == job.id[0]:
                return job
    raise AssertionError("no two ids in four hundred begin alike")


@pytest.mark.parametrize("size", [1, 2])
def test_an_array_is_told_apart_from_its_first_job_whose_id_begins_as_its_own(
    fresh_user: User, size: int
) -> None:
    user = fresh_user
    blocker = user.running(executable="sleep 60")
    first = _begins_as_its_array(user, blocker, size)
    word = first.id[0]
    found = user.client.api.select(word).jobs
    assert [job.id for job in found].count(first.id) == size
    result = user.quick("status", word, "--json")
    said = result.out + result.err
    assert said.count(f'"id": "{first.id}"') == 1
    assert said.count(f'"id": "{first.array}"') == size - 1
    user.client.cancel(blocker)


def test_a_set_may_be_empty_which_is_said(user: User) -> None:
    result = user.quick("cancel", f"tag={_word()}", "--yes")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("No job fits `tag=n")
    assert user.quick("wait", f"{_word()}-*", "--json").json == []


@pytest.mark.parametrize("word", ["@nothing", "@0", "", "\x00", "x" * 300, "\udcff", "@"])
def test_what_cannot_be_understood_is_an_error_and_no_crash(user: User, word: str) -> None:
    assert user.quick("wait", word).code in (1, 2)


@pytest.fixture
def waiting(user: User) -> str:
    """The tag of two jobs that wait until a third has ended."""
    tag = _word()
    blocker = user.running(executable="sleep 60", cpus=1)
    for _ in range(2):
        user.submit(executable="true", jobname=f"{tag}-job", tags=tag, after=[blocker])
    return tag


def _states(user: User, tag: str) -> set[JobState]:
    return {job.status for job in user.client.select_many(f"tag={tag}")}


def test_in_a_pipe_many_are_not_ended_unless_it_is_sure(user: User, waiting: str) -> None:
    refused = user.quick("cancel", f"tag={waiting}")
    assert refused.code == 2
    assert refused.err == (
        f"error: `tag={waiting}` means 2 open jobs, and nobody can be asked here\n"
        "hint: --yes to cancel them all\n"
    )
    assert _states(user, waiting) == {JobState.PENDING}
    assert user.quick("cancel", f"tag={waiting}", "--yes").code == 0
    assert _states(user, waiting) == {JobState.CANCELLED}
    again = user.quick("cancel", f"tag={waiting}")
    assert (again.code, again.err) == (0, "All of them have ended already.\n")


def test_on_a_terminal_a_person_is_asked_first(user: User, waiting: str) -> None:
    window = user.window("cancel", f"tag={waiting}")
    window.until("Cancel these 2 jobs? [y/N]", f"{waiting}-job  pending")
    window.type("n\n")
    assert window.end() == 1
    assert _states(user, waiting) == {JobState.PENDING}
    window = user.window("cancel", f"tag={waiting}")
    window.until("[y/N]")
    window.type("y\n")
    assert window.end() == 0
    assert "is cancelled" in window.lines[-1]
    assert _states(user, waiting) == {JobState.CANCELLED}


def test_many_that_are_ended_are_counted(user: User) -> None:
    tag = _word()
    blocker = user.running(executable="sleep 60", cpus=1)
    user.client.submit_many([{"executable": "true", "tags": tag, "after": [blocker]}] * 30)
    window = user.window("cancel", f"tag={tag}", "--yes")
    assert window.end() == 0
    assert window.lines == ["30 jobs: 30 cancelled"]
