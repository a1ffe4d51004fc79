"""Google's embedding models, over its OpenAI-compatible address."""

from app.adapters.embedder.embeddings_api import adapter

# It takes at most 100 texts at once.
EMBEDDER = adapter("google", "https://generativelanguage.googleapis.com/v1beta/openai", batch=100)
