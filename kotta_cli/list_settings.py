"""What the user's settings say of a list of jobs, where the command line does not.

They are about what a person sees: a program that reads a pipe or JSON gets what it always gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kotta.errors import ConfigError
from kotta_cli.job_fields import fields_of
from kotta_cli.parameters import UsageProblem

if TYPE_CHECKING:
    from kotta_cli.context import App

LIMIT = 100


def applied(app: App, limit: int | None, fields: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """How many jobs to list, and which fields of them; none: those of the table as it is.

    Args:
        limit: what was asked for; None: nothing was.
        fields: what was asked for; empty: nothing was.

    Raises:
        ConfigError: a setting names a field that is none; it says where.
    """
    if not app.draws_tables:
        return limit or LIMIT, fields
    return limit or app.config.find("list.limit").value, fields or _own_fields(app)


def _own_fields(app: App) -> tuple[str, ...]:
    found = app.config.find("list.fields")
    try:
        return fields_of(",".join(found.value or ()))
    except UsageProblem as problem:
        message = f"{found.origin}: `list.fields`: {problem.message}"
        raise ConfigError(message, hint=problem.hint) from problem
