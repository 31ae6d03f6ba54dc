"""Runs one of the servers that OpenStack Swift consists of: `python swift_part.py FOLDER KIND`.

By the Python that has Swift; its configuration lies in the folder rather than in /etc/swift.
"""

from __future__ import annotations

import importlib
import os
import sys


def use_folder(base: str) -> None:
    """Has Swift look there for what it would look for in /etc/swift."""
    for name in ("swift.common.utils", "swift.common.utils.config", "swift.common.storage_policy"):
        module = importlib.import_module(name)
        if hasattr(module, "SWIFT_CONF_FILE"):
            module.SWIFT_CONF_FILE = os.path.join(base, "swift.conf")


if __name__ == "__main__":
    folder, kind = sys.argv[1:]
    use_folder(folder)
    run_wsgi = importlib.import_module("swift.common.wsgi").run_wsgi
    sys.exit(run_wsgi(os.path.join(folder, f"{kind}.conf"), f"{kind}-server"))
