"""Everything sealed that a database keeps, sealed anew under the newest key."""

from dataclasses import dataclass
from typing import Any

from app.core.encryption import Unsealable, Vault
from app.ports.store import Database

PAGE = 500


@dataclass(slots=True)
class Resealing:
    """How many values were under the newest key already, and how many were sealed anew.

    `lost` names the places of those that none of our keys has sealed.
    """

    kept: int = 0
    resealed: int = 0
    lost: tuple[str, ...] = ()


async def reseal(database: Database, vault: Vault) -> Resealing:
    """Seal anew whatever an older key has sealed; a service may be at work meanwhile.

    A value that somebody changes at this moment is left alone: it was sealed by whoever did. What
    no key opens stays as it is.
    """
    scope = database.system()
    done = Resealing()
    after: dict[str, Any] | None = None
    while page := await scope.call("sealed_values_page_v1", after=after, limit=PAGE):
        after = page[-1]
        for value in page:
            try:
                anew = vault.resealed(value["sealed"], purpose=value["purpose"])
            except Unsealable:
                done.lost += (f"{value['place']} {value['id']}".rstrip(),)
                continue
            if anew is None:
                done.kept += 1
                continue
            place = {"place": value["place"], "id": value["id"]}
            await scope.call("sealed_value_replace_v1", **place, old=value["sealed"], new=anew)
            done.resealed += 1
            if value is after:  # or it would come again where its new text is the greater
                after = value | {"sealed": anew}
    return done
