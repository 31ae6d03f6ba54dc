"""The npm package oidc-provider, a provider of OpenID Connect, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from programs import needed
from waiting import wait_until

_HERE = Path(__file__).parent / "oidc_provider"
SECRET = "a secret: with + and %"


def node_modules() -> Path:
    """Where `.ci/run` installed it."""
    told = os.environ.get("KOTTA_TEST_NODE_MODULES")
    found = Path(told) if told else Path.home() / ".cache/kotta-tests/node_modules"
    if not (found / "oidc-provider").is_dir():
        pytest.skip(f"oidc-provider is missing in {found}: see docs/contributing.md")
    return found


class OpenIdProvider:
    """A provider that knows one client, `kotta`; its address is known before it is started."""

    def __init__(self, folder: Path) -> None:
        self._node = needed("node")
        self._modules = node_modules()
        self._log = folder / "provider.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, redirect_uri: str) -> None:
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [self._node, str(_HERE / "provider.mjs"), str(self._port), redirect_uri],
                env={"PATH": os.environ["PATH"], "NODE_MODULES": str(self._modules)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: "ready" in self._log.read_text(), 20, what=self._log.read_text)

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
