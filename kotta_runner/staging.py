"""What staging in and staging out have in common: how they fail."""

from __future__ import annotations


class StagingError(Exception):
    """An input could not be brought, or an output could not be kept; says which, and why."""
