"""Secrets that are handed out once and never kept: how they look, and what is kept instead."""

from __future__ import annotations

import hashlib
import secrets

REFRESH, TOKEN, DEVICE, INVITATION = "kotta_r_", "kotta_t_", "kotta_d_", "kotta_i_"
"""What each kind begins with, so that whoever finds one knows what it is."""


def make(kind: str) -> str:
    """A new secret: 256 bits, which nobody guesses, so that a plain digest of it may be kept."""
    return kind + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256 in lower-case hex."""
    return hashlib.sha256(secret.encode()).hexdigest()
