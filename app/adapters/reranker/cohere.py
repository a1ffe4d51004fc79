"""Cohere's reranking models (https://docs.cohere.com/v2/reference/rerank)."""

from app.adapters.reranker.rerank_api import adapter

RERANKER = adapter("cohere", "https://api.cohere.com/v2")
