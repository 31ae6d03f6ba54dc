from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kotta import Kotta, connection
from kotta.errors import (
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    ServiceFaultError,
    TransferError,
)
from library.stand_in import A_JOB_ID, Reply, Request, StandIn, a_job, a_problem, as_json

Serving = Callable[..., None]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES_SECONDS", (0, 0))


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def an_output(name: str, content: bytes | None, **changed: Any) -> dict[str, Any]:
    if content is None:
        return {"name": name, "available": False}
    size, sha256 = len(content), sha256_of(content)
    return {"name": name, "available": True, "size_bytes": size, "sha256": sha256, **changed}


class Keeping:
    """A job's outputs, served with ranges as the service does; `cut` may shorten an answer."""

    def __init__(self, stand_in: StandIn, **outputs: bytes | None) -> None:
        self.files = {name.replace("_", "."): content for name, content in outputs.items()}
        self.listed = [an_output(name, content) for name, content in self.files.items()]
        self.cut: Callable[[int], int | None] = lambda length: None
        self.etags: dict[str, str] = {}
        self.ranges: list[str] = []
        self.batches: list[list[str]] = []
        stand_in.answer = self.answer

    def answer(self, request: Request) -> Reply | None:
        if request.method == "POST":
            return self.many(request)
        if "/outputs/" not in request.path:
            return as_json(a_job(status="completed", description={}, outputs=self.listed))
        name = request.path.rpartition("/")[2]
        content = self.files[name] or b""
        etag = self.etags.get(name, f'"{sha256_of(content)}"')
        asked = request.headers.get("range", "")
        self.ranges.append(asked)
        headers, status = {"ETag": etag}, 200
        if asked and request.headers.get("if-range") == etag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            begins, ends = int(first), int(last) + 1 if last else len(content)
            headers["Content-Range"] = f"bytes {begins}-{ends - 1}/{len(content)}"
            content, status = content[begins:ends], 206
        return Reply(content, status, headers, self.cut(len(content)))

    def many(self, request: Request) -> Reply:
        names = request.json["names"]
        self.batches.append(names)
        content = b"".join(self.files[name] or b"" for name in names)
        return Reply(content, cut_at=self.cut(len(content)))


def part_of(directory: Path, name: str, content: bytes) -> Path:
    return directory / f".{name}.{sha256_of(content)[:8]}.part"


def test_outputs_come_into_a_folder_named_by_the_job(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    Keeping(stand_in, a_txt=b"one", b_txt=b"", c_txt=None)
    seen: list[tuple[str, int, int]] = []
    report = kotta.fetch(A_JOB_ID, progress=lambda *progress: seen.append(progress))
    assert report.directory == Path(A_JOB_ID)
    assert (report.fetched, report.already_there) == (["a.txt", "b.txt"], [])
    assert report.unavailable == ["c.txt"]
    assert sorted(path.name for path in (home / A_JOB_ID).iterdir()) == ["a.txt", "b.txt"]
    assert (home / A_JOB_ID / "a.txt").read_bytes() == b"one"
    assert seen == [("a.txt", 3, 3), ("b.txt", 0, 0)]


def test_a_second_time_nothing_is_asked_for(stand_in: StandIn, kotta: Kotta) -> None:
    keeping = Keeping(stand_in, a_txt=b"one")
    kotta.fetch(A_JOB_ID, "here")
    report = kotta.fetch(A_JOB_ID, "here")
    assert (report.fetched, report.already_there) == ([], ["a.txt"])
    assert len(keeping.ranges) == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_download_that_is_cut_anywhere_goes_on_to_the_same_bytes(
    home: Path, stand_in: StandIn, kotta: Kotta, seed: int
) -> None:
    chance = random.Random(seed)
    content = chance.randbytes(chance.randrange(1, 4 << 20))
    keeping = Keeping(stand_in, a_bin=content)
    left = [15]

    def cut(length: int) -> int | None:
        left[0] -= 1
        return None if left[0] < 0 else chance.randrange(length + 1)

    keeping.cut = cut
    for _ in range(20):
        try:
            report = kotta.fetch(A_JOB_ID, "here")
            break
        except ConnectionFailedError:
            continue
    assert report.fetched == ["a.bin"]
    assert (home / "here" / "a.bin").read_bytes() == content
    assert [path.name for path in (home / "here").iterdir()] == ["a.bin"]


def test_what_was_there_before_is_untouched_until_all_has_come(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    keeping = Keeping(stand_in, a_txt=b"new content")
    keeping.cut = lambda length: 0 if length < 11 else 4
    (home / "a.txt").write_bytes(b"old")
    with pytest.raises(ConnectionFailedError):
        kotta.fetch(A_JOB_ID, home, force=True)
    assert (home / "a.txt").read_bytes() == b"old"
    assert part_of(home, "a.txt", b"new content").read_bytes() == b"new "
    keeping.cut = lambda length: None
    keeping.ranges.clear()
    kotta.fetch(A_JOB_ID, home, force=True)
    assert (home / "a.txt").read_bytes() == b"new content"
    assert keeping.ranges == ["bytes=4-"]


def test_a_part_of_something_else_is_thrown_away(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    keeping = Keeping(stand_in, a_txt=b"new content")
    part_of(home, "a.txt", b"new content").write_bytes(b"rubbish")
    kotta.fetch(A_JOB_ID, home)
    assert (home / "a.txt").read_bytes() == b"new content"
    assert keeping.ranges == ["bytes=7-", ""]


@pytest.mark.parametrize("size", [11, 12, 5000])
def test_a_part_that_is_as_long_or_longer_is_no_part(
    home: Path, stand_in: StandIn, kotta: Kotta, size: int
) -> None:
    Keeping(stand_in, a_txt=b"new content")
    part_of(home, "a.txt", b"new content").write_bytes(b"x" * size)
    kotta.fetch(A_JOB_ID, home)
    assert (home / "a.txt").read_bytes() == b"new content"


def test_a_part_that_is_whole_is_not_asked_for(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    keeping = Keeping(stand_in, a_txt=b"new content")
    part_of(home, "a.txt", b"new content").write_bytes(b"new content")
    assert kotta.fetch(A_JOB_ID, home).fetched == ["a.txt"]
    assert keeping.ranges == []


def test_another_etag_begins_again(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    keeping = Keeping(stand_in, a_txt=b"new content")
    keeping.etags["a.txt"] = '"another"'
    part_of(home, "a.txt", b"new content").write_bytes(b"new ")
    kotta.fetch(A_JOB_ID, home)
    assert (home / "a.txt").read_bytes() == b"new content"


def test_bytes_that_are_not_what_was_promised_are_thrown_away(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    keeping = Keeping(stand_in, a_txt=b"promised")
    keeping.files["a.txt"] = b"deceives"
    with pytest.raises(TransferError, match=r"a\.txt did not arrive"):
        kotta.fetch(A_JOB_ID, "here")
    assert not (home / "here" / "a.txt").exists()
    keeping.files["a.txt"] = b"promised"
    assert kotta.fetch(A_JOB_ID, "here").fetched == ["a.txt"]


def test_more_bytes_than_were_promised_are_not_kept(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    keeping = Keeping(stand_in, a_txt=b"promised")
    keeping.files["a.txt"] = b"promised and more" * 100_000
    with pytest.raises(TransferError, match="more than it said"):
        kotta.fetch(A_JOB_ID, "here")
    assert sum(path.stat().st_size for path in (home / "here").iterdir()) == 0


def test_a_range_of_another_part_is_refused(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    part_of(home, "a.txt", b"new content").write_bytes(b"new ")
    keeping = Keeping(stand_in, a_txt=b"new content")
    wrong = Reply(b"ontent", 206, {"Content-Range": "bytes 5-10/11"})
    stand_in.answer = lambda request: (
        wrong if "outputs" in request.path else keeping.answer(request)
    )
    with pytest.raises(ServiceFaultError, match="another part"):
        kotta.fetch(A_JOB_ID, home)


HOSTILE_NAMES = [
    *("../evil", "/etc/evil", "..", ".", "", "a/b", "a\0b", "a\nb", "\x1b[31m", "a" * 300, " "),
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_leads_elsewhere_is_refused(
    home: Path, stand_in: StandIn, kotta: Kotta, name: str
) -> None:
    keeping = Keeping(stand_in, a_txt=b"one")
    keeping.listed.append(an_output(name, b"one"))
    with pytest.raises(ServiceFaultError):
        kotta.fetch(A_JOB_ID, home / "inner" / "most")
    assert list(home.rglob("*evil*")) == []
    assert not (home / "inner").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": "../../../x"},
        {"sha256": None},
        {"sha256": "A" * 64},
        {"sha256": "0" * 64 + "\n"},
        {"size_bytes": None},
        {"size_bytes": -1},
    ],
)
def test_an_output_that_is_not_told_of_in_full_is_refused(
    home: Path, stand_in: StandIn, kotta: Kotta, changed: dict[str, Any]
) -> None:
    keeping = Keeping(stand_in)
    keeping.listed = [an_output("a.txt", b"one", **changed)]
    with pytest.raises(ServiceFaultError):
        kotta.fetch(A_JOB_ID, "here")
    assert not (home / "here").exists()


def test_a_long_name_has_room_for_its_part(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    name = "ä" * 127
    keeping = Keeping(stand_in)
    keeping.listed = [an_output(name, b"one")]
    stand_in.answer = lambda request: (
        Reply(b"one") if "outputs" in request.path else keeping.answer(request)
    )
    assert kotta.fetch(A_JOB_ID, "here").fetched == [name]
    assert (home / "here" / name).read_bytes() == b"one"


def test_a_different_file_is_in_the_way_before_anything_is_brought(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    keeping = Keeping(stand_in, a_txt=b"one", b_txt=b"two")
    (home / "b.txt").write_bytes(b"precious")
    with pytest.raises(ConflictError, match=r"b\.txt") as caught:
        kotta.fetch(A_JOB_ID, home)
    assert "--force" in caught.value.hint
    assert keeping.ranges == []
    assert not (home / "a.txt").exists()
    kotta.fetch(A_JOB_ID, home, force=True)
    assert (home / "b.txt").read_bytes() == b"two"


def test_a_link_is_replaced_never_followed(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    Keeping(stand_in, a_txt=b"one")
    (home / "precious").write_bytes(b"precious")
    (home / "a.txt").symlink_to("precious")
    with pytest.raises(ConflictError):
        kotta.fetch(A_JOB_ID, home)
    kotta.fetch(A_JOB_ID, home, force=True)
    assert not (home / "a.txt").is_symlink()
    assert (home / "precious").read_bytes() == b"precious"


def test_a_dangling_link_is_in_the_way_as_well(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    Keeping(stand_in, a_txt=b"one")
    (home / "a.txt").symlink_to("nowhere")
    with pytest.raises(ConflictError):
        kotta.fetch(A_JOB_ID, home)
    assert not (home / "nowhere").exists()


def test_a_link_in_the_place_of_the_part_is_not_followed(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    Keeping(stand_in, a_txt=b"one")
    (home / "precious").write_bytes(b"")
    part_of(home, "a.txt", b"one").symlink_to("precious")
    with pytest.raises(TransferError):
        kotta.fetch(A_JOB_ID, home)
    assert (home / "precious").read_bytes() == b""


@pytest.mark.parametrize("in_the_way", ["folder", "file above"])
def test_a_place_that_cannot_be_written_is_told_of(
    home: Path, stand_in: StandIn, kotta: Kotta, in_the_way: str
) -> None:
    Keeping(stand_in, a_txt=b"one")
    if in_the_way == "folder":
        (home / "here" / "a.txt").mkdir(parents=True)
    else:
        (home / "here").write_text("")
    with pytest.raises(TransferError, match=r"a\.txt"):
        kotta.fetch(A_JOB_ID, "here", force=True)


def test_two_fetches_do_not_write_one_file(home: Path, stand_in: StandIn, kotta: Kotta) -> None:
    import fcntl

    keeping = Keeping(stand_in, a_txt=b"one")
    with open(part_of(home, "a.txt", b"one"), "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another fetch"):
            kotta.fetch(A_JOB_ID, home)
    assert keeping.ranges == []
    assert kotta.fetch(A_JOB_ID, home).fetched == ["a.txt"]


def test_outputs_are_chosen_by_name_or_pattern(stand_in: StandIn, kotta: Kotta) -> None:
    Keeping(stand_in, a_txt=b"1", b_txt=b"2", c_bin=b"3", d_txt=None)
    assert kotta.fetch(A_JOB_ID, "one", ["c.bin"]).fetched == ["c.bin"]
    report = kotta.fetch(A_JOB_ID, "two", ["b.txt", "*.txt", "b.txt"])
    assert (report.fetched, report.unavailable) == (["b.txt", "a.txt"], ["d.txt"])


def test_a_name_that_is_also_a_pattern_means_itself(stand_in: StandIn, kotta: Kotta) -> None:
    keeping = Keeping(stand_in)
    keeping.files = {"[ab]": b"1", "a": b"2"}
    keeping.listed = [an_output(name, content) for name, content in keeping.files.items()]
    keeping.files["%5Bab%5D"] = b"1"
    assert kotta.fetch(A_JOB_ID, "one", ["[ab]"]).fetched == ["[ab]"]


def test_a_name_that_is_no_output_names_the_nearest_and_all(
    stand_in: StandIn, kotta: Kotta
) -> None:
    Keeping(stand_in, results_txt=b"1", other_bin=b"2")
    with pytest.raises(NotFoundError, match=r"no output `result\.txt`") as caught:
        kotta.fetch(A_JOB_ID, None, ["result.txt"])
    assert caught.value.hint == "did you mean `results.txt`? its outputs: results.txt, other.bin"


def test_an_output_that_is_gone_meanwhile_is_not_found(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    keeping = Keeping(stand_in, a_txt=b"one")
    gone = a_problem(404, "not_found", "it is gone")
    stand_in.answer = lambda request: gone if "outputs" in request.path else keeping.answer(request)
    with pytest.raises(NotFoundError, match="it is gone"):
        kotta.fetch(A_JOB_ID, "here")
    assert not os.path.exists("here/a.txt")


def test_a_folder_of_the_servers_choice_is_never_used(
    home: Path, stand_in: StandIn, kotta: Kotta
) -> None:
    evil = a_job("../evil", status="completed", description={}, outputs=[an_output("a", b"1")])
    stand_in.replies(as_json(evil))
    with pytest.raises(ServiceFaultError):
        kotta.fetch(A_JOB_ID)
    assert not (home.parent / "evil").exists()
