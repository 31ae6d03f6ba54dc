"""Whatever goes out comes back unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable
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
