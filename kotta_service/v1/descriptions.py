"""How the fields of a form become a job's description."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from kotta.errors import DescriptionError, FieldProblem
from kotta.models import DESCRIPTION_FIELDS, JobDescription
from kotta.models.problems import field_problems
from kotta_service.callers import Caller
from kotta_service.parts import Parts
from kotta_service.store import jobs as store
from kotta_service.store.visibility import readable_by
from kotta_service.v1.forms import Form
from kotta_service.v1.links import Links

_STREAMS = ("output_file_stdout", "output_file_stderr")
_LISTS = ("inputs", "outputs", "tags", "after")
_NO_TEXT = ("array", "env", "function")


def described(form: Form, sender: Caller) -> JobDescription:
    """The job that a form asks for; fields that mean nothing are passed over, as they always were.

    Raises:
        DescriptionError: it cannot be accepted.
    """
    problems = [*_sender_problems(form, sender), *_field_problems(form)]
    wanted: dict[str, Any] = {
        name: form.one(name)
        for name in form.names
        if name in DESCRIPTION_FIELDS and name not in (*_LISTS, *_NO_TEXT)
    }
    wanted.update({name: _listed(form, name) for name in _LISTS})
    for name, value in form.pairs:
        if name.startswith("input_url"):
            wanted["inputs"].append(value.strip())
        elif name.startswith("output_") and name not in _STREAMS:
            wanted["outputs"].append(value.strip())
    wanted.setdefault("user_email", sender.email)
    try:
        description = JobDescription.model_validate(wanted)
    except ValidationError as error:
        problems += field_problems(error)
    if problems:
        raise DescriptionError("the job cannot be accepted", problems=tuple(problems))
    return description


def with_own_outputs(parts: Parts, owner: str, description: JobDescription) -> JobDescription:
    """The same with links to outputs of the owner's own jobs replaced by what they lead to.

    A link may be older than 25 minutes by the time the job starts, and its address one of those
    that nothing is downloaded from.
    """
    links = Links(parts)
    found = {url: at for url in description.inputs if (at := links.output_at(url))}
    if not found:
        return description
    with parts.database.read() as connection:
        own = {
            url: f"kotta://jobs/{job_id}/{quote(name, safe='')}"
            for url, (job_id, name) in found.items()
            if store.output(connection, job_id, name, readable_by(owner))
        }
    return description.model_copy(
        update={"inputs": [own.get(url, url) for url in description.inputs]}
    )


def _listed(form: Form, name: str) -> list[str]:
    """Names separated by commas, in a field that may be repeated."""
    parts = (part.strip() for value in form.all(name) for part in value.split(","))
    return [part for part in parts if part]


def _sender_problems(form: Form, sender: Caller) -> list[FieldProblem]:
    email = form.one("user_email")
    # whoever comes by the service's own socket has no address here
    if not email or not sender.email or email.strip().lower() == sender.email.lower():
        return []
    return [FieldProblem("/user_email", "is not the address of whose token this is")]


def _field_problems(form: Form) -> list[FieldProblem]:
    found = []
    if not form.one("queue"):
        found.append(FieldProblem("/queue", "is missing; `Test` and `Prod` are the usual ones"))
    found += [
        FieldProblem(f"/{name}", "cannot be said in a form", "submit it by `kotta submit`")
        for name in form.names
        if name in _NO_TEXT
    ]
    return found
