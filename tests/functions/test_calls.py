"""Calls of decorated functions: what travels, what comes back, which files they see."""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kotta import Kotta, KottaFn, KottaJob, kottajob, uploads
from kotta.api import Api
from kotta.connection import Connection
from kotta.errors import RequestError
from kotta.outcome import value_of

OFFSET = 1000


def with_offset(number: int) -> int:
    return number + OFFSET


def test_a_blocking_call_returns_the_value(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def my_sum(items: Any) -> int:
        return sum(items)

    assert my_sum(range(100)) == 4950
    assert isinstance(my_sum, KottaFn)


def test_a_call_that_does_not_block_returns_its_job(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5, block=False)
    def my_sum(items: Any) -> int:
        return sum(items)

    job = my_sum(range(100))
    assert isinstance(job, KottaJob)
    assert job.wait(konn) == "completed"
    assert job.status(konn) == "completed"
    assert job.get_results(konn) == job.get_results() == 4950
    assert job.jobname == "my_sum"


def test_a_function_keeps_its_name_and_words_and_can_be_called_here(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def documented(x: int) -> int:
        """What it does."""
        return x + 1

    assert (documented.__name__, documented.__doc__) == ("documented", "What it does.")
    assert documented.local(1) == 2
    assert documented.local(1, outputs="made.txt") == 2


def test_submit_never_blocks(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def slow() -> int:
        import time

        time.sleep(0.5)
        return 1

    job = slow.submit()
    assert isinstance(job, KottaJob)
    assert slow.job is job
    assert job.result(20) == 1


def test_closures_helpers_methods_lambdas_and_partials_travel(konn: Kotta) -> None:
    factor = 3

    def times(x: int) -> int:
        return x * factor

    class Counter:
        def __init__(self, start: int) -> None:
            self.start = start

        def count(self, to: int) -> list[int]:
            return list(range(self.start, to))

        @kottajob(konn, "Test", 5)
        def doubled(self, more: int) -> int:
            return self.start * 2 + more

    decorate = kottajob(konn, "Test", 5)
    assert decorate(times)(2) == 6
    assert decorate(with_offset)(1) == 1001
    assert decorate(Counter(2).count)(5) == [2, 3, 4]
    assert Counter(4).doubled(1) == 9
    assert decorate(lambda x: -x)(5) == -5
    assert decorate(functools.partial(with_offset, number=2))() == 1002
    assert decorate(sum)([1, 2]) == 3


def test_a_function_may_call_itself_and_other_jobs_by_their_names(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def one() -> int:
        return 1

    @kottajob(konn, "Test", 5)
    def factorial(n: int) -> int:
        return one() if n < 2 else n * factorial(n - 1)

    assert factorial(5) == 120

    @kottajob(konn, "Test", 5)
    def here(n: int) -> int:
        return one.local() if n < 2 else n * here.local(n - 1)

    assert here(5) == here.local(5) == 120


def test_helpers_of_a_program_travel_with_its_functions(tmp_path: Path, newcomer: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from kotta import Kotta, kottajob\n"
        "LIMIT = 7\n"
        "class Pair:\n"
        "    def __init__(self, a, b): self.a, self.b = a, b\n"
        "def helper(x): return Pair(x, LIMIT)\n"
        "@kottajob()\n"
        "def work(x): return helper(x)\n"
        "pair = work(3)\n"
        "print(type(pair) is Pair, pair.a, pair.b)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True 3 7\n", done.stderr


def test_numpy_arrays_and_pandas_frames_travel(konn: Kotta) -> None:
    import numpy
    import pandas

    @kottajob(konn, "Test", 5)
    def scaled(table: Any, by: Any) -> Any:
        return table * by

    array = scaled(numpy.arange(4), 2)
    assert array.tolist() == [0, 2, 4, 6]
    assert array.dtype == numpy.arange(4).dtype
    frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    pandas.testing.assert_frame_equal(scaled(frame, 2), frame * 2)


@pytest.mark.of_files
def test_a_large_argument_is_sent_once_and_a_large_value_comes_back(
    konn: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    upload_path = konn.api.upload_path

    def counted(sha256: str, file: Path) -> None:
        sent.append(sha256)
        upload_path(sha256, file)

    monkeypatch.setattr(konn.api, "upload_path", counted)
    monkeypatch.delattr(Api, "upload")  # what the service can take is not sent
    large = bytes(range(256)) * 20_000

    @kottajob(konn, "Test", 5)
    def joined(content: bytes, more: bytes, same: bool) -> bytes:
        assert same == (content is more)
        return content + more

    assert joined(large, b"!", False) == large + b"!"
    assert joined(large, more=b"?", same=False) == large + b"?"
    assert joined(large, large, True) == large + large
    assert len(sent) == 1
    values = list(joined.map([large] * 3, [b"1", b"2", b"3"], [False] * 3))
    assert values == [large + b"1", large + b"2", large + b"3"]
    assert len(sent) == 1


@pytest.mark.of_files
@pytest.mark.parametrize("why", ["no folder", "refused", "too large"])
def test_what_the_service_cannot_take_is_sent(
    konn: Kotta, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str
) -> None:
    folder = tmp_path / "incoming"
    check_uploads = konn.api.check_uploads
    asked: list[Path] = []

    def refuses(sha256: str, file: Path) -> None:
        asked.append(file.parent)
        raise RequestError("it cannot")

    monkeypatch.setattr(konn.api, "upload_path", refuses)
    if why != "no folder":
        folder.mkdir()
    if why == "too large":
        monkeypatch.setattr(uploads, "BY_PATH_BYTES", 1 << 20)
    monkeypatch.setattr(
        konn.api,
        "check_uploads",
        lambda wanted: check_uploads(wanted).model_copy(update={"incoming": str(folder)}),
    )
    large = bytes(range(256)) * 20_000 + why.encode()
    assert kottajob(konn, "Test", 5)(len)(large) == len(large)
    assert asked == ([folder] if why == "refused" else [])
    assert why == "no folder" or list(folder.iterdir()) == []


def test_large_arrays_come_back_as_they_are_and_may_be_changed(konn: Kotta) -> None:
    import numpy

    @kottajob(konn, "Test", 5)
    def changed(*arrays: Any) -> Any:
        for array in arrays:
            if array.flags.writeable:
                array[0] += 1
        return arrays, "small", numpy.arange(3)

    plain = numpy.arange(400_000.0).reshape(4, 100_000)
    fixed = numpy.arange(300_000)
    fixed.flags.writeable = False
    given = (plain, numpy.asfortranarray(plain), plain[:, ::2], fixed)
    arrays, text, few = changed(*given)
    assert (text, few.tolist()) == ("small", [0, 1, 2])
    for before, after in zip(given, arrays, strict=True):
        wanted = before.copy()
        if before.flags.writeable:
            wanted[0] += 1
        assert (after == wanted).all()
        assert (after.dtype, after.strides) == (before.dtype, before.strides) or before is given[2]
        assert after.flags.writeable == before.flags.writeable
        assert plain[0, 0] == 0
    # what comes back is this program's own: the service's copy stays as it was
    job = changed.job
    assert job is not None
    arrays[0][:] = -1
    result = job.detail().result
    assert result is not None
    assert result.format == "buffers"
    fetched_anew = value_of(konn, job.submission.id, result)[0][0]
    plain[0] += 1
    assert (fetched_anew == plain).all()


def test_buffers_are_neither_copied_nor_lost_on_the_way() -> None:
    import pickle

    from kotta import buffers

    pieces = [bytearray(b"a" * 70_000), bytearray(b"b" * 65_537), bytearray(b"c" * 10)]
    outside = buffers.Outside()
    value = [pickle.PickleBuffer(piece) for piece in pieces]
    head = pickle.dumps(value, protocol=5, buffer_callback=outside)
    assert [view.obj for view in outside.views] == pieces[:2]
    chunks = buffers.framed([head], outside.views)
    assert sum(chunk is view for chunk in chunks for view in outside.views) == 2
    found = buffers.opened(memoryview(bytearray(b"".join(chunks))))
    assert [bytes(piece) for piece in found] == [bytes(piece) for piece in pieces]


def test_what_a_function_takes_along_may_be_large(konn: Kotta) -> None:
    large = bytes(range(256)) * 20_000

    @kottajob(konn, "Test", 5)
    def look(at: int) -> int:
        return large[at]

    assert look(255) == 255
    assert list(look.map([1, 2, 3])) == [1, 2, 3]


def test_many_small_arguments_may_be_large_together(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def total(*parts: str) -> int:
        return sum(map(len, parts))

    assert total(*("x" * 1000 + str(i) for i in range(2000))) == 2000 * 1000 + 6890


def test_map_yields_in_order_and_as_completed(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def nap(seconds: float) -> float:
        import time

        time.sleep(seconds)
        return seconds

    assert list(nap.map([0.4, 0.0])) == [0.4, 0.0]
    assert list(nap.map([1.0, 0.0], ordered=False)) == [0.0, 1.0]
    assert list(nap.map([])) == []


def test_map_walks_several_iterables_together(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def minus(a: int, b: int) -> int:
        return a - b

    assert list(minus.map([5, 6, 7], [1, 2])) == [4, 4]


@pytest.mark.local
@pytest.mark.of_files
def test_map_submits_in_one_request(konn: Kotta, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []
    send = Connection.send

    def counted(connection: Connection, method: str, path: str, **how: Any) -> Any:
        requests.append(f"{method} {path}")
        return send(connection, method, path, **how)

    @kottajob(konn, "Test", 5)
    def square(x: int) -> int:
        return x * x

    square(1)
    monkeypatch.setattr(Connection, "send", counted)
    assert list(square.map(range(200))) == [x * x for x in range(200)]
    assert requests.count("POST /jobs") == 1
    assert len(requests) < 100, requests


@pytest.mark.parametrize(
    "as_given", [str, lambda path: path, lambda path: [str(path)], lambda path: [path]]
)
def test_inputs_land_in_the_working_directory(
    konn: Kotta, tmp_path: Path, as_given: Callable[[Path], Any]
) -> None:
    given = tmp_path / "words.txt"
    given.write_text("one two three")

    @kottajob(konn, "Test", 5)
    def count() -> int:
        return len(Path("words.txt").read_text().split())

    assert count(inputs=as_given(given)) == 3


def test_inputs_of_decorator_and_call_are_both_there(konn: Kotta, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text(name)

    @kottajob(konn, "Test", 5, inputs=[tmp_path / "a.txt"], outputs="made.txt", block=False)
    def listed() -> list[str]:
        Path("made.txt").write_text("made")
        Path("more.txt").write_text("more")
        return sorted(path.name for path in Path().iterdir())

    job = listed(inputs=f"{tmp_path}/b.txt, {tmp_path}/c.txt", outputs=["more.txt"])
    assert job.result() == ["a.txt", "b.txt", "c.txt", "made.txt", "more.txt"]
    assert [(output.file, output.read()) for output in job.outputs] == [
        ("made.txt", "made"),
        ("more.txt", "more"),
    ]


def test_a_function_with_a_parameter_named_inputs_receives_it_too(
    konn: Kotta, tmp_path: Path
) -> None:
    given = tmp_path / "words.txt"
    given.write_text("one two three")

    @kottajob(konn, "Test", 5)
    def count(inputs: Any = (), outputs: Any = ()) -> Any:
        return [list(inputs), len(Path("words.txt").read_text().split())]

    assert count(inputs=[str(given)]) == [[str(given)], 3]


def test_a_parameter_named_inputs_may_hold_anything(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def total(inputs: list[int]) -> int:
        return sum(inputs)

    assert total(inputs=[1, 2, 3]) == 6
    assert total([1, 2]) == 3


def test_the_output_of_one_job_is_the_input_of_the_next(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5, outputs="a file, with blanks.txt", block=False)
    def make() -> None:
        Path("a file").write_text("made")
        Path("with blanks.txt").write_text("made")

    job = make()
    assert job.result() is None
    url = job.outputs[0].s3_url
    in_s3 = rf"s3://.+/{job.job_id}\.1/a file"
    assert url == f"kotta://jobs/{job.job_id}/a%20file" or re.fullmatch(in_s3, url)

    @kottajob(konn, "Test", 5)
    def read() -> str:
        return Path("a file").read_text()

    assert read(inputs=[url]) == "made"


def test_fields_of_the_description_are_the_decorators(konn: Kotta) -> None:
    @kottajob(konn, "Test", 2, env={"COLOUR": "blue"}, tags=["paint"], jobname="painting")
    def colour() -> str:
        import os

        return os.environ["COLOUR"]

    assert colour() == "blue"
    assert colour.job is not None
    detail = colour.job.detail()
    assert (detail.name, detail.tags, detail.walltime_seconds) == ("painting", ["paint"], 120)


@pytest.mark.parametrize("name", ["walltme", "script", "function"])
def test_an_unknown_field_is_refused_at_once(konn: Kotta, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        kottajob(konn, "Test", 5, **{name: "x"})


@pytest.mark.parametrize("wrong", [len, "Test"])
def test_what_is_no_connection_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"@kottajob\(\)"):
        kottajob(wrong)


def test_what_is_printed_is_in_the_jobs_stdout(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5, block=False)
    def talk() -> None:
        print("hello")
        print("careful", file=sys.stderr)

    job = talk()
    job.wait()
    assert (job.STDOUT, job.STDERR) == ("hello\n", "careful\n")


def test_a_payload_is_what_it_was_when_it_was_called(konn: Kotta) -> None:
    settings = {"factor": 2}

    @kottajob(konn, "Test", 5)
    def scaled(x: int) -> int:
        return x * settings["factor"]

    assert scaled(3) == 6
    settings["factor"] = 5
    assert scaled(3) == 15


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_requirements_are_there_and_nothing_else_is(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5, requirements="six==1.16.0")
    def version() -> list[Any]:
        import importlib.util

        import six  # type: ignore[import-untyped]

        return [six.__version__, importlib.util.find_spec("pydantic")]

    assert version() == ["1.16.0", None]


def test_large_bytes_are_named_by_their_content() -> None:
    from kotta.serialization import Blob, CallPacker

    large = b"x" * 3_000_000
    call = CallPacker(len).pack((large,), {})
    assert isinstance(call.payload, bytes)
    assert len(call.payload) < 1000
    (blob,) = call.files
    assert isinstance(blob, Blob)
    assert blob.sha256 == hashlib.sha256(b"".join(blob.chunks)).hexdigest()
