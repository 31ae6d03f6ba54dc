"""Every way in which a call comes to nothing, each its own error with a hint."""

from __future__ import annotations

import base64
import hashlib
import pickle
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
from running_service import RunningService
from waiting import wait_until

from kotta import Kotta, KottaJob, errors, kottajob
from kotta.models import Result
from kotta.serialization import open_value


class Refused(Exception):  # noqa: N818
    def __init__(self, why: str, code: int) -> None:
        super().__init__(why, code)
        self.code = code


def nap() -> None:
    import time

    time.sleep(60)


def test_an_exception_is_raised_here_with_its_own_type_and_where_it_came_from(
    konn: Kotta,
) -> None:
    @kottajob(konn, "Test", 5)
    def bad(x: int) -> None:
        import sys

        for number in range(20):
            print("line", number, file=sys.stderr)
        raise ValueError(f"not {x}")

    with pytest.raises(ValueError, match="not 3") as caught:
        bad(3)
    notes = "\n".join(caught.value.__notes__)
    assert 'raise ValueError(f"not {x}")' in notes
    assert "test_failures.py" in notes
    assert "line 19" in notes
    assert "line 9\n" not in notes
    error: Any = caught.value
    assert error.stderr.splitlines() == [f"line {number}" for number in range(10, 20)]
    assert error.remote_traceback.endswith("ValueError: not 3\n")
    assert bad.job is not None
    assert error.job_id == bad.job.job_id
    assert bad.job.exception() is error


def test_an_exception_of_ones_own_keeps_its_attributes(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def bad() -> None:
        raise Refused("no", 7)

    with pytest.raises(Refused) as caught:
        bad()
    assert caught.value.code == 7


def test_an_exception_that_cannot_travel_is_told(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def bad() -> None:
        import threading

        class Odd(Exception):  # noqa: N818
            lock = threading.Lock()

        raise Odd("odd one")

    with pytest.raises(errors.RemoteError, match="Odd: odd one") as caught:
        bad()
    assert caught.value.hint
    assert "raise Odd" in caught.value.remote_traceback


class CodedError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def test_an_exception_whose_init_takes_other_arguments_keeps_its_type(konn: Kotta) -> None:
    def fails() -> None:
        raise CodedError(5, "x")

    with pytest.raises(CodedError, match="5: x") as caught:
        kottajob(konn, "Test", 5)(fails)()
    assert caught.value.code == 5


class PrefixedError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(f"sadly, {text}")


def test_an_exception_says_here_what_it_said_there(konn: Kotta) -> None:
    def fails() -> None:
        raise PrefixedError("no")

    with pytest.raises(PrefixedError) as caught:
        kottajob(konn, "Test", 5)(fails)()
    assert str(caught.value) == "sadly, no"


def test_an_exception_comes_without_what_cannot_travel(konn: Kotta) -> None:
    def fails() -> None:
        import threading

        error = ValueError("x", threading.Lock())
        error.lock, error.number = threading.Lock(), 3  # type: ignore[attr-defined]
        raise error

    with pytest.raises(ValueError, match="x") as caught:
        kottajob(konn, "Test", 5)(fails)()
    assert caught.value.number == 3  # type: ignore[attr-defined]
    assert not hasattr(caught.value, "lock")


def test_a_call_whose_process_ends_before_it_returns_has_failed(konn: Kotta) -> None:
    def leaves() -> None:
        import os

        os._exit(0)

    with pytest.raises(errors.RemoteError, match="left no value"):
        kottajob(konn, "Test", 5)(leaves)()


def test_a_value_that_cannot_be_told_leaves_the_rest_of_its_job(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5, False, outputs=["mine"], retries=1)
    def returns() -> str:
        import kotta_runner.call

        kotta_runner.call.MAX_INLINE_BYTES = 2 << 20  # a runner that says more than is understood
        with open("mine", "w") as file:
            file.write("mine")
        return "x" * (1 << 20)

    job = returns()
    with pytest.raises(errors.RemoteError, match="its value cannot be read"):
        job.result()
    detail = konn.status(job.job_id)
    assert (detail.status.value, detail.attempt) == ("completed", 1)
    assert "cannot be read" in detail.error
    assert {output.name for output in detail.outputs if output.available} >= {"mine", "STDOUT.txt"}


def test_an_exception_that_cannot_be_told_leaves_its_words(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5, False, retries=1)
    def raises() -> None:
        import kotta_runner.call

        kotta_runner.call.MAX_EXCEPTION_BYTES = 2 << 20
        error = ValueError("no")
        error.more = "x" * (1 << 20)  # type: ignore[attr-defined]
        raise error

    job = raises()
    with pytest.raises(errors.RemoteError, match="ValueError: no"):
        job.result()
    assert konn.status(job.job_id).attempt == 1


def test_an_unknown_queue_is_named_with_those_that_there_are(konn: Kotta) -> None:
    with pytest.raises(
        errors.DescriptionError, match=r"`Nope` is no queue here \(the queues are .*Test"
    ):
        kottajob(konn, "Nope", 5)(int)()


def test_a_script_that_fails_is_a_remote_error_with_its_last_words(konn: Kotta) -> None:
    job = KottaJob(executable="echo careful >&2; exit 3")
    job.submit(konn)
    with pytest.raises(errors.RemoteError, match="exit code 3") as caught:
        job.result()
    assert (caught.value.stderr, caught.value.job_id) == ("careful", job.job_id)


def test_walltime_is_its_own_error(konn: Kotta) -> None:
    with pytest.raises(errors.WalltimeExceededError, match="walltime") as caught:
        kottajob(konn, "Test", 0.01)(nap)()
    assert "walltime" in caught.value.hint


def test_a_cancelled_call_is_its_own_error(konn: Kotta) -> None:
    job = kottajob(konn, "Test", 5, block=False)(nap)()
    assert job.cancel() is True
    with pytest.raises(errors.JobCancelledError):
        job.result(20)
    assert job.cancelled()
    assert job.status() == "cancelled"


@pytest.mark.local
def test_a_lost_call_is_its_own_error(konn: Kotta, lasting_service: RunningService) -> None:
    def tell() -> None:
        import os

        Path("pid").write_text(str(os.getppid()))
        nap()

    job = kottajob(konn, "Test", 5, block=False)(tell)()
    folder = lasting_service.data / "jobs" / job.job_id[:2] / f"{job.job_id}.1" / "work"
    told = folder / "pid"
    runner = psutil.Process(int(str(wait_until(lambda: told.exists() and told.read_text()))))
    runner.kill()
    with pytest.raises(errors.JobLostError) as caught:
        job.result(20)
    assert "retries" in caught.value.hint


def test_failed_staging_is_its_own_error(konn: Kotta) -> None:
    made = KottaJob(executable="true", outputs="never.txt")
    made.submit(konn)
    made.wait()
    with pytest.raises(errors.StagingFailedError, match=r"never\.txt"):
        kottajob(konn, "Test", 5)(nap)(inputs=f"kotta://jobs/{made.job_id}/never.txt")


def test_a_missing_package_is_its_own_error(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def needs() -> None:
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401

    with pytest.raises(errors.MissingPackageError, match="no_such_package") as caught:
        needs()
    assert "requirements" in caught.value.hint


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_failed_install_shows_the_installers_words(konn: Kotta) -> None:
    with pytest.raises(errors.StagingFailedError, match=r"six==99\.99"):
        kottajob(konn, "Test", 5, requirements="six==99.99")(nap)()


def test_another_python_is_said_before_anything_is_submitted(
    konn: Kotta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kotta.functions.HERE", "3.1")
    before = konn.list(limit=1).change
    with pytest.raises(errors.PythonVersionError, match=r"Python 3\.1,"):
        kottajob(konn, "Test", 5)(nap)()
    assert konn.list(limit=1).change == before


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((1, [threading.Lock()]), {}, r"argument 2\[0\] is a _thread.lock of \d+ bytes"),
        ((1,), {"b": {"x": (y for y in "a")}}, r"argument `b`\['x'\] is a generator of \d+ bytes"),
    ],
)
def test_an_unpicklable_argument_is_named(konn: Kotta, args: Any, kwargs: Any, words: str) -> None:
    @kottajob(konn, "Test", 5)
    def take(a: Any, b: Any = None) -> None: ...

    with pytest.raises(errors.UnpicklableError, match=words) as caught:
        take(*args, **kwargs)
    assert caught.value.hint


def test_what_an_unpicklable_function_holds_is_named(konn: Kotta) -> None:
    lock = threading.Lock()

    @kottajob(konn, "Test", 5)
    def locked() -> bool:
        return lock.locked()

    with pytest.raises(errors.UnpicklableError, match=r"the function's `lock` is a _thread\.lock"):
        locked()
    with pytest.raises(errors.UnpicklableError, match=r"the function's `lock` is a _thread\.lock"):
        locked.map([])


def test_an_unpicklable_result_is_named(konn: Kotta) -> None:
    @kottajob(konn, "Test", 5)
    def bad() -> Any:
        return {"fine": 1, "bad": (x for x in "abc")}

    with pytest.raises(errors.UnpicklableError, match=r"the result\['bad'\] is a .*generator"):
        bad()


def test_a_pickle_of_a_service_that_is_not_trusted_stays_closed(konn: Kotta) -> None:
    assert konn.trusts_pickles
    konn.trusts_pickles = False

    @kottajob(konn, "Test", 5)
    def same(x: Any) -> Any:
        return x

    assert same([1, {"a": None}]) == [1, {"a": None}]
    with pytest.raises(errors.UntrustedPickleError) as caught:
        same((1, 2))
    assert "trusts_pickles" in caught.value.hint

    @kottajob(konn, "Test", 5)
    def bad() -> None:
        raise ValueError("no")

    # its exception is a pickle as well: told in words
    with pytest.raises(errors.RemoteError, match="ValueError: no"):
        bad()


def test_services_elsewhere_are_not_trusted_unless_one_says_so() -> None:
    with Kotta(server="https://kotta.example.org") as konn:
        assert not konn.trusts_pickles
        konn.trusts_pickles = True
        assert konn.trusts_pickles


def test_a_result_that_is_not_what_was_sent_is_refused() -> None:
    content = pickle.dumps((1, 2))
    right = Result(
        format="pickle",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        data=base64.b64encode(content).decode(),
    )
    assert open_value(right, lambda name: memoryview(b""), trusted=True) == (1, 2)
    for wrong in ({"size_bytes": 1}, {"sha256": "0" * 64}, {"data": "aGk="}):
        with pytest.raises(errors.TransferError):
            open_value(right.model_copy(update=wrong), lambda name: memoryview(b""), trusted=True)


def test_a_result_that_cannot_be_opened_here_says_so() -> None:
    content = b"\x80\x05cno_such_module\nThing\n."
    result = Result(
        format="pickle",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        data=base64.b64encode(content).decode(),
    )
    with pytest.raises(errors.UnpicklableError, match="no_such_module"):
        open_value(result, lambda name: memoryview(b""), trusted=True)


def test_a_wrong_description_is_refused_before_it_runs(konn: Kotta) -> None:
    with pytest.raises(errors.DescriptionError) as caught:
        kottajob(konn, "NoSuchQueue", 5)(nap)()
    assert caught.value.problems[0].field.endswith("queue")


def test_every_error_is_in_the_tree_that_is_drawn() -> None:
    drawn = errors.__doc__ or ""
    public = (item for name, item in vars(errors).items() if not name.startswith("_"))
    found = [item for item in public if isinstance(item, type)]
    for kind in found:
        if issubclass(kind, errors.KottaError):
            assert kind.__name__ in drawn
