"""What holds for a run from its beginning to its end, whichever process writes it."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from app.features.chat.schemas import OnDisconnect
from app.ports.llm import Price, ResolvedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTerms:
    """Who answers at what price, and when the run ends; `max_run_s` counts anew after a wait."""

    model: str
    provider: str
    temperature: float
    max_run_s: int
    on_disconnect: OnDisconnect
    price: Price | None = None
    fallback_id: str | None = None
    """The model that answers in place of the one that the run began with."""

    def switched(self, model: ResolvedModel) -> "RunTerms":
        """The same with another model."""
        return replace(
            self,
            model=model.model,
            provider=model.provider.name,
            price=model.price,
            fallback_id=model.id,
        )

    @property
    def written(self) -> dict[str, Any]:
        """The terms as JSON, from which they can be made again."""
        return asdict(self)

    @staticmethod
    def read(written: dict[str, Any]) -> "RunTerms":
        """The terms that were written down."""
        return _ADAPTER.validate_python(written)


_ADAPTER = TypeAdapter(RunTerms)
