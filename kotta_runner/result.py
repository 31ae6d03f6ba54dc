"""What a function's call left behind, as the exit record tells it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any, Dict, List, Optional

from kotta_runner.attempt import Attempt
from kotta_runner.command import RESULT
from kotta_runner.stage_out import keep_file

MAX_INLINE_BYTES = 64 << 10
_FILE_NAMES = {"json": "RESULT.json", "pickle": "RESULT.pkl"}


def take_result(
    attempt: Attempt, launch: Dict[str, Any], outputs: List[Dict[str, Any]]
) -> Optional[Dict[str, Any]]:
    """The result of a function's call, None if it left none; a large one joins the outputs."""
    try:
        with open(attempt.path(RESULT + ".json"), encoding="ascii") as file:
            result: Dict[str, Any] = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    if result["format"] == "error":
        return result
    path = attempt.path(RESULT + ".bin")
    if os.path.getsize(path) > MAX_INLINE_BYTES:
        name = _FILE_NAMES[result["format"]]
        kept = keep_file(path, None, name, launch["stage_out"]["directory"])
        outputs.append(kept)
        return {
            **result,
            "size_bytes": kept["size_bytes"],
            "sha256": kept["sha256"],
            "file": name,
        }
    with open(path, "rb") as file:
        content = file.read()
    return {
        **result,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "data": base64.b64encode(content).decode(),
    }


def error_words(result: Optional[Dict[str, Any]]) -> str:
    """A function's error in a line, "" if there was none."""
    if not result or result["format"] != "error":
        return ""
    error = result["error"]
    name = error["type"].replace("builtins.", "")
    return "%s: %s" % (name, error["message"]) if error["message"] else str(name)
