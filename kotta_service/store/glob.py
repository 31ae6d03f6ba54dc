"""Whether a text fits a pattern, in every kind of database alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement


class Glob(ColumnElement[bool]):
    """True where a text fits a pattern as a whole: `*` is any text, `?` any one character.

    Each kind of database compiles it in its own words.
    """

    # the pattern is part of the words, so that they cannot be kept for another one
    inherit_cache = False
    type = Boolean()

    def __init__(self, text: ColumnElement[Any], pattern: str) -> None:
        self.text = text
        self.pattern = pattern
