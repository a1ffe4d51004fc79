"""The gap loop: what nobody could answer is counted, listed, and answered in one call."""

from typing import Any

from app.core.ids import KnowledgeBaseId
from app.features.knowledge.entries import DocumentCreate, written
from app.features.knowledge.errors import GapNotFound
from app.features.knowledge.gap_schemas import Gap, GapEntry, GapStatus
from app.features.knowledge.schemas import UploadedDocument
from app.features.knowledge.service import KnowledgeService
from app.ports import Ports
from app.web.auth import Caller


class GapService:
    """The gaps of the caller's organization."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._scope = ports.database.scoped(caller.organization_id)
        self._knowledge = KnowledgeService(ports, caller)

    async def list_gaps(self, *, limit: int, after: str | None, where: dict[str, Any]) -> list[Gap]:
        """Newest first, after the gap with that id."""
        rows = await self._scope.call(
            "rows_find_v1", table="knowledge_gaps", where=where, limit=limit, after=after
        )
        return [Gap.model_validate(row) for row in rows]

    async def get(self, gap_id: str) -> Gap:
        """One gap.

        Raises:
            GapNotFound: this organization has no such gap.
        """
        found = await self.list_gaps(limit=1, after=None, where={"id": gap_id})
        if not found:
            raise GapNotFound
        return found[0]

    async def update(self, gap_id: str, status: GapStatus, **fields: Any) -> Gap:
        """The gap in its new state."""
        row = await self._scope.call(
            "row_update_v1",
            table="knowledge_gaps",
            id=gap_id,
            changes={"status": status, **fields},
        )
        if row is None:
            raise GapNotFound
        return Gap.model_validate(row)

    async def answer(self, gap_id: str, entry: GapEntry) -> UploadedDocument:
        """A document of the question and its answer; the gap is closed."""
        gap = await self.get(gap_id)
        question = entry.question or gap.question
        base_id = KnowledgeBaseId(entry.knowledge_base_id or gap.knowledge_base_id)
        file = written(
            DocumentCreate(
                knowledge_base_id=base_id,
                name=question[:200],
                question=question,
                answer=entry.answer,
            )
        )
        document = await self._knowledge.add_file(file, base_id, {"gap_id": gap_id})
        await self.update(gap_id, "answered", document_id=document.id)
        return document
