"""What a browser carries from one page of a login to the next, signed so that it cannot change it.

Nothing is kept here for it: whoever opens pages fills no memory, and a restart forgets nobody.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import asdict, dataclass, field, replace

from kotta_service.accounts.keys import TokenKeys
from kotta_service.accounts.providers import Attempt, Identity

SESSION_SECONDS = 900
_KIND = "session+jwt"


@dataclass(frozen=True)
class Session:
    """How far a person has come.

    Attributes:
        csrf: every form of theirs has to hold it.
        code: of the login that they are about to approve.
        user: who they have shown to be.
        provider: the provider that they were sent to, and
        attempt: what its answer has to fit.
        invitation: digest of the one that they came by, if they want to link an identity to it,
        identity: which is this one.
    """

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    code: str = ""
    user: str = ""
    provider: str = ""
    attempt: Attempt | None = None
    invitation: str = ""
    identity: Identity | None = None

    def fits(self, csrf: str) -> bool:
        return hmac.compare_digest(csrf.encode(), self.csrf.encode())

    def sent_to(self, provider: str, attempt: Attempt, invitation: str = "") -> Session:
        return replace(self, provider=provider, attempt=attempt, invitation=invitation)

    def known_as(self, user: str) -> Session:
        """From here on they are somebody; what was signed before is good for nothing of theirs."""
        return Session(code=self.code, user=user)


def seal(keys: TokenKeys, session: Session) -> str:
    """The session as text for a cookie."""
    # what is empty is left out: cookies are short
    told = {name: value for name, value in asdict(session).items() if value}
    return keys.seal(_KIND, {"session": told}, SESSION_SECONDS)


def unseal(keys: TokenKeys, text: str) -> Session | None:
    """The session that a cookie holds; None if it is none of ours, or too old."""
    claims = keys.unseal(_KIND, text)
    told = None if claims is None else claims.get("session")
    if not isinstance(told, dict):
        return None
    try:
        for name, kind in (("attempt", Attempt), ("identity", Identity)):
            if name in told:
                told[name] = kind(**told[name])
        return Session(**told)
    except TypeError:
        return None  # another version of this service has signed it
