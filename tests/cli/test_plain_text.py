from __future__ import annotations

import json

import pytest

from kotta_cli.render.plain_text import (
    LogText,
    cell_width,
    json_for_terminal,
    one_line,
    several_lines,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;never ends", ""),
        ("\x9b31mred", "red"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("back\x08space\x7f\x00", "backspace"),
        ("txt.\u202eexe\u2066\u200f", "txt.exe"),
        ("half \ud800", "half \ufffd"),
        ("[bold]markup[/]", "[bold]markup[/]"),
        ("日本語 é 👍", "日本語 é 👍"),
        ("line\u2028separator", "line separator"),
    ],
)
def test_text_keeps_what_it_spells_and_loses_what_it_does(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_newlines_and_tabs_stay_where_several_lines_are_wanted() -> None:
    assert several_lines("a\r\nb\n\tc\rd\x1b[2J") == "a\nb\n\tcd"


def test_json_for_a_terminal_is_the_same_value_without_dangers() -> None:
    value = {"name": "a\u202eb\x9b31m\x1b[0m日\U000e0041"}
    text = json_for_terminal(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert "日" in text
    assert not {"\u202e", "\x9b", "\x1b", "\U000e0041"}.intersection(text)


def test_cell_width_counts_wide_and_combining_characters() -> None:
    assert [cell_width(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]


def _shown(*chunks: bytes) -> str:
    log = LogText()
    return "".join([*map(log.feed, chunks), log.end()])


def test_a_log_keeps_newlines_tabs_carriage_returns_and_colours() -> None:
    assert _shown(b"10%\r20%\n\t\x1b[32mok\x1b[0m\n") == "10%\r20%\n\t\x1b[32mok\x1b[0m\n"


def test_a_log_loses_every_other_control_sequence() -> None:
    said = b"a\x1b[2Jb\x1b[10;10Hc\x1b]0;title\x07d\x07\x08\x1b[?1049he\x1bcf"
    assert _shown(said) == "abcdef"


def test_a_log_is_the_same_however_it_is_cut() -> None:
    said = "x\x1b[31mé日\x1b]0;ti\x1b\\tle\x1b[Ky\r\n".encode()
    whole = _shown(said)
    for cut in range(len(said)):
        assert _shown(said[:cut], said[cut:]) == whole
    assert _shown(*(bytes([byte]) for byte in said)) == whole


def test_a_sequence_that_never_ends_does_not_hold_back_what_follows() -> None:
    log = LogText()
    shown = log.feed(b"before\x1b]0;" + b"x" * 3000)
    assert shown == "before"
    assert log.feed(b"x" * 3000) == ""
    assert log.feed(b"xxx\nafter\n") == "xxx\nafter\n"


def test_colours_that_a_job_leaves_on_are_turned_off_at_the_end() -> None:
    assert _shown(b"\x1b[1;31mred") == "\x1b[1;31mred\x1b[0m"
