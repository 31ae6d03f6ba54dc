"""Which user somebody is whom a provider knows."""

from __future__ import annotations

import re

from kotta.errors import ConflictError, NotFoundError
from kotta_service.accounts import users
from kotta_service.accounts.providers import Identity
from kotta_service.login_settings import ProviderSettings
from kotta_service.store import accounts as store
from kotta_service.store.database import Transaction

LONGEST_NAME = 32


def user_of(transaction: Transaction, identity: Identity, settings: ProviderSettings) -> str | None:
    """The user who somebody is; None if they are none, or one who is disabled.

    Who was here before is known by the provider's name for them. Else by their address, if the
    provider vouches for it and no other identity of that provider has the user already: addresses
    are given to others, names are not.
    """
    connection = transaction.connection
    row = store.user_by_identity(connection, identity.provider, identity.subject)
    if row is None and identity.email and identity.is_email_theirs:
        row = store.user_by_email(connection, identity.email)
        if row is None and users.is_address(identity.email) and settings.may_create(identity.email):
            row = store.user(connection, _created(transaction, identity.email))
        elif row is not None and store.has_identity_at(connection, row.name, identity.provider):
            row = None
        if row is not None:
            store.keep_identity(transaction, identity.provider, identity.subject, row.name)
    return None if row is None or row.is_disabled else str(row.name)


def link(transaction: Transaction, identity: Identity, invitation_sha256: str) -> str:
    """Makes an identity that of the user who was invited; the invitation is used up.

    Raises:
        NotFoundError: the invitation does not count (any more).
        ConflictError: the identity is another user's.
    """
    connection = transaction.connection
    name = users.invited_by_digest(connection, invitation_sha256)
    if name is None or not store.forget_invitation(transaction, invitation_sha256):
        raise NotFoundError("this invitation does not count any more")
    row = store.user_by_identity(connection, identity.provider, identity.subject)
    if row is not None and row.name != name:
        raise ConflictError("whom you logged in as there is another user here")
    if row is None:
        store.keep_identity(transaction, identity.provider, identity.subject, name)
    return name


def _created(transaction: Transaction, email: str) -> str:
    """A new user with a name made from the address."""
    stem = re.sub(r"[^a-z0-9_.-]", "-", email.partition("@")[0])[:LONGEST_NAME]
    stem = stem if re.match(r"[a-z_]", stem) else f"u{stem}"
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}{number}"
        number += 1
        is_free = store.user(transaction.connection, name) is None
        if is_free and name not in users.RESERVED:
            break
    users.add(transaction, name, email)
    return name
