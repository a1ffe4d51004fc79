"""Mistral's embedding models."""

from app.adapters.embedder.embeddings_api import adapter

# Together the texts may have 16,384 tokens; 24 of the largest usual chunks stay below.
EMBEDDER = adapter("mistral", "https://api.mistral.ai/v1", batch=24)
