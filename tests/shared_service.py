"""A real shared service in a process of its own: TCP, users, tokens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from running_service import RunningService
from waiting import wait_until

from kotta_service.accounts.keys import TokenKeys
from kotta_service.accounts.logins import Logins, Tokens
from kotta_service.callers import SCOPES
from kotta_service.store.database import Database


class SharedService(RunningService):
    """A service under test that others reach over TCP; `http` is its operator's socket.

    Args:
        settings: TOML, without `[serve]` host and port.
    """

    def __init__(self, home: Path, settings: str = "", **environment: str) -> None:
        self.settings = home / "service.toml"
        self.settings.write_text(settings)
        environment = {"KOTTA_SERVICE_SERVE_RUN_JOBS_AS_ROOT": "true", **environment}
        super().__init__(home, **environment)
        self.url = ""
        self.port = 0
        self._clients: list[httpx.Client] = []

    def start(self) -> None:
        command = [sys.executable, "-W", "error", "-m", "kotta_cli", "serve"]
        command += ["--settings", str(self.settings), "--port", str(self.port)]
        command += ["--socket", str(self.socket), "--data", str(self.data)]
        with open(self.home / "service.log", "ab") as log:
            started_at = log.tell()
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

        def address() -> str | None:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            told = re.search(r'"message": "serving (\S+)"', self.log()[started_at:])
            return told and told[1]

        self.url = wait_until(address, timeout=20, what=self.log)

    def add_user(self, name: str, role: str = "user") -> str:
        """Makes a user; the result is the link by which they choose a password."""
        body = {"name": name, "email": f"{name}@example.org", "role": role}
        answer = self.http.post("/users", json=body)
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["url"]
        return url

    def login(self, user: str, scopes: tuple[str, ...] = SCOPES) -> Tokens:
        """Tokens of a login of a user, made without them."""
        database = self.database()
        database.start()
        logins = Logins(TokenKeys(self.data / "token-keys.json", self.url))
        try:
            return database.write(
                lambda tx: logins.begin(tx, user, label="test", scopes=scopes)
            ).result()
        finally:
            database.close()

    def token(self, user: str, scopes: tuple[str, ...] = SCOPES) -> str:
        """A token of a user, made without them."""
        database = self.database()
        database.start()
        logins = Logins(TokenKeys(self.data / "token-keys.json", self.url))
        try:
            return database.write(
                lambda tx: logins.make_token(tx, user, label="test", scopes=scopes, expires_at=None)
            ).result()[1]
        finally:
            database.close()

    def database(self) -> Database:
        """Its database, opened beside it."""
        return Database(self.environment.get("KOTTA_SERVICE_DATABASE") or self.data / "kotta.db")

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """A client on the network; closed with the service."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(
            base_url=f"{self.url}/api/v2", headers=headers, timeout=30, trust_env=False, **options
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        super().close()
