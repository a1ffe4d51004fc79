"""Organizations with something of everything, whose texts carry a word of their own."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from app.core.schemas import rfc3339
from tests.support.stories import asking, indexed

POLICY = "# Política {word}\n\nO prazo de entrega {word} para o Nordeste é de 8 dias úteis.\n"


@dataclass
class Tenant:
    """One organization: its administrator's client, its word, and the ids of what it has."""

    client: httpx2.AsyncClient
    word: str
    ids: dict[str, str] = field(default_factory=dict)

    async def post(self, path: str, status: int = 201, **options: Any) -> dict[str, Any]:
        answer = await self.client.post(path, **options)
        assert answer.status_code == status, f"{path}: {answer.text}"
        return answer.json()

    async def furnish(self) -> None:
        """Make one of each kind of thing."""
        word, ids = self.word, self.ids
        base = await self.post("/api/v2/knowledge/bases", json={"name": f"Base {word}"})
        ids["base_id"] = base["id"]
        text = {"knowledge_base_id": base["id"], "name": f"{word}.md"}
        document = await self.post(
            "/api/v2/knowledge/documents", 202, json=text | {"text": POLICY.format(word=word)}
        )
        ids["document_id"] = document["id"]
        await indexed(self.client, document["id"])
        fields = {
            "name": f"Agente {word}",
            "system_prompt": f"Segredo {word}",
            "model_id": "local",
            "visibility": "public",
            "knowledge_base_ids": [base["id"]],
        }
        agent = await self.post("/api/v2/agents", json=fields)
        ids["agent_id"], ids["version"] = agent["id"], "1"
        tool = {"type": "calculator", "name": f"calc_{word}", "description": word, "config": {}}
        made = await self.post(f"/api/v2/agents/{agent['id']}/tools", json=tool)
        ids["tool_id"] = made["id"]
        await self._talk(agent["id"])
        await self._webhooks()
        await self._people()

    async def _talk(self, agent_id: str) -> None:
        body = asking(f"Qual é o prazo {self.word}?") | {"visitor_id": f"visitante-{self.word}"}
        chat = await self.post(f"/api/v2/agents/{agent_id}/chat", 200, json=body)
        self.ids["conversation_id"], self.ids["run_id"] = chat["conversation_id"], chat["run_id"]
        self.ids["message_id"], self.ids["call_id"] = chat["message_id"], "call_1"
        sale = {"conversation_id": chat["conversation_id"], "type": f"venda_{self.word}"}
        made = await self.post("/api/v2/analytics/conversions", json=sale)
        self.ids["conversion_id"] = made["id"]

    async def _webhooks(self) -> None:
        inbox = await self.post("/api/v2/webhooks/inboxes")
        self.ids["inbox_id"], self.ids["key"] = inbox["id"], inbox["url"].rpartition("/")[2]
        hook = {"name": f"Gancho {self.word}", "url": inbox["url"], "events": ["*"]}
        webhook = await self.post("/api/v2/webhooks", json=hook)
        self.ids["webhook_id"] = webhook["id"]
        await self.post(f"/api/v2/webhooks/{webhook['id']}/test", 200)
        since = rfc3339(datetime.now(UTC) - timedelta(hours=1))
        recovery = await self.client.post(
            f"/api/v2/webhooks/{webhook['id']}/recover", json={"since": since}
        )
        assert recovery.is_success, recovery.text
        self.ids["recovery_id"] = recovery.json()["id"]
        async with asyncio.timeout(20):
            while True:
                listed = await self.client.get(f"/api/v2/webhooks/{webhook['id']}/deliveries")
                if listed.json()["data"]:
                    break
                await asyncio.sleep(0.05)
        self.ids["delivery_id"] = listed.json()["data"][0]["id"]

    async def _people(self) -> None:
        lead = {"name": f"Pessoa {self.word}", "email": f"{self.word}@exemplo.com.br"}
        self.ids["lead_id"] = (await self.post("/api/v2/leads", json=lead))["id"]
        key = {"name": f"Chave {self.word}", "scopes": ["chat"]}
        self.ids["key_id"] = (await self.post("/api/v2/settings/api-keys", json=key))["id"]
