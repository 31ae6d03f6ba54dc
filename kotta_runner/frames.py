"""Messages between the service, the launcher and its runners: JSON with its length before it."""

from __future__ import annotations

import json
import os
import struct

from kotta_runner import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Dict, Iterator

_HEAD = struct.Struct(">I")
_CHUNK_BYTES = 64 << 10


def send(descriptor: int, message: Dict[str, Any]) -> None:
    """Writes one message, whole."""
    text = json.dumps(message).encode()
    data = _HEAD.pack(len(text)) + text
    while data:
        data = data[os.write(descriptor, data) :]


class Inbox:
    """Messages that come through one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.ended = False
        self._buffer = b""

    def receive(self) -> Iterator[Dict[str, Any]]:
        """Reads what is there, waiting if nothing is; the messages that are complete by then."""
        chunk = os.read(self.descriptor, _CHUNK_BYTES)
        self.ended = not chunk
        self._buffer += chunk
        while len(self._buffer) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            text, self._buffer = self._buffer[_HEAD.size : end], self._buffer[end:]
            yield json.loads(text)
