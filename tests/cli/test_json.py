from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.conftest import Result, User, _new_user
from cli.invocations import Call, every_call, every_command, prepare
from kotta_cli import json_fields
from kotta_cli.manual.schemas import ERROR, file_name
from kotta_cli.parameters import UsageProblem
from kotta_cli.results import LINES, RESULTS

SCHEMAS = Path(json_fields.__file__).parent / "schemas"


@pytest.fixture(scope="module")
def busy() -> Iterator[User]:
    """Somebody with a few jobs."""
    user = _new_user()
    prepare(user)
    yield user
    user.client.cancel_many([job for job in user.client.list().jobs if not job.status.is_terminal])
    user.leave()


def _schema(path: str) -> Any:
    """The schema as it was published, but that what it does not name is an error."""
    schema = json.loads((SCHEMAS / file_name(path)).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return _closed(schema)


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _closed(value) for key, value in node.items()}
    return {**closed, "additionalProperties": False} if "properties" in node else closed


def _check(value: Any, path: str) -> None:
    jsonschema.validate(value, _schema(path), jsonschema.Draft202012Validator)


def test_every_command_has_json() -> None:
    with_json = {
        path
        for path, command in every_command().items()
        if any("--json" in param.opts for param in command.params)
    }
    assert with_json == RESULTS.keys(), "name its shape in kotta_cli/results"
    assert every_command().keys() == with_json


def test_what_a_job_wrote_is_an_object_a_line(busy: User) -> None:
    job = busy.done(executable="printf 'a\\n\\nb\\377'; echo c >&2")
    result = busy.quick("logs", job, "--json")
    lines = [json.loads(line) for line in result.out.splitlines()]
    told = sorted((line["job"], line["stream"], line["text"]) for line in lines)
    texts = [("stderr", "c"), ("stdout", ""), ("stdout", "a"), ("stdout", "b\ufffd")]
    assert told == [(job, *text) for text in texts]
    assert result.err == ""


def test_what_is_in_files_is_text_or_base64(busy: User) -> None:
    job = busy.done(
        jobname="contents", executable="printf 'ä' > t; printf '\\377' > b", outputs="t, b"
    )
    text, data = busy.quick("cat", f"{job}:t", f"{job}:b", "--json").json
    assert (text["text"], text["base64"], text["size_bytes"]) == ("ä", None, 2)
    assert (data["text"], data["base64"], data["size_bytes"]) == (None, "/w==", 1)


@pytest.mark.parametrize("call", [call for call in every_call() if call.has_json], ids=str)
def test_what_a_command_prints_is_what_its_schema_says(call: Call, busy: User) -> None:
    result = busy.quick(*call.line, "--json")
    assert result.code in (0, 1), result
    assert result.err == ""
    for each in documents(result, call):
        _check(each, call.path)
    field = json_fields.known_fields(call.line)[0]
    for some in documents(busy.quick(*call.line, f"--json={field}"), call):
        assert all(list(each) == [field] for each in (some if isinstance(some, list) else [some]))


def documents(result: Result, call: Call) -> list[Any]:
    """What a command printed: one document, or one a line."""
    found = [json.loads(line) for line in result.out.splitlines()] if call.path in LINES else []
    return found or [result.json]


def test_a_watch_prints_an_object_of_the_list_a_line(busy: User) -> None:
    import subprocess

    from cli.conftest import KOTTA

    with subprocess.Popen(
        [KOTTA, "list", "--watch", "--json"],
        stdout=subprocess.PIPE,
        env=busy.environment,
        cwd=busy.home,
    ) as watching:
        assert watching.stdout is not None
        line = watching.stdout.readline()
        watching.terminate()
    _check([json.loads(line)], "list")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status", "nobody"], 1),
        (["cancel", "made"], 1),
        (["submit", "wrong.json"], 2),
        (["submit", "missing.json"], 2),
        (["list", "--statsu", "failed"], 2),
        (["list", "--limit", "many"], 2),
        (["nothing"], 2),
        (["login", "--server=https://kotta.example"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_error_is_what_its_schema_says_and_alone(
    words: list[str], code: int, busy: User
) -> None:
    (busy.home / "wrong.json").write_text('{"executable": "true", "walltme": 1}')
    result = busy.quick(*words, "--json")
    assert (result.code, result.out) == (code, "")
    problem = json.loads(result.err)
    _check(problem, ERROR)
    assert problem["exit_code"] == code


def test_a_field_that_there_is_not_is_refused_before_anything_happens(busy: User) -> None:
    before = busy.client.list().change
    result = busy.quick("submit", "job.json", "--json=id,statsu")
    problem = json.loads(result.err)
    assert (result.code, problem["code"], problem["hint"]) == (2, "usage", "did you mean `status`?")
    assert busy.client.list().change == before


@pytest.mark.parametrize(
    ("line", "field", "hint"),
    [
        ("list --json id,nam", "nam", "did you mean `name`?"),
        ("list --json nam", "nam", "did you mean `name`?"),
        ("list --limit 3 --json zzz", "zzz", "one of: id, "),
        ("service status --json runing", "runing", "did you mean `running`?"),
        ("diff a b --json runing", "runing", "one of: "),
        ("status --json id,statsu @last", "statsu", "did you mean `status`?"),
        ("submit --json id,statsu -- true", "statsu", "did you mean `status`?"),
        ("submit --json statsu -- true", "statsu", "did you mean `status`?"),
    ],
)
def test_a_misspelt_field_is_not_taken_for_an_argument(
    line: str, field: str, hint: str, idle_user: User
) -> None:
    result = idle_user.quick(*line.split())
    problem = json.loads(result.err)
    assert (result.code, problem["code"]) == (2, "usage")
    assert problem["detail"] == f"what this prints has no field `{field}`"
    assert problem["hint"].startswith(hint)


@pytest.mark.parametrize("verb", ["status", "cancel", "rerun", "why"])
def test_a_word_after_json_that_is_neither_a_field_nor_a_job_is_a_field(
    verb: str, busy: User
) -> None:
    job = busy.done(executable="true")
    before = busy.client.list().change
    result = busy.quick(verb, job, "--json", "statsu")
    problem = json.loads(result.err)
    assert (result.code, problem["code"]) == (2, "usage")
    assert problem["detail"] == "what this prints has no field `statsu`"
    assert busy.client.list().change == before


def test_the_word_after_json_may_be_a_job(busy: User) -> None:
    one, two = (busy.done(executable="true", jobname=f"named-{n}") for n in (1, 2))
    assert busy.quick("status", "--json", "named-1").json["id"] == one
    both = busy.quick("status", one, "--json", "named-2").json
    assert {job["id"] for job in both} == {one, two}
    for words in (["--json", "nobody"], ["nobody", "--json", "named-2"]):
        result = busy.quick("status", *words)
        problem = json.loads(result.err)
        assert (result.code, problem["code"]) == (1, "not_found")
        assert problem["detail"] == "no job is called `nobody`"


@pytest.mark.parametrize(
    ("line", "rest", "fields"),
    [
        ("list --json", "list --json", ""),
        ("list --json id,status", "list --json", "id status"),
        ("list --json=id", "list --json", "id"),
        ("list --json id --limit 3", "list --json --limit 3", "id"),
        ("-p list status --json description", "-p list status --json", "description"),
        ("service status --json running", "service status --json", "running"),
        # `stopped` is no field of a status: it is a job's name, or the names of two
        ("status --json stopped", "status --json stopped", ""),
        ("status --json stopped,x", "status --json stopped,x", ""),
        ("rerun --json stopped -- true", "rerun --json stopped -- true", ""),
        ("submit --json / -- true", "submit --json / -- true", ""),
        ("submit --json - -- true", "submit --json - -- true", ""),
        ("status id --json", "status id --json", ""),
        ("submit --json -- x --json id", "submit --json -- x --json id", ""),
        ("submit dir/job.json --json id", "submit dir/job.json --json", "id"),
    ],
)
def test_the_word_after_json_is_fields_if_all_of_it_is(line: str, rest: str, fields: str) -> None:
    assert json_fields.split(line.split()) == (rest.split(), tuple(fields.split()))


def test_a_command_that_prints_no_facts_has_no_fields() -> None:
    with pytest.raises(UsageProblem, match="no field `id`"):
        json_fields.split(["completion", "--json=id"])


def test_a_field_that_only_another_shape_has_is_null() -> None:
    assert json_fields.chosen({"id": "x"}, ("id", "fetch")) == {"id": "x", "fetch": None}


def test_json_after_the_dashes_is_not_ours(busy: User) -> None:
    result = busy.quick("submit", "--queue", "nowhere", "--", "echo", "--json")
    assert result.code == 2
    assert result.err.startswith("error: ")
