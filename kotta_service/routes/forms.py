"""Bodies of forms (`application/x-www-form-urlencoded`), read within bounds."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

from kotta.errors import RequestError

MAX_BYTES = 16 << 10
MAX_FIELDS = 32


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that hold something, by name.

    Raises:
        RequestError: it is no such form, or says something twice.
        HTTPException: 413, it is too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RequestError("the request's body is not application/x-www-form-urlencoded")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"a form may hold {MAX_BYTES >> 10} KiB at most")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise RequestError("the request's body is no form that can be read") from error
    found = dict(pairs)
    # Source: RFC 6749, 3.2: parameters must not be included more than once
    if len(found) != len(pairs):
        raise RequestError("the form says something twice")
    if any("\x00" in value for value in found.values()):
        raise RequestError("the form holds a character that no text has")
    return found
