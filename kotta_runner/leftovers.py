"""`python -m kotta_runner.leftovers JOB_ID/ATTEMPT`: ends what a lost runner left running.

It returns once no process of this user carries that tag.
"""

from __future__ import annotations

import sys
from functools import partial

from kotta_runner.process_tree import end_gently, tagged

GRACE_SECONDS = 2.0


def main() -> int:
    if len(sys.argv) != 2 or "/" not in sys.argv[1]:
        sys.stderr.write("usage: python -m kotta_runner.leftovers JOB_ID/ATTEMPT\n")
        return 2
    end_gently(partial(tagged, sys.argv[1]), GRACE_SECONDS, lambda: None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
