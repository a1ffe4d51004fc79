"""The key of what is sealed outside the database, which the database keeps sealed.

Whoever opens it has the keys that the other processes have, so each start does that first: with
other keys it would claim work and fail at it, as none of the secrets opens.
"""

from app.core.encryption import Unsealable, Vault, new_lasting_key
from app.core.errors import CannotStart
from app.ports.store import Database, Scope

PURPOSE = "lasting_key"
# Sealed values of a database that has no lasting key yet which are tried; one that opens is enough.
TRIED = 100
_REFUSAL = (
    "The secrets in this database were sealed with another key than ENCRYPTION_KEY holds, or than"
    " was made in DATA_DIR/encryption_key where it is not set. Give ENCRYPTION_KEY the key of the"
    " other processes (without one, theirs is the text in the file encryption_key of their"
    " DATA_DIR), beside a new one as in `new,old`; see *Rotating secrets* in README.md. If that key"
    " is lost for good, `python main.py reseal --new-lasting-key` begins anew: what it sealed stays"
    " unreadable, and visitors of widgets become strangers."
)


class WrongEncryptionKey(CannotStart):
    """None of our keys is the one that this database's secrets are sealed with."""

    def __init__(self) -> None:
        super().__init__(_REFUSAL)


async def hold_lasting_key(database: Database, vault: Vault) -> str:
    """The database's lasting key, made at the first start.

    Raises:
        WrongEncryptionKey: our keys do not open it, or nothing of what was sealed before it.
        StoreUnavailable: the database cannot be reached.
    """
    scope = database.system()
    sealed = await scope.call("lasting_key_read_v1")
    if sealed is None:
        if not await _opens_something(scope, vault):
            raise WrongEncryptionKey
        sealed = await scope.call(
            "lasting_key_keep_v1",
            present=vault.seal(vault.sealing_key(), purpose=PURPOSE),
            fresh=vault.seal(new_lasting_key(), purpose=PURPOSE),
        )
    try:
        return vault.unseal(sealed, purpose=PURPOSE)
    except Unsealable:
        raise WrongEncryptionKey from None


async def renew_lasting_key(database: Database, vault: Vault) -> None:
    """Put another in its place, whatever it was sealed with.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    scope = database.system()
    # Another process may do the same: then this one's comes after.
    is_renewed = False
    while not is_renewed:
        new = vault.seal(new_lasting_key(), purpose=PURPOSE)
        old = await scope.call("lasting_key_keep_v1", present=new, fresh=new)
        is_renewed = old == new or await scope.call(
            "sealed_value_replace_v1", place="lasting_key", id="", old=old, new=new
        )


async def _opens_something(scope: Scope, vault: Vault) -> bool:
    """Whether any sealed value opens, or there is none: some may have been lost long ago."""
    page = await scope.call("sealed_values_page_v1", after=None, limit=TRIED)
    for value in page:
        try:
            vault.unseal(value["sealed"], purpose=value["purpose"])
        except Unsealable:
            continue
        return True
    return not page
