"""httpx, imported without its own command line. Nothing else belongs here."""

from __future__ import annotations

import sys

__all__ = ["httpx"]

# Importing httpx imports httpx._main, its own command line, and with it click, rich and pygments,
# which doubles the time; it does without where that import fails. None in sys.modules makes it
# fail. Afterwards the entry is gone again, for whoever wants that command line.
# Source: https://docs.python.org/3/reference/import.html#the-module-cache
_COMMAND_LINE = "httpx._main"
_blocks = "httpx" not in sys.modules and _COMMAND_LINE not in sys.modules
if _blocks:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _blocks:
        sys.modules.pop(_COMMAND_LINE, None)
