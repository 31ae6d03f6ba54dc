"""Libraries of faults/ that are preloaded into a service and its runners."""

from __future__ import annotations

import subprocess
from pathlib import Path

from programs import needed

_FAULTS = Path(__file__).parent / "faults"


def compiled(name: str, into: Path) -> Path:
    """The library that faults/NAME.c makes, in a folder."""
    library = into / f"{name}.so"
    compiler = [needed("gcc"), "-O2", "-shared", "-fPIC", "-o", library, _FAULTS / f"{name}.c"]
    subprocess.run(compiler, check=True)
    return library
