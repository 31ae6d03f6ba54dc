from __future__ import annotations

from collections.abc import Callable

import pytest

from trust.harness import Scenario, new_trial


@pytest.fixture
def hold() -> Callable[[Scenario], None]:
    """Runs a scenario as often as CI does; `benchmarks/trust` does so as often as it says."""

    def run(scenario: Scenario) -> None:
        with new_trial() as trial:
            print(scenario.run(trial, scenario.short))

    return run
