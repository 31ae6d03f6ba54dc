"""The OAuth requests of a login: device authorization (RFC 8628), renewal, revocation (RFC 7009).

Plain HTTP calls to one service; nothing here keeps anything.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from kotta import addresses, bounded
from kotta._version import __version__
from kotta.certificates import refusal as certificate_refusal
from kotta.credentials import is_token
from kotta.errors import (
    ConfigError,
    ConnectionFailedError,
    KottaError,
    LoginRequiredError,
    RequestError,
    ServiceFaultError,
    UnavailableError,
    WaitTimeoutError,
)
from kotta.http_pool import NoAnswerError, Pool, Request, UnsendableError

CLIENT_ID = "kotta"
DEFAULT_INTERVAL_SECONDS = 5
"""Source: RFC 8628, 3.2: what `interval` is where none is given."""
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SLOW_DOWN_SECONDS = 5
"""Source: RFC 8628, 3.5: `slow_down` adds 5 seconds to the interval."""
MOST_INTERVAL_SECONDS = 30.0
"""Where the service is away, it is asked no less often than this."""
TIMEOUT_SECONDS = 30.0
"""For one answer, from its first byte to its last."""
LOST_SECONDS = (0.1, 1.0)
"""Before a renewal is asked for again whose answer got lost; the service allows for that."""
MAX_BYTES = 1 << 20
MAX_SECONDS = 366 * 24 * 3600.0
_ANSWERS = (200, 400, 401, 429)
_LATER = (502, 503, 504)


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
            page = _page(found["verification_uri"])
            code = found["user_code"]
            if not is_token(found["device_code"]) or not isinstance(code, str) or not code:
                raise ValueError
            return Device(
                device_code=found["device_code"],
                user_code=code,
                page=page,
                page_with_code=_page(found.get("verification_uri_complete") or page),
                expires_at=time.monotonic() + _seconds(found["expires_in"]),
                interval_seconds=_seconds(found.get("interval", DEFAULT_INTERVAL_SECONDS)),
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
        while (left := device.expires_at - time.monotonic()) > 0:
            sleep(min(interval, left))
            try:
                status, found = self._post(
                    "token",
                    {
                        "grant_type": DEVICE_GRANT,
                        "device_code": device.device_code,
                        "client_id": CLIENT_ID,
                    },
                )
            except UnavailableError:
                # it may be back in time. Source: RFC 8628, 3.5: after a timeout, ask less often
                interval = min(2 * interval, max(interval, MOST_INTERVAL_SECONDS))
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
        """Fresh tokens; None if the login has ended.

        Raises:
            UnavailableError: the service cannot say now.
        """
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": CLIENT_ID,
        }
        for pause in LOST_SECONDS:
            try:
                status, found = self._post("token", form)
                break
            except ConnectionFailedError:
                # at once: a token whose successor got lost may be used again for a little while
                time.sleep(pause)
        else:
            status, found = self._post("token", form)
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
        way = self._way()
        found: Any
        try:
            # whatever is redirected is not followed: a token goes to its own service alone
            answer = way.send(_request(endpoint, form))
            try:
                content = bounded.content_of(answer, MAX_BYTES)
            finally:
                answer.close()
            bounded.check_json(content)
            found = json.loads(content) if content else {}
        except NoAnswerError as error:
            if (refused := certificate_refusal(self._address, error)) is not None:
                raise refused from error
            raise ConnectionFailedError(
                f"no answer from {self._address}: {error}", hint="is the address right?"
            ) from error
        except UnsendableError as error:
            raise RequestError("this is no token that can be sent") from error
        except (bounded.OutOfBoundsError, ValueError, RecursionError) as error:
            found = error
        finally:
            way.close()
        status = answer.status
        if status in _LATER:
            raise UnavailableError(
                f"{self._address} is not to be had now: {status}", hint="repeat the command later"
            )
        if 300 <= status < 400 and (location := answer.headers.get("location", "")):
            raise self._redirected(location)
        if not isinstance(found, dict) or status not in _ANSWERS:
            raise self._strange() from (found if isinstance(found, Exception) else None)
        return status, found

    def _way(self) -> Pool:
        try:
            return Pool(self._address)
        except ValueError as error:
            raise ConfigError(f"cannot talk to `{self._address}`: {error}") from error

    def _tokens(self, found: Mapping[str, Any]) -> Tokens:
        try:
            access, refresh = found["access_token"], found.get("refresh_token") or ""
            if not is_token(access) or (refresh and not is_token(refresh)):
                raise ValueError
            return Tokens(access, refresh, _seconds(found.get("expires_in", 3600)))
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def _refused(self, found: Mapping[str, Any]) -> KottaError:
        words = found.get("error_description") or found.get("detail") or found.get("error")
        if found.get("error") == "slow_down":
            return UnavailableError(f"{self._address} is asked too often: {words}")
        return RequestError(f"{self._address} refuses the login: {words or 'without a reason'}")

    def _strange(self) -> ServiceFaultError:
        return ServiceFaultError(
            f"what answers at {self._address} is no Kotta service that one can log in to",
            hint="is the address right?",
        )

    def _redirected(self, location: str) -> ServiceFaultError:
        return ServiceFaultError(
            f"{self._address} sends on to {location}, and tokens are sent along no redirect",
            hint="if that is the service, log in there",
        )


def _request(endpoint: str, form: Mapping[str, str]) -> Request:
    headers = {
        "User-Agent": f"kotta/{__version__}",
        "Accept-Encoding": "identity",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Request(
        "POST",
        f"/api/v2/login/{endpoint}",
        headers,
        urlencode(form, errors="replace").encode("ascii"),
        connect_seconds=TIMEOUT_SECONDS,
        answer_seconds=TIMEOUT_SECONDS,
        whole_seconds=TIMEOUT_SECONDS,
    )


def _seconds(value: Any) -> float:
    """Seconds that a service speaks of, if they can be waited for.

    Raises:
        ValueError: they cannot.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    try:
        seconds = float(value)
    except OverflowError:
        raise ValueError from None
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError
    return min(seconds, MAX_SECONDS)


def _page(value: Any) -> str:
    """The address of a page that a browser may be asked to open.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str) or not addresses.is_page(value):
        raise ValueError
    return value
