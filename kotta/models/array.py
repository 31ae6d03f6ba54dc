"""Job arrays: one description that stands for many jobs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping

from pydantic import ValidationError

from kotta.errors import DescriptionError, FieldProblem
from kotta.models.description import JobDescription
from kotta.models.field_values import MAX_LABEL_CHARACTERS
from kotta.models.problems import field_problems

PARAMETER = "KOTTA_PARAM_"
"""With a name, the variable in which a job of an array finds its value."""
PLACE = ("KOTTA_ARRAY_INDEX", "KOTTA_ARRAY_SIZE")
"""The variables in which it finds which one it is."""
TEXTS = ("executable", "args", "jobname")
LISTS = ("inputs", "outputs")
"""The fields in which `{name}` becomes an entry's value."""
_PLACE = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


def expand(description: JobDescription, prefix: tuple[str | int, ...] = ()) -> list[JobDescription]:
    """The descriptions that an array stands for; one without an array is itself.

    In each, `{name}` has become the entry's value wherever a command, a name or a list of files
    has it (not `${name}`, which is the shell's); a script reads it as `KOTTA_PARAM_name`, and its
    place as `KOTTA_ARRAY_INDEX` of `KOTTA_ARRAY_SIZE`. An entry may say these two itself: that is
    how one job of an array is submitted again as the one that it was.

    Args:
        prefix: where the description lies, for the pointers of problems.

    Raises:
        DescriptionError: an entry makes a description that cannot be accepted.
    """
    if not description.array:
        return [description]
    common = description.model_dump(exclude={"array", "env"})
    size = len(description.array)
    found: list[JobDescription] = []
    problems: list[FieldProblem] = []
    for index, values in enumerate(description.array):
        fields = {**common}
        for field in TEXTS:
            fields[field] = filled(str(fields[field]), values)
        if size > 1 and fields["jobname"] == description.jobname:
            # nothing in it tells it from the others
            name = description.display_name
            # one that was not given must not be refused for its length
            room = len(name) if description.jobname else MAX_LABEL_CHARACTERS - len(f"[{size}]")
            fields["jobname"] = f"{name[:room]}[{index}]"
        for field in LISTS:
            fields[field] = [filled(item, values) for item in common[field]]
        try:
            one = JobDescription.model_validate(fields)
        except ValidationError as error:
            problems += field_problems(error, prefix=(*prefix, "array", index))
            continue
        env = {
            **description.env,
            **{PARAMETER + key: text for key, text in values.items() if key not in PLACE},
            **dict(zip(PLACE, (str(index), str(size)), strict=True)),
            **{key: values[key] for key in PLACE if key in values},
        }
        found.append(one.model_copy(update={"env": env}))
    if problems:
        raise DescriptionError(
            f"{len(problems)} of the array's {size} jobs cannot be accepted",
            problems=tuple(problems[:100]),
        )
    return found


def expanded_bytes(description: JobDescription) -> int:
    """At most how many bytes the descriptions hold, as JSON, that an array stands for."""
    texts = [str(getattr(description, field)) for field in TEXTS]
    texts += [item for field in LISTS for item in getattr(description, field)]
    times = Counter(name for text in texts for name in _PLACE.findall(text))
    common = len(json.dumps(description.model_dump(exclude={"array"})))
    return common * len(description.array) + sum(
        # each is in a variable as well
        len(json.dumps(text)) * (1 + times[name])
        for values in description.array
        for name, text in values.items()
    )


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with each `{name}` of a known name become its value."""
    if "{" not in text:
        return text
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def places(text: str) -> list[str]:
    """The names that stand in `text` as `{name}`, each once."""
    return list(dict.fromkeys(_PLACE.findall(text)))
