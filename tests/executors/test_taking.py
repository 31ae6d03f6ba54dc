"""Outputs in a directory that an account owns: what is taken over, and what is refused."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accounts import need, passable_folder

from kotta.errors import StorageFullError
from kotta_service.executors import Key
from kotta_service.executors.slurm.folder import SharedFolder
from kotta_service.executors.slurm.giving import Account
from kotta_service.hearsay import believed
from kotta_service.messages import ExitRecord
from kotta_service.storage.files import FileStorage, remove_path

UID, OTHER = 47_001, 47_002
"""No accounts have these numbers, and none need to."""
CONTENT = b"made by a job"


class Held:
    """An attempt of an account's, and a storage that is to take over its outputs."""

    def __init__(self, root: Path, storage: FileStorage) -> None:
        self.root = root
        self.key = Key(str(uuid.uuid4()), 1)
        self.folder = SharedFolder(root / "slurm", is_passable=True)
        self.folder.write_launch(self.key, self.launch(), Account(UID, UID))
        self.directory = self.folder.directory(self.key)
        self.outputs = self.directory / "outputs"
        self.outputs.mkdir()
        os.chown(self.outputs, UID, UID)
        self.storage = storage
        self.secret = self.written(root / "secret", b"of root's, alone", 0)

    def launch(self, **more: object) -> dict[str, object]:
        directory = str(self.folder.directory(self.key))
        return {"directory": directory, "inputs": [], "function": None,
                "stage_out": {"directory": "/no"}, "service": {"token": "t"}, **more}  # fmt: skip

    def written(self, path: Path, content: bytes = CONTENT, uid: int = UID) -> Path:
        path.write_bytes(content)
        path.chmod(0o600)
        os.chown(path, uid, uid)
        return path

    def record(self, *names: str, size: int = len(CONTENT)) -> ExitRecord:
        outputs = [
            {"name": name, "available": True, "size_bytes": size, "sha256": "0" * 64}
            for name in names
        ]
        return ExitRecord.model_validate(
            {
                "job_id": self.key.job_id,
                "attempt": 1,
                "status": "completed",
                "reason": "exit",
                "exit_code": 0,
                "timeline": {},
                "outputs": outputs,
            }
        )

    def take(self, *names: str, size: int = len(CONTENT)) -> ExitRecord:
        return self.storage.checked(self.record(*names, size=size), self.directory)

    def kept(self, name: str) -> Path:
        return self.storage.output(self.key.job_id, 1, name).path

    def is_taken(self, name: str) -> bool:
        about = self.kept(name).stat()
        mode = (about.st_uid, about.st_mode & 0o7777, about.st_nlink)
        return self.kept(name).read_bytes() == CONTENT and mode == (0, 0o600, 1)


@pytest.fixture(scope="module")
def storage() -> Iterator[FileStorage]:
    need("root", os.geteuid() == 0)
    with passable_folder() as root:
        yield FileStorage(root / "files")


@pytest.fixture
def held(storage: FileStorage) -> Iterator[Held]:
    with passable_folder() as root:
        yield Held(root, storage)


def fifo(held: Held, path: Path) -> None:
    os.mkfifo(path)
    os.chown(path, UID, UID)


def device(held: Held, path: Path) -> None:
    os.mknod(path, 0o20666, os.makedev(1, 5))


def folder(held: Held, path: Path) -> None:
    path.mkdir()
    held.written(path / "in it")
    os.chown(path, UID, UID)


def linked_folder(held: Held, path: Path) -> None:
    """In the place of the folder of outputs is a link to another."""
    elsewhere = held.root / "elsewhere"
    held.outputs.rename(elsewhere)
    held.written(elsewhere / path.name)
    held.outputs.symlink_to(elsewhere)


def folder_of_root(held: Held, path: Path) -> None:
    held.written(path, uid=0)
    os.chown(held.outputs, 0, 0)


HARMS: dict[str, Callable[[Held, Path], object]] = {
    "nothing": lambda held, path: None,
    "link": lambda held, path: path.symlink_to(held.secret),
    "name of root's": lambda held, path: os.link(held.secret, path),
    "of root's": lambda held, path: held.written(path, uid=0),
    "of another's": lambda held, path: held.written(path, uid=OTHER),
    "name of its own": lambda held, path: os.link(held.written(held.root / "own"), path),
    "other size": lambda held, path: held.written(path, CONTENT + b"!"),
    "FIFO": fifo,
    "device": device,
    "folder": folder,
    "link in the folder's place": linked_folder,
    "folder of root's": folder_of_root,
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_no_plain_file_of_the_account_is_refused_and_untouched(
    held: Held, harm: str
) -> None:
    if "folder's place" not in harm and harm != "folder of root's":
        held.written(held.outputs / "good")
    HARMS[harm](held, held.outputs / "bad")
    record = held.take("bad", *(["good"] if (held.outputs / "good").exists() else []))
    assert (record.status, record.reason) == ("failed", "staging")
    assert record.error.startswith("output bad ")
    assert not record.outputs[0].available
    assert not os.path.lexists(held.kept("bad"))
    about = held.secret.stat()
    assert (about.st_uid, about.st_mode & 0o777) == (0, 0o600)
    for output in record.outputs[1:]:
        assert output.available
        assert held.is_taken(output.name)
    assert not held.kept("x").parent.with_name(f"{held.kept('x').parent.name}.taking").exists()


@pytest.mark.parametrize("harm", ["link", "name of root's", "FIFO", "folder", "of root's"])
def test_what_is_swapped_at_the_last_moment_is_refused(
    held: Held, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = held.written(held.outputs / "bad")
    rename = os.rename

    def swapped(source: object, *more: object, **where: object) -> None:
        if source == "bad":
            place.unlink()
            HARMS[harm](held, place)
        rename(source, *more, **where)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", swapped)
    record = held.take("bad")
    assert not record.outputs[0].available
    assert not os.path.lexists(held.kept("bad"))
    assert held.secret.read_bytes() == b"of root's, alone"


@pytest.mark.parametrize("steps", range(1, 12))
@pytest.mark.parametrize("is_copied", [False, True], ids=["renamed", "copied"])
def test_taking_over_may_be_killed_at_any_step_and_is_repeated(
    held: Held, steps: int, is_copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a", "b")
    for name in names:
        held.written(held.outputs / name)

    class Killed(BaseException):
        pass

    done = 0
    with monkeypatch.context() as patch:

        def counted(name: str) -> None:
            real = getattr(os, name)

            def step(*given: object, **where: object) -> object:
                nonlocal done
                done += 1
                if done == steps:
                    raise Killed
                if is_copied and name == "rename" and "src_dir_fd" in where:
                    raise OSError(18, "on another file system")
                return real(*given, **where)

            patch.setattr(os, name, step)

        for name in ("rename", "fchown", "fchmod", "sendfile", "unlink"):
            counted(name)
        with contextlib.suppress(Killed):
            held.take(*names)
    record = held.take(*names)
    assert record.status == "completed"
    assert all(held.is_taken(name) for name in names)


@pytest.mark.parametrize("name", ["made", "outputs"])
def test_an_error_that_passes_says_nothing_of_an_output(
    held: Held, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.written(held.outputs / "made")
    opened = os.open

    def failing(path: object, *more: object, **where: object) -> int:
        if path == name:
            raise OSError(errno.EIO, "the disk is tired")
        return opened(path, *more, **where)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        with pytest.raises(StorageFullError, match="tired"):
            held.take("made")
    assert held.take("made").outputs[0].available
    assert held.is_taken("made")


@pytest.mark.parametrize("harm", ["mode", "name"])
def test_an_account_that_is_quick_keeps_no_way_to_what_is_taken(
    held: Held, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.written(held.outputs / "made")
    other = held.root / "other"
    fchown = os.fchown

    def late(file: int, *owner: int) -> None:
        # up to this moment it is the account's
        if harm == "mode":
            os.fchmod(file, 0o666)
        else:
            os.link(held.kept("made"), other)
        fchown(file, *owner)

    monkeypatch.setattr(os, "fchown", late)
    record = held.take("made")
    if harm == "mode":
        assert held.is_taken("made")
    else:
        assert not record.outputs[0].available
        assert not held.kept("made").exists()


@pytest.mark.parametrize("harm", ["folder", "FIFO", "link"])
def test_what_is_no_file_in_the_place_of_a_claim_is_a_claim(held: Held, harm: str) -> None:
    assert held.folder.look(held.key).claim is None
    HARMS[harm](held, held.directory / "claim")
    assert held.folder.look(held.key).claim == ""
    assert not held.folder.is_barred(held.key)


def test_a_copy_to_another_file_system_is_as_good(held: Held) -> None:
    need("another file system", os.stat("/dev/shm").st_dev != os.stat(held.root).st_dev)
    held.storage = FileStorage(Path("/dev/shm") / f"kotta-{uuid.uuid4()}")
    try:
        held.written(held.outputs / "a")
        os.symlink(held.secret, held.outputs / "b")
        record = held.take("a", "b")
        assert [output.available for output in record.outputs] == [True, False]
        assert held.is_taken("a")
    finally:
        remove_path(held.storage.root)


def test_a_record_counts_for_what_its_job_declared_and_within_its_limit(held: Held) -> None:
    from kotta.models import JobDescription

    description = JobDescription.model_validate({"executable": "x", "outputs": ["a", "b"]})
    record = held.record("b", "a", "a", "c", "STDOUT.txt")
    known = believed(record, description, 1)
    assert [output.name for output in known.outputs] == ["a", "b", "STDOUT.txt"]
    large = believed(held.record("a", "b", size=600 << 10), description, 1)
    assert [output.available for output in large.outputs] == [True, False]
    assert (large.status, large.reason) == ("failed", "limit")


def test_a_large_result_counts_under_the_first_free_name(held: Held) -> None:
    from kotta.models import JobDescription

    function = {"name": "f", "python": "3.11", "payload": "AAAA"}
    description = JobDescription.model_validate(
        {"jobtype": "python", "function": function, "outputs": ["RESULT.json"]}
    )
    record = held.record("RESULT.json", "RESULT-2.json", "RESULT-3.json", "RESULT.pkl")
    names = [output.name for output in believed(record, description, 1).outputs]
    assert names == ["RESULT.json", "RESULT-2.json", "RESULT.pkl"]


def test_of_two_outputs_of_one_name_the_first_counts(held: Held) -> None:
    twice = held.record("a", "b").model_dump()
    twice["outputs"] += [{**twice["outputs"][0], "size_bytes": 1}]
    record = ExitRecord.model_validate(twice)
    assert [(each.name, each.size_bytes) for each in record.outputs] == [
        ("a", len(CONTENT)),
        ("b", len(CONTENT)),
    ]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "a\0b", ""])
def test_no_output_has_a_name_that_leads_elsewhere(held: Held, name: str) -> None:
    with pytest.raises(ValueError, match="outputs"):
        held.record(name)


def test_inputs_are_given_as_names_that_the_account_cannot_write(held: Held) -> None:
    kept = held.written(held.root / "kept", uid=0)
    inputs = [{"name": "a", "url": "http://x/a"}, {"name": "b", "path": str(kept)},
              {"name": "c", "path": "/gone"}]  # fmt: skip
    held.folder.write_launch(held.key, held.launch(inputs=inputs), Account(UID, UID))
    about = (held.directory / "input-1").stat()
    assert (about.st_ino, about.st_uid, about.st_mode & 0o777) == (kept.stat().st_ino, 0, 0o644)
    about = (held.directory / "launch.json").stat()
    assert (about.st_uid, about.st_mode & 0o777) == (UID, 0o600)
    assert b"token" not in (held.directory / "launch.json").read_bytes()
    assert held.folder.bar(held.key)
    assert not (held.directory / "input-1").exists()
    assert kept.read_bytes() == CONTENT


def test_news_may_be_anything(held: Held) -> None:
    news = held.folder.news
    for name in ("²", "x.1", f"{held.key.job_id}.²", f"{held.key.job_id}.{'9' * 200}"):
        (news / name).touch()
    (news / "folder").mkdir()
    (news / "folder" / "file").touch()
    held.folder.news_of(held.key).symlink_to(held.secret)
    assert held.folder.heard() == [held.key]
    assert list(news.iterdir()) == []
    assert held.secret.exists()


def test_words_for_a_runner_are_left_through_no_link(held: Held) -> None:
    for name in ("cancel", "started"):
        (held.directory / name).symlink_to(held.root / "made")
    held.folder.ask_cancel(held.key)
    held.folder.bar_start(held.key)
    assert not (held.root / "made").exists()
    (held.directory / "claim").symlink_to(held.root / "made")
    assert not held.folder.bar(held.key)
    assert not (held.root / "made").exists()


def test_a_directory_is_removed_and_what_it_links_to_stays(held: Held) -> None:
    others = held.root / "others"
    others.mkdir()
    held.written(others / "file")
    (held.directory / "link").symlink_to(others)
    os.link(held.secret, held.directory / "name")
    remove_path(held.directory)
    assert not held.directory.exists()
    assert (others / "file").exists()
    assert held.secret.exists()
