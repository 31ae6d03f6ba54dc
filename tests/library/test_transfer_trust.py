"""What is fetched is what the service keeps, or there is an error: whatever the way does to it.

Every case is made by a seed, which is printed: KOTTA_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kotta import Kotta, connection, downloads, part_file
from kotta.errors import (
    ConflictError,
    ConnectionFailedError,
    KottaError,
    NotFoundError,
    ServiceFaultError,
    TransferError,
)
from library.stand_in import A_JOB_ID, Reply, Request, StandIn
from library.test_transfers import Keeping, an_output, part_of

SEED = int(os.environ.get("KOTTA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
CUTS = 50
SEGMENT = 64 << 10


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a few hundred kB comes in segments, as one of many MB does."""
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0, 0))
    monkeypatch.setattr(part_file, "SEGMENT_BYTES", SEGMENT)
    monkeypatch.setattr(downloads, "SEGMENT_BYTES", SEGMENT)


class Misbehaving(Keeping):
    """Cuts connections at random bytes, in one of the ways in which real ones are."""

    def __init__(self, stand_in: StandIn, chance: random.Random, way: str, cuts: int) -> None:
        content = chance.randbytes(chance.randrange(2 * SEGMENT, 8 * SEGMENT))
        super().__init__(stand_in, a_bin=content)
        self.content = content
        self._chance, self._way, self.cuts_left = chance, way, cuts
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply | None:
        if self._way == "range ignored":
            request.headers.pop("range", None)  # type: ignore[attr-defined]
        reply = super().answer(request)
        if reply is None or "/outputs/" not in request.path:
            return reply
        with self._lock:
            if not self.cuts_left:
                return reply
            self.cuts_left -= 1
            cut_at = self._chance.randrange(len(reply.body) + 1)
            other = self._chance.randbytes(len(self.content))
        if self._way == "chunked":
            return _chunked(reply, cut_at)
        if self._way == "etag changed":
            # the file is another one for a moment: all of it is sent, and cut
            return Reply(other, 200, {"ETag": '"another"'}, cut_at)
        return Reply(reply.body, reply.status, reply.headers, cut_at)


def _chunked(reply: Reply, cut_at: int) -> Reply:
    """The same in chunks of a few kB, ended in the middle of one."""
    body = b""
    for start in range(0, cut_at, 5000):
        piece = reply.body[start : min(start + 5000, cut_at)]
        body += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    headers = {**reply.headers, "Transfer-Encoding": "chunked"}
    return Reply(body, reply.status, headers, len(body))


@pytest.mark.parametrize("way", ["length", "chunked", "range ignored", "etag changed"])
def test_fifty_cuts_at_random_bytes_end_in_the_same_bytes_or_an_error(
    home: Path, stand_in: StandIn, kotta: Kotta, way: str
) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    chance = random.Random(f"{SEED} {way}")
    misbehaving = Misbehaving(stand_in, chance, way, CUTS)
    target = home / "here" / "a.bin"
    with _watched(target, misbehaving.content):
        while misbehaving.cuts_left:
            try:
                kotta.fetch(A_JOB_ID, "here")
            except (ConnectionFailedError, TransferError):
                assert not target.exists()
                continue
            assert target.read_bytes() == misbehaving.content
            assert [path.name for path in target.parent.iterdir()] == ["a.bin"]
            target.unlink()
    kotta.fetch(A_JOB_ID, "here")
    assert target.read_bytes() == misbehaving.content


@contextlib.contextmanager
def _watched(target: Path, content: bytes) -> Iterator[None]:
    """Looks all the time whether anything else than the whole file has its name."""
    over = threading.Event()
    wrong: list[int] = []

    def look() -> None:
        while not over.wait(0.001):
            with contextlib.suppress(FileNotFoundError):
                if (found := target.read_bytes()) != content:
                    wrong.append(len(found))

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
    assert wrong == []


def test_cuts_in_a_batch_of_small_files_lose_none(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    keeping = Keeping(stand_in)
    keeping.files = {f"f{n}": chance.randbytes(chance.randrange(5000)) for n in range(60)}
    keeping.listed = [an_output(name, content) for name, content in keeping.files.items()]
    left = [CUTS]

    def cut(length: int) -> int | None:
        left[0] -= 1
        return None if left[0] < 0 else chance.randrange(length + 1)

    keeping.cut = cut
    for _ in range(CUTS):
        try:
            kotta.fetch(A_JOB_ID, "here")
            break
        except ConnectionFailedError:
            continue
    found = {path.name: path.read_bytes() for path in (home / "here").iterdir()}
    assert found == keeping.files


@pytest.mark.parametrize("position", [0, 30, 59])
def test_a_small_file_that_is_another_is_refused(
    home: Path, stand_in: StandIn, kotta: Kotta, position: int
) -> None:
    keeping = Keeping(stand_in)
    keeping.files = {f"f{n}": bytes([n]) * 100 for n in range(60)}
    keeping.listed = [an_output(name, content) for name, content in keeping.files.items()]
    keeping.files[f"f{position}"] = b"\xff" * 100
    with pytest.raises(TransferError, match=f"f{position} did not arrive"):
        kotta.fetch(A_JOB_ID, "here")
    assert not (home / "here" / f"f{position}").exists()
    assert all(path.read_bytes() != b"\xff" * 100 for path in (home / "here").iterdir())


def test_segments_that_came_are_not_asked_for_again(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    content = random.Random(1).randbytes(4 * SEGMENT)
    keeping = Keeping(stand_in, a_bin=content)
    answer, broken = stand_in.answer, True

    def fails_in_the_third(request: Request) -> Reply | None:
        third = f"bytes={2 * SEGMENT}-" in request.headers.get("range", "")
        return None if broken and third else answer(request)

    stand_in.answer = fails_in_the_third
    with pytest.raises(ConnectionFailedError):
        kotta.fetch(A_JOB_ID, home)
    assert not (home / "a.bin").exists()
    broken = False
    keeping.ranges.clear()
    kotta.fetch(A_JOB_ID, home)
    assert (home / "a.bin").read_bytes() == content
    assert f"bytes={2 * SEGMENT}-{3 * SEGMENT - 1}" in keeping.ranges
    assert f"bytes=0-{SEGMENT - 1}" not in keeping.ranges


def test_a_record_that_lies_costs_time_and_never_bytes(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    content = random.Random(2).randbytes(4 * SEGMENT)
    Keeping(stand_in, a_bin=content)
    part = part_of(home, "a.bin", content)
    part.write_bytes(bytes(len(content)))
    part.with_name(part.name.removesuffix(".part") + ".have").write_bytes(
        b"".join(number.to_bytes(8, "little") for number in (SEGMENT, SEGMENT, 1 << 63, 5))
    )
    assert kotta.fetch(A_JOB_ID, home).fetched == ["a.bin"]
    assert (home / "a.bin").read_bytes() == content


@pytest.mark.parametrize("size", [1 << 62, (1 << 63) - 1, 10**30])
def test_a_size_that_nobody_has_room_for_is_an_error(
    home: Path, stand_in: StandIn, kotta: Kotta, size: int
) -> None:
    keeping = Keeping(stand_in, a_bin=b"x" * 100)
    keeping.listed = [an_output("a.bin", b"x" * 100, size_bytes=size)]
    with pytest.raises(KottaError):
        kotta.fetch(A_JOB_ID, "here")
    assert not (home / "here" / "a.bin").exists()


def test_what_is_read_as_a_stream_goes_on_after_cuts_and_is_verified(
    stand_in: StandIn, kotta: Kotta
) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    misbehaving = Misbehaving(stand_in, chance, "length", 4)
    assert b"".join(kotta.read_output(A_JOB_ID, "a.bin")) == misbehaving.content
    ignoring = Misbehaving(stand_in, chance, "range ignored", 4)
    assert b"".join(kotta.read_output(A_JOB_ID, "a.bin")) == ignoring.content
    ignoring.files["a.bin"] = b"!" * len(ignoring.content)
    with pytest.raises(TransferError, match="what was written is wrong"):
        list(kotta.read_output(A_JOB_ID, "a.bin"))
    with pytest.raises(NotFoundError):
        kotta.read_output(A_JOB_ID, "b.bin")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_told_of_and_nothing_is_named(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    content = random.Random(3).randbytes(3 << 20)
    Keeping(stand_in, a_bin=content, b_bin=content[:1000])
    disk = home / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    try:
        with pytest.raises(TransferError, match="No space left on device"):
            kotta.fetch(A_JOB_ID, disk, ["a.bin"])
        assert not (disk / "a.bin").exists()
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert kotta.fetch(A_JOB_ID, disk).fetched == ["a.bin", "b.bin"]
        assert (disk / "a.bin").read_bytes() == content
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_written_is_told_of(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    Keeping(stand_in, a_txt=b"one")
    # no folder can be made there, for root neither
    with pytest.raises(TransferError, match=r"a\.txt"):
        kotta.fetch(A_JOB_ID, "/proc/nothing-can-be-made-here")


def test_two_fetches_at_once_end_in_whole_files(home: Path, stand_in: StandIn) -> None:
    content = random.Random(4).randbytes(20 * SEGMENT)
    keeping = Keeping(stand_in, a_bin=content)
    keeping.files |= {f"f{n}": b"%d" % n for n in range(50)}
    keeping.listed = [an_output(name, each) for name, each in keeping.files.items()]
    ended: list[str] = []

    def fetch() -> None:
        with Kotta(server=stand_in.address) as client:
            try:
                client.fetch(A_JOB_ID, home / "both", force=True)
                ended.append("done")
            except ConflictError as error:
                ended.append(error.message)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    with _watched(home / "both" / "a.bin", content):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert "done" in ended
    assert all(words == "done" or "another fetch" in words for words in ended)
    found = {path.name: path.read_bytes() for path in (home / "both").iterdir()}
    assert found == keeping.files


FETCH = """
import sys
from kotta import Kotta, part_file
part_file.SEGMENT_BYTES = int(sys.argv[2])
Kotta(server=sys.argv[1]).fetch(sys.argv[3], "killed")
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_fetch_that_is_killed_goes_on_where_it_was(
    home: Path, stand_in: StandIn, kotta: Kotta, seed: int
) -> None:
    content = random.Random(seed).randbytes(8 * SEGMENT)
    keeping = Keeping(stand_in, a_bin=content)
    answer = stand_in.answer
    enough = threading.Event()
    go_on = threading.Event()

    def hold_up(request: Request) -> Reply | None:
        if len(keeping.ranges) > 3 + seed:
            enough.set()
            go_on.wait(20)
        return answer(request)

    stand_in.answer = hold_up
    command = [sys.executable, "-c", FETCH, stand_in.address, str(SEGMENT), A_JOB_ID]
    process = subprocess.Popen(command)
    assert enough.wait(20)
    process.kill()
    process.wait()
    go_on.set()
    assert not (home / "killed" / "a.bin").exists()
    stand_in.answer = answer
    keeping.ranges.clear()
    assert kotta.fetch(A_JOB_ID, "killed").fetched == ["a.bin"]
    assert (home / "killed" / "a.bin").read_bytes() == content
    assert 0 < len(keeping.ranges) < 8
    assert [path.name for path in (home / "killed").iterdir()] == ["a.bin"]


def test_a_range_of_another_length_is_refused(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    content = random.Random(5).randbytes(4 * SEGMENT)
    keeping = Keeping(stand_in, a_bin=content)
    wrong: Callable[[Request], Reply | None] = keeping.answer

    def longer(request: Request) -> Reply | None:
        reply = wrong(request)
        if reply is not None and reply.status == 206:
            return Reply(reply.body + b"more", 206, reply.headers)
        return reply

    stand_in.answer = longer
    with pytest.raises((TransferError, ServiceFaultError)):
        kotta.fetch(A_JOB_ID, "here")
    assert not (home / "here" / "a.bin").exists()
