"""Runs attempts as processes of this machine, through a launcher that forks runners."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kotta.models import JobDescription
from kotta_service.executors import (
    Begun,
    Key,
    OnExit,
    OnPhase,
    QueueSize,
    Sight,
    Sighting,
    Wait,
)
from kotta_service.persisting import persist
from kotta_service.syncing import make_shards, sync_directory

logger = logging.getLogger(__name__)
_AT_ONCE_BYTES = select.PIPE_BUF - 4
"""What a pipe takes at once whenever it takes anything, less what says how long it is."""
_START_SECONDS = 5
"""How long a launch that was handed over may stay unseen before it counts as absent."""


class LocalExecutor:
    """Executor of one machine.

    Attributes:
        root: below it lie the attempts' directories, as docs/runner.md describes them.
        on_phase: called, from a thread, with the timeline of an attempt that entered a phase.
        on_exit: called, from a thread, when a runner has left; with its exit record, if any.
    """

    name = "local"
    round_seconds: float = 1.0

    def __init__(
        self,
        root: Path,
        on_phase: OnPhase,
        on_exit: OnExit,
    ) -> None:
        self.root = root
        self.on_phase = on_phase
        self.on_exit = on_exit
        root.mkdir(mode=0o700, exist_ok=True)
        make_shards(root)
        self._handed_over: dict[Key, float] = {}
        self._held: set[Key] = set()
        self._launches: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._is_leaving = False
        self._launcher: subprocess.Popen[bytes] | None = None
        self._sender = threading.Thread(
            target=persist, args=("handing over launches", self._send), name="launches", daemon=True
        )

    def start(self) -> None:
        self._start_launcher()
        self._sender.start()

    def stop(self) -> None:
        """Lets the launcher leave; runners run on."""
        self._is_leaving = True
        self._launches.put(None)
        self._sender.join()
        if self._launcher is not None and self._launcher.stdin is not None:
            with contextlib.suppress(OSError):
                self._launcher.stdin.close()
            self._launcher.wait()

    def directory(self, key: Key) -> Path:
        return Path(self._path(key))

    def submit(self, launch: dict[str, Any]) -> None:
        key = Key(launch["job_id"], launch["attempt"])
        self._handed_over[key] = time.monotonic()
        self._held.discard(key)
        self._tell({"launch": self._whole(launch)})

    def hold(self, launch: dict[str, Any]) -> None:
        """Hands a launch over that is to begin once another of its queue has ended, or is told to.

        The launcher starts it then without having to be told.
        """
        self._held.add(Key(launch["job_id"], launch["attempt"]))
        self._tell({"launch": self._whole(launch), "hold": True})

    def _whole(self, launch: dict[str, Any]) -> dict[str, Any]:
        return {**launch, "on_disk": f"{self.root}/{launch['job_id'][:2]}"}

    def _tell(self, command: dict[str, Any]) -> None:
        text = json.dumps(command).encode()
        if not self._sent_at_once(text):
            self._launches.put(text)

    def poll(self, keys: Iterable[Key]) -> dict[Key, Sighting]:
        return {key: self.look(key) for key in keys}

    def cancel(self, key: Key) -> bool:
        directory = self.directory(key)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if key in self._held:
            self._held.discard(key)
            self._tell({"drop": key._asdict()})
        with _lock(directory) as locked:
            if locked:
                return _bar(directory)
        (directory / "cancel").touch(0o600)
        _signal_runner(directory / "lock")
        return False

    def end_leftovers(self, key: Key) -> None:
        tag = f"{key.job_id}/{key.attempt}"
        subprocess.run([sys.executable, "-m", "kotta_runner.leftovers", tag], check=True, cwd="/")

    def problems(self, queue: str, description: JobDescription) -> list[tuple[str, str]]:
        if description.gpus:
            return [("gpus", f"is {description.gpus}, but queue `{queue}` has none to give")]
        return []

    def room(self, queue: str, waiting: int) -> int:
        return 0

    def size(self, queue: str) -> QueueSize | None:
        return None

    def wait_of(self, key: Key) -> Wait | None:
        return None

    def look(self, key: Key) -> Sighting:
        directory = self.directory(key)
        with _lock(directory) as locked:
            # a runner writes its record before it lets go of the lock, so this order misses none
            record = _read_json(directory / "exit.json")
            if record is not None:
                return Sighting(Sight.ENDED, record=record)
            if locked is False:
                return Sighting(Sight.RUNNING, phase=_read_json(directory / "phase.json"))
            if (directory / "started").exists():
                return Sighting(Sight.LOST)
        if key in self._held:
            return Sighting(Sight.WAITING)
        handed_over = self._handed_over.get(key)
        if handed_over is not None and time.monotonic() - handed_over < _START_SECONDS:
            return Sighting(Sight.WAITING)
        return Sighting(Sight.ABSENT)

    def _path(self, key: Key) -> str:
        return f"{self.root}/{key.job_id[:2]}/{key.job_id}.{key.attempt}"

    def _start_launcher(self) -> None:
        self._launcher = launcher = subprocess.Popen(
            [sys.executable, "-m", "kotta_runner.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        threading.Thread(
            target=self._listen_to, args=(launcher,), name="launcher", daemon=True
        ).start()

    def _send(self) -> None:
        if self._is_leaving:
            return  # begun anew, it would wait for the word that it missed
        while (text := self._launches.get()) is not None:
            with self._sending:
                try:
                    self._send_text(text)
                except OSError:
                    logger.warning("the launcher is gone; starting another")
                    self._start_launcher()
                    with contextlib.suppress(OSError):
                        self._send_text(text)

    def _sent_at_once(self, text: bytes) -> bool:
        """Sends it if that waits for nothing: spares each job the way through another thread."""
        if len(text) > _AT_ONCE_BYTES or not self._launches.empty():
            return False
        is_ours = False
        try:
            is_ours = self._sending.acquire(blocking=False)
            if not is_ours or not self._takes_more():
                return False
            self._send_text(text)
        except OSError:
            return False  # it is gone, and who sends the next one in its turn starts another
        finally:
            if is_ours:
                self._sending.release()
        return True

    def _takes_more(self) -> bool:
        """Whether its pipe has room for a page."""
        assert self._launcher is not None and self._launcher.stdin is not None
        poller = select.poll()
        poller.register(self._launcher.stdin, select.POLLOUT)
        return poller.poll(0) == [(self._launcher.stdin.fileno(), select.POLLOUT)]

    def _send_text(self, text: bytes) -> None:
        assert self._launcher is not None
        stdin = self._launcher.stdin
        assert stdin is not None
        stdin.write(struct.pack(">I", len(text)) + text)
        stdin.flush()

    def _listen_to(self, launcher: subprocess.Popen[bytes]) -> None:
        try:
            self._receive(launcher)
        except BaseException:
            # where the next message would begin is not known: the next launch starts another one
            logger.exception("listening to the launcher failed; it is replaced")
            launcher.kill()
        finally:
            # what it had not forked yet is absent now, and will be handed over again
            self._handed_over.clear()
            self._held.clear()
            if launcher.stdout is not None:
                launcher.stdout.close()

    def _receive(self, launcher: subprocess.Popen[bytes]) -> None:
        assert launcher.stdout is not None
        while len(head := launcher.stdout.read(4)) == 4:
            message = json.loads(launcher.stdout.read(struct.unpack(">I", head)[0]))
            kind, body = next(iter(message.items()))
            key = Key(body["job_id"], body["attempt"])
            begun = self._begun(message)
            if kind == "phase":
                self.on_phase(key, body["timeline"], begun)
                continue
            # "ended", or "failed": in both cases the directory says what there is to say
            self._handed_over.pop(key, None)
            self.on_exit(key, _read_json(f"{self._path(key)}/exit.json"), begun)

    def _begun(self, message: dict[str, Any]) -> Begun | None:
        """What was held and has begun in this one's place."""
        if "begun" not in message:
            return None
        begun = Begun(**message["begun"])
        self._handed_over[begun.key] = time.monotonic()
        self._held.discard(begun.key)
        return begun


@contextlib.contextmanager
def _lock(directory: Path) -> Iterator[bool | None]:
    """Tries the attempt's lock: True while held here, False if a runner has it, None if no file."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if directory.is_dir() else 0)
    try:
        descriptor = os.open(directory / "lock", flags, 0o600)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _bar(directory: Path) -> bool:
    """Keeps an attempt from ever starting; False if its command was started before."""
    try:
        descriptor = os.open(directory / "started", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    os.fsync(descriptor)
    os.close(descriptor)
    sync_directory(directory)
    return True


def _signal_runner(lock: Path) -> None:
    """Asks the runner that holds this lock to cancel, and nobody who might have its number now."""
    # it may be about to write who it is, or have just left: the next round looks again
    with contextlib.suppress(OSError, ValueError):
        process, start = (int(word) for word in lock.read_text().split())
        if not hasattr(os, "pidfd_open"):
            os.kill(process, signal.SIGUSR1)
            return
        descriptor = os.pidfd_open(process)
        try:
            stat = Path(f"/proc/{process}/stat").read_bytes()
            # Source: proc(5): starttime is field 22, counted from before the name in parentheses
            if int(stat.rpartition(b")")[2].split()[19]) == start:
                signal.pidfd_send_signal(descriptor, signal.SIGUSR1)
        finally:
            os.close(descriptor)


def _read_json(path: Path | str) -> dict[str, Any] | None:
    try:
        with open(path, "rb", buffering=0) as file:
            value = json.loads(file.read())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None
