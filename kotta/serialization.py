"""Calls of functions as bytes that travel, and the values that come back out of their envelopes.

A call is a pickle of (function, args, kwargs), the function by value. What makes it larger than
1 MiB leaves it and travels as a file of its own, named by its content, so that the same array given
to ten calls is sent once. What is submitted with a call, and what an ended job comes to, lie in
`kotta.functions` and `kotta.outcome`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import pickle
import re
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import cloudpickle

from kotta import buffers
from kotta.buffers import TooLargeError
from kotta.errors import TransferError, UnpicklableError, UntrustedPickleError
from kotta.models import Result
from kotta.unpicklable import unpicklable_error

MAX_INLINE_BYTES = 1 << 20
"""What is larger goes as a file; the service accepts no larger payload within a request."""
_registry = threading.Lock()
_CLASS_BY_VALUE = re.compile(rb"_class_setstate")
_STDLIB = sysconfig.get_path("stdlib")


@dataclass(frozen=True)
class Blob:
    """Bytes that travel as a file.

    Attributes:
        name: what the file is called in the working directory of the call.
        sha256: of all bytes, in lower-case hex.
        chunks: the bytes, in order.
    """

    name: str
    sha256: str
    size_bytes: int
    chunks: Sequence[bytes | memoryview] = field(repr=False)


@dataclass(frozen=True)
class PackedCall:
    """A call, ready to be sent.

    Attributes:
        payload: the pickle of (function, args, kwargs), or the file that it is.
        files: what the pickle reads from its working directory when it is opened.
    """

    payload: bytes | Blob
    files: tuple[Blob, ...] = ()

    @property
    def blobs(self) -> list[Blob]:
        """All that travels as files."""
        return [*([self.payload] if isinstance(self.payload, Blob) else []), *self.files]

    def without_bytes(self) -> PackedCall:
        """The same, once its files are sent and need no memory any more."""
        payload = self.payload
        if isinstance(payload, Blob):
            payload = replace(payload, chunks=())
        return PackedCall(payload, tuple(replace(blob, chunks=()) for blob in self.files))


class CallPacker:
    """Packs calls of one function, as it is now.

    Args:
        once: pickle the function once, for many calls.
    """

    def __init__(self, function: Callable[..., Any], *, once: bool = False) -> None:
        self._function = function
        self._files: dict[int, tuple[Any, _FromFile]] = {}
        self._part: Any = self._packed(function, "the function") if once else function

    def forget(self) -> None:
        """Looks at all values anew from now on: what was packed before may have been changed."""
        self._files.clear()

    def pack(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> PackedCall:
        """One call. Its files are the memory of its arguments, which must not be changed before
        they are sent.

        Raises:
            UnpicklableError: names what cannot be pickled, its type and its size.
        """
        call = (self._part, tuple(args), dict(kwargs))
        try:
            payload = self._small(call)
            return PackedCall(payload, self._blobs_in([self._part]))
        except TooLargeError:
            return self._pack_with_files(args, kwargs)
        except Exception as error:
            raise unpicklable_error(self._function, args, kwargs) from error

    def _pack_with_files(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> PackedCall:
        try:
            parts = [
                self._packed(self._function, "the function"),
                *(self._apart(arg) for arg in args),
                *(self._apart(arg) for arg in kwargs.values()),
            ]
            args_now = tuple(parts[1 : 1 + len(args)])
            kwargs_now = dict(zip(kwargs, parts[1 + len(args) :], strict=True))
            sink = _Sink()
            self._dump((parts[0], args_now, kwargs_now), sink)
        except UnpicklableError:
            raise
        except Exception as error:
            raise unpicklable_error(self._function, args, kwargs) from error
        small = sink.size_bytes <= MAX_INLINE_BYTES
        return PackedCall(sink.joined() if small else sink.blob(), self._blobs_in(parts))

    def _packed(self, function: Callable[..., Any], what: str) -> Any:
        """The function as something that pickles fast, any number of times."""
        sink = _Sink()
        try:
            self._dump(function, sink)
        except Exception as error:
            raise unpicklable_error(function, (), {}) from error
        if sink.size_bytes <= MAX_INLINE_BYTES // 2:
            return _FromBytes(sink.joined())
        return self._kept(function)

    def _apart(self, value: Any) -> Any:
        """The value, or what stands for it where it is large."""
        if id(value) in self._files:
            return self._files[id(value)][1]
        try:
            self._small(value)
        except TooLargeError:
            return self._kept(value)
        return value

    def _small(self, value: Any) -> bytes:
        """The pickle of a value.

        Raises:
            TooLargeError: it is larger than what travels within a request.
        """
        # to find that out, no large buffer need be copied
        outside = buffers.Outside(limit=MAX_INLINE_BYTES)
        sink = _Sink(limit=MAX_INLINE_BYTES)
        self._dump(value, sink, outside)
        if outside.views:
            sink = _Sink(limit=MAX_INLINE_BYTES)
            self._dump(value, sink)
        return sink.joined()

    def _kept(self, value: Any) -> _FromFile:
        sink, outside = _Sink(), buffers.Outside()
        self._dump(value, sink, outside)
        if outside.views:
            made = _FromFile(sink.blob(outside.views), buffers.load)
        else:
            made = _FromFile(sink.blob())
        # the value is kept as well: while it lives, nothing else gets its id
        self._files[id(value)] = (value, made)
        return made

    def _blobs_in(self, parts: Sequence[Any]) -> tuple[Blob, ...]:
        blobs = [part.blob for part in parts if isinstance(part, _FromFile)]
        return tuple({blob.sha256: blob for blob in blobs}.values())

    def _dump(self, value: Any, sink: _Sink, outside: buffers.Outside | None = None) -> None:
        with _by_value(self._function):
            cloudpickle.Pickler(
                sink, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=outside
            ).dump(value)


def open_value(result: Result, read_file: Callable[[str], memoryview], trusted: bool) -> Any:
    """The value in a result's envelope.

    Args:
        read_file: the bytes of one of the job's outputs, which the value may go on to use.
        trusted: whether the result may be a pickle.

    Raises:
        TransferError: its bytes are not those that were sent.
        UntrustedPickleError: it is a pickle; it was not opened.
        UnpicklableError: it cannot be opened here.
    """
    if result.format != "json":
        check_trust(trusted)
    content = read_file(result.file) if result.file else memoryview(_decoded(result.data or ""))
    if len(content) != result.size_bytes or hashlib.sha256(content).hexdigest() != result.sha256:
        raise TransferError(
            f"the result did not arrive as it was sent: {len(content)} of {result.size_bytes} "
            "bytes, or others",
            hint="ask again; if it happens again, the service's copy may be damaged",
        )
    if result.format == "json":
        try:
            return json.loads(bytes(content))
        except (ValueError, RecursionError) as error:
            raise TransferError(f"the result is no JSON: {error}") from error
    try:
        if result.format == "buffers":
            return buffers.opened(content, _loads)
        return _loads(content)
    except Exception as error:
        raise UnpicklableError(
            f"the result arrived, but cannot be opened here: {type(error).__name__}: {error}",
            hint="install here what its type needs, or return plain lists, dicts and numbers",
        ) from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""  # which is found out by its size


def check_trust(trusted: bool) -> None:
    """Raises `UntrustedPickleError` unless pickles are trusted."""
    if not trusted:
        raise UntrustedPickleError(
            "the result is a pickle, which can run any code here when it is opened, and this "
            "service is not trusted with that",
            hint="return plain JSON values; or, if you trust whoever runs the service: "
            "kotta login --trust-pickles, or konn.trusts_pickles = True",
        )


def open_exception(text: str | None) -> BaseException | None:
    """The exception in a result's error, None if there is none that can be opened here."""
    if text is None:
        return None
    try:
        found = _loads(base64.b64decode(text))
    except Exception:
        return None
    return found if isinstance(found, BaseException) else None


def _loads(content: Any, buffers: Sequence[Any] = ()) -> Any:
    """What a pickle from a trusted service holds."""
    if _CLASS_BY_VALUE.search(content) is None:
        return pickle.loads(content, buffers=buffers)  # noqa: S301
    return _Opener(io.BytesIO(content), buffers=buffers).load()


class _Opener(pickle.Unpickler):
    """Opens a pickle with classes by value, and leaves those as they are that it finds here.

    cloudpickle knows a class again that was sent from here and came back, and would make it what it
    was when it was sent, whatever has been done to it, or is defined by its module, since.
    """

    def __init__(self, file: io.BytesIO, buffers: Sequence[Any]) -> None:
        super().__init__(file, buffers=buffers)
        self._found_here: list[type] = []

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if module.partition(".")[0] == "cloudpickle":
            if name in ("_make_skeleton_class", "_make_skeleton_enum"):
                return functools.partial(self._make, found)
            if name == "_class_setstate":
                return functools.partial(self._complete, found)
        return found

    def _make(self, make: Callable[..., type], *args: Any) -> type:
        # cloudpickle's own, by the id that is its last argument but one
        known = getattr(cloudpickle.cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", {})
        if (found := known.get(args[-2])) is not None:
            self._found_here.append(found)
        return make(*args)

    def _complete(self, complete: Callable[..., type], made: type, state: Any) -> type:
        if any(made is each for each in self._found_here):
            return made
        return complete(made, state)


class _Sink:
    """Takes a pickle's bytes as they are made.

    Args:
        limit: raises `TooLargeError` rather than take more bytes than that.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.size_bytes = 0
        self._limit = limit
        self._chunks: list[bytes] = []

    def write(self, data: Any) -> int:
        chunk = data if isinstance(data, bytes) else bytes(data)
        self.size_bytes += len(chunk)
        if self._limit is not None and self.size_bytes > self._limit:
            raise TooLargeError
        self._chunks.append(chunk)
        return len(chunk)

    def joined(self) -> bytes:
        return b"".join(self._chunks)

    def blob(self, views: Sequence[memoryview] = ()) -> Blob:
        """All of it as a file, with these buffers of it beside it if there are any."""
        chunks = buffers.framed(self._chunks, views) if views else self._chunks
        digest, size_bytes = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
        sha256 = digest.hexdigest()
        # as `CALL_FILE` of the descriptions says
        return Blob(f".kotta-{sha256[:32]}.pkl", sha256, size_bytes, chunks)


class _FromBytes:
    """Becomes, when unpickled, what these bytes are a pickle of."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __reduce__(self) -> Any:
        return pickle.loads, (self._content,)


class _FromFile:
    """Becomes, when unpickled, what the file in the working directory is a pickle of.

    Args:
        load: opens it there, given its name; None: it is a plain pickle.
    """

    def __init__(self, blob: Blob, load: Callable[[str], Any] | None = None) -> None:
        self.blob = blob
        self._load = load

    def __reduce__(self) -> Any:
        if self._load is not None:
            return self._load, (self.blob.name,)
        # the far side has no kotta: what is named here is the standard library's
        return pickle.load, (_OpenFile(self.blob.name),)


class _OpenFile:
    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> Any:
        return io.open, (self._name, "rb")


@contextmanager
def _by_value(function: Any) -> Iterator[None]:
    """Meanwhile, what the function's module defines is pickled by value, unless it is installed."""
    while isinstance(function, functools.partial):
        function = function.func
    modules = [buffers]
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    path = getattr(module, "__file__", None)
    if module is not None and path is not None and not _is_installed(path):
        modules.append(module)
    with _registry:
        known = cloudpickle.list_registry_pickle_by_value()
        new = [module for module in modules if module.__name__ not in known]
        for module in new:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in new:
                cloudpickle.unregister_pickle_by_value(module)


def _is_installed(path: str) -> bool:
    return path.startswith(_STDLIB) or "site-packages" in path or "dist-packages" in path
