"""What a bursty day costs, and how long its jobs wait, with fixed and with elastic pools of nodes.

    python benchmarks/elastic/simulate.py [--seed 1] [--days 20] [--price 0.34] [--json]

A simulation with Slurm's limits (see pools.py) and the workload of workload.py: it says what
elastic nodes are worth to whoever has such days, not how fast anything here is. The table has
medians over the days; the chart is of the first day. The paper of the first Cloud Kotta (Babuji,
Chard, Gerow and Duede, 2016, arXiv:1610.03108) tells of costs down to 1/16 of static provisioning.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence

from pools import Pool, Run, simulate
from workload import DAY_SECONDS, Job, bursty_day

PEAK_NODES = 80
"""As many as the largest burst fills."""
POOLS = (
    Pool("fixed, for the peak", PEAK_NODES, PEAK_NODES),
    Pool("fixed, a quarter", PEAK_NODES // 4, PEAK_NODES // 4),
    Pool("fixed, two nodes", 2, 2),
    Pool("elastic, from none", 0, PEAK_NODES),
    Pool("elastic, a quarter", 0, PEAK_NODES // 4),
    Pool("elastic, one stays on", 1, PEAK_NODES),
    Pool("elastic, 1 min idle", 0, PEAK_NODES, idle_seconds=60.0),
    Pool("elastic, slow boot", 0, PEAK_NODES, boot_seconds=360.0),
)
COLUMNS = 72
_BLOCKS = " ▁▂▃▄▅▆▇█"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first day; the next has one more"
    )
    parser.add_argument("--days", type=int, default=20, help="how many days are simulated")
    parser.add_argument("--price", type=float, default=0.34, help="of a node for an hour")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    days = [bursty_day(options.seed + n) for n in range(options.days)]
    runs = {pool.name: [simulate(jobs, pool, DAY_SECONDS) for jobs in days] for pool in POOLS}
    figures = {pool.name: _figures(runs[pool.name], pool, options.price) for pool in POOLS}
    for row in figures.values():
        row["of the peak"] = row["cost"] / figures[POOLS[0].name]["cost"]
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    count = statistics.median(len(jobs) for jobs in days)
    print(
        f"{options.days} days from seed {options.seed}, {count:.0f} jobs a day; medians of a day\n"
    )
    _print_table(figures)
    print("\nnodes that are on, through the first day\n")
    _print_chart(days[0], {pool.name: runs[pool.name][0] for pool in POOLS})
    return 0


def _figures(runs: Sequence[Run], pool: Pool, price: float) -> dict[str, float]:
    def median(values: Sequence[float]) -> float:
        return statistics.median(values)

    hours = median([run.node_seconds / 3600 for run in runs])
    return {
        "node hours": hours,
        "cost": hours * price,
        "cores at work": median(
            [run.core_seconds / (run.node_seconds * pool.cores) for run in runs]
        ),
        "wait, median": median([median(run.waits) for run in runs]),
        "wait, 95 of 100": median([statistics.quantiles(run.waits, n=20)[-1] for run in runs]),
        "wait, longest": median([max(run.waits) for run in runs]),
    }


def _print_table(figures: dict[str, dict[str, float]]) -> None:
    print(
        f"{'pool':<22}{'node hours':>11}{'cost':>9}{'of the peak':>13}{'cores at work':>15}"
        f"{'wait':>8}{'95 %':>8}{'longest':>9}"
    )
    for name, row in figures.items():
        share = f"1/{1 / row['of the peak']:.1f}"
        print(
            f"{name:<22}{row['node hours']:>11.1f}{row['cost']:>9.2f}{share:>13}"
            f"{row['cores at work']:>14.0%} {_time(row['wait, median']):>8}"
            f"{_time(row['wait, 95 of 100']):>8}{_time(row['wait, longest']):>9}"
        )


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _print_chart(jobs: Sequence[Job], runs: dict[str, Run]) -> None:
    width = DAY_SECONDS / COLUMNS
    submitted = [0.0] * COLUMNS
    for job in jobs:
        submitted[min(COLUMNS - 1, int(job.submitted / width))] += 1
    print(f"{'jobs submitted':<22}{_bars(submitted)} {max(submitted):.0f}")
    for name, run in runs.items():
        on = [_most(run, column * width, (column + 1) * width) for column in range(COLUMNS)]
        print(f"{name:<22}{_bars(on, PEAK_NODES)} {max(on):.0f}")
    print(f"{'':<22}{'0 h':<18}{'6 h':<18}{'12 h':<18}{'18 h':<18}")


def _most(run: Run, begins: float, ends: float) -> float:
    before = [on for moment, on in run.changes if moment <= begins]
    within = [on for moment, on in run.changes if begins < moment < ends]
    return float(max([before[-1], *within]))


def _bars(values: Sequence[float], full: float | None = None) -> str:
    top = full or max(values) or 1
    # what there is can be seen, however little
    return "".join(_BLOCKS[0 if not value else max(1, round(value / top * 8))] for value in values)


if __name__ == "__main__":
    sys.exit(main())
