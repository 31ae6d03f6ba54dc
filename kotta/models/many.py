"""Lists in replies."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import FailFast

T = TypeVar("T")

# a million wrong items are told of by the first: an error for each would fill the memory
Many = Annotated[list[T], FailFast()]
