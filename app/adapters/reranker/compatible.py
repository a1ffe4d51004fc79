"""Servers that rerank as Cohere and Jina do: a row each, set up by `<NAME>_BASE_URL`."""

from app.adapters.reranker.rerank_api import adapter

ROWS = (
    adapter("compatible", None),
    adapter("vllm", None, default_path="/v1"),
)
