"""Whatever goes out comes back unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kotta import Kotta, kottajob

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON_LIKE = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
HASHABLE = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | st.booleans(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner),
    max_leaves=6,
)
ANYTHING = st.recursive(
    PLAIN
    | st.binary()
    | st.complex_numbers()
    | st.datetimes()
    | st.decimals(allow_nan=False)
    | HASHABLE,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner)
        | st.sets(HASHABLE)
    ),
    max_leaves=20,
)
EVERY_EXAMPLE = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def same(value: Any) -> Any:
    return value


def equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.isnan(a) == math.isnan(b) and (math.isnan(a) or repr(a) == repr(b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(equal, a.values(), b.values()))
    return a == b or repr(a) == repr(b)


def round_trip(konn: Kotta) -> Callable[[list[Any]], list[Any]]:
    function = kottajob(konn, "Test", 5)(same)
    return lambda values: list(function.map(values))


@EVERY_EXAMPLE
@given(values=st.lists(JSON_LIKE, min_size=1, max_size=10))
def test_json_like_values_go_out_and_back_unchanged(konn: Kotta, values: list[Any]) -> None:
    assert equal(round_trip(konn)(values), values)


@EVERY_EXAMPLE
@given(values=st.lists(ANYTHING, min_size=1, max_size=10))
def test_pickled_values_go_out_and_back_unchanged(konn: Kotta, values: list[Any]) -> None:
    assert equal(round_trip(konn)(values), values)


class Kept:
    number = 0

    def doubled(self) -> int:
        return 2 * self.number


def test_a_class_that_came_back_is_here_what_it_was_made_here(konn: Kotta) -> None:
    call = kottajob(konn, "Test", 5)(Kept).submit()
    before = Kept.doubled
    try:
        Kept.number = 7
        value = call.result(20)
        assert (type(value), Kept.number, Kept.doubled, value.doubled()) == (Kept, 7, before, 14)
    finally:
        Kept.number = 0


def test_integers_of_more_digits_than_python_writes_come_back(konn: Kotta) -> None:
    assert kottajob(konn, "Test", 5)(same)([10**5000]) == [10**5000]


def test_elements_that_are_made_in_the_same_memory_are_told_apart(konn: Kotta) -> None:
    def made() -> Iterator[list[int]]:
        shared = [0] * 400_000
        for first in range(3):
            shared[0] = first
            yield shared

    def buffers() -> Iterator[bytearray]:
        shared = bytearray(2 << 20)
        for first in range(3):
            shared[0] = first
            yield shared

    first = kottajob(konn, "Test", 5)(lambda values: values[0])
    assert list(first.map(made())) == [0, 1, 2]
    assert list(first.map(buffers())) == [0, 1, 2]


def test_a_keyword_may_be_called_as_the_object_is(konn: Kotta) -> None:
    assert kottajob(konn, "Test", 5)(lambda self, x: self + x)(self=1, x=2) == 3
