"""Downloads a job's outputs: what `submit --fetch` and `fetch` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
