"""The demo's HTTP calls: what any client of the API would send."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

import httpx2
from pydantic import ValidationError

from app.command_line.demo_events import Envelope, ProblemReceived, Received, StreamEvent
from app.command_line.demo_failure import DemoFailed

# A hosted model may think for a while before its first word.
TIMEOUT = httpx2.Timeout(10, read=60)

Record = TypeVar("Record", bound=Received)


class Identified(Received):
    """A resource of which only the id is needed."""

    id: str


class Document(Received):
    """A document on its way to being searchable."""

    id: str
    name: str
    status: Literal["queued", "processing", "ready", "failed"]
    progress: int
    chunk_count: int = 0
    error: object = None


class Uploaded(Received):
    """The answer to an upload."""

    data: list[Document]


class DemoClient:
    """Calls the service; every method raises DemoFailed with the API's own words."""

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http

    def create_knowledge_base(self, name: str) -> str:
        """The new knowledge base's id."""
        body = {"name": name, "language": "pt-BR"}
        response = self._http.post("/api/v2/knowledge/bases", json=body)
        return _read(response, Identified).id

    def upload(self, path: Path, *, knowledge_base_id: str) -> Document:
        """Hand a file over; it becomes searchable a little later."""
        response = self._http.post(
            "/api/v2/knowledge/upload",
            data={"knowledge_base_id": knowledge_base_id},
            files={"file": (path.name, path.read_bytes())},
        )
        return _read(response, Uploaded).data[0]

    def document(self, document_id: str) -> Document:
        """The document as it stands now."""
        return _read(self._http.get(f"/api/v2/knowledge/documents/{document_id}"), Document)

    def create_agent(
        self, name: str, *, system_prompt: str, model_id: str, knowledge_base_id: str
    ) -> str:
        """The new agent's id."""
        body = {
            "name": name,
            "system_prompt": system_prompt,
            "model_id": model_id,
            "knowledge_base_ids": [knowledge_base_id],
            "language": "pt-BR",
        }
        return _read(self._http.post("/api/v2/agents", json=body), Identified).id

    def ask(self, agent_id: str, question: str) -> Generator[StreamEvent]:
        """Each event at the moment it arrives."""
        started = time.perf_counter()
        body = {"messages": [{"role": "user", "content": question}]}
        path = f"/api/v2/agents/{agent_id}/chat/stream"
        with self._http.stream("POST", path, json=body) as response:
            if not response.is_success:
                response.read()
                raise _refusal(response)
            for event in httpx2.EventSource(response):
                envelope = _envelope(event)
                elapsed_s = time.perf_counter() - started
                yield StreamEvent(event.id, event.event, envelope.data, elapsed_s)


@contextmanager
def demo_client(url: str, *, api_key: str) -> Generator[DemoClient]:
    """A client for the service at this URL; it closes its connections at the end."""
    headers = {"Authorization": f"Bearer {api_key}"}
    # A proxy of the environment could not reach this computer's own service.
    with httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False) as http:
        try:
            yield DemoClient(http)
        except httpx2.TransportError as error:
            what = str(error) or type(error).__name__
            raise DemoFailed(f"The connection to the service broke: {what}") from error


def _read(response: httpx2.Response, kind: type[Record]) -> Record:
    if not response.is_success:
        raise _refusal(response)
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        request = response.request
        raise DemoFailed(
            f"{request.method} {request.url.path} answered something unexpected: {error}"
        ) from error


def _envelope(event: httpx2.ServerSentEvent) -> Envelope:
    try:
        return Envelope.model_validate_json(event.data)
    except ValidationError as error:
        raise DemoFailed(f"Event {event.id} is not what was promised: {error}") from error


def _refusal(response: httpx2.Response) -> DemoFailed:
    try:
        problem = str(ProblemReceived.model_validate_json(response.content))
    except ValidationError:
        problem = response.text[:200]
    request = response.request
    return DemoFailed(
        f"{request.method} {request.url.path} answered {response.status_code}.\n{problem}"
    )
