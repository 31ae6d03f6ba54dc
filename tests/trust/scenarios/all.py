"""Every scenario, in the order of the table in docs/guarantees.md."""

from __future__ import annotations

from trust.harness import Scenario, of_module
from trust.scenarios import (
    clients,
    clocks,
    disks,
    interrupts,
    kills,
    models,
    power,
    soak,
    transfers,
)

SCENARIOS: list[Scenario] = [
    each
    for module in (kills, power, disks, clocks, transfers, clients, models, interrupts, soak)
    for each in of_module(module)
]
