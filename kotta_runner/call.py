"""Calls a Python function from its payload, and leaves its result in two files beside the job.

What became of the call (docs/functions.md: format, error), and the value if it is small, is an
object of JSON, which goes to `<result>.json`; a large value goes to `<result>.bin`. Runs in a child
of the runner: forked (`caller.py`), or as a program of an environment's Python (`main`).
cloudpickle is imported here and nowhere else in the runner.
"""

from __future__ import annotations

import base64
import contextlib
import copyreg
import ctypes
import gc
import io
import json
import os
import pickle
import sys
import threading
import traceback
from typing import Any, Callable, Dict, List, Optional, Tuple

import cloudpickle

from kotta_runner import buffers

MAX_INLINE_BYTES = 64 << 10
MAX_TYPE = 1024
MAX_MESSAGE = 8192
MAX_TRACEBACK = 64 << 10
MAX_EXCEPTION_BYTES = 256 << 10
_PLAIN = (bool, int, str, type(None))
_flush_libc: Callable[[None], int] = ctypes.CDLL(None).fflush
"""What extension modules print has a buffer of its own."""


def main() -> int:
    """`python … PAYLOAD_FILE RESULT_PREFIX [VERSION]`: what a Python of its own is started with.

    With a version, only that one makes the call.
    """
    if sys.argv[3:] and sys.argv[3] != "%d.%d" % sys.version_info[:2]:
        found = version_error(sys.argv[3])
    else:
        with open(sys.argv[1], "rb") as file:
            payload = file.read()
        found = call(payload, sys.argv[2])
    leave(found, sys.argv[2])
    return exit_code(found)


def exit_code(result: Dict[str, Any]) -> int:
    """0 if the call returned, 1 if not."""
    return int(result["format"] == "error")


def call(payload: bytes, result: str) -> Dict[str, Any]:
    """Makes the call; what became of it. A large value lies in a file, named by `result`."""
    try:
        function, args, kwargs = cloudpickle.loads(payload)
    except Exception as error:
        kind = _kind(error, "unreadable_call")
        return _told_error(kind, error, skip=1)
    try:
        value = function(*args, **kwargs)
    except SystemExit as error:
        if error.code in (None, 0):
            return _kept_value(result, None)
        return _told_error("exception", error, skip=1)
    except BaseException as error:
        return _told_error(_kind(error, "exception"), error, skip=1)
    finally:
        os.umask(0o077)  # the runner has to read the result, whatever the function made of it
    return _kept_value(result, value)


def become_caller() -> None:
    """Makes this process look like a newly started Python, be it a fork of the runner."""
    gc.freeze()  # else the first collection would copy the pages of all that a runner has made
    gc.enable()
    if sys.path[:1] != [""]:
        sys.path.insert(0, "")


def begin(environment: Dict[str, str]) -> None:
    """Before a call: exactly these variables, and chance of its own."""
    for name in [name for name in os.environ if name not in environment]:
        del os.environ[name]
    os.environ.update(environment)
    sys.argv = [""]
    for stream in (sys.stdout, sys.stderr):
        # what is printed can be followed line by line
        stream.reconfigure(  # type: ignore[union-attr]
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            with contextlib.suppress(Exception):  # what is there by that name may be another's
                sys.modules[name].seed()


def finish() -> bool:
    """Does what Python does at its end, which a process that goes on, or leaves by `os._exit`,
    would not.

    Returns:
        Whether all that was printed has been written: what has not, would be so later.
    """
    is_written = True
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            is_written = False
    return _flush_libc(None) == 0 and is_written


def version_error(wanted: str) -> Dict[str, Any]:
    """What becomes of a call that another minor version of Python has to make."""
    here = "%d.%d" % sys.version_info[:2]
    message = "the call was made by Python %s, and here is Python %s" % (wanted, here)
    return _error("python_version", "RuntimeError", message)


def leave(found: Dict[str, Any], result: str) -> None:
    """Leaves what became of a call in a file, for who reads it once this process has ended."""
    # surrogates, which a message may hold, become escapes; half of it, should we be killed, is no
    # JSON and counts as none
    content = json.dumps(found).encode("ascii")
    descriptor = os.open(result + ".json", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    buffers.write_all(descriptor, content)
    os.close(descriptor)


def _kept_value(result: str, value: Any) -> Dict[str, Any]:
    try:
        kind, content, views = _encoded(value)
    except Exception as error:
        message = _offender(value) or "%s: %s" % (type(error).__name__, error)
        return _error("unpicklable_result", "TypeError", message)
    if len(content) <= MAX_INLINE_BYTES and not views:
        return {"format": kind, "data": base64.b64encode(content).decode()}
    with open(result + ".bin", "wb", buffering=0) as file:
        if views:
            buffers.write(file.fileno(), content, views)
        else:
            buffers.write_all(file.fileno(), content)
    return {"format": kind}


def _encoded(value: Any) -> "Tuple[str, bytes, List[memoryview]]":
    if _is_json(value, 0):
        with contextlib.suppress(ValueError):  # an int of more digits than Python writes
            return "json", json.dumps(value, ensure_ascii=False).encode(), []
    content, outside = io.BytesIO(), buffers.Outside()
    cloudpickle.Pickler(content, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=outside).dump(
        value
    )
    return "buffers" if outside.views else "pickle", content.getvalue(), outside.views


def _is_json(value: Any, depth: int) -> bool:
    """Whether JSON gives back exactly this value: types are compared, not asked for."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _is_utf8(value)
    if kind in _PLAIN:
        return True
    if kind is float:
        return value == value and value not in (float("inf"), float("-inf"))
    if depth > 50:
        return False
    if kind is list:
        return all(_is_json(item, depth + 1) for item in value)
    if kind is dict:
        return all(
            type(key) is str and _is_json(key, depth) and _is_json(item, depth + 1)
            for key, item in value.items()
        )
    return False


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _offender(value: Any, path: str = "the result", depth: int = 0) -> Optional[str]:
    """The innermost part that cannot be pickled, in words; None if it cannot be told."""
    parts = []
    if isinstance(value, dict):
        parts = [("%s[%r]" % (path, key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple, set)):
        parts = [("%s[%d]" % (path, index), item) for index, item in enumerate(value)]
    elif hasattr(value, "__dict__"):
        parts = [("%s.%s" % (path, name), item) for name, item in vars(value).items()]
    if depth < 10:
        for name, part in parts:
            try:
                cloudpickle.dumps(part)
            except Exception:
                return _offender(part, name, depth + 1)
    kind = type(value)
    words = "%s is a %s.%s of %d bytes, which cannot be pickled"
    return words % (path, kind.__module__, kind.__qualname__, sys.getsizeof(value, 0))


def _kind(error: BaseException, otherwise: str) -> str:
    return "missing_package" if isinstance(error, ModuleNotFoundError) else otherwise


def _told_error(kind: str, error: BaseException, skip: int) -> Dict[str, Any]:
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace is not None else None
    text = "".join(traceback.format_exception(type(error), error, trace))
    sys.stderr.write(text)
    pickled = None
    content = _pickled(error)
    if content is not None and len(content) <= MAX_EXCEPTION_BYTES:
        pickled = base64.b64encode(content).decode()
    name = "%s.%s" % (type(error).__module__, type(error).__qualname__)
    return _error(kind, name, str(error), text[-MAX_TRACEBACK:], pickled)


def _pickled(error: BaseException) -> Optional[bytes]:
    """The exception for who called; None if it cannot be brought there as what it is.

    Many cannot be opened as they pickle themselves: their `__init__` takes other arguments than it
    passes on, or says something of its own to them once more. Those are made there without it, of
    their class, arguments and attributes.
    """
    for pickler in (cloudpickle.Pickler, _Remade):
        with contextlib.suppress(Exception):
            content = io.BytesIO()
            pickler(content, protocol=pickle.HIGHEST_PROTOCOL).dump(error)
            made = pickle.loads(content.getvalue())  # noqa: S301 (pickled just now)
            if type(made) is type(error) and (pickler is _Remade or str(made) == str(error)):
                return content.getvalue()
    return None


class _Remade(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, BaseException):
            return super().reducer_override(obj)
        kept = {name: value for name, value in vars(obj).items() if _is_picklable(value)}
        args = [arg if _is_picklable(arg) else repr(arg) for arg in obj.args]
        return copyreg.__newobj__, (type(obj), *args), kept  # type: ignore[attr-defined]


def _is_picklable(value: Any) -> bool:
    with contextlib.suppress(Exception):
        cloudpickle.dumps(value)
        return True
    return False


def _error(
    kind: str, name: str, message: str, trace: str = "", exception: Optional[str] = None
) -> Dict[str, Any]:
    error = {
        "kind": kind,
        "type": name[:MAX_TYPE],
        "message": message[:MAX_MESSAGE],
        "traceback": trace,
        "exception": exception,
    }
    return {"format": "error", "error": error}
