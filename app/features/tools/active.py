"""An active tool: what a model is told of it, and all that a call of it needs."""

from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog

from app.core.schemas import Body
from app.features.tools.definition import read_config
from app.features.tools.errors import ToolConfigInvalid
from app.features.tools.kinds import KINDS
from app.features.tools.kinds.kind import Risk, ToolKind
from app.features.tools.schemas import StoredTool
from app.features.tools.secrets import SecretBox, Secrets
from app.ports.llm import ToolSpec

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTool:
    """A tool that can be called. Its secrets are in clear, and no part of what it shows."""

    id: str
    name: str
    description: str
    kind: ToolKind[Any]
    config: Body = field(repr=False)
    parameters: dict[str, Any]
    risk: Risk
    timeout_s: float
    secrets: dict[str, str] = field(repr=False)
    revision: int = 1

    @property
    def type(self) -> str:
        """The name of its kind."""
        return self.kind.name

    @property
    def has_side_effects(self) -> bool:
        """Whether a call changes something, and so must never be made twice."""
        return self.kind.has_side_effects(self.config)

    @property
    def configured(self) -> str:
        """Its configuration as JSON, without its secrets."""
        shown = self.config.model_dump(mode="json", exclude=set(self.kind.secret_fields))
        return orjson.dumps(shown).decode()

    @property
    def needs_approval(self) -> bool:
        """Whether a human must approve each call."""
        return self.risk == "approval_required"

    @property
    def spec(self) -> ToolSpec:
        """What a model is told."""
        return ToolSpec(self.name, self.description or self.kind.description, self.parameters)


def activated(stored: StoredTool, box: SecretBox) -> ActiveTool | None:
    """The tool, ready to be called; None, with a line in the log, where it cannot be.

    That is so when its secrets were sealed by a key that the service no longer has, or when a
    newer release takes its configuration no more.
    """
    kind = KINDS.get(stored.type)
    secrets = box.open(stored.sealed, stored.id)
    if kind is None or secrets is None:
        log.warning("tool_unusable", tool_id=stored.id, kind_known=kind is not None)
        return None
    try:
        config = read_config(kind, opened(stored, kind, secrets))
    except ToolConfigInvalid as problem:
        log.warning("tool_unusable", tool_id=stored.id, kind_known=True, detail=problem.detail)
        return None
    return ActiveTool(
        id=stored.id,
        name=stored.name,
        description=stored.description,
        kind=kind,
        config=config,
        parameters=stored.chosen.get("parameters") or kind.parameters(config),
        risk=stored.risk,
        timeout_s=stored.timeout_s,
        secrets=_flat(secrets),
        revision=stored.revision,
    )


def opened(stored: StoredTool, kind: ToolKind[Any], secrets: Secrets) -> dict[str, Any]:
    """The stored configuration with its secrets in the place of their marks."""
    plain = {name: value for name, value in stored.config.items() if name not in kind.secret_fields}
    return plain | secrets


def _flat(secrets: Secrets) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, secret in secrets.items():
        flat |= secret if isinstance(secret, dict) else {name: secret}
    return flat
