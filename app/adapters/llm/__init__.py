"""The providers of language models."""

from app.core.registry import Registry, load
from app.ports.llm import ProviderAdapter

PROVIDERS: Registry[ProviderAdapter] = Registry(
    "provider",
    load(
        __name__,
        "PROVIDER",
        (
            "local",
            "openai",
        ),
    ),
)
