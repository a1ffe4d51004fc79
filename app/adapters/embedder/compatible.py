"""Servers that speak OpenAI's embeddings: a row each, set up by `<NAME>_BASE_URL`."""

from app.adapters.embedder.embeddings_api import adapter

ROWS = (
    adapter("compatible", None, batch=64),
    adapter("ollama", None, batch=64, default_path="/v1"),
    adapter("vllm", None, batch=64, default_path="/v1"),
)
