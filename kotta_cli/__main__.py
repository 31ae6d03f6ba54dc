"""`python -m kotta_cli` is `kotta`."""

from __future__ import annotations

import sys

from kotta_cli.entry import run

sys.exit(run())
