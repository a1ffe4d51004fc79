"""Jina's reranking models (https://jina.ai/reranker)."""

from app.adapters.reranker.rerank_api import adapter

RERANKER = adapter("jina", "https://api.jina.ai/v1")
