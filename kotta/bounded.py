"""Reads answers within bounds of size, whatever a server sends; those of time, `kotta.http_pool`.

What is packed is refused: nobody was asked to pack, and a few kilobytes may unfold to gigabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kotta.http_pool import Reply

_PART_BYTES, _LIST_BYTES, _OBJECT_BYTES = 128, 256, 640
"""What values, lists and objects may take in memory while JSON is read, as measured."""
MAX_UNFOLDED_BYTES = 96 << 20


class OutOfBoundsError(Exception):
    """What is strange about an answer, in words that begin with `it` or `its`."""


def check_encoding(reply: Reply) -> None:
    """Raises OutOfBoundsError if an answer is packed."""
    if reply.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise OutOfBoundsError("it packs its answer, which nobody asked for")


def content_of(reply: Reply, max_bytes: int) -> bytes:
    """All that an answer holds.

    Raises:
        OutOfBoundsError: it is longer, or packed.
    """
    check_encoding(reply)
    content = bytearray()
    for chunk in reply.chunks():
        content += chunk
        if len(content) > max_bytes:
            raise OutOfBoundsError(f"its answer is longer than {max_bytes >> 20} MiB")
    return bytes(content)


def check_json(content: bytes) -> None:
    """Raises OutOfBoundsError if this would become a multiple of itself when it is read as JSON."""
    unfolded = (
        content.count(b",") * _PART_BYTES
        + content.count(b"[") * _LIST_BYTES
        + content.count(b"{") * _OBJECT_BYTES
    )
    if unfolded > MAX_UNFOLDED_BYTES:
        raise OutOfBoundsError("its answer has more parts than any should have")
