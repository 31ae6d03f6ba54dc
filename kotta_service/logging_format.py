"""How the service's log looks: lines for a person, or an object a line for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_as_text() -> None:
    """Log to stderr in lines."""
    logging.basicConfig(level=logging.INFO, format=_TEXT, stream=sys.stderr)


def log_as_json() -> None:
    """Log to stderr in objects: `time`, `level`, `logger`, `message`, and further facts.

    `logger.info("…", extra={"facts": {"request_id": "…"}})` adds facts.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
