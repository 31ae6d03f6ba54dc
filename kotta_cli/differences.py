"""What two jobs do not have in common, as `kotta diff` tells it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kotta_cli.render.times import duration, size

if TYPE_CHECKING:
    from kotta.models import JobDetail

_ENDING = ("status", "reason", "exit_code", "signal", "error")
_SECONDS = {
    "staging_inputs_seconds": "staging_inputs",
    "processing_seconds": "processing",
    "staging_outputs_seconds": "staging_outputs",
    "cpu_seconds": "cpu",
}
"""Field of a job → the word for it on the page."""


@dataclass(frozen=True)
class Difference:
    """One thing in which they differ; None is what is not there.

    Attributes:
        field: its name, such as `walltime`, `env.SEED` or `outputs.model.bin`.
    """

    field: str
    first: Any
    second: Any

    def shape(self) -> dict[str, Any]:
        return {"field": self.field, "first": self.first, "second": self.second}


@dataclass(frozen=True)
class Differences:
    """All in which two jobs differ.

    Attributes:
        described: what they were asked to do.
        ended: how they ended, and what they made.
        measured: times and memory, which are never quite the same.
    """

    first: JobDetail
    second: JobDetail
    described: list[Difference]
    ended: list[Difference]
    measured: list[Difference]

    @property
    def is_same(self) -> bool:
        """Whether they were asked for the same, ended the same, and made the same."""
        return not self.described and not self.ended

    def shape(self) -> dict[str, Any]:
        """The same as an object."""
        return {
            "first": self.first.id,
            "second": self.second.id,
            "is_same": self.is_same,
            "described": [each.shape() for each in self.described],
            "ended": [each.shape() for each in self.ended],
            "measured": [each.shape() for each in self.measured],
        }


def compare(first: JobDetail, second: JobDetail) -> Differences:
    """What the second has otherwise than the first."""
    one, other = first.model_dump(mode="json"), second.model_dump(mode="json")
    return Differences(
        first,
        second,
        list(_between(_flat(first.description), _flat(second.description))),
        list(_between(_end(one), _end(other))),
        list(_between(_measures(one), _measures(other))),
    )


def lines(found: Differences) -> Iterator[str]:
    """As diff(1) writes it: the first's lines begin with `-`, the second's with `+`."""
    yield f"--- {found.first.id} {found.first.name}"
    yield f"+++ {found.second.id} {found.second.name}"
    for each in (*found.described, *found.ended):
        yield from _lines_of(each)
    for each in found.measured:
        words = [_measured(each.field, value) for value in (each.first, each.second)]
        # what differs by less than is shown looks the same
        if words[0] != words[1]:
            yield from (f"-{words[0]}", f"+{words[1]}")


def _lines_of(each: Difference) -> Iterator[str]:
    if any(isinstance(value, str) and "\n" in value for value in (each.first, each.second)):
        yield f"@@ {each.field} @@"
        # a missing line break at the end shows as a missing empty line
        one, other = (str(value or "").split("\n") for value in (each.first, each.second))
        hunks = difflib.unified_diff(one, other, lineterm="")
        yield from (line.replace("\r", "\\r") for line in list(hunks)[2:])
        return
    for sign, value in (("-", each.first), ("+", each.second)):
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                text = f"{item:g}" if isinstance(item, float) else item
                yield f"{sign}{each.field}: {text}"


def _between(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        if one == other:
            continue
        if isinstance(one, list) and isinstance(other, list):
            only_one = [item for item in one if item not in other]
            only_other = [item for item in other if item not in one]
            # the same in another order is told in full
            one, other = (only_one, only_other) if only_one or only_other else (one, other)
        yield Difference(name, one, other)


def _flat(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description's fields, with those of objects as fields of their own."""
    found: dict[str, Any] = {}
    for name, value in description.items():
        if isinstance(value, dict):
            found.update((f"{name}.{key}", item) for key, item in value.items())
        else:
            found[name] = None if value == "" else value
    return found


def _end(job: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: job[name] or (None if job[name] == "" else job[name]) for name in _ENDING}
    for output in job["outputs"]:
        made = f"{output['size_bytes']} bytes, SHA-256 {output['sha256']}"
        found[f"outputs.{output['name']}"] = made if output["available"] else "not available"
    return found


def _measures(job: Mapping[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in (*_SECONDS, "peak_memory_bytes")}


def _measured(name: str, value: Any) -> str:
    word = _SECONDS.get(name, "memory")
    if value is None:
        return f"{word}: not known"
    return f"{word}: {duration(value) if name in _SECONDS else size(value)}"
