"""Requests to providers: bounded in time and size, encrypted, and never sent elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from kotta_service.accounts.providers import ProviderError, plain
from kotta_service.login_settings import is_safe_url

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 256 << 10


async def ask(
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The object of JSON that is at an address; with a form, what is answered to it.

    Raises:
        ProviderError: none came; the message holds nothing that was sent.
    """
    # slow to import, and of no use to a service whose users have passwords
    import httpx

    if not is_safe_url(url):
        raise ProviderError("it wants to be asked without encryption")
    try:
        status, content = await asyncio.wait_for(
            _exchange(url, form, query, headers), TIMEOUT_SECONDS
        )
    except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError) as error:
        # the text of an error may hold the address, and that a token
        raise ProviderError(f"it does not answer ({type(error).__name__})") from None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if status != 200:
        code = found.get("error") if isinstance(found, dict) else None
        words = f" `{plain(code)}`" if isinstance(code, str) else ""
        raise ProviderError(f"it answered with status {status}{words}")
    if not isinstance(found, dict):
        raise ProviderError("it answered with something else than an object of JSON")
    return found


async def _exchange(
    url: str,
    form: Mapping[str, str] | None,
    query: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
) -> tuple[int, bytes]:
    import httpx

    asked = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    content = b""
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client,
        client.stream(
            "GET" if form is None else "POST",
            url,
            params=None if query is None else dict(query),
            data=None if form is None else dict(form),
            headers=asked,
        ) as answer,
    ):
        # raw: what is compressed all the same is not unpacked, and then is no JSON
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > MAX_BYTES:
                raise ProviderError("its answer is too long")
        return answer.status_code, content
