"""A terminal that logs in, for tests of the person's half."""

from __future__ import annotations

from typing import Any

import httpx
from shared_service import SharedService

from kotta_service.routes.oauth_answers import DEVICE_GRANT


class Terminal:
    """A login that was begun and waits for approval."""

    def __init__(
        self, service: SharedService, scope: str = "read write", label: str = "ada@laptop"
    ) -> None:
        self._http = service.client()
        begun = self._ask("device", scope=scope, label=label).json()
        self.code: str = begun["user_code"]
        self.page: str = begun["verification_uri_complete"]
        self._device_code: str = begun["device_code"]

    def tokens(self) -> dict[str, Any]:
        answer = self._ask("token", grant_type=DEVICE_GRANT, device_code=self._device_code)
        found: dict[str, Any] = answer.json()
        return found

    def refresh(self, token: str) -> dict[str, Any]:
        answer = self._ask("token", grant_type="refresh_token", refresh_token=token)
        found: dict[str, Any] = answer.json()
        return found

    def _ask(self, endpoint: str, **form: str) -> httpx.Response:
        return self._http.post(f"/login/{endpoint}", data={"client_id": "kotta", **form})
