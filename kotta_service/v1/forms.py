"""Bodies of the first clients: forms, on GET as well, in which a field may stand many times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.exceptions import HTTPException

from kotta.errors import RequestError

MAX_BYTES = 4 << 20
"""A script may hold 1 MiB, of which each byte may be written as three."""
MAX_FIELDS = 25_000
_SLOW_BYTES = 64 << 10
"""What is longer is taken apart beside the event loop: a megabyte takes a third of a second."""
_KIND = "application/x-www-form-urlencoded"


class Form:
    """The fields that hold something, in the order in which they came."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self.pairs = tuple(pairs)

    def one(self, name: str) -> str:
        """The one value of a field, "" if there is none.

        Raises:
            RequestError: it has several.
        """
        values = dict.fromkeys(self.all(name))
        if len(values) > 1:
            raise RequestError(f"`{name}` stands there twice, with different values")
        return next(iter(values), "")

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.pairs if known == name]

    @property
    def names(self) -> list[str]:
        """Every field once."""
        return list(dict.fromkeys(name for name, _ in self.pairs))


async def form_of(request: Request) -> Form:
    """The form in a request's body, of whatever method; an empty one if there is no body.

    Raises:
        RequestError: it is none, or too long.
    """
    kind = request.headers.get("content-type", _KIND).partition(";")[0].strip().lower()
    if kind != _KIND:
        raise RequestError(f"the request's body is not {_KIND}")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise RequestError(f"a form may hold {MAX_BYTES >> 20} MiB at most")
    except HTTPException as error:
        # the bound on all bodies; said as these clients understand it
        raise RequestError(error.detail) from error
    if len(body) > _SLOW_BYTES:
        return await asyncio.to_thread(_parsed, bytes(body))
    return _parsed(bytes(body))


def _parsed(body: bytes) -> Form:
    try:
        # not all of these clients escape what is no ASCII
        text = body.decode("utf-8")
        pairs = parse_qsl(text, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise RequestError("the request's body is no form that can be read") from error
    return Form(pairs)
