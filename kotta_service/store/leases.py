"""What one process alone may hold, of those that share a PostgreSQL: who has it, and until when.

Times are the server's, because clocks of machines differ.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

LEASE_SECONDS = 6.0
"""A process that has not renewed a lease for so long has lost it to whoever asks next."""
_KEEP = text(
    "INSERT INTO leases (name, holder, expires_at) "
    "VALUES (:name, :holder, extract(epoch FROM clock_timestamp()) + :seconds) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at "
    "WHERE leases.holder = excluded.holder "
    "OR leases.expires_at < extract(epoch FROM clock_timestamp()) "
    "RETURNING holder"
)
_HAS = text("SELECT count(*) FROM leases WHERE name = :name AND holder = :holder")
_GIVE_UP = text("DELETE FROM leases WHERE name = :name AND holder = :holder")


class Leases:
    """The leases as one process sees them.

    Args:
        holder: its name.
    """

    def __init__(self, holder: str) -> None:
        self._holder = holder

    def keep(self, connection: Connection, name: str) -> bool:
        """Takes a lease that nobody has, or renews one's own; False: another has it."""
        values = {"name": name, "holder": self._holder, "seconds": LEASE_SECONDS}
        return connection.execute(_KEEP, values).scalar() is not None

    def has(self, connection: Connection, name: str) -> bool:
        """Whether this process has it; in a transaction that writes, up to that one's end."""
        values = {"name": name, "holder": self._holder}
        return bool(connection.execute(_HAS, values).scalar())

    def give_up(self, connection: Connection, name: str) -> None:
        """Lets another process have it at once."""
        connection.execute(_GIVE_UP, {"name": name, "holder": self._holder})
