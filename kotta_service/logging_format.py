"""How the service's log looks: lines for a person, or an object a line for programs."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import datetime, timezone

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
logger = logging.getLogger("kotta_service")


def log_as_text(level: str = "info") -> None:
    """Log to stderr in lines."""
    logging.basicConfig(level=level.upper(), format=_TEXT, stream=sys.stderr)


def log_as_json(level: str = "info") -> None:
    """Log to stderr in objects: `time`, `level`, `logger`, `message`, and further facts.

    `logger.info("…", extra={"facts": {"request_id": "…"}})` adds facts. What Python itself would
    write of threads that fail is an object too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    threading.excepthook = _log_failed_thread


def _log_failed_thread(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "?"
    if failure.exc_value is not None:
        logger.error("thread %s failed", name, exc_info=failure.exc_value)


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, object] = {
            **getattr(record, "facts", {}),
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
