"""Descriptions of jobs that were, made ready to be submitted once more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kotta.models import JobDetail
from kotta.models.array import LISTS, PARAMETER, PLACE, TEXTS, filled, places

_OUTPUT = re.compile(r"^kotta://jobs/([^/]+)/")


def again(job: JobDetail, *, keeps_place: bool = True) -> dict[str, Any]:
    """The description of a job, as a description that can be submitted; it comes after nothing.

    A job of an array becomes an array of one, with the values that it had.

    Args:
        keeps_place: it also has the index that it had.
    """
    document = {
        name: value for name, value in job.description.items() if value not in (None, "", [], {})
    }
    document.pop("after", None)
    env: dict[str, str] = document.get("env", {})
    values = {
        name.removeprefix(PARAMETER): text
        for name, text in env.items()
        if name.startswith(PARAMETER) or (keeps_place and name in PLACE)
    }
    if job.array is not None:
        document["env"] = {
            name: text for name, text in env.items() if not name.startswith("KOTTA_")
        }
        document["array"] = [values]
    return document


def as_one(
    documents: Sequence[dict[str, Any]], without: str = "", *, from_end: bool = False
) -> dict[str, Any] | None:
    """The description of an array of these jobs, None where one cannot say what all of them do.

    Args:
        documents: as `again` gives them, of jobs of one array.
        without: a name that is taken not to stand in it.
        from_end: look for names from the end of each text on.
    """
    values = [document["array"][0] for document in documents]
    first = documents[0]
    if any(document.keys() != first.keys() for document in documents):
        return None
    whole: dict[str, Any] = {}
    for field in first:
        each = [document[field] for document in documents]
        if field == "array":
            whole[field] = values
        elif all(one == each[0] for one in each):
            whole[field] = each[0]
        elif (
            field in TEXTS
            and (text := _pattern(each, values, without, from_end=from_end)) is not None
        ):
            whole[field] = text
        elif field in LISTS and len({len(one) for one in each}) == 1:
            items = [
                _pattern(item, values, without, from_end=from_end)
                for item in zip(*each, strict=True)
            ]
            if None in items:
                return None
            whole[field] = items
        else:
            return None
    return whole


def template(
    documents: Sequence[dict[str, Any]], names: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """The description of these jobs of one array, and which of the names may be fixed in it.

    A name is fixed where the text may hold the value that it had, which nothing tells from other
    text: then another value would reach the variable of that name, and not the command.

    Args:
        documents: as `again` gives them, without their places, and with none of the fields that
            are to be replaced.
        names: those that are to have other values.
    """
    whole = as_one(documents)
    if whole is None:
        return documents[0], list(names)
    entries = whole["array"]
    # where the same can be written with another name in its place, nobody knows which it was
    others = [as_one(documents, without=name) for name in entries[0]]
    written = [whole, *(other for other in others if other is not None)]
    literal = "\0".join(filled(text, dict.fromkeys(places(text), "\0")) for text in _texts(whole))
    # and where it can be written with a name in another place, as `1{x}` for 1 and 11, which one
    mirrored = _texts(as_one(documents, from_end=True) or whole)
    pairs = zip(_texts(whole), mirrored, strict=True)
    moved = {name for one, other in pairs if one != other for name in places(one + other)}
    fixed = []
    for name in names:
        values = {entry.get(name, "") for entry in entries}
        counts = {sum(text.count(f"{{{name}}}") for text in _texts(each)) for each in written}
        if name in moved or len(counts) > 1 or (len(values) == 1 and min(values) in literal):
            fixed.append(name)
    return whole, fixed


def series_name(job: JobDetail) -> str:
    """What the jobs of its array are called before their numbers, "" where they have none."""
    number = f"[{job.description.get('env', {}).get(PLACE[0])}]"
    name = str(job.description.get("jobname", ""))
    return name.removesuffix(number) if name.endswith(number) else ""


def names_in(document: Mapping[str, Any]) -> set[str]:
    """The names that stand in a description as `{name}`."""
    return {name for text in _texts(document) for name in places(text)}


def _texts(document: Mapping[str, Any]) -> list[str]:
    listed = [item for field in LISTS for item in document.get(field, ())]
    return [*(document[field] for field in TEXTS if field in document), *listed]


def _pattern(
    texts: Sequence[str],
    values: Sequence[Mapping[str, str]],
    without: str,
    *,
    from_end: bool = False,
) -> str | None:
    """The text that, filled with each of the values, is each of the texts; None if none is found.

    The service keeps what each job of an array was to do, not what was written for all of them.
    """
    names = [
        name
        for name in set.intersection(*map(set, values))
        if name != without
        and all(each[name] for each in values)
        and len({each[name] for each in values}) > 1
    ]
    names.sort(key=lambda name: (-len(values[0][name]), name))
    step = -1 if from_end else 1
    read = [text[::step] for text in texts]
    parts, starts = [], [0] * len(texts)
    while any(start < len(text) for text, start in zip(read, starts, strict=True)):
        for name in names:
            found = [each[name][::step] for each in values]
            if all(map(str.startswith, read, found, starts)):
                parts.append(f"{{{name}}}")
                break
        else:
            found = [text[start : start + 1] for text, start in zip(read, starts, strict=True)]
            if len(set(found)) > 1:
                return None
            parts.append(found[0])
        starts = [start + len(one) for start, one in zip(starts, found, strict=True)]
    made = "".join(parts[::step])
    is_right = all(
        filled(made, each) == filled(text, each) for text, each in zip(texts, values, strict=True)
    )
    return made if is_right else None


def rounds(jobs: Sequence[JobDetail]) -> Iterator[list[JobDetail]]:
    """The jobs in groups that can be submitted at once: none comes after one of its own group.

    In each they keep their order.
    """
    known = {job.id for job in jobs}
    done: set[str] = set()
    rest = list(jobs)
    while rest:
        # a job comes after older ones only, so there is always one that is ready
        ready = [job for job in rest if needs(job) & known <= done]
        yield ready
        done |= {job.id for job in ready}
        rest = [job for job in rest if job.id not in done]


def needs(job: JobDetail) -> set[str]:
    """Ids of the jobs whose end it waited for."""
    return set(job.description.get("after") or ())


def renamed(inputs: Sequence[str], new_ids: Mapping[str, str]) -> list[str]:
    """Inputs, with outputs of jobs that were submitted again become the new jobs'."""

    def new(match: re.Match[str]) -> str:
        return f"kotta://jobs/{new_ids.get(match[1], match[1])}/"

    return [_OUTPUT.sub(new, item) for item in inputs]
