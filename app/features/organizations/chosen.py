"""What an organization has chosen, and the service's own choice where it has not."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from app.core.settings import Settings
from app.web.limits import DEFAULTS, OrganizationLimits

LANGUAGE = "pt-BR"
TIMEZONE = "UTC"
TEMPERATURE = 0.3
MAX_TOKENS = 1024
HISTORY_MESSAGES = 50
PER_MINUTE = "_per_minute"
UNLIMITED = OrganizationLimits()
_LIMITS = frozenset(field.name for field in fields(OrganizationLimits))


@dataclass(frozen=True, slots=True)
class Chosen:
    """`document` holds what was set; whatever is missing there has a default."""

    document: dict[str, Any]
    service: Settings

    @property
    def language(self) -> str:
        """Of agents that are made without one."""
        return self.document.get("language", LANGUAGE)

    @property
    def timezone(self) -> str:
        """By whose clock days and months begin."""
        return self.document.get("timezone", TIMEZONE)

    @property
    def zone(self) -> ZoneInfo:
        """The same, to reckon with."""
        return _zone(self.timezone)

    @property
    def default_model_id(self) -> str:
        """Of agents that are made without one."""
        return self.document.get("default_model_id", self.service.default_model_id)

    @property
    def default_temperature(self) -> float:
        """Of agents that are made without one."""
        return self.document.get("default_temperature", TEMPERATURE)

    @property
    def max_tokens(self) -> int:
        """Of agents that are made without one."""
        return self.document.get("max_tokens", MAX_TOKENS)

    @property
    def conversation_history_limit(self) -> int:
        """How many earlier messages a model is given at most."""
        return self.document.get("conversation_history_limit", HISTORY_MESSAGES)

    @property
    def monthly_budget_usd(self) -> float | None:
        """What all answers of a month may cost; None is no bound."""
        return self.document.get("monthly_budget_usd")

    @property
    def budgets(self) -> dict[str, float]:
        """The other budgets that are set, by name."""
        return self.document.get("budgets", {})

    @property
    def allowed_origins(self) -> list[str]:
        """The pages that may call for the organization."""
        return self.document.get("allowed_origins", [])

    @property
    def sealed_keys(self) -> dict[str, dict[str, str]]:
        """The keys of providers as they are kept: `{sealed, last4?}` by provider."""
        return self.document.get("provider_keys", {})

    @property
    def limits(self) -> OrganizationLimits:
        """How often its callers may ask."""
        # Without sign-in there is one organization, whose owner runs the service.
        defaults = DEFAULTS if self.service.session_issuer else UNLIMITED
        given: dict[str, int] = self.document.get("rate_limits", {})
        chosen = {name.removesuffix(PER_MINUTE): value for name, value in given.items()}
        known = {name: value for name, value in chosen.items() if name in _LIMITS}
        return replace(defaults, **known) if known else defaults


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
