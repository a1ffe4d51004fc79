"""Keeps who wants to be contacted: checked, with consent, a piece a turn, once a person."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.core.contact_fields import ValueRefused, paragraph
from app.core.schemas import Body, Text
from app.features.leads.service import CONSENT, Capture, Captured, LeadService
from app.features.tools.kinds.kind import CallContext, ToolFailed, ToolKind, ToolResult
from app.features.tools.kinds.lead_fields import DOCUMENTS, lead_field

FieldName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$"),
    Field(
        description="`name`, `email`, `phone`, `company`, `cpf`, `cnpj`, `document` (either of"
        " the two), or a text under a name of your own."
    ),
]
ConsentText = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), Text, AfterValidator(paragraph)
]


class LeadCaptureConfig(Body):
    """What makes a lead complete, and what becomes of somebody who is known already."""

    required_fields: Annotated[list[FieldName], Field(min_length=1, max_length=20)]
    optional_fields: Annotated[list[FieldName], Field(max_length=20)] = Field(default=[])
    consent_text: ConsentText | None = Field(
        default=None,
        description="What a visitor has to agree to before the lead is complete; kept with it.",
    )
    on_duplicate: Literal["update", "ignore"] = Field(
        default="update",
        description="What to do with a complete lead of the same e-mail, telephone or document:"
        " `update` keeps what this conversation gave beside it, in `contacts`; `ignore` does not.",
    )

    @model_validator(mode="after")
    def _each_is_asked_once(self) -> "LeadCaptureConfig":
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError("name each field once, in required_fields or in optional_fields")
        if CONSENT in names:
            raise ValueError("set consent_text to ask for consent; it is no field")
        if len(DOCUMENTS.intersection(names)) > 1:
            raise ValueError("a lead has one document: ask for cpf, cnpj or document")
        return self

    @property
    def names(self) -> list[str]:
        """All that is asked, in order."""
        return [*self.required_fields, *self.optional_fields]


def _parameters(config: LeadCaptureConfig) -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "string", "description": f"As the visitor said it: {lead_field(name).asked}"}
        for name in config.names
    }
    if config.consent_text:
        properties[CONSENT] = {
            "type": "boolean",
            "description": "true only after the visitor has said yes to this text, false after a"
            f" no; leave it out before you have asked: {config.consent_text}",
        }
    # Nothing is required: what is known so far is kept, and the rest is asked for.
    return {"type": "object", "properties": properties, "additionalProperties": False}


async def _call(
    config: LeadCaptureConfig, arguments: dict[str, Any], context: CallContext
) -> ToolResult:
    given, refused = _checked(config, arguments)
    consent = arguments.get(CONSENT) if config.consent_text else None
    if not given and consent is None:
        raise _invalid(refused, "")
    if context.conversation_id is None:
        captured = _rehearsed(config, given, consent=consent)
    else:
        captured = await _kept(config, given, consent, context)
    if refused:
        is_test = context.conversation_id is None
        raise _invalid(refused, _standing(given, is_test=is_test))
    return ToolResult(
        content=_told(config, captured, is_test=context.conversation_id is None),
        trace={
            "stored": context.conversation_id is not None,
            "lead_id": captured.lead_id or None,
            "values": dict(given),
            "duplicate": captured.duplicate,
        },
    )


def _checked(
    config: LeadCaptureConfig, arguments: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """The values that can be kept, and why the others cannot, by the names that were asked."""
    given: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name, value in arguments.items():
        if name == CONSENT and config.consent_text:
            continue
        if name not in config.names or not isinstance(value, str):
            refused[name] = "is not one of the fields" if name not in config.names else "is no text"
        elif value.strip():
            try:
                given[name] = lead_field(name).check(value)
            except ValueRefused as refusal:
                refused[name] = refusal.detail
    return given, refused


def _standing(given: Mapping[str, str], *, is_test: bool) -> str:
    """What has become of the values that were fit."""
    if not given:
        return ""
    fate = "This is a test, nothing is stored; these are valid" if is_test else "These were stored"
    return f" {fate}: {', '.join(given)}."


def _invalid(refused: Mapping[str, str], standing: str) -> ToolFailed:
    if not refused:
        return ToolFailed(
            "nothing_given", "Ask the visitor first, then send what they said.", is_mendable=True
        )
    reasons = "; ".join(f"{name} {reason}" for name, reason in sorted(refused.items()))
    return ToolFailed(
        "invalid_fields",
        f"{reasons}. Ask the visitor for it again; do not guess.{standing}"[:1000],
        is_mendable=True,
    )


async def _kept(
    config: LeadCaptureConfig,
    given: Mapping[str, str],
    consent: Any,
    context: CallContext,
) -> Captured:
    assert context.conversation_id is not None
    captured = await LeadService(context.ports, context.organization_id).capture(
        Capture(
            key=context.key,
            agent_id=context.agent_id,
            conversation_id=context.conversation_id,
            run_id=context.run_id,
            visitor_id=context.visitor_id,
            given={lead_field(name).column: value for name, value in given.items()},
            required=tuple(lead_field(name).column for name in config.required_fields),
            consent=consent if isinstance(consent, bool) else None,
            consent_text=config.consent_text,
            on_duplicate=config.on_duplicate,
            at=context.ports.clock.now(),
        )
    )
    if captured is None:
        raise ToolFailed("conversation_not_found", "The conversation was deleted.")
    return captured


def _rehearsed(config: LeadCaptureConfig, given: Mapping[str, str], *, consent: Any) -> Captured:
    """What a test call would come to, without a conversation to keep it for."""
    missing = [lead_field(name).column for name in config.required_fields if name not in given]
    if config.consent_text and consent is not True:
        missing.append(CONSENT)
    known = tuple(lead_field(name).column for name in given)
    return Captured(lead_id="", known=known, missing=tuple(missing), duplicate=None)


def _told(config: LeadCaptureConfig, captured: Captured, *, is_test: bool) -> dict[str, Any]:
    """What the model learns: never what a lead of earlier conversations holds."""
    if captured.is_complete and is_test:
        detail = "This is a test, nothing is stored. In a conversation the lead would be complete."
        return {"status": "valid", "next": detail}
    if captured.is_complete:
        return {"status": "captured", "next": "Everything is stored. Ask for nothing more."}
    missing = [name for name in config.required_fields if _is_in(captured.missing, name)]
    told: dict[str, Any] = {
        "status": "incomplete",
        "valid" if is_test else "stored": [n for n in config.names if _is_in(captured.known, n)],
        "missing": [{"field": name, "ask_for": lead_field(name).asked} for name in missing],
    }
    if CONSENT in captured.missing:
        told["consent"] = {
            "status": "not given",
            "text": config.consent_text,
            "next": "Write this text word for word in your answer and ask the visitor whether they"
            " agree. Call again with consent true after they have agreed in a message of theirs;"
            " before they have seen it, consent does not count.",
        }
    return told


def _is_in(columns: tuple[str, ...], name: str) -> bool:
    return lead_field(name).column in columns


KIND = ToolKind(
    name="lead_capture",
    title="Lead capture",
    description="Stores the contact details that a visitor gives, checked and with their consent.",
    config=LeadCaptureConfig,
    example={
        "required_fields": ["name", "email", "phone"],
        "optional_fields": ["cpf", "interesse"],
        "consent_text": "Aceito que a Loja Aurora entre em contato comigo por telefone e e-mail.",
        "on_duplicate": "update",
    },
    risk="write",
    has_side_effects=lambda _: True,
    parameters=_parameters,
    call=_call,
)
