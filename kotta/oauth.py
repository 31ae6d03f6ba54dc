"""The OAuth requests of a login: device authorization (RFC 8628), renewal, revocation (RFC 7009).

Plain HTTP calls to one service; nothing here keeps anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kotta._httpx import httpx
from kotta._version import __version__
from kotta.errors import (
    ConnectionFailedError,
    LoginRequiredError,
    RequestError,
    ServiceFaultError,
    WaitTimeoutError,
)

CLIENT_ID = "kotta"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOW_DOWN_SECONDS = 5
"""Source: RFC 8628, 3.5: `slow_down` adds 5 seconds to the interval."""
TIMEOUT_SECONDS = 30.0
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Tokens:
    """What a service gives; its representation does not show them."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: float


@dataclass(frozen=True)
class Device:
    """A login that was begun, for a person to finish in a browser.

    Attributes:
        user_code: what the page asks for.
        page: address of the page.
        page_with_code: the same with the code filled in.
        expires_at: on the monotonic clock.
        interval_seconds: how long to wait between two questions whether it is done.
    """

    device_code: str = field(repr=False)
    user_code: str
    page: str
    page_with_code: str
    expires_at: float
    interval_seconds: float


class OAuth:
    """One service's endpoints."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def begin(self, *, label: str, scopes: str) -> Device:
        """Begins a login.

        Args:
            label: what it is called in lists, such as the name of this computer.
            scopes: what its tokens are to be good for, separated by blanks.
        """
        status, found = self._post(
            "device", {"client_id": CLIENT_ID, "scope": scopes, "label": label}
        )
        if status != 200:
            raise self._refused(found)
        try:
            page = str(found["verification_uri"])
            return Device(
                device_code=str(found["device_code"]),
                user_code=str(found["user_code"]),
                page=page,
                page_with_code=str(found.get("verification_uri_complete") or page),
                expires_at=time.monotonic() + float(found["expires_in"]),
                interval_seconds=float(found.get("interval", 5)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def finish(self, device: Device, *, sleep: Callable[[float], None] = time.sleep) -> Tokens:
        """Waits until a person has finished the login in a browser, and gets its tokens.

        Raises:
            LoginRequiredError: they said no.
            WaitTimeoutError: nobody did in time.
        """
        interval = device.interval_seconds
        while time.monotonic() + interval < device.expires_at:
            sleep(interval)
            try:
                status, found = self._post(
                    "token",
                    {
                        "grant_type": DEVICE_GRANT,
                        "device_code": device.device_code,
                        "client_id": CLIENT_ID,
                    },
                )
            except ConnectionFailedError:
                # Source: RFC 8628, 3.5: after a lost connection, ask less often
                interval *= 2
                continue
            if status == 200:
                return self._tokens(found)
            match found.get("error"):
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval += SLOW_DOWN_SECONDS
                case "access_denied":
                    raise LoginRequiredError("the login was refused in the browser")
                case "expired_token":
                    break
                case _:
                    raise self._refused(found)
        raise WaitTimeoutError(
            "nobody finished the login in time", hint=f"kotta login {self._address}"
        )

    def renew(self, refresh_token: str) -> Tokens | None:
        """Fresh tokens; None if the login has ended."""
        status, found = self._post(
            "token",
            {
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "client_id": CLIENT_ID,
            },
        )
        if status == 200:
            return self._tokens(found)
        if found.get("error") == "invalid_grant":
            return None
        raise self._refused(found)

    def revoke(self, token: str) -> None:
        """Ends the login that a token belongs to."""
        status, found = self._post("revoke", {"token": token, "client_id": CLIENT_ID})
        if status != 200:
            raise self._refused(found)

    def _post(self, endpoint: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """The status of the answer, and what it says.

        Raises:
            ConnectionFailedError: no answer came.
            ServiceFaultError: what answers is no such service.
        """
        url = f"{self._address}/api/v2/login/{endpoint}"
        headers = {"User-Agent": f"kotta/{__version__}", "Accept-Encoding": "identity"}
        content = b""
        try:
            # whatever is redirected is not followed: a token goes to its own service alone
            with (
                httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers) as client,
                client.stream("POST", url, data=dict(form)) as answer,
            ):
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        raise self._strange()
            found = httpx.Response(200, content=content).json() if content else {}
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            words = str(error) or type(error).__name__
            raise ConnectionFailedError(
                f"no answer from {self._address}: {words}", hint="is the address right?"
            ) from error
        except ValueError as error:
            raise self._strange() from error
        if not isinstance(found, dict) or answer.status_code not in (200, 400, 401, 429):
            raise self._strange()
        return answer.status_code, found

    def _tokens(self, found: Mapping[str, Any]) -> Tokens:
        try:
            access, refresh = found["access_token"], found.get("refresh_token", "")
            if not isinstance(access, str) or not isinstance(refresh, str) or not access:
                raise TypeError
            return Tokens(access, refresh, float(found.get("expires_in", 3600)))
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def _refused(self, found: Mapping[str, Any]) -> RequestError:
        words = found.get("error_description") or found.get("detail") or found.get("error")
        return RequestError(f"{self._address} refuses the login: {words or 'without a reason'}")

    def _strange(self) -> ServiceFaultError:
        return ServiceFaultError(
            f"what answers at {self._address} is no Kotta service that one can log in to",
            hint="is the address right?",
        )
