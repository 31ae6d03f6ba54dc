"""The system's keyring, within bounds: it may be missing, locked, or not answer at all.

It is imported and asked in a thread that is not waited for longer than a person needs to unlock
it: what stands behind it, such as a D-Bus, may be silent for ever.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from kotta.errors import ConfigError

T = TypeVar("T")

SERVICE = "kotta"
PATIENCE_SECONDS = 20.0
"""So long a keyring may take, in which somebody may have to type its password."""


def put(name: str, secret: str) -> bool:
    """Whether there is a keyring, and it took the secret and gives it back."""

    def put_it(ring: Any) -> bool:
        if ring.get_keyring().priority < 1:
            return False
        ring.set_password(SERVICE, name, secret)
        return bool(ring.get_password(SERVICE, name) == secret)

    try:
        return _asked(put_it)
    except Exception:  # what a keyring raises is its own affair, and there is always a file
        return False


def get(name: str) -> str | None:
    """The secret, None if there is none.

    Raises:
        ConfigError: the keyring does not give it.
    """

    def get_it(ring: Any) -> str | None:
        found = ring.get_password(SERVICE, name)
        return found if isinstance(found, str) else None

    try:
        return _asked(get_it)
    except Exception as error:
        words = str(error) or type(error).__name__
        raise ConfigError(
            f"the keyring does not give the login for {name}: {words}",
            hint="unlock it, or log in again: kotta login",
        ) from error


def remove(name: str) -> None:
    """Forgets the secret, if the keyring can be asked to."""
    try:
        _asked(lambda ring: ring.delete_password(SERVICE, name))
    except Exception:  # an entry that stays holds tokens that count no longer
        return


def _asked(question: Callable[[Any], T]) -> T:
    """The answer, or what was raised instead; TimeoutError if neither comes in time."""
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            import keyring

            answers.put((True, question(keyring)))
        except BaseException as error:  # goes to whoever waits, who raises it
            answers.put((False, error))

    threading.Thread(target=ask, name="kotta-keyring", daemon=True).start()
    try:
        is_answer, found = answers.get(timeout=PATIENCE_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"it does not answer within {PATIENCE_SECONDS:g} s") from None
    if is_answer:
        answer: T = found
        return answer
    raise found
