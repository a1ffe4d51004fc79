"""Vendors that speak chat completions as OpenAI does: a row each."""

from app.adapters.llm.chat_completions import ChatCompletions
from app.adapters.llm.connection import adapter
from app.adapters.llm.failures import Faults
from app.adapters.llm.vendor import Vendor
from app.ports.llm import ProviderAdapter, ProviderOverloaded


def _row(
    name: str,
    base_url: str | None = None,
    *,
    default_path: str = "",
    faults: Faults | None = None,
    unknown_window: int = 32_000,
) -> ProviderAdapter:
    """A vendor; one without an address of its own is set up by `<NAME>_BASE_URL`."""
    return adapter(
        Vendor(
            name=name,
            dialect=ChatCompletions(faults or Faults(provider=name)),
            base_url=base_url,
            needs_key=base_url is not None,
            default_path=default_path,
            unknown_window=unknown_window,
        )
    )


ROWS = (
    _row(
        "groq",
        "https://api.groq.com/openai/v1",
        faults=Faults(provider="groq", signs={"capacity_exceeded": ProviderOverloaded}),
    ),
    # Ollama cuts what is longer than the window it was started with, which is often small.
    _row("ollama", default_path="/v1", unknown_window=8_192),
    _row("vllm", default_path="/v1"),
)
