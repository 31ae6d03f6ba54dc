"""The promises hold whatever lies between a service and who speaks with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trust.harness import Scenario, of_module
from trust.scenarios import transfers

# httpcore leaves the socket of a refused connection to the garbage collector
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("scenario", of_module(transfers), ids=lambda scenario: scenario.name)
def test_what_is_promised_holds(scenario: Scenario, hold: Callable[[Scenario], None]) -> None:
    hold(scenario)
