"""Every scenario, in the order of the table in docs/guarantees.md."""

from __future__ import annotations

from trust.harness import Scenario, of_module
from trust.scenarios import clients, clocks, disks, kills, models, power, soak

SCENARIOS: list[Scenario] = [
    each
    for module in (kills, power, disks, clocks, clients, models, soak)
    for each in of_module(module)
]
