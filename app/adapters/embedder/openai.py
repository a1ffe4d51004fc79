"""OpenAI's embedding models, or by `OPENAI_BASE_URL` those of a server in its place."""

from app.adapters.embedder.embeddings_api import adapter

EMBEDDER = adapter("openai", "https://api.openai.com/v1", batch=256)
