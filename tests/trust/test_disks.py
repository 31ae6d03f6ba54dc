"""The promises hold when the disk is full."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from trust.harness import Scenario, of_module
from trust.scenarios import disks

# httpcore leaves the socket of a refused connection to the garbage collector
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file system of its own"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("scenario", of_module(disks), ids=lambda scenario: scenario.name)
def test_what_is_promised_holds(scenario: Scenario, hold: Callable[[Scenario], None]) -> None:
    hold(scenario)
