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
        """The token of an attempt, which tells whose it is, and the signature under that."""
        return f"{job_id}.{attempt}.{self._signature(job_id, attempt)}"

    def counts(self, token: str) -> bool:
        """Whether it is that of some attempt: who shows it may be listened to."""
        job_id, _, rest = token.partition(".")
        attempt, _, signature = rest.partition(".")
        expected = self._signature(job_id, attempt)
        return hmac.compare_digest(signature.encode(), expected.encode())

    def fits(self, token: str, job_id: str, attempt: int) -> bool:
        """Whether it is that of this attempt.

        What an earlier version gave to runners that are still at work is the signature alone.
        """
        signature = self._signature(job_id, attempt)
        expected = self.make(job_id, attempt) if "." in token else signature
        return hmac.compare_digest(token.encode(), expected.encode())

    def _signature(self, job_id: str, attempt: int | str) -> str:
        return hmac.new(self._secret, f"{job_id}/{attempt}".encode(), hashlib.sha256).hexdigest()

    def key_for(self, purpose: str) -> bytes:
        """A key of its own for something else; no job token says anything about it."""
        # the ids that job tokens are made of hold no blank
        return hmac.new(self._secret, f"key for {purpose}".encode(), hashlib.sha256).digest()
