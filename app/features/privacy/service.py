"""What can be done for one person."""

from itertools import chain

from app.core.ids import new_id
from app.features.privacy.errors import ErasureNotFound, PersonNotFound
from app.features.privacy.schemas import Erasure, ErasureCreate, Person, PersonExport
from app.ports import Ports
from app.web.auth import Caller
from app.web.idempotency import forget_responses


class PrivacyService:
    """Persons of whom the caller's organization keeps something."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller
        self._scope = ports.database.scoped(caller.organization_id)

    async def export(self, person: Person) -> PersonExport:
        """Everything that is kept of a person.

        Raises:
            PersonNotFound: nothing is.
        """
        found = PersonExport.model_validate(
            await self._scope.call("person_export_v3", person=person.named())
        )
        if not (found.leads or found.conversations or found.named_elsewhere):
            raise PersonNotFound
        return found

    async def erase(self, body: ErasureCreate) -> Erasure:
        """Remove it for good; the receipt stays.

        Raises:
            PersonNotFound: nothing is kept.
        """
        named = body.named()
        receipt = {
            "id": new_id(),
            "requested_by": self._caller.actor,
            "reason": body.reason,
            "named_by": next(iter(named)),
        }
        erased = await self._scope.call("person_erase_v3", person=named, receipt=receipt)
        if erased is None:
            raise PersonNotFound
        done = Erasure.model_validate(erased["receipt"])
        await self._ports.shared.run_buffers.forget(erased["run_ids"])
        shown = set(chain(*done.removed_ids.values()))
        await forget_responses(self._ports, self._caller, shown, pattern=erased["pattern"])
        return done

    async def page(self, *, limit: int, after: str | None) -> list[Erasure]:
        """Receipts, newest first."""
        rows = await self._scope.call("rows_find_v1", table="erasures", limit=limit, after=after)
        return [Erasure.model_validate(row) for row in rows]

    async def get(self, erasure_id: str) -> Erasure:
        """One receipt.

        Raises:
            ErasureNotFound: there is no such receipt here.
        """
        where = {"id": erasure_id}
        rows = await self._scope.call("rows_find_v1", table="erasures", where=where, limit=1)
        if not rows:
            raise ErasureNotFound
        return Erasure.model_validate(rows[0])
