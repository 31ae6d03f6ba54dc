"""How an error looks: what is wrong, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kotta.errors import AmbiguousError, DescriptionError, FieldProblem, KottaError
from kotta_cli.render.as_json import complain_in_json
from kotta_cli.render.plain_text import cell_width, one_line, several_lines
from kotta_cli.render.states import paint

if TYPE_CHECKING:
    from kotta_cli.context import App

_WIDEST_EXCERPT = 76
_MOST_CANDIDATES = 10


def show_error(app: App, error: KottaError, exit_code: int) -> None:
    """Write an error to stderr, as lines or, with `--json`, as a document."""
    if app.as_json:
        complain_in_json(app, error_shape(error, exit_code))
    else:
        app.complain("\n".join(error_lines(error, app)))


def error_lines(error: KottaError, app: App) -> list[str]:
    """The lines that stderr shows for `error`."""
    color = app.err.color
    lines = [paint("error:", "red", color) + " " + several_lines(error.message)]
    if isinstance(error, DescriptionError):
        for problem in error.problems:
            lines += _problem_lines(problem, error, color)
    if isinstance(error, AmbiguousError):
        lines += [
            f"  {one_line(job_id)}  {one_line(name)}  {one_line(status)}"
            for job_id, name, status in error.candidates[:_MOST_CANDIDATES]
        ]
        if (more := len(error.candidates) - _MOST_CANDIDATES) > 0:
            lines.append(f"  and {more} more")
    if error.hint:
        lines.append(hint_line(error.hint, color))
    if error.request_id and error.code == "service_fault":
        lines.append(f"  request id: {one_line(error.request_id)}")
    return lines


def hint_line(hint: str, color: bool) -> str:
    return paint("hint:", "cyan", color) + " " + one_line(hint)


def error_shape(error: KottaError, exit_code: int) -> dict[str, Any]:
    """The same as JSON, a `kotta_cli.results.Problem`."""
    shape: dict[str, Any] = {
        "type": "about:blank",
        "title": _title(error),
        "code": error.code,
        "detail": error.message,
        "hint": error.hint,
        "request_id": error.request_id,
        "exit_code": exit_code,
        "source": getattr(error, "source", ""),
        "errors": [],
        "candidates": [],
    }
    if isinstance(error, DescriptionError):
        shape["errors"] = [
            {
                "pointer": problem.pointer,
                "detail": problem.detail,
                "hint": problem.hint,
                "line": problem.line,
                "column": problem.column,
                "source": problem.source or error.source,
            }
            for problem in error.problems
        ]
    if isinstance(error, AmbiguousError):
        shape["candidates"] = [
            {"id": job_id, "name": name, "status": status}
            for job_id, name, status in error.candidates
        ]
    return shape


def _title(error: KottaError) -> str:
    """What kind of error it is, in words that stay the same."""
    if type(error) is KottaError:
        return "The command line is wrong." if error.code == "usage" else "It did not work."
    return (type(error).__doc__ or "").split("\n")[0]


def _problem_lines(problem: FieldProblem, error: DescriptionError, color: bool) -> list[str]:
    source = problem.source or error.source
    place = ":".join(
        str(part) for part in (source, problem.line, problem.column) if part not in ("", None)
    )
    said = one_line(" ".join(part for part in (problem.field, problem.detail) if part))
    hint = f" ({one_line(problem.hint)})" if problem.hint else ""
    head = f"  {paint(one_line(place), 'bold', color)}: " if place else "  "
    lines = [head + said + hint]
    excerpt = _line_of(problem, error)
    if excerpt is not None and problem.line is not None:
        lines += _excerpt(excerpt, problem.line, problem.column, color)
    return lines


def _line_of(problem: FieldProblem, error: DescriptionError) -> str | None:
    if problem.source:
        return problem.excerpt
    lines = error.text.splitlines()
    number = problem.line or 0
    return lines[number - 1] if 0 < number <= len(lines) else None


def _excerpt(line: str, number: int, column: int | None, color: bool) -> list[str]:
    # Tabs and controls become one cell each, so that the caret stays under its character.
    line = "".join(one_line(char) or " " for char in line)
    start = 0
    if column is not None and column > _WIDEST_EXCERPT - 8:
        start = column - _WIDEST_EXCERPT // 2
    shown = ("…" if start else "") + line[start : start + _WIDEST_EXCERPT]
    gutter = f"  {number:>5} | "
    lines = [paint(gutter, "dim", color) + shown.rstrip()]
    if column is not None:
        before = cell_width(shown[: column - 1 - start + (1 if start else 0)])
        empty = " " * (len(gutter) - 2) + "| "
        lines.append(paint(empty, "dim", color) + " " * before + paint("^", "red", color))
    return lines
