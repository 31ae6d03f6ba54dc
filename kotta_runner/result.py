"""What a function's call left behind, as the exit record tells it."""

from __future__ import annotations

import hashlib
import json
import os

from kotta_runner import TYPE_CHECKING
from kotta_runner.attempt import Attempt
from kotta_runner.stage_out import Outputs

if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

RESULT = "result"
"""What the two files of a function's result are called, before `.json` and `.bin`."""
MAX_RESULT_BYTES = 4 << 20
_SUFFIXES = {"json": ".json", "pickle": ".pkl", "buffers": ".buffers"}


def take_result(
    attempt: Attempt,
    answered: Optional[Dict[str, Any]],
    kept_outputs: Outputs,
    outputs: List[Dict[str, Any]],
) -> Optional[Dict[str, Any]]:
    """The result of a function's call, None if it left none; a large one joins the outputs.

    Args:
        answered: it, if whoever made the call has told it rather than left it in a file.
    """
    result = answered or _read(attempt.path(RESULT + ".json"))
    if result is None:
        return None
    if result["format"] == "error":
        return result
    if "data" in result:
        import base64  # a script's runner has no use for it

        content = base64.b64decode(result["data"])
        digest = hashlib.sha256(content).hexdigest()
        return {**result, "size_bytes": len(content), "sha256": digest}
    name = _free_name(_SUFFIXES[result["format"]], outputs)
    kept = kept_outputs.keep(attempt.path(RESULT + ".bin"), None, name)
    outputs.append(kept)
    if not kept["available"]:
        return None
    return {**result, "size_bytes": kept["size_bytes"], "sha256": kept["sha256"], "file": name}


def _free_name(suffix: str, outputs: List[Dict[str, Any]]) -> str:
    """What a large result is called: what the job declared has its name first."""
    taken = {output["name"] for output in outputs}
    name, number = "RESULT" + suffix, 1
    while name in taken:
        number += 1
        name = "RESULT-%d%s" % (number, suffix)
    return name


def _read(path: str) -> Optional[Dict[str, Any]]:
    try:
        # neither following a link nor waiting for somebody at the other end of a FIFO
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            content = file.read(MAX_RESULT_BYTES + 1) or b""
        # more than a call ever writes was written by something else
        found = json.loads(content if len(content) <= MAX_RESULT_BYTES else b"")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def error_words(result: Optional[Dict[str, Any]]) -> str:
    """A function's error in a line, "" if there was none."""
    if not result or result["format"] != "error":
        return ""
    error = result["error"]
    name = error["type"].replace("builtins.", "")
    return "%s: %s" % (name, error["message"]) if error["message"] else str(name)
