"""Writes the manual into the source tree that this package lies in, or into the one named."""

from __future__ import annotations

import sys
from pathlib import Path

from kotta_cli.manual import leftovers, manual


def write_manual(root: Path) -> None:
    """Write all pages; parts written by hand stay as they are."""
    for path, text in manual(root).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for path in leftovers(root):
        path.unlink()


if __name__ == "__main__":
    write_manual(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2])
