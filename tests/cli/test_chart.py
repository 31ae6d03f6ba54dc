from __future__ import annotations

import re

import pytest

from kotta_cli.render.chart import ASCII, UNICODE, Chart, Signs, nice_top, time_axis


def drawn(
    *values: float | None, top: float = 4, limit: float | None = None, signs: Signs = UNICODE
) -> list[str]:
    chart = Chart(values, top, limit, lambda height: f"{height:g}")
    return [left + area for left, area in chart.lines(2, signs)]


def test_heights_are_told_to_an_eighth_of_a_row() -> None:
    assert drawn(0, 0.25, 1, 2, 2.25, 3, 4) == [
        "       4 ┤    ▁▄█",
        "       2 ┤ ▁▄████",
    ]


def test_little_is_not_nothing_and_unknown_is() -> None:
    assert drawn(0.0001, 0, None, 0.0001)[1] == "       2 ┤▁  ▁"


def test_more_than_the_top_is_the_top() -> None:
    assert drawn(9) == ["       4 ┤█", "       2 ┤█"]


@pytest.mark.parametrize(
    ("limit", "lines"),
    [
        (4, ["       4 ┤┄┄█", "       2 ┤ ▄█"]),
        (1.5, ["       4 ┤  █", "     1.5 ┤┄▄█"]),
    ],
)
def test_a_limit_is_a_line_that_what_is_used_covers(limit: float, lines: list[str]) -> None:
    assert drawn(0, 1, 4, limit=limit) == lines


def test_ascii_has_fewer_levels() -> None:
    lines = drawn(0, 0.3, 1, 2, 3, 4, limit=4, signs=ASCII)
    assert lines == ["       4 +----:#", "       2 + .:###"]
    assert all(line.isascii() for line in [*lines, *time_axis(60, 40, ASCII)])


def test_times_that_have_no_room_beside_each_other_are_left_out() -> None:
    for seconds in range(1, 20_000, 97):
        _, words = time_axis(seconds, 49, UNICODE)
        assert re.fullmatch(r" +0( {2,}[\d.]+ (ms|s|min|h|d)( \d+ (s|min|h))?)*", words), words


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        (0.004, ["0", "1 ms", "2 ms", "3 ms", "4 ms"]),
        (2.2, ["0", "500 ms", "1 s", "1.5 s", "2 s"]),
        (45, ["0", "10 s", "20 s", "30 s", "40 s"]),
        (200, ["0", "1 min", "2 min", "3 min"]),
        (6000, ["0", "20 min", "40 min", "1 h", "1 h 20 min"]),
        (400_000, ["0", "1 d", "2 d", "3 d", "4 d"]),
        (300_000_000, ["0", "700 d", "1400 d", "2100 d"]),
    ],
)
def test_times_on_the_axis_are_round(seconds: float, times: list[str]) -> None:
    floor, words = time_axis(seconds, 70, UNICODE)
    assert floor.startswith("       0 └┬")
    assert len(floor) == 80
    found = words.split("  ")
    assert [word.strip() for word in found if word.strip()][: len(times)] == times
    assert len(words) <= 80


def test_the_top_is_a_round_number() -> None:
    assert [nice_top(most) for most in (0, 0.9, 1, 1.1, 2.2, 3, 70)] == [1, 1, 1, 2, 2.5, 5, 100]
