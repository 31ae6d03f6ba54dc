"""Writes the scripts into a directory: `completions` beside this package, or the one named."""

from __future__ import annotations

import sys
from pathlib import Path

from kotta_cli.completion_scripts import FILE_NAMES, SCRIPTS


def write_scripts(directory: Path) -> None:
    """Write all scripts; what was there before is replaced."""
    for shell, make in SCRIPTS.items():
        (directory / FILE_NAMES[shell]).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    beside = Path(__file__).parents[2] / "completions"
    write_scripts(Path(sys.argv[1]) if len(sys.argv) > 1 else beside)
