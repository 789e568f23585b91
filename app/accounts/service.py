"""The one local user. Accounts and keys come later and replace `local_account`, nothing else."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.accounts import repository
from app.accounts.types import Account
from app.errors import ConfigurationError

LOCAL_USER = "local"


def local_account(session: Session) -> Account:
    """The user that the first migration created; raises ConfigurationError on a foreign database."""
    user = repository.get_by_name(session, LOCAL_USER)
    if user is None:
        raise ConfigurationError(
            f"The database has no user named {LOCAL_USER}.",
            next_step="Point FOOTNOTE_DATABASE_URL at a database that Footnote created.",
        )
    return Account(id=user.id, name=user.name)
