from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kotta.description import locate, to_descriptions
from kotta.description_text import MAX_BYTES, load, read
from kotta.errors import DescriptionError, FieldProblem
from kotta.places import Places, repeated_keys

EXAMPLE = """{
  "executable": "/bin/echo hello",
  "walltime": -3,
  "queu": "Test",
  "env": {"A": "1", "A": "2"}
}
"""


def refused(text: str | bytes) -> DescriptionError:
    with pytest.raises(DescriptionError) as caught:
        to_descriptions(load(text, "job.json"))
    return caught.value


def places(error: DescriptionError) -> list[tuple[str, int | None, int | None]]:
    return [(problem.pointer, problem.line, problem.column) for problem in error.problems]


def test_a_description_is_read_as_it_is() -> None:
    loaded = load('\ufeff{"executable": "true"}'.encode(), "job.json")
    assert not loaded.is_list
    assert [found.executable for found in to_descriptions(loaded)] == ["true"]


def test_a_list_is_many_jobs() -> None:
    loaded = load('[{"executable": "a"}, {"executable": "b"}]')
    assert [found.executable for found in to_descriptions(loaded)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{\n  "a": 1,\n}', 3, 1),
        ("", 1, 1),
        ('{"a": }', 1, 7),
        ("{'a': 1}", 1, 2),
        ('{"a": "x\ny"}', 1, 9),
    ],
)
def test_what_is_not_json_is_told_with_its_place(text: str, line: int, column: int) -> None:
    error = refused(text)
    assert error.message == "job.json is not JSON"
    assert [(problem.line, problem.column) for problem in error.problems] == [(line, column)]


def test_every_problem_is_told_at_once_in_the_order_of_the_text() -> None:
    error = refused(EXAMPLE.replace(', "A": "2"', ""))
    assert error.message == "job.json has 2 problems"
    # the value of what is wrong, the name of what should not be there
    assert places(error) == [("/walltime", 3, 15), ("/queu", 4, 3)]
    assert error.problems[1].hint == "did you mean `queue`?"
    assert (error.source, error.text) == ("job.json", EXAMPLE.replace(', "A": "2"', ""))


def test_a_name_that_stands_twice_is_a_problem_at_the_second() -> None:
    assert places(refused(EXAMPLE)) == [("/env/A", 5, 21)]


def test_the_same_name_in_other_letters_is_the_same() -> None:
    assert places(refused('{"a": 1, "\\u0061": 2}')) == [("/a", 1, 10)]


def test_the_same_name_in_two_objects_is_no_repetition() -> None:
    load('[{"executable": "a", "env": {"A": "1"}}, {"executable": "a", "env": {"A": "1"}}]')


def test_problems_in_a_list_are_told_where_they_are() -> None:
    text = '[\n {"executable": "a"},\n {"executable": "b", "cpus": 0},\n 3, {"x/~": 1}\n]'
    assert places(refused(text)) == [("/2", 4, 2)]
    error = refused(text.replace("3, ", ""))
    assert ("/1/cpus", 3, 30) in places(error)
    assert ("/2/x~1~0", 4, 3) in places(error)


def test_names_that_look_like_pointers_are_told_apart() -> None:
    text = '{"executable": "a", "a#": 1, "a": 2, "a/b": 3, "": 4}'
    found = {problem.pointer: problem.column for problem in refused(text).problems}
    assert found == {"/a#": 21, "/a": 30, "/a~1b": 38, "/": 48}


@pytest.mark.parametrize("text", ["3", '"text"', "null", "[[]]", "[3]"])
def test_what_is_no_object_is_told_so(text: str) -> None:
    assert "must be an object" in refused(text).problems[0].detail


def test_an_empty_list_is_nothing_to_submit() -> None:
    assert "nothing to submit" in refused("[]").problems[0].detail


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000),
        *("NaN", '{"cpus": Infinity}', "9" * 10_000, '{"cpus": 1e999}', '{"cpus": -0.0}'),
        *('{"executable": "\\ud800"}', '{"executable": "a\\u0000b"}', '{"\\ud800": 1}'),
        '{"executable": "a", "env": {"A": ' + "[" * 500 + "]" * 500 + "}}",
    ],
)
def test_hostile_json_is_refused_in_words(text: str) -> None:
    assert refused(text).message.startswith("job.json ")


def test_a_large_deep_text_takes_no_longer_than_a_flat_one() -> None:
    depth = 900
    text = "[" * depth + ",".join(["1"] * 300_000) + "]" * depth
    assert places(refused(text)) == [("/0", 1, 2)]


def test_many_problems_in_many_lines_are_all_placed() -> None:
    lines = ",\n".join('{"executable": "a", "cpus": 0}' for _ in range(5000))
    error = refused(f"[\n{lines}\n]")
    assert [problem.line for problem in error.problems] == list(range(2, 5002))
    assert {problem.column for problem in error.problems} == {29}


def test_what_is_too_large_is_not_even_looked_at() -> None:
    assert "larger than 16 MiB" in refused(b"{" + b" " * MAX_BYTES).message


def test_a_large_file_is_not_read_to_its_end(home: Path) -> None:
    with open(home / "large.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DescriptionError, match="larger than 16 MiB"):
        read(home / "large.json")


@pytest.mark.parametrize(("content", "offset"), [(b'{"a": "\xff"}', 7), (b"\xff\xfe{\0", 0)])
def test_what_is_no_text_is_told_with_the_offset_of_its_byte(content: bytes, offset: int) -> None:
    assert f"byte {offset} is 0xff" in refused(content).message


@pytest.mark.parametrize("name", ["nothing.json", "."])
def test_a_file_that_cannot_be_read_is_named(home: Path, name: str) -> None:
    with pytest.raises(DescriptionError, match="cannot read"):
        read(home / name)


def test_local_inputs_are_looked_for_beside_the_description(home: Path) -> None:
    (home / "folder").mkdir()
    (home / "folder" / "data.txt").write_text("")
    (home / "~x").write_text("")
    path = home / "folder" / "job.json"
    path.write_text(json.dumps({"executable": "a", "inputs": ["data.txt", "http://h/x"]}))
    assert to_descriptions(read(path))[0].inputs == [
        str(home / "folder" / "data.txt"),
        "http://h/x",
    ]


def test_those_of_standard_input_are_looked_for_here(home: Path) -> None:
    (home / "data.txt").write_text("")
    loaded = load('{"executable": "a", "inputs": "data.txt"}', "standard input")
    assert to_descriptions(loaded)[0].inputs == [str(home / "data.txt")]


def test_an_input_that_is_not_there_is_told_at_its_place(home: Path) -> None:
    os.mkfifo(home / "pipe")
    text = '{"executable": "a",\n "inputs": ["http://h/x", "no/thing.txt",\n  "pipe"]}'
    error = refused(text)
    assert places(error) == [("/inputs/1", 2, 27), ("/inputs/2", 3, 3)]
    assert str(home / "no" / "thing.txt") in error.problems[0].detail
    assert "no regular file" in error.problems[1].detail


@pytest.mark.parametrize("name", ["x" * 256, "y/" * 3000 + "z"])
def test_an_input_that_can_be_no_path_is_a_problem(name: str) -> None:
    assert refused(json.dumps({"executable": "a", "inputs": [name]})).problems


def test_what_the_service_finds_is_shown_in_the_file() -> None:
    loaded = load('[{"executable": "a"},\n {"executable": "a", "queue": "Nope"}]', "jobs.json")
    found = DescriptionError(
        "one is wrong",
        problems=(FieldProblem("/jobs/1/queue", "is no queue"), FieldProblem("/jobs/0", "is bad")),
        hint="kotta queues",
        request_id="r-1",
    )
    error = locate(found, loaded)
    assert places(error) == [("/0", 1, 2), ("/1/queue", 2, 31)]
    assert error.message == "jobs.json has 2 problems"
    assert (error.hint, error.request_id) == ("kotta queues", "r-1")


def test_what_the_service_finds_in_what_is_no_list_is_shown_too() -> None:
    loaded = load('{"executable": "a", "queue": "Nope"}')
    found = DescriptionError("x", problems=(FieldProblem("/jobs/0/queue", "is no queue"),))
    assert places(locate(found, loaded)) == [("/queue", 1, 30)]


def test_what_the_service_says_of_no_place_keeps_its_words() -> None:
    error = locate(DescriptionError("too many jobs"), load('{"executable": "a"}'))
    assert error.message == "too many jobs"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def walk(value: Any, pointer: str = "") -> Any:
    yield pointer, value
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for name, item in items:
        part = str(name).replace("~", "~0").replace("/", "~1")
        yield from walk(item, f"{pointer}/{part}")


@settings(deadline=None, max_examples=150)
@given(JSON, st.randoms(use_true_random=False))
def test_every_value_of_any_json_is_found_at_its_place(value: Any, chance: random.Random) -> None:
    text = json.dumps(
        value, indent=chance.choice([None, 1, "\t"]), ensure_ascii=chance.choice([True, False])
    )
    expected = dict(walk(value))
    found = Places(text, expected)
    for pointer, item in expected.items():
        got, _ = json.JSONDecoder().raw_decode(text, found.of_value(pointer))
        assert got == item
    assert repeated_keys(text, 10) == []
