"""Which process dispatches, of those that share a database: the one that holds a lease there."""

from __future__ import annotations

import logging
from collections.abc import Callable

from kotta.errors import KottaError
from kotta_service.store.database import Database, Transaction

logger = logging.getLogger(__name__)


class Turn:
    """Whether it is this process's turn to supply an executor.

    Where the database is one process's alone, it always is.

    Args:
        name: of the executor.
        may_take: whether this process wants to at all.

    Attributes:
        is_ours: what was known when it was last asked about.
        is_leased: whether it has to be kept at all.
    """

    def __init__(self, database: Database, name: str, *, may_take: bool = True) -> None:
        self._database = database
        self._leases = database.backend.leases
        self.is_leased = self._leases is not None
        self._name = name
        self._may_take = may_take
        self.is_ours = self._leases is None and may_take

    def keep(self, then: Callable[[Transaction], None]) -> bool:
        """Takes the lease or renews it, waiting for the disk; whether it is ours.

        Args:
            then: what to do in the same transaction, if it is.
        """
        leases, name = self._leases, self._name
        if leases is None or not self._may_take:
            return self.is_ours

        def action(transaction: Transaction) -> bool:
            is_ours = leases.keep(transaction.connection, name)
            if is_ours:
                then(transaction)
            return is_ours

        was_ours, self.is_ours = self.is_ours, self._database.write(action).result()
        if was_ours != self.is_ours:
            words = "starts jobs from now on" if self.is_ours else "leaves jobs to another one"
            logger.info("this process %s", words)
        return self.is_ours

    def is_ours_in(self, transaction: Transaction) -> bool:
        """Whether it is, up to the end of the transaction."""
        if self._leases is None:
            return self.is_ours
        return self._may_take and self._leases.has(transaction.connection, self._name)

    def give_up(self) -> None:
        """Lets another process take over at once."""
        leases = self._leases
        if leases is None or not self.is_ours:
            return
        self.is_ours = False
        try:
            self._database.write(lambda tx: leases.give_up(tx.connection, self._name)).result()
        except KottaError:
            logger.warning("the database is away; another process waits for the lease to end")
