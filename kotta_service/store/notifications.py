"""Hears what other processes committed to the same PostgreSQL, by LISTEN; looks by itself too."""

from __future__ import annotations

import logging
import threading
import time
from typing import cast

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from kotta_service.store.backends import News

CHANNEL = "kotta"
LOOK_SECONDS = 1.0
"""However it comes that nothing was heard, after so long the feed is looked at."""
LEAVE_SECONDS = 0.1
"""A service that leaves is kept waiting so long at most."""
logger = logging.getLogger(__name__)


class Listener:
    """A thread with a connection of its own, made anew whenever it breaks.

    Args:
        sender: whose notifications are its own, and need not be told.
    """

    def __init__(self, engine: Engine, sender: str, news: News) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sender = sender
        self._news = news
        self._is_away = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen_once()
            except (psycopg.Error, DBAPIError) as error:
                if not self._is_away:
                    logger.warning("the database is away: %s", " ".join(str(error).split()))
                self._is_away = True
                self._stopped.wait(LOOK_SECONDS / 2)
            except Exception:
                logger.exception("hearing of other processes failed; it begins anew")
                self._stopped.wait(LOOK_SECONDS)

    def _listen_once(self) -> None:
        with self._engine.connect() as pooled:
            self._is_away = False
            try:
                driver = pooled.connection.driver_connection
                self._listen(cast("psycopg.Connection", driver))
            finally:
                # never given back: nobody else is to hear what it hears
                pooled.invalidate()

    def _listen(self, connection: psycopg.Connection) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        look_at = 0.0
        while not self._stopped.is_set():
            if time.monotonic() >= look_at:
                self._look(connection)
                look_at = time.monotonic() + LOOK_SECONDS
            for notification in connection.notifies(timeout=LEAVE_SECONDS):
                self._hear(notification.payload)
                if self._stopped.is_set():
                    return

    def _hear(self, payload: str) -> None:
        sender, _, said = payload.partition(" ")
        kind, _, word = said.partition(" ")
        if sender == self._sender:
            return
        # anybody who may use the database may say anything on its channel
        if kind == "change" and word.isdigit():
            self._news.change(int(word))
        elif kind == "word":
            self._news.word(word)

    def _look(self, connection: psycopg.Connection) -> None:
        row = connection.execute("SELECT value FROM counters WHERE name = 'change'").fetchone()
        if row is not None:
            self._news.change(row[0])
