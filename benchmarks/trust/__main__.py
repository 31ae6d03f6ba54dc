"""Does the harm that docs/guarantees.md speaks of, as often as it says, and prints the figures.

    python benchmarks/trust [--list] [--short] [--busy] [--long] [--seed N] [SCENARIO ...]

Without names all scenarios are run, one after another: that takes hours. Each prints its seed, and
`--seed` (or KOTTA_TRUST_SEED) makes the same choices again. `--short` is what CI does; on a machine
that is `--busy` with other things, seconds are told and not held to; `--long` soaks for four hours
in place of twenty minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from trust.harness import Scenario, new_trial
from trust.scenarios.all import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    parser.add_argument("--list", action="store_true", help="name the scenarios and their figures")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--busy", action="store_true", help="hold to no seconds")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--count", type=int, help="do it so often")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    known = {each.name: each for each in SCENARIOS}
    if unknown := [name for name in options.scenarios if name not in known]:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    if options.list:
        for each in SCENARIOS:
            print(f"{each.name} ({each.full} times): {each.figure}")
        return 0
    failed = 0
    for each in [known[name] for name in options.scenarios] or SCENARIOS:
        count = options.count or (each.short if options.short else each.full)
        if options.long and each.longest:
            count = each.longest
        failed += not _holds(
            each, count, options.seed, is_measured=not (options.short or options.busy)
        )
    return 1 if failed else 0


def _holds(each: Scenario, count: int, seed: int | None, *, is_measured: bool) -> bool:
    print(f"== {each.name}, {count} times: {each.figure}", flush=True)
    began = time.monotonic()
    try:
        with new_trial(seed, is_measured=is_measured) as trial:
            figures = each.run(trial, count)
    except Exception:
        traceback.print_exc()
        print(f"   BROKEN after {time.monotonic() - began:.0f} s", flush=True)
        return False
    for name, value in figures.items():
        print(f"   {name:<46} {value:>12,.2f}" if isinstance(value, float) else
              f"   {name:<46} {value:>12,}", flush=True)  # fmt: skip
    print(f"   holds; took {time.monotonic() - began:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
