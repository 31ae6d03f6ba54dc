"""Keeps declared outputs in S3: hashed, and then sent to where the service lets each be put.

They are sent from where they lie, several at once, the large ones in parts. What does not get
through is sent again until the service's patience is over; what S3 has is no output yet, but
becomes one with the exit record.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from kotta_runner.asking import NOT_ARRIVED, AwayError, Patience, Service
from kotta_runner.attempt import Attempt
from kotta_runner.signed import RefusedError, Storage
from kotta_runner.stage_out import Outputs, hashed
from kotta_runner.staging import StagingError

FILES_AT_ONCE = 64
CONNECTIONS = 4


class _File(NamedTuple):
    """An output that waits to be sent.

    Attributes:
        line: what the manifest says of it.
    """

    descriptor: int
    line: Dict[str, Any]


class SignedOutputs(Outputs):
    """Keeps the outputs of one attempt in S3."""

    def __init__(
        self, attempt: Attempt, launch: Dict[str, Any], owner_uid: Optional[int] = None
    ) -> None:
        super().__init__(attempt, launch, owner_uid)
        seconds = launch["stage_out"].get("give_up_seconds")
        self._service = Service(launch)
        self._storage = Storage()
        self._waiting: List[_File] = []
        self._patience = Patience(seconds, attempt.cancel_asked)

    def finish(self) -> None:
        """Sends what waits.

        Raises:
            StagingError: something could not be sent.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            signed = self._signed_for(waiting)
            tasks = [partial(self._send, *pair) for pair in zip(waiting, signed)]
            _together(tasks, CONNECTIONS)
        finally:
            self._storage.close()
            for file in waiting:
                os.close(file.descriptor)

    def keep_all(self, when_slow: Callable[[], None]) -> List[Dict[str, Any]]:
        self._patience.succeeded()  # the command may have run for days
        when_slow()
        lines = super().keep_all(when_slow=lambda: None)
        self.finish()
        return lines

    def folders(self) -> List[str]:
        return []

    def forget(self) -> None:
        """Removes the copies on this machine, once the exit record is there."""
        for name in ("stdout", "stderr", "result.bin"):
            with contextlib.suppress(OSError):
                os.unlink(self._attempt.path(name))

    def _make_target(self) -> None:
        """S3 has no folders."""

    def _take(
        self, file: int, about: os.stat_result, source: str, folder: Optional[int], name: str
    ) -> Dict[str, Any]:
        sha256, size = hashed(file, None, self._left_bytes, is_synced=False)
        line = {"name": name, "available": True, "size_bytes": size, "sha256": sha256}
        self._waiting.append(_File(os.dup(file), line))
        if len(self._waiting) >= FILES_AT_ONCE:
            self.finish()
        return line

    def _signed_for(self, files: List[_File]) -> List[Optional[Dict[str, Any]]]:
        """Where each may be sent; None where nobody has said so yet."""
        try:
            asked = self._service.ask("uploads", files=[file.line for file in files])
            return list(asked["uploads"])
        except AwayError:
            return [None] * len(files)

    def _send(self, file: _File, signed: Optional[Dict[str, Any]]) -> None:
        """Sends a file, however often it takes."""
        sending = _Sending(self._service, self._storage, self._patience, file)
        while True:
            try:
                sending.send(signed)
                self._patience.succeeded()
                return
            except RefusedError as error:
                if error.status == 400 and _has_changed(file):
                    raise StagingError("%s changed while it was kept" % sending.name) from error
                words = str(error)
            except AwayError as error:
                words = str(error)
            except OSError as error:
                words = str(error.strerror or error)
                raise StagingError("%s: %s" % (sending.name, words)) from error
            signed = None  # it may have expired
            self._patience.wait("%s could not be kept: %s" % (sending.name, words))


class _Sending:
    """One file on its way: what of it has arrived is not sent again."""

    def __init__(self, service: Service, storage: Storage, patience: Patience, file: _File) -> None:
        self._service = service
        self._storage = storage
        self._patience = patience
        self._file = file
        self._about = {key: file.line[key] for key in ("name", "size_bytes", "sha256")}
        self._upload_id = ""
        self._etags: Dict[int, str] = {}
        self.name: str = file.line["name"]

    def send(self, signed: Optional[Dict[str, Any]]) -> None:
        """Sends what has not arrived.

        Args:
            signed: where to, as far as that is known.

        Raises:
            AwayError: something does not get through now.
        """
        while True:
            signed = signed or self._ask()
            self._upload_id = signed["upload_id"]
            part_bytes, first = signed["part_bytes"], signed["first_part"]
            tasks = [
                partial(self._send_part, number, url, part_bytes, signed["headers"])
                for number, url in enumerate(signed["urls"], first)
                if number not in self._etags
            ]
            _together(tasks, CONNECTIONS)
            if not self._upload_id:
                return
            if len(self._etags) * part_bytes >= self._about["size_bytes"]:
                self._finish()
                return
            signed = None

    def _ask(self) -> Dict[str, Any]:
        first = 1
        while first in self._etags:
            first += 1
        asked = {**self._about, "upload_id": self._upload_id, "first_part": first}
        found: Dict[str, Any] = self._service.ask("uploads", files=[asked])["uploads"][0]
        return found

    def _send_part(self, number: int, url: str, part_bytes: int, headers: Dict[str, str]) -> None:
        begin = (number - 1) * part_bytes
        size = min(part_bytes, self._about["size_bytes"] - begin)
        etag = self._storage.put(url, headers, self._file.descriptor, begin, size)
        self._etags[number] = etag
        self._patience.succeeded()

    def _finish(self) -> None:
        parts = [self._etags[number] for number in sorted(self._etags)]
        about = {**self._about, "upload_id": self._upload_id, "parts": parts}
        try:
            self._service.ask("uploads/finish", **about)
        except AwayError as error:
            if error.code == NOT_ARRIVED:
                self._upload_id, self._etags = "", {}  # all of it once more
            raise


def _has_changed(file: _File) -> bool:
    os.lseek(file.descriptor, 0, os.SEEK_SET)
    sha256, _ = hashed(file.descriptor, None, None, is_synced=False)
    return bool(sha256 != file.line["sha256"])


def _together(tasks: Sequence[Callable[[], None]], at_once: int) -> None:
    """Does these, a few at a time; after the first error no more are begun.

    Raises:
        StagingError: that error.
    """
    if len(tasks) == 1:
        tasks[0]()
        return
    left: "queue.SimpleQueue[Callable[[], None]]" = queue.SimpleQueue()
    for task in tasks:
        left.put(task)
    errors: List[BaseException] = []

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while not errors:
                task = left.get_nowait()
                try:
                    task()
                except BaseException as error:
                    errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(at_once, len(tasks)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
