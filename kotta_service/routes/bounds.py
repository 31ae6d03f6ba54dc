"""Types of parameters, within bounds that the database and the clock can hold."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import AfterValidator


def _counted(moment: datetime) -> datetime:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    if aware < _EPOCH:
        raise ValueError("must not lie before 1970")
    return aware


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Moment = Annotated[datetime, AfterValidator(_counted)]
"""A time, in UTC where it names no zone."""
MAX_NUMBER = (1 << 63) - 1
