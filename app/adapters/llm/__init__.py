"""The providers of language models."""

from app.adapters.llm import compatible
from app.core.registry import Registry, load
from app.ports.llm import ProviderAdapter

PROVIDERS: Registry[ProviderAdapter] = Registry(
    "provider",
    (
        *load(
            __name__,
            "PROVIDER",
            (
                "anthropic",
                "google",
                "local",
                "mistral",
                "openai",
                "openrouter",
            ),
        ),
        *compatible.ROWS,
    ),
)
