"""What answers look like, for the docs."""

from typing import Any

BASE: dict[str, Any] = {
    "id": "01938f5e-6c88-7b9d-a2f1-8e5c4d3b2a19",
    "name": "Políticas",
    "description": "",
    "language": "pt-BR",
    "chunking": {"size": 300, "overlap": 0},
    "embedding_model": "openai/text-embedding-3-small",
    "served_embedding_model": "openai/text-embedding-3-small",
    "embedding_progress": 100,
    "embedding_error": None,
    "created_at": "2026-11-23T20:15:00.123Z",
    "updated_at": "2026-11-23T20:15:00.123Z",
}
DOCUMENT: dict[str, Any] = {
    "id": "01938f5f-1a34-7d2e-8f60-7b8c9d0e1f2a",
    "knowledge_base_id": BASE["id"],
    "name": "loja-aurora.md",
    "content_type": "text/markdown",
    "size_bytes": 8154,
    "sha256": "5b1f0c7e9a2d4e6f8091a3b5c7d9e1f30412233445566778899aabbccddeeff0",
    "metadata": {"team": "loja"},
    "language": None,
    "source_url": None,
    "fetched_at": None,
    "question": None,
    "status": "processing",
    "progress": 40,
    "chunk_count": 0,
    "error": None,
    "created_at": "2026-11-23T20:16:00.123Z",
    "updated_at": "2026-11-23T20:16:00.456Z",
}
NEW_DOCUMENTS: list[Any] = [
    {
        "knowledge_base_id": BASE["id"],
        "name": "horario.md",
        "text": "# Horário\n\nA loja abre de segunda a sexta, das 9h às 18h.",
        "metadata": {"team": "loja"},
    },
    {
        "knowledge_base_id": BASE["id"],
        "url": "https://www.aurora.example/politica-de-trocas",
    },
    {
        "knowledge_base_id": BASE["id"],
        "question": "Vocês entregam aos sábados?",
        "answer": "Sim, das 9h às 13h, na capital.",
    },
]
CHUNK: dict[str, Any] = {
    "id": "01938f5f-1b00-7a11-9c22-3d4e5f6a7b8c",
    "document_id": DOCUMENT["id"],
    "ordinal": 0,
    "content": "O prazo de entrega para o Nordeste é de 6 a 9 dias úteis.",
    "heading": "Entrega",
    "page": None,
    "char_start": 120,
    "char_end": 178,
    "token_count": 17,
}
HIT: dict[str, Any] = {
    "id": CHUNK["id"],
    "document_id": DOCUMENT["id"],
    "knowledge_base_id": BASE["id"],
    "name": DOCUMENT["name"],
    "content": CHUNK["content"],
    "heading": CHUNK["heading"],
    "page": 1,
    "score": 0.82,
    "scores": {"lexical": 0.82, "semantic": 0.79},
    "metadata": DOCUMENT["metadata"],
    "highlights": [CHUNK["content"]],
    "chunk_ids": [CHUNK["id"]],
}
FOUND: dict[str, Any] = {
    "data": [HIT],
    "query": "Qual é o prazo de entrega para o Nordeste?",
    "mode_used": "hybrid",
    "reranked": False,
    "degraded": False,
    "total_results": 1,
    "took_ms": 12,
}
