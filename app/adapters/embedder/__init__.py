"""The embedders."""

from app.adapters.embedder import compatible
from app.core.registry import Registry, load
from app.ports.embedder import EmbedderAdapter

EMBEDDERS: Registry[EmbedderAdapter] = Registry(
    "embedder",
    (
        *load(
            __name__,
            "EMBEDDER",
            (
                "fastembed",
                "google",
                "mistral",
                "openai",
            ),
        ),
        *compatible.ROWS,
    ),
)
