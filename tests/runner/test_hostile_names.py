"""No name, link or race leads out of a job's directory: what lies beside it stays as it is."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kotta_runner import stage_in, stage_out
from kotta_runner.attempt import Attempt
from kotta_runner.stage_in import Inputs, write_script
from kotta_runner.stage_out import Outputs
from kotta_runner.staging import StagingError

COUNT = 500
SEED = int(os.environ.get("KOTTA_TEST_SEED") or random.randrange(1 << 32))
SECRET = b"a secret that no output may hold"
PIECES = (
    "..", ".", "/", "//", "\\", "\0", "\n", "\r", "%2e%2e", "%2f", "\u2026", "\u2024\u2024",
    "\uff0f", "\u2215", "a", "out", "secret", "outside", "~", "~root", "$HOME", "`id`", "-rf", "*",
    "?", " ", "\t", "\x1b[2J", "\udcff", "\ud800", "\xe9", "e\u0301", "\u202e", "\ufeff", "CON",
    "nul", "lock", "exit.json", "started", "stdout", "work", "proc/self/root", "x" * 200, ":", "|",
    ";", "&", '"', "'", "{0}", "%s",
)  # fmt: skip


class Place:
    """An attempt with a working directory, and things of others around it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outside = root / "outside"
        self.outside.mkdir()
        self.directory = root / "jobs" / "4f" / "job.1"
        self.attempt = Attempt(str(self.directory))
        assert self.attempt.claim()
        self.work = Path(self.attempt.work)
        self.kept = root / "outputs" / "4f" / "job.1"
        self.upload = root / "upload"
        self.upload.write_bytes(b"input")
        for folder in (root, self.outside, root / "jobs", self.directory):
            (folder / "secret").write_bytes(SECRET)
        (self.directory / "stdout").write_bytes(b"said")

    def launch(self, **fields: Any) -> dict[str, Any]:
        plain = {"stdout": "STDOUT.txt", "stderr": "STDERR.txt"}
        return {**plain, "outputs": [], "stage_out": {"directory": str(self.kept)}, **fields}

    def around(self) -> dict[str, Any]:
        """All that is not in the working directory nor among the outputs."""
        return {
            str(path): (path.lstat().st_mode, path.lstat().st_ino, content(path))
            for path in sorted(self.root.rglob("*"))
            if self.work not in (path, *path.parents)
            and self.root / "outputs" not in (path, *path.parents)
        }

    def empty(self) -> None:
        for folder in (self.work, self.kept):
            shutil.rmtree(folder, ignore_errors=True)
        self.work.mkdir(mode=0o700)

    def keep(self, *names: str, **fields: Any) -> list[dict[str, Any]]:
        launch = self.launch(outputs=list(names), **fields)
        return Outputs(self.attempt, launch).keep_all(lambda: None)

    def no_secret_is_kept(self) -> None:
        for path in self.kept.rglob("*"):
            assert path.is_file() and not path.is_symlink(), path
            assert SECRET not in path.read_bytes(), path


def content(path: Path) -> bytes | None:
    return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    some = Place(tmp_path)
    yield some
    some.attempt.release()


def hostile_names(place: Place) -> list[str]:
    chance = random.Random(SEED)
    found = [
        "", ".", "..", "/", "../secret", "../../secret", "../lock", str(place.outside / "secret"),
        "/proc/self/cwd/../secret", "way/secret", "./../secret", "x/../../secret", "link", "fifo",
        "device", "socket", "folder", "hard", "..\0", "secret\0.txt",
    ]  # fmt: skip
    while len(found) < COUNT:
        found.append("".join(chance.choices(PIECES, k=chance.randint(1, 6))))
    return found


def test_no_name_of_an_input_or_a_script_leads_out(place: Place) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    before = place.around()
    made = 0
    for name in hostile_names(place):
        for way in ("input", "script"):
            place.empty()
            with contextlib.suppress(StagingError):
                if way == "input":
                    wanted = {"name": name, "path": str(place.upload)}
                    Inputs(place.attempt, place.launch(inputs=[wanted])).copy()
                else:
                    write_script(place.attempt, {"name": name, "text": "echo"})
                made += 1
            assert place.around() == before, (way, name)
    assert made > COUNT / 4  # a good part of them is odd, and a name nevertheless


def test_no_name_of_an_output_leads_out(place: Place) -> None:
    print(f"KOTTA_TEST_SEED={SEED}")
    before = place.around()
    (place.directory / "stdout").write_bytes(b"said")
    made = 0
    for name in hostile_names(place):
        place.empty()
        furnish(place)
        with contextlib.suppress(OSError, ValueError):
            if "/" not in name:
                with open(place.work / name, "xb") as file:
                    file.write(b"mine")
        for kept in place.keep(name):
            made += kept["available"]
        assert place.around() == before, name
        place.no_secret_is_kept()
    assert made > COUNT / 4


def furnish(place: Place) -> None:
    """Puts everything that is no file of the job's own into the working directory."""
    (place.work / "way").symlink_to(place.outside)
    (place.work / "link").symlink_to(place.outside / "secret")
    os.mkfifo(place.work / "fifo")
    (place.work / "folder").mkdir()
    (place.work / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as some, contextlib.suppress(OSError):
        os.chdir(place.work)
        some.bind("socket")
        os.chdir("/")


def swap_link(place: Place, path: Path) -> None:
    path.unlink()
    path.symlink_to(place.outside / "secret")


def swap_hard_link(place: Place, path: Path) -> None:
    path.unlink()
    path.hardlink_to(place.outside / "secret")


def swap_fifo(place: Place, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swap_folder(place: Place, path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "way").symlink_to(place.outside)


def swap_work(place: Place, path: Path) -> None:
    path.parent.rename(place.work.with_name("moved"))
    place.work.symlink_to(place.outside)


SWAPS = [swap_link, swap_hard_link, swap_fifo, swap_folder, swap_work]
Swap = Callable[[Place, Path], None]


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("moment", ["_moved", "hashed"])
def test_what_is_swapped_in_while_an_output_is_kept_is_not_kept(
    place: Place, swap: Swap, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = getattr(stage_out, moment)

    def swapped(*args: Any) -> Any:
        with contextlib.suppress(FileNotFoundError):
            swap(place, place.work / "secret")
        return really(*args)

    (place.work / "secret").write_bytes(b"mine" * 1000)
    if moment == "hashed":
        (place.work / "other").hardlink_to(place.work / "secret")  # so that it is copied
    monkeypatch.setattr(stage_out, moment, swapped)
    place.keep("secret")
    place.no_secret_is_kept()
    for secret in (place.outside / "secret", place.root / "secret"):
        assert secret.read_bytes() == SECRET


def test_a_file_that_grows_while_it_is_copied_ends_at_the_limit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = place.work / "out"
    source.write_bytes(b"x" * 1000)
    (place.work / "other").hardlink_to(source)
    really = stage_out.hashed

    def grown(*args: Any) -> Any:
        with source.open("ab") as file:
            file.write(b"y" * (3 << 20))
        return really(*args)

    monkeypatch.setattr(stage_out, "hashed", grown)
    (kept,) = place.keep("out", limits={"output_bytes": 1 << 20})
    assert not kept["available"]
    assert not list(place.kept.iterdir())


@pytest.mark.parametrize("swap", [swap_link, swap_hard_link, swap_fifo])
def test_an_input_is_never_written_through_what_is_there(place: Place, swap: Swap) -> None:
    (place.work / "in").touch()
    swap(place, place.work / "in")
    before = place.around()
    wanted = {"name": "in", "path": str(place.upload)}
    with pytest.raises(StagingError, match="File exists"):
        Inputs(place.attempt, place.launch(inputs=[wanted])).copy()
    with pytest.raises(StagingError, match="File exists"):
        write_script(place.attempt, {"name": "in", "text": "echo"})
    assert place.around() == before


@pytest.mark.parametrize("swap", [swap_link, swap_fifo])
def test_an_input_is_not_read_through_a_link_nor_from_a_fifo(place: Place, swap: Swap) -> None:
    swap(place, place.upload)
    with pytest.raises(StagingError, match="input in"):
        wanted = {"name": "in", "path": str(place.upload)}
        Inputs(place.attempt, place.launch(inputs=[wanted])).copy()
    assert not any(SECRET in path.read_bytes() for path in place.work.iterdir())


def test_a_working_directory_that_became_a_link_takes_no_input(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.work.rmdir()
    place.work.symlink_to(place.outside)
    wanted = {"name": "in", "path": str(place.upload)}
    with pytest.raises((StagingError, OSError)):
        Inputs(place.attempt, place.launch(inputs=[wanted])).copy()
    with pytest.raises(StagingError):
        write_script(place.attempt, {"name": "in", "text": "echo"})
    assert [path.name for path in place.outside.iterdir()] == ["secret"]


def test_a_working_directory_swapped_in_mid_copy_takes_no_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = stage_in._created

    def created(*args: Any) -> int:
        with contextlib.suppress(FileNotFoundError, FileExistsError, NotADirectoryError):
            place.work.rename(place.work.with_name("moved"))
            place.work.symlink_to(place.outside)
        return really(*args)

    monkeypatch.setattr(stage_in, "_created", created)
    wanted = {"name": "in", "path": str(place.upload)}
    Inputs(place.attempt, place.launch(inputs=[wanted])).copy()
    assert [path.name for path in place.outside.iterdir()] == ["secret"]


def test_hard_links_to_what_the_account_does_not_own_are_no_outputs(place: Place) -> None:
    (place.work / "mine").write_bytes(b"mine")
    (place.work / "theirs").hardlink_to(place.outside / "secret")
    account = os.getuid() + 1
    launch = place.launch(outputs=["mine", "theirs"])
    found = Outputs(place.attempt, launch, owner_uid=account).keep_all(lambda: None)
    assert [one["available"] for one in found] == [False, False]
    found = Outputs(place.attempt, launch, owner_uid=os.getuid()).keep_all(lambda: None)
    assert [one["available"] for one in found] == [True, True]
    # copied: whoever made it may hold it open still
    assert (place.kept / "mine").stat().st_ino != (place.work / "mine").stat().st_ino


def test_outputs_beyond_what_they_may_hold_are_named(place: Place) -> None:
    for name in ("a", "b", "c"):
        (place.work / name).write_bytes(b"x" * 600)
    outputs = Outputs(
        place.attempt, place.launch(outputs=["a", "b", "c"], limits={"output_bytes": 1300})
    )
    found = outputs.keep_all(lambda: None)
    assert [one["available"] for one in found] == [True, True, False]
    assert outputs.too_large.startswith("c was not kept: the outputs of a job may hold")
