"""What is left of an exit record when some of its outputs are not what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kotta_service.messages import ExitRecord


def without(record: ExitRecord, wrong: Mapping[str, str], reason: str = "staging") -> ExitRecord:
    """The record without these outputs; a job that had completed has failed.

    Args:
        wrong: what is said of each, by its name.
        reason: why the job has failed then.
    """
    if not wrong:
        return record
    nothing = {"available": False, "size_bytes": None, "sha256": None}
    outputs = [
        output.model_copy(update=nothing) if output.name in wrong else output
        for output in record.outputs
    ]
    told = "; ".join(f"output {name} {words}" for name, words in wrong.items())
    change: dict[str, Any] = {"outputs": outputs, "error": record.error or told}
    if record.status == "completed":
        change |= {"status": "failed", "reason": reason, "error": told}
    if record.result is not None and record.result.file in wrong:
        change["result"] = None
    return record.model_copy(update=change)
