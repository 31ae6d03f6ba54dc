"""The promises hold whenever somebody presses Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trust.harness import Scenario, of_module
from trust.scenarios import interrupts

# httpcore leaves the socket of a refused connection to the garbage collector
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("scenario", of_module(interrupts), ids=lambda scenario: scenario.name)
def test_what_is_promised_holds(scenario: Scenario, hold: Callable[[Scenario], None]) -> None:
    hold(scenario)
