from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kotta import paths
from kotta.errors import ConfigError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_made_for_this_user_alone_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        data = paths.data_directory()
        runtime = paths.runtime_directory()
    finally:
        os.umask(before)
    assert data == home / "share" / "kotta"
    assert runtime == home / "run" / "kotta"
    assert [mode(path) for path in (data, data.parent, runtime)] == [0o700] * 3


def test_settings_and_cache_are_looked_for_where_xdg_says(home: Path) -> None:
    assert paths.config_directory() == home / "config" / "kotta"
    assert paths.cache_directory() == home / "cache" / "kotta"
    assert not paths.config_directory().exists()


def test_without_variables_folders_are_in_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    assert paths.data_directory() == home / ".local" / "share" / "kotta"


@pytest.mark.parametrize("value", ["", "relative/folder", "/nowhere/at/all"])
def test_a_runtime_folder_that_is_none_gives_way_to_a_private_temporary_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    found = paths.runtime_directory()
    assert found == home / f"kotta-{os.getuid()}"
    assert mode(found) == 0o700


def squat_with_link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir(mode=0o700)
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    "squat",
    [lambda path: path.mkdir(mode=0o777), squat_with_link, lambda path: path.write_text("")],
)
@pytest.mark.parametrize("where", ["run/kotta", "temporary"])
def test_a_folder_that_others_could_use_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, squat: object, where: str
) -> None:
    path = home / where
    if where == "temporary":
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        path = home / f"kotta-{os.getuid()}"
    before = os.umask(0)
    try:
        squat(path)  # type: ignore[operator]
    finally:
        os.umask(before)
    with pytest.raises(ConfigError) as caught:
        paths.runtime_directory()
    assert str(path) in caught.value.message
    assert "XDG_RUNTIME_DIR" in caught.value.hint


def test_a_data_folder_that_cannot_be_made_is_named_with_its_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "file"))
    with pytest.raises(ConfigError) as caught:
        paths.data_directory()
    assert str(home / "file" / "kotta") in caught.value.message
    assert "Not a directory" in caught.value.message
    assert "XDG_DATA_HOME" in caught.value.hint


def test_a_socket_is_named_by_its_data_folder(home: Path) -> None:
    one, other = paths.socket_path(home / "one"), paths.socket_path(home / "other")
    assert one != other
    assert one.parent == home / "run" / "kotta"
    (home / "link").symlink_to(home / "one")
    assert paths.socket_path(home / "link") == one


def test_a_long_runtime_folder_gives_way_to_the_temporary_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = home / ("x" * 90)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    path = paths.socket_path(home)
    assert path.parent == home / f"kotta-{os.getuid()}"
    assert len(os.fsencode(path)) <= paths.MAX_SOCKET_BYTES


def test_two_long_folders_are_an_error_that_says_what_to_shorten(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = home / ("x" * 90)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setenv("TMPDIR", str(long))
    with pytest.raises(ConfigError) as caught:
        paths.socket_path(home)
    assert "107 bytes" in caught.value.message
    assert "TMPDIR" in caught.value.hint
