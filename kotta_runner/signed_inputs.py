"""Brings inputs from S3 by URLs that the service signs; what is cut off goes on where it was."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from kotta_runner.asking import AwayError, Patience, Service
from kotta_runner.signed import Download, RefusedError, Storage
from kotta_runner.staging import StagingError

REFUSALS = 3
"""So often in a row a URL that was just signed may be refused: it may have been used too late."""


class SignedInputs:
    """Reads the inputs of one attempt.

    Args:
        names: what their job's description calls them.
    """

    def __init__(
        self, launch: Dict[str, Any], names: List[str], cancel_asked: Callable[[], bool]
    ) -> None:
        self._service = Service(launch)
        self._storage = Storage()
        self._names = names
        self._urls: Dict[str, str] = {}
        self._seconds: Optional[float] = launch["stage_out"].get("give_up_seconds")
        self._cancel_asked = cancel_asked

    def bring(
        self, name: str, receive: Callable[[Callable[[int], bytes], Optional[int]], None]
    ) -> None:
        """Hands over a function that reads an input, and how many bytes it has.

        Raises:
            StagingError: it cannot be had.
        """
        reader = _Reader(self, name)
        try:
            receive(reader.read, reader.begin())
        finally:
            reader.close()

    def opened(self, name: str, begin: int) -> Download:
        """An input from `begin` on.

        Raises:
            AwayError: there is none now.
        """
        if name not in self._urls:
            # for all at once: most are read before what was signed for them expires
            urls = self._service.ask("inputs", inputs=self._names)["urls"]
            self._urls = dict(zip(self._names, urls))
        return self._storage.get(self._urls[name], begin)

    def forget(self, name: str) -> None:
        """Lets a new URL be asked for."""
        self._urls.pop(name, None)

    def patience(self) -> Patience:
        return Patience(self._seconds, self._cancel_asked)


class _Reader:
    def __init__(self, inputs: SignedInputs, name: str) -> None:
        self._inputs = inputs
        self._name = name
        self._patience = inputs.patience()
        self._download: Optional[Download] = None
        self._have = 0
        self._size = 0
        self._refusals = 0

    def begin(self) -> int:
        """How many bytes there are."""
        self._repeated(self._open)
        size = self._download.size if self._download is not None else None
        if size is None:
            raise StagingError("the storage does not say how large it is")
        self._size = size
        return size

    def close(self) -> None:
        if self._download is not None:
            self._download.close()
            self._download = None

    def read(self, count: int) -> bytes:
        """The next bytes, b"" at the end."""
        return b"" if self._have >= self._size else self._repeated(lambda: self._next(count))

    def _open(self) -> bytes:
        self._download = self._inputs.opened(self._name, self._have)
        return b""

    def _next(self, count: int) -> bytes:
        if self._download is None:
            self._download = self._inputs.opened(self._name, self._have)
        chunk = self._download.read(count)
        if not chunk:
            raise AwayError("the storage was cut off")
        self._have += len(chunk)
        self._refusals = 0
        self._patience.succeeded()
        return chunk

    def _repeated(self, action: Callable[[], bytes]) -> bytes:
        while True:
            try:
                return action()
            except RefusedError as error:
                self._refusals += 1
                if (not error.may_pass and self._refusals >= REFUSALS) or error.status == 404:
                    raise StagingError(str(error)) from error
                words = str(error)
            except AwayError as error:
                words = str(error)
            self.close()
            self._inputs.forget(self._name)
            self._patience.wait(words)
