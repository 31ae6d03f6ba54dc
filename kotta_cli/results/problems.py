"""The shape of an error."""

from __future__ import annotations

# pydantic reads no other before Python 3.12
from typing_extensions import TypedDict

from kotta.models import JobState


class WrongField(TypedDict):
    """One thing that is wrong with one field of a description.

    Attributes:
        pointer: the field, as a JSON Pointer (RFC 6901).
        detail: what is wrong, in a sentence without the field's name.
        hint: what to write instead, or "".
        line: its line in the text, from 1; null where there is no text.
        column: its column in the text, from 1; null where there is no text.
        source: the text, or the option that said it.
    """

    pointer: str
    detail: str
    hint: str
    line: int | None
    column: int | None
    source: str


class Candidate(TypedDict):
    """A job that fits what was typed."""

    id: str
    name: str
    status: JobState


class Problem(TypedDict):
    """An error, on stderr; the members of an RFC 9457 problem, and ours.

    Attributes:
        type: always `about:blank`; `code` tells the kinds apart.
        title: what kind of error it is, in words that stay the same.
        code: what kind of error it is; stable.
        detail: what is wrong this time.
        hint: what to do or type next, or "".
        request_id: the service's name for the request, null where none was made.
        exit_code: what the command exits with.
        source: name of the description's file, "" where there is none.
        errors: what is wrong with the description, field by field.
        candidates: the jobs that fit, where a name fits several.
    """

    type: str
    title: str
    code: str
    detail: str
    hint: str
    request_id: str | None
    exit_code: int
    source: str
    errors: list[WrongField]
    candidates: list[Candidate]
