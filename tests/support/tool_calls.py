"""Calls of tools as a run makes them, for an organization of the test's own."""

from dataclasses import dataclass
from typing import Any

from app.core.ids import AgentId, ConversationId, OrganizationId, RunId, new_id
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import CallContext, ToolResult
from app.ports import Ports


@dataclass(frozen=True)
class Shop:
    """An organization with an agent."""

    ports: Ports
    organization_id: OrganizationId
    agent_id: AgentId

    async def a_conversation(self, visitor_id: str | None = "visitante-1") -> ConversationId:
        row = {"id": new_id(), "agent_id": self.agent_id, "title": "Oi", "visitor_id": visitor_id}
        scope = self.ports.database.scoped(self.organization_id)
        await scope.call("row_insert_v1", table="conversations", row=row)
        return ConversationId(row["id"])

    async def says(
        self,
        conversation_id: ConversationId,
        role: str,
        content: str,
        *,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Something is said in the conversation."""
        row = {"id": new_id(), "conversation_id": conversation_id, "role": role}
        row |= {"content": content, "metadata": metadata or {}}
        await self.ports.database.scoped(self.organization_id).call(
            "row_insert_v1", table="messages", row=row
        )

    async def call(
        self,
        kind: str,
        config: dict[str, Any],
        arguments: dict[str, Any],
        conversation_id: ConversationId | None,
        *,
        key: str | None = None,
        run_id: str | None = None,
        tool_id: str | None = None,
        visitor_id: str = "visitante-1",
    ) -> ToolResult:
        registered = KINDS[kind]
        context = CallContext(
            ports=self.ports,
            organization_id=self.organization_id,
            agent_id=self.agent_id,
            tool_id=tool_id or "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
            tool_name=kind,
            key=key or new_id(),
            run_id=RunId(run_id or new_id()),
            conversation_id=conversation_id,
            message_id=None,
            visitor_id=visitor_id if conversation_id else None,
            language="pt-BR",
            timeout_s=10,
        )
        return await registered.call(
            registered.config.model_validate(config, strict=True), arguments, context
        )

    async def facts(self) -> list[dict[str, Any]]:
        """All that was announced, oldest first."""
        while (await self.ports.database.system().call("events_number_v1"))["numbered"]:
            pass
        return await self.ports.database.scoped(self.organization_id).call(
            "rows_find_v1", table="events", limit=1000, order_by="number", descending=False
        )


async def a_shop(ports: Ports) -> Shop:
    organization = await ports.database.system().call(
        "organization_ensure_v1", id=new_id(), slug=new_id(), name="Loja"
    )
    return Shop(ports, OrganizationId(organization["id"]), AgentId(new_id()))
