"""The runner as one file that nodes can run with nothing but a Python: a zipapp.

It holds `kotta_runner` and cloudpickle, which nodes need not have. One file is read once by each
job; a folder of forty would be asked for file by file, by all nodes at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import py_compile
import secrets
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

_MAIN = "import sys\nfrom kotta_runner.__main__ import main\nsys.exit(main())\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of everything in it: the first that ZIP knows."""


def runner_archive(folder: Path) -> Path:
    """The file in `folder`, made unless it is there already; its name tells what it is made of."""
    sources = _sources()
    digest = hashlib.sha256(sys.version.encode())
    for name, source in sources.items():
        digest.update(f"\0{name}\0".encode() + source.read_bytes())
    path = folder / f"kotta-runner-{digest.hexdigest()[:16]}.pyz"
    if path.exists():
        return path
    content = _content(sources)
    aside = folder / f".{path.name}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            # the accounts of jobs read it, whatever the umask is
            os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        aside.rename(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
    return path


def _sources() -> dict[str, Path]:
    found = {}
    for package in ("kotta_runner", "cloudpickle"):
        root = _folder_of(package)
        for source in sorted(root.rglob("*.py")):
            found[f"{package}/{source.relative_to(root)}"] = source
    return found


def _content(sources: Mapping[str, Path]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for name, source in sources.items():
            _add(archive, name, source.read_bytes())
            # what a Python of this version need not compile for each job anew; others do
            _add(archive, f"{name}c", _compiled(source, name))
    return held.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)


def _folder_of(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0])


def _compiled(source: Path, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = py_compile.compile(
            str(source),
            cfile=f"{folder}/c",
            dfile=name,
            doraise=True,
            optimize=2,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        return Path(str(path)).read_bytes()
