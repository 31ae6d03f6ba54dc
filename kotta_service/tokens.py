"""Job tokens: what a runner shows to be heard about its own attempt, and about nothing else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from kotta_service.secret_files import read_or_make


class JobTokens:
    """Makes and checks tokens from one secret, so none has to be stored or looked up."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def from_file(cls, path: Path) -> JobTokens:
        """Reads the secret; makes one, readable by this user alone, if there is none."""
        return cls(read_or_make(path, lambda: secrets.token_bytes(32)))

    def make(self, job_id: str, attempt: int) -> str:
        return hmac.new(self._secret, f"{job_id}/{attempt}".encode(), hashlib.sha256).hexdigest()

    def fits(self, token: str, job_id: str, attempt: int) -> bool:
        return hmac.compare_digest(token.encode(), self.make(job_id, attempt).encode())

    def key_for(self, purpose: str) -> bytes:
        """A key of its own for something else; no job token says anything about it."""
        # the ids that job tokens are made of hold no blank
        return hmac.new(self._secret, f"key for {purpose}".encode(), hashlib.sha256).digest()
