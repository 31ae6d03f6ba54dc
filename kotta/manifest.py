"""What a service says that a job has made: chosen by name, believed only as far as it is safe."""

from __future__ import annotations

import difflib
import fnmatch
import glob
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from kotta.contents import hashed
from kotta.errors import NotFoundError, ServiceFaultError, TransferError
from kotta.models import JobDetail, Output
from kotta.models.field_values import check_file_name

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def chosen(job: JobDetail, names: Sequence[str] | None, *, partly: bool = False) -> list[Output]:
    """A job's outputs that fit names or globs, each once, in the order asked for.

    Args:
        names: None: all.
        partly: a name that fits none of its outputs is one that is not available, and no error; a
            glob fits none.

    Raises:
        NotFoundError: a name fits no output.
        ServiceFaultError: one of them cannot be used as a file's name, or is not told of in full.
    """
    known = {output.name: output for output in job.outputs}
    found: dict[str, Output] = dict(known) if names is None else {}
    for name in names or ():
        fitting = [name] if name in known else [each for each in known if _fits(each, name)]
        if not fitting and not partly:
            raise _unknown(job, name, known)
        if not fitting and not glob.has_magic(name):
            found[name] = Output(name=name, available=False)
        found.update((each, known[each]) for each in fitting)
    for output in found.values():
        if output.name in known:
            check(output)
    return list(found.values())


def check(output: Output) -> None:
    """Refuses what a service must not make us use as a path or believe as a size.

    Raises:
        ServiceFaultError: it is such.
    """
    try:
        check_file_name(output.name)
        # `\\` and `:` lead elsewhere too, where this system says so
        if Path(output.name).name != output.name:
            raise ValueError(f"`{output.name}` is no name of a file on this system")
    except ValueError as error:
        raise ServiceFaultError(f"the service tells of an output that {error}") from None
    if output.available and not _SHA256.match(output.sha256 or ""):
        raise ServiceFaultError(f"the service does not say what is in {output.name}")
    if output.available and (output.size_bytes is None or output.size_bytes < 0):
        raise ServiceFaultError(f"the service does not say how large {output.name} is")


def is_here(target: Path, output: Output) -> bool:
    """Whether a file is this output: the same size, the same bytes."""
    try:
        found = target.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != output.size_bytes:
            return False
        return hashed(target)[0] == output.sha256
    except (OSError, TransferError):
        return False


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern)


def _unknown(job: JobDetail, name: str, known: dict[str, Output]) -> NotFoundError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    hint += f"its outputs: {', '.join(known)}" if known else "it has none"
    return NotFoundError(f"job {job.id} has no output `{name}`", hint=hint)
