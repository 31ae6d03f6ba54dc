"""Where the first library kept these names; `from kotta.kotta_functions import *` still works."""

from __future__ import annotations

from kotta.functions import KottaFn, kottajob
from kotta.job import KottaJob
from kotta.outputs import KOut

__all__ = ["KOut", "KottaFn", "KottaJob", "kottajob"]
