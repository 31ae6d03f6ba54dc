"""Runs the command tree, and alone turns what goes wrong into words and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING

from kotta_cli import interrupts
from kotta_cli.context import App
from kotta_cli.exit_codes import ExitCode
from kotta_cli.terminal import OutputClosedError

if TYPE_CHECKING:
    from kotta.errors import KottaError


class _TerminatedError(BaseException):
    """SIGTERM, as an exception: a terminal must be left as it was found."""


def main(arguments: list[str], app: App | None = None) -> int:
    """Run one command line; the result is the exit code, and everything has been written.

    Args:
        app: what the command is given; by default one on the process's own streams.
    """
    app = app or App.of_this_process()
    # Asked of the words, because a command line that cannot be parsed must be refused in JSON too.
    app.as_json = _asks_for_json(arguments)
    app.arguments = arguments
    if app.out.is_smart or app.err.is_smart:
        signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        try:
            return _run(arguments, app)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        except OutputClosedError:
            raise
        except Exception as error:
            return _report(error, app, arguments)
        finally:
            if drawing := sys.modules.get("kotta_cli.render.drawing"):
                drawing.end_all()
            if not interrupts.was_heard():  # which may have left locks behind that are never free
                app.close()
    except (OutputClosedError, BrokenPipeError):
        _forget_output()
        return ExitCode.OUTPUT_CLOSED
    except _TerminatedError:
        return 128 + signal.SIGTERM


def _raise_terminated(*_: object) -> None:
    raise _TerminatedError


def _run(arguments: list[str], app: App) -> int:
    from kotta_cli.tree import root

    if app.as_json:
        from kotta_cli import json_fields

        arguments, app.json_fields = json_fields.split(arguments)
    try:
        result = root().main(arguments, prog_name="kotta", standalone_mode=False, obj=app)
    except SystemExit:
        # All that makes Typer leave by itself, run like this, is a help page that nobody reads.
        raise OutputClosedError from None
    return int(result or ExitCode.OK)


def _asks_for_json(arguments: list[str]) -> bool:
    # what stands after `--` is another command's
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(word == "--json" or word.startswith("--json=") for word in words)


def _report(raised: Exception, app: App, arguments: list[str]) -> int:
    import typer

    from kotta.errors import KottaError
    from kotta_cli.render.errors import show_error

    if isinstance(raised, typer.TyperException):
        from kotta_cli.usage_errors import usage_error

        error, code = usage_error(raised, arguments), ExitCode.USAGE
    elif isinstance(raised, KottaError):
        error, code = raised, _exit_code(raised)
    elif isinstance(raised, OSError) and raised.errno == errno.ENOSPC:
        error, code = KottaError(f"cannot write: {raised.strerror}"), ExitCode.ERROR
    elif interrupts.was_heard():
        # a library in C, such as pydantic's, has made an error of its own of it
        return ExitCode.INTERRUPTED
    else:
        error, code = _internal_error(raised), ExitCode.KOTTA_FAULT
    show_error(app, error, code)
    if os.environ.get("KOTTA_DEBUG", "0") not in ("", "0"):
        import traceback

        app.complain("".join(traceback.format_exception(raised)).rstrip())
    return code


def _exit_code(error: KottaError) -> ExitCode:
    from kotta import errors

    match error:
        case errors.DescriptionError():
            return ExitCode.USAGE
        case errors.LoginRequiredError():
            return ExitCode.LOGIN_NEEDED
        case errors.WaitTimeoutError():
            return ExitCode.TIMED_OUT
        case errors.ServiceFaultError() | errors.ServiceStartError():
            return ExitCode.KOTTA_FAULT
    return ExitCode.ERROR


def _internal_error(error: Exception) -> KottaError:
    from kotta.errors import KottaError

    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return KottaError(
        f"internal error ({words}); please report it",
        hint="KOTTA_DEBUG=1 shows the traceback",
        code="internal_error",
    )


def _forget_output() -> None:
    # Python flushes once more when it leaves, and would complain aloud.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
