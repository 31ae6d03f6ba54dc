"""Where `kotta` begins: what needs no import is answered before anything is imported."""

from __future__ import annotations

import gc
import os
import sys


def run() -> int:
    """Run the command line of this process; the result is its exit code."""
    arguments = sys.argv[1:]
    first = arguments[0] if arguments else "help"
    if first == "__complete":
        from kotta_cli.completion_requests import answer

        return answer(arguments[1:])
    if first in ("--version", "-V"):
        return _say(f"kotta {_version()}\n")
    if first in ("--help", "-h") or (first == "help" and len(arguments) < 2):
        return _say(_top_page())
    if first == "help" and len(arguments) == 2 and (page := _topic_page(arguments[1])):
        return _say(page)
    if first == "help":
        arguments = [*arguments[1:], "--help"]

    # Looking for garbage among what is being imported takes as long as importing typer.
    gc.disable()
    # Nobody's plugin has a say in what a listing looks like, and looking for them takes a while.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from kotta_cli import interrupts

        interrupts.listen()
        from kotta_cli.later_imports import put_off_metadata
        from kotta_cli.main import main

        put_off_metadata()
        code = main(arguments)
    except KeyboardInterrupt:
        # While modules were still being imported.
        code = 130
    # All that is left to do is to free memory, object by object: a fifth of the time of `list`.
    os._exit(code)


def _version() -> str:
    from kotta._version import __version__

    return __version__


def _top_page() -> str:
    from kotta_cli.help_page import page_width, terminal_columns, top_page, wants_color

    return top_page(page_width(terminal_columns(1)), color=wants_color(os.isatty(1)))


def _topic_page(name: str) -> str:
    """The page of a topic, "" if there is no such topic."""
    from kotta_cli.command_table import TOPICS

    if name not in TOPICS:
        return ""
    from kotta_cli.help_page import page_width, terminal_columns, wants_color
    from kotta_cli.topic_page import topic_page

    return topic_page(name, page_width(terminal_columns(1)), color=wants_color(os.isatty(1)))


def _say(text: str) -> int:
    try:
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()
    except BrokenPipeError:
        code = 141
    except OSError as error:
        sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
        code = 1
    except KeyboardInterrupt:
        code = 130
    else:
        return 0
    # Python would complain of the lost output once more when it leaves.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return code
