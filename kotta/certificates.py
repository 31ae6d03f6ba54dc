"""What to say where a service's certificate is not to be trusted."""

from __future__ import annotations

import sys

from kotta.errors import RequestError


def refusal(where: str, error: BaseException | None) -> RequestError | None:
    """The error to raise in place of one that a certificate is behind, None if none is.

    To ask again would change nothing, so that it is no `UnavailableError`.
    """
    ssl = sys.modules.get("ssl")
    if ssl is None:
        return None  # slow to import, and what has not spoken TLS has met no certificate
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    words = error.verify_message.rstrip(".")
    if "expired" in words or "not yet valid" in words:
        hint = "its administrator has to renew it; is this computer's clock right?"
    elif "mismatch" in words:
        hint = "is the address right?"
    else:
        hint = "if it has an authority of its own, name its certificate in SSL_CERT_FILE"
    message = f"{where} cannot be trusted: {words[:1].lower()}{words[1:]}"
    return RequestError(message, hint=hint, code="certificate")
