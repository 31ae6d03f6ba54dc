"""The key that access tokens are signed with, and the tokens themselves (JWT, RFC 7519)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from kotta.errors import ConfigError
from kotta_service.secret_files import read_or_make

ACCESS_SECONDS = 3600
_ALGORITHM = "HS256"
_ACCESS = "at+jwt"
_LEEWAY_SECONDS = 5


class TokenKeys:
    """Signs and checks access tokens. The newest key signs; all that are in the file count.

    joserfc, which is slow to import, is imported when there is a first token.
    """

    def __init__(self, file: Path, issuer: str) -> None:
        self._file = file
        self._issuer = issuer

    @cached_property
    def _keys(self) -> Any:
        return _read_or_make(self._file)

    def sign(self, user: str, login: str) -> str:
        """An access token, good for `ACCESS_SECONDS`."""
        claims = {"sub": user, "sid": login, "jti": str(uuid.uuid4())}
        return self.seal(_ACCESS, claims, ACCESS_SECONDS)

    def login_in(self, token: str) -> str | None:
        """The login that an access token belongs to; None if it is not ours, or has expired."""
        login = (self.unseal(_ACCESS, token) or {}).get("sid")
        return login if isinstance(login, str) else None

    def seal(self, kind: str, claims: Mapping[str, Any], seconds: int) -> str:
        """Claims that only this service can make, for some seconds and one kind of use."""
        from joserfc import jwt

        now = int(time.time())
        key = self._keys.keys[-1]
        header = {"alg": _ALGORITHM, "kid": key.kid, "typ": kind}
        return jwt.encode(
            header, {"iss": self._issuer, **claims, "iat": now, "exp": now + seconds}, key
        )

    def unseal(self, kind: str, token: str) -> dict[str, Any] | None:
        """What was sealed for this kind of use; None if it was not by us, or has expired."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            found = jwt.decode(token, self._keys, algorithms=[_ALGORITHM])
            jwt.JWTClaimsRegistry(
                leeway=_LEEWAY_SECONDS,
                iss={"essential": True, "value": self._issuer},
                exp={"essential": True},
            ).validate(found.claims)
        except (JoseError, ValueError, UnicodeError):
            return None
        return dict(found.claims) if found.header.get("typ") == kind else None


def _read_or_make(file: Path) -> Any:
    from joserfc.jwk import KeySet, OctKey

    def make() -> bytes:
        made = KeySet([OctKey.generate_key(256, {"kid": uuid.uuid4().hex, "alg": _ALGORITHM})])
        return json.dumps(made.as_dict(private=True)).encode("ascii")

    try:
        return KeySet.import_key_set(json.loads(read_or_make(file, make)))
    except ValueError as error:
        raise ConfigError(f"{file} holds no keys: {error}") from error
