"""The library's logger: silent unless a program, or `set_stream_logger`, wants to hear it."""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


def be_silent_by_default() -> None:
    """Keeps Python's last resort from printing warnings of ours where nobody set up logging."""
    logger = logging.getLogger("kotta")
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())


def set_stream_logger(
    name: str = "kotta", level: int = logging.DEBUG, format_string: str = FORMAT
) -> logging.Handler:
    """Writes what the library logs to stderr, which a notebook shows beneath the cell.

    Called again for the same name, it replaces its earlier handler.

    Returns:
        The handler, for `logging.getLogger(name).removeHandler`.
    """
    logger = logging.getLogger(name)
    for handler in list(logger.handlers):
        if isinstance(handler, _StreamHandler):
            logger.removeHandler(handler)
    added = _StreamHandler()
    added.setFormatter(logging.Formatter(format_string))
    added.setLevel(level)
    logger.addHandler(added)
    logger.setLevel(level)
    return added


class _StreamHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Ours, to be told from those that a program added."""
