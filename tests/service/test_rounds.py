"""How often a dispatcher looks at what an executor has."""

from __future__ import annotations

import time

import pytest

from kotta_service.executors import LONGEST_PAUSE_SECONDS, PAUSE_SHARE
from kotta_service.rounds import ROUND_SECONDS, Rounds


class Clocks:
    """Both of the clocks that are looked at, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.used = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "thread_time", lambda: self.used)


@pytest.mark.parametrize(
    ("used_seconds", "pause_seconds"),
    [(0.001, 2.0), (0.1, 0.1 * PAUSE_SHARE), (10.0, LONGEST_PAUSE_SECONDS)],
)
def test_what_costs_much_is_looked_at_seldom(
    monkeypatch: pytest.MonkeyPatch, used_seconds: float, pause_seconds: float
) -> None:
    clocks, rounds = Clocks(monkeypatch), Rounds()
    assert rounds.is_due(2.0)
    with rounds.measured():
        clocks.used += used_seconds
    clocks.now += pause_seconds - ROUND_SECONDS
    assert not rounds.is_due(2.0)
    clocks.now += ROUND_SECONDS
    assert rounds.is_due(2.0)
