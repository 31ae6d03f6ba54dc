"""What a function's call left behind, as the exit record tells it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Dict, List, Optional

from kotta_runner.attempt import Attempt
from kotta_runner.command import RESULT
from kotta_runner.stage_out import keep_file

_FILE_NAMES = {"json": "RESULT.json", "pickle": "RESULT.pkl"}


def take_result(
    attempt: Attempt, launch: Dict[str, Any], outputs: List[Dict[str, Any]]
) -> Optional[Dict[str, Any]]:
    """The result of a function's call, None if it left none; a large one joins the outputs."""
    try:
        with open(attempt.path(RESULT + ".json"), "rb", buffering=0) as file:
            result: Dict[str, Any] = json.loads(file.readall())
    except (FileNotFoundError, ValueError):
        return None
    if result["format"] == "error":
        return result
    if "data" in result:
        content = base64.b64decode(result["data"])
        digest = hashlib.sha256(content).hexdigest()
        return {**result, "size_bytes": len(content), "sha256": digest}
    name = _FILE_NAMES[result["format"]]
    directory = launch["stage_out"]["directory"]
    kept = keep_file(attempt.path(RESULT + ".bin"), None, name, directory)
    outputs.append(kept)
    return {**result, "size_bytes": kept["size_bytes"], "sha256": kept["sha256"], "file": name}


def error_words(result: Optional[Dict[str, Any]]) -> str:
    """A function's error in a line, "" if there was none."""
    if not result or result["format"] != "error":
        return ""
    error = result["error"]
    name = error["type"].replace("builtins.", "")
    return "%s: %s" % (name, error["message"]) if error["message"] else str(name)
