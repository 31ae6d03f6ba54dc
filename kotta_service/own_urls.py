"""`kotta://uploads/<sha256>/<name>` and `kotta://jobs/<job id>/<name>`: what they are made of."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

SCHEME = "kotta://"
_KINDS = ("uploads", "jobs")


class OwnUrl(NamedTuple):
    """What such a URL names.

    Attributes:
        kind: `uploads` or `jobs`.
        place: the SHA-256 of an upload, or the id of a job.
        name: of the file, decoded.
    """

    kind: str
    place: str
    name: str


def parsed(url: str) -> OwnUrl | None:
    """None: it is not of that form; nothing may follow the name, which is percent-encoded."""
    if not url.startswith(SCHEME) or "?" in url or "#" in url:
        return None
    parts = url.removeprefix(SCHEME).split("/")
    if len(parts) != 3 or parts[0] not in _KINDS:
        return None
    return OwnUrl(parts[0], parts[1], unquote(parts[2]))
