"""`@kottajob`: a function whose calls are jobs.

Belongs here: what a call looks like, and the description that it becomes. Its bytes are
`kotta.serialization`'s, its job and its end `kotta.job`'s.
"""

from __future__ import annotations

import base64
import inspect
import queue
import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, update_wrapper
from os import PathLike
from typing import TYPE_CHECKING, Any

from kotta.errors import PythonVersionError, WaitTimeoutError
from kotta.first_library import as_list
from kotta.job import KottaJob
from kotta.models.description import DESCRIPTION_FIELDS, known_field_near
from kotta.serialization import Blob, CallPacker, PackedCall
from kotta.submission import Submission
from kotta.uploads import upload_contents

if TYPE_CHECKING:
    from kotta.client import Kotta

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
Files = str | PathLike[str] | Iterable[str | PathLike[str]]
"""Comma-separated text, one path, or a list."""
QUICK_SECONDS = 0.1
"""A call that is waited for and ends within it takes one request rather than two."""
_OURS = ("function", "executable", "script", "args", "script_name", "jobtype")


def kottajob(
    conn: Kotta | None = None,
    queue: str = "Test",
    walltime: float = 300,
    block: bool = True,
    requirements: str = "",
    inputs: Files = (),
    outputs: Files = (),
    **fields: Any,
) -> Callable[[Callable[..., Any]], KottaFn]:
    """Makes calls of the decorated function jobs.

    Args:
        conn: where they run; None: `Kotta()`, the active profile's service or the local one.
        queue: which queue they wait in.
        walltime: longest time a call may run, minutes.
        block: whether a call waits and returns the value, or returns a `KottaJob` at once.
        requirements: text of a requirements file; calls run in an environment with just that, which
            is made once and kept.
        inputs: URLs or local paths of files that lie in the working directory of every call.
        outputs: names of files to keep of every call.
        fields: further fields of the description: `jobname`, `env`, `cpus`, `memory` (MiB, or text
            such as `"4 GiB"`), `tags`, `retries`.

    Raises:
        TypeError: a field is not known.
    """
    if callable(conn) or isinstance(conn, str):
        raise TypeError(
            "kottajob() takes a connection first: @kottajob(konn), or @kottajob() for the active "
            "profile's service or the local one"
        )
    for name in fields:
        if name not in DESCRIPTION_FIELDS or name in _OURS:
            near = known_field_near(name)
            meant = f"; did you mean `{near}`?" if near and near not in _OURS else ""
            raise TypeError(f"kottajob() has no argument `{name}`{meant}")
    description = {
        "queue": queue,
        "walltime": walltime,
        "requirements": requirements,
        "inputs": as_list(inputs),
        "outputs": as_list(outputs),
        **fields,
    }
    if conn is None:
        from kotta.client import Kotta

        conn = Kotta()
    return lambda function: KottaFn(conn, description, function, block)


class KottaFn:
    """A function whose calls are jobs; `kottajob` makes it.

    Attributes:
        conn: the connection that calls are submitted on.
        func: the function itself.
        block: whether a call waits for its value.
        job_desc: the description that all its calls share.
        job: the job of the latest call, None before the first.
    """

    def __init__(
        self,
        conn: Kotta,
        job_desc: Mapping[str, Any],
        func: Callable[..., Any],
        block: bool = True,
    ) -> None:
        update_wrapper(self, func)
        self.conn = conn
        self.func = func
        self.block = block
        self.job_desc = dict(job_desc)
        self.job: KottaJob | None = None

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls the function as a job: its value, or with `block=False` its `KottaJob`.

        Two keywords are the job's: `inputs`, URLs or local paths of files to have in the working
        directory, and `outputs`, names of files to keep; each comma-separated text or a list. A
        function that has a parameter of that name receives it too.

        Raises:
            PythonVersionError: the service runs another minor version of Python.
            UnpicklableError: the function, an argument or the value cannot be pickled.
            JobFailedError: the job did not end well; see its subclasses.
            Exception: whatever the function raised.
        """
        job = self._begin(args, kwargs, QUICK_SECONDS if self.block else 0)
        return job.result() if self.block else job

    def submit(self, /, *args: Any, **kwargs: Any) -> KottaJob:
        """The call's `KottaJob`, at once; arguments and errors before the end as in a call."""
        return self._begin(args, kwargs, 0)

    def _begin(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wait_seconds: float
    ) -> KottaJob:
        self._check_python()
        passed, inputs, outputs = self._split(kwargs)
        call, urls = CallPacker(self.func).pack(args, passed), _Urls(self.conn)
        urls.send([call])
        description = self._descriptions([call], urls, inputs, outputs)[0]
        (submission,) = self._submit([description], wait_seconds)
        self.job = KottaJob.submitted(self.conn, description, submission)
        return self.job

    def map(
        self,
        *iterables: Iterable[Any],
        ordered: bool = True,
        timeout: float | None = None,
        inputs: Files = (),
        outputs: Files = (),
    ) -> Iterator[Any]:
        """Calls the function for every element, all submitted in one request before this returns.

        Several iterables are walked together, as by Python's `map`, to the end of the shortest.

        Args:
            ordered: yield values in the order of the elements; False: as calls are completed.
            timeout: seconds from now within which the values must have come; the iterator raises
                WaitTimeoutError after that, and the calls go on.
            inputs: files for every call, beside those of the decorator.
            outputs: files to keep of every call.

        Returns:
            An iterator of values. A call's exception is raised at its place; the other calls go on.
        """
        submissions = self.submit_each(*iterables, inputs=inputs, outputs=outputs)
        return values_of(self.conn, submissions, ordered=ordered, timeout=timeout)

    def submit_each(
        self, *iterables: Iterable[Any], inputs: Files = (), outputs: Files = ()
    ) -> list[Submission]:
        """Submits the calls of `map`, and follows none of them."""
        self._check_python()
        packer, urls, calls = CallPacker(self.func, once=True), _Urls(self.conn), []
        # what makes the elements may use the same memory for the next one
        may_change = not all(type(each) in (list, tuple, range) for each in iterables)
        for args in zip(*iterables, strict=False):
            call = packer.pack(args, {})
            if may_change:
                urls.send([call])
                packer.forget()
                call = call.without_bytes()
            calls.append(call)
        if not may_change:
            urls.send(calls)
        return self._submit(self._descriptions(calls, urls, as_list(inputs), as_list(outputs)))

    def local(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls the function here, in this process; `inputs` and `outputs` mean nothing then."""
        return self.func(*args, **self._split(kwargs)[0])

    def __get__(self, instance: Any, owner: type | None = None) -> KottaFn:
        """A method of the object: `self` travels with each call."""
        if instance is None:
            return self
        method = types.MethodType(self.func, instance)
        return KottaFn(self.conn, self.job_desc, method, self.block)

    def __reduce__(self) -> Any:
        # Where a job runs, the function is just that: one that calls itself by its name, or
        # another job's, calls it there. itemgetter is how the standard library says "this one".
        import operator

        this_one = operator.itemgetter(0), ((self.func,),)
        # of what is more than a function there, the one part that makes sense: its `local`
        is_plain = isinstance(self.func, types.FunctionType)
        return (*this_one, {"local": self.func}) if is_plain else this_one

    def __repr__(self) -> str:
        return f"<KottaFn {getattr(self.func, '__qualname__', self.func)!s}>"

    def _split(self, kwargs: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
        """What the function receives, and the files of the job, out of a call's keywords."""
        passed = dict(kwargs)
        files: dict[str, list[str]] = {"inputs": [], "outputs": []}
        for name, found in files.items():
            if name not in kwargs:
                continue
            takes_it = self._has_parameter(name)
            if not takes_it:
                del passed[name]
            if not takes_it or _names_files(kwargs[name]):
                found += as_list(kwargs[name])
        return passed, files["inputs"], files["outputs"]

    def _has_parameter(self, name: str) -> bool:
        try:
            parameters = inspect.signature(self.func).parameters
        except (TypeError, ValueError):
            return False
        return name in parameters or any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
        )

    def _descriptions(
        self,
        calls: Sequence[PackedCall],
        urls: _Urls,
        inputs: Sequence[str],
        outputs: Sequence[str],
    ) -> list[dict[str, Any]]:
        """Descriptions of the calls, whose large parts the service has."""
        name = getattr(self.func, "__name__", type(self.func).__name__)
        shared = {
            **self.job_desc,
            "jobtype": "python",
            "outputs": _merged(self.job_desc.get("outputs", ()), outputs),
        }
        common = _merged(self.job_desc.get("inputs", ()), inputs)
        found = []
        for call in calls:
            function: dict[str, Any] = {"name": name[:200], "python": HERE}
            if isinstance(call.payload, Blob):
                function["payload_input"] = call.payload.name
            else:
                function["payload"] = base64.b64encode(call.payload).decode()
            found.append({**shared, "inputs": _merged(common, urls.of(call)), "function": function})
        return found

    def _submit(
        self, descriptions: Sequence[Mapping[str, Any]], wait_seconds: float = 0
    ) -> list[Submission]:
        return self.conn.submissions(descriptions, wait_seconds=wait_seconds)

    def _check_python(self) -> None:
        there = self.conn.python_version
        if there != HERE:
            raise PythonVersionError(
                f"this is Python {HERE}, and the service runs functions with Python {there}: what "
                "one pickles, the other may not read",
                hint=f"call it from Python {there}, or submit a script",
            )


def values_of(
    conn: Kotta,
    submissions: Sequence[Submission],
    *,
    ordered: bool = True,
    timeout: float | None = None,
) -> Iterator[Any]:
    """The values of submitted calls, which are followed from now on; as of `KottaFn.map`."""
    if submissions:
        after = min(submission.latest.change for submission in submissions)
        conn.follower.follow(submissions, after)
    deadline = None if timeout is None else time.monotonic() + timeout
    return (_in_order if ordered else _as_completed)(submissions, deadline)


class _Urls:
    """Where the large parts of calls are once they are sent, each content once."""

    def __init__(self, conn: Kotta) -> None:
        self._conn = conn
        self._by_sha256: dict[str, str] = {}

    def send(self, calls: Sequence[PackedCall]) -> None:
        """Has the service have them when this returns."""
        blobs = {blob.sha256: blob for call in calls for blob in call.blobs}
        missing = [blob for sha256, blob in blobs.items() if sha256 not in self._by_sha256]
        self._by_sha256 |= upload_contents(self._conn.api, missing)

    def of(self, call: PackedCall) -> list[str]:
        return [self._by_sha256[blob.sha256] for blob in call.blobs]


def _in_order(submissions: Sequence[Submission], deadline: float | None) -> Iterator[Any]:
    for submission in submissions:
        yield submission.result(_left(deadline))


def _as_completed(submissions: Sequence[Submission], deadline: float | None) -> Iterator[Any]:
    ended: queue.SimpleQueue[Submission] = queue.SimpleQueue()
    for submission in submissions:
        submission.on_end(partial(_put, ended, submission))
    for count in range(len(submissions)):
        try:
            yield ended.get(timeout=_left(deadline)).result()
        except queue.Empty:
            raise WaitTimeoutError(
                f"{len(submissions) - count} of {len(submissions)} calls had not ended in time",
                hint="they go on: kotta list shows them",
            ) from None


def _put(ended: queue.SimpleQueue[Submission], submission: Submission, _: object) -> None:
    ended.put(submission)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _merged(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def _names_files(value: Any) -> bool:
    if isinstance(value, (str, PathLike)):
        return True
    return isinstance(value, (list, tuple)) and all(
        isinstance(item, (str, PathLike)) for item in value
    )
