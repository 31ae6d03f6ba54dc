"""Which jobs a command is about, and whether a person is sure of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kotta_cli.parameters import UsageProblem
from kotta_cli.render.plain_text import one_line

if TYPE_CHECKING:
    from kotta.models import Job
    from kotta.selection import Selection
    from kotta_cli.context import App

MAX_SHOWN = 5


def chosen(app: App, selectors: Sequence[str], *, oldest_first: bool = False) -> Selection:
    """Every job that the words mean, each once; a set may be empty, which is said.

    Args:
        oldest_first: see `kotta.selection.many`.

    Raises:
        UsageProblem: a word is empty, or a misspelt field after `--json`.
        NotFoundError: a word names no job.
    """
    from kotta import selection
    from kotta.errors import NotFoundError

    for word in selectors:
        refuse_empty(word)
    try:
        found = selection.many(app.client.api, list(selectors), oldest_first=oldest_first)
    except NotFoundError:
        _refuse_field(app, selectors)
        raise
    if not found.jobs:
        app.note(f"No job fits {_quoted(selectors)}.")
    return found


def chosen_one(app: App, selector: str) -> Job:
    """The one job that the word means.

    Raises:
        UsageProblem: it is empty.
    """
    refuse_empty(selector)
    return app.client.select(selector)


def refuse_empty(selector: str, what: str = "JOB") -> None:
    """Refuse what a shell makes of a variable that is not set.

    Raises:
        UsageProblem: the word is empty.
    """
    if not selector:
        raise UsageProblem(f"{what} is empty", hint="is a variable not set? kotta list shows jobs")


def chosen_surely(app: App, selectors: Sequence[str], verb: str, *, yes: bool) -> Selection | None:
    """The same to end them: for sets, a person is asked first; None: they said no.

    Args:
        verb: what is to be done, such as `cancel`.

    Raises:
        UsageProblem: nobody can be asked, and `--yes` was not given.
    """
    found = chosen(app, selectors)
    concerned = [job for job in found.jobs if not job.status.is_terminal]
    if yes or not found.sets or len(concerned) < 2:
        return found
    count = len(concerned)
    if not app.can_ask:
        raise UsageProblem(
            f"{_quoted(found.sets)} means {count} open jobs, and nobody can be asked here",
            hint=f"--yes to {verb} them all",
        )
    for job in concerned[:MAX_SHOWN]:
        app.note(f"  {job.id[:8]}  {one_line(job.name)}  {job.status.value}")
    if count > MAX_SHOWN:
        app.note(f"  and {count - MAX_SHOWN} more")
    return found if app.ask(f"{verb.capitalize()} these {count} jobs? [y/N] ") else None


def _refuse_field(app: App, selectors: Sequence[str]) -> None:
    """Refuses the word after `--json` if it names no job, and there are others that may do so.

    Raises:
        UsageProblem: it must be meant as a field.
    """
    from kotta import selection
    from kotta.errors import NotFoundError
    from kotta_cli.json_fields import misread

    if not app.as_json or len(selectors) < 2:
        return
    for word in selectors:
        if problem := misread(app.arguments, word):
            try:
                selection.many(app.client.api, [word])
            except NotFoundError:
                raise problem from None


def _quoted(selectors: Sequence[str]) -> str:
    return ", ".join(f"`{one_line(selector)}`" for selector in selectors)
